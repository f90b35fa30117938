"""What the stages count while they work. A process that nobody asks counts all the same: it costs little.

Where several processes count for one address, `workers/monitoring/counting.py` lets them do so in files.
"""

import re
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING

from pipeline.metrics.contract import (
    BULK_DOCUMENTS,
    FOUND_AFTER,
    HOST_PAUSES,
    INDEXED_AFTER,
    LEASES_EXPIRED,
    RETRIES,
    STAGE_SECONDS,
    STEPS,
    Metric,
)
from pipeline.model import Stage
from pipeline.outcomes import Cause, FeedSlug, FetchSlug, Partial, Reason

if TYPE_CHECKING:
    from prometheus_client import Counter, Histogram

    from pipeline.model import Request
    from pipeline.store.events import Happening

KNOWN_SLUGS = frozenset({*Partial, *Reason, *Cause, *FetchSlug, *FeedSlug, "page-missing"})
OTHER = "other"
_HTTP = re.compile(r"http-(\d)\d\d")


class Meters:
    """Count and time what the stages do; each metric is made when it is first needed."""

    @cached_property
    def steps(self) -> "Counter":
        """Count steps by stage, outcome and slug."""
        return _counter(STEPS)

    @cached_property
    def retries(self) -> "Counter":
        """Count tries after a failed one, by stage."""
        return _counter(RETRIES)

    @cached_property
    def leases_expired(self) -> "Counter":
        """Count articles that were taken from workers that died or hung."""
        return _counter(LEASES_EXPIRED)

    @cached_property
    def host_pauses(self) -> "Counter":
        """Count answers by which a host asked to be left alone."""
        return _counter(HOST_PAUSES)

    @cached_property
    def bulk_documents(self) -> "Counter":
        """Count documents by what the index made of them."""
        return _counter(BULK_DOCUMENTS)

    @cached_property
    def stage_seconds(self) -> "Histogram":
        """Time a stage's pieces of work."""
        return _histogram(STAGE_SECONDS)

    @cached_property
    def found_after(self) -> "Histogram":
        """Time from publication to first sight."""
        return _histogram(FOUND_AFTER)

    @cached_property
    def indexed_after(self) -> "Histogram":
        """Time from first sight to the index."""
        return _histogram(INDEXED_AFTER)

    @contextmanager
    def timed(self, stage: Stage, *, is_retry: bool = False) -> Iterator[None]:
        """Time one piece of a stage's work, however it ends; count it when it failed before."""
        began = time.monotonic()
        if is_retry:
            self.retries.labels(stage).inc()
        try:
            yield
        finally:
            self.stage_seconds.labels(stage).observe(time.monotonic() - began)

    def count_steps(self, happenings: "Sequence[Happening]") -> None:
        """Count what a transaction wrote down."""
        for each in happenings:
            self.steps.labels(str(each.stage), each.outcome, slug_label(each.slug)).inc()

    def count_pauses(self, asked: "Sequence[Request]") -> None:
        """Count the requests whose answers asked for a pause."""
        if pauses := sum(request.pause_s is not None for request in asked):
            self.host_pauses.inc(pauses)


def slug_label(slug: str | None) -> str:
    """Name a slug as labels do: a server's status by its class, what nobody foresaw as `other`.

    A server chooses its status, and each value of a label is kept for as long as Prometheus keeps anything.
    """
    if not slug or slug in KNOWN_SLUGS:
        return slug or ""
    status = _HTTP.fullmatch(slug)
    return f"http-{status[1]}xx" if status else OTHER


def _counter(metric: Metric) -> "Counter":
    from prometheus_client import Counter

    return Counter(metric.name, metric.help, metric.labels, registry=None)


def _histogram(metric: Metric) -> "Histogram":
    from prometheus_client import Histogram

    return Histogram(metric.name, metric.help, metric.labels, registry=None, buckets=metric.buckets)
