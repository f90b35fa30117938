"""A line of the log for each step, where WIREROOM_LOG_STEPS asks for it: as `trace` tells it, at once."""

import logging
from collections.abc import Sequence

from pipeline.store.events import Happening

STEPS_LOG = "wireroom.steps"

log = logging.getLogger(STEPS_LOG)


def log_steps(happenings: Sequence[Happening]) -> None:
    """Tell the steps that a transaction wrote down."""
    if not log.isEnabledFor(logging.INFO):
        return
    for each in happenings:
        fields = {"stage": str(each.stage), "outcome": each.outcome, "slug": each.slug, "detail": each.detail}
        log.info("step", extra={**fields, "article": each.article_id})
