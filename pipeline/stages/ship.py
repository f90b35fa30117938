"""ship: the pipeline's events into the index's data stream, so that Kibana can show how the pipeline is.

An outage delays them. Whoever is killed between sending and writing it down sends a batch again, under the
same ids; what is there already is not written twice.
"""

import logging
from collections.abc import Callable, Sequence

from pipeline.errors import IndexUnavailableError
from pipeline.model import PipelineEvent
from pipeline.services import Services
from pipeline.stages.shift import Shift
from pipeline.store.shipping import read_unshipped, record_shipped
from pipeline.store.store import Store

BATCH = 1_000
"""Events of one request: some 400 KB."""

log = logging.getLogger(__name__)

Send = Callable[[Sequence[PipelineEvent]], None]


def ship_events(services: Services, shift: Shift) -> None:
    """Ship what is due, where the index takes events; while it does not answer they wait."""
    if not services.ships_events:
        return
    try:
        ship(services.store, services.event_stream.send, shift)
    except IndexUnavailableError as error:
        log.warning("events wait", extra={"error": error})


def ship(store: Store, send: Send, shift: Shift) -> None:
    """Send events until all are sent or the shift is over. Raises what `send` raises."""
    while not shift.over():
        batch = read_unshipped(store, limit=BATCH)
        if not batch:
            return
        send(batch)
        record_shipped(store, batch)
