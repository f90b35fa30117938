"""Metrics as Prometheus reads them: what the store says, what processes counted, what the machine has."""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.metrics_core import GaugeMetricFamily, Metric

from pipeline.metrics import contract
from pipeline.metrics.meters import slug_label
from pipeline.model import Stage, State
from pipeline.settings import Settings
from pipeline.store.status import Counts, PartState
from workers.monitoring.counting import counted_in
from workers.monitoring.machine import read_family, read_rooms
from workers.monitoring.standing import Standing

CONTENT_TYPE = CONTENT_TYPE_LATEST
WELL = frozenset({PartState.OK, PartState.ABSENT})
"""A part that is not created yet is no fault."""

Values = Mapping[tuple[str, ...], float]


@dataclass(frozen=True, slots=True)
class _Collected:
    """Hand metrics to the library, as its protocol asks."""

    read: Callable[[], Iterable[Metric]]

    def collect(self) -> Iterable[Metric]:
        return self.read()


def expose(*reads: Callable[[], Iterable[Metric]]) -> bytes:
    """Write metrics in Prometheus' text format."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Collected(lambda: chain.from_iterable(read() for read in reads)))
    return generate_latest(registry)


def told_by_store(standing: Standing) -> Iterator[Metric]:
    """Tell what the store counts, and how the parts are."""
    parts: dict[tuple[str, ...], float] = {
        (part,): float(state in WELL) for part, state in standing.parts.states().items()
    }
    yield _gauge(contract.PART_UP, parts)
    yield _gauge(contract.PROBLEM, {(problem.slug,): 1.0 for problem in standing.problems})
    if standing.parts.documents is not None:
        yield _gauge(contract.INDEX_DOCUMENTS, {(): standing.parts.documents})
    if standing.counts is not None:
        yield _gauge(contract.COUNTS_AGE, {(): standing.counts_age_s})
        yield from _told_by_counts(standing.counts)


def counted_by_workers(folder: Path) -> Iterator[Metric]:
    """Tell what the processes of this machine have counted."""
    return counted_in(folder)


def read_from_machine(settings: Settings) -> Iterator[Metric]:
    """Tell what this process and those below it use, and what room the disks have."""
    family = read_family(os.getpid())
    yield _gauge(contract.PROCESSES, {(name,): len(each) for name, each in family.items()})
    yield _gauge(contract.MEMORY, {(name,): sum(each) for name, each in family.items()})
    yield _gauge(contract.MEMORY_LARGEST, {(name,): max(each) for name, each in family.items()})
    rooms = read_rooms(settings)
    yield _gauge(contract.DISK_FREE, {(name,): room.free for name, room in rooms.items()})
    yield _gauge(contract.DISK_SIZE, {(name,): room.size for name, room in rooms.items()})


def _told_by_counts(counts: Counts) -> Iterator[Metric]:
    feeds, due = counts.feeds, counts.due
    yield _gauge(contract.ARTICLES, article_values(counts))
    yield _gauge(contract.BACKLOG, {(stage,): getattr(due, stage) for stage in Stage})
    yield _gauge(contract.BACKLOG_OLDEST, {(stage,): due.oldest_by_stage.get(stage, 0.0) for stage in Stage})
    yield _gauge(contract.LATER, {(): due.later})
    yield _gauge(contract.HOSTS_PAUSED, {(): due.held_hosts})
    yield _gauge(
        contract.FEEDS, {("active",): feeds.active, ("paused",): feeds.paused, ("gone",): feeds.gone}
    )
    yield _gauge(contract.FEEDS_FAILING, {(): feeds.failing})
    yield _gauge(contract.FEEDS_OUT, {(): feeds.outages})
    yield _gauge(contract.ENTRIES_WITHOUT_LINK, {(): counts.entries_without_link})
    yield _gauge(contract.INDEX_EXPECTED, {(): counts.projected})


def article_values(counts: Counts) -> Values:
    """Split the articles of each state by slug, so that all of them add up to the articles that there are."""
    told = {
        State.INDEXED: counts.partial,
        State.DROPPED: counts.dropped,
        State.QUARANTINED: counts.quarantined,
    }
    values: dict[tuple[str, ...], float] = {}
    for state, number in counts.articles.items():
        slugs = told.get(state, {})
        values[(state, "")] = number - sum(slugs.values())
        for slug, count in slugs.items():
            key = (state, slug_label(slug))
            values[key] = values.get(key, 0.0) + count
    return values


def _gauge(metric: contract.Metric, values: Values) -> Metric:
    family = GaugeMetricFamily(metric.name, metric.help, labels=metric.labels)
    for labels, value in sorted(values.items()):
        family.add_metric(labels, value)
    return family
