"""Every metric by name, kind and labels: a contract, told in docs/metrics.md. None has a label for a feed, a
host or an article, so their number does not grow with what is watched."""

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """Say what a metric's number means, as Prometheus names it."""

    COUNTER = "counter"  # grows; exposed with `_total` behind its name
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


class Place(StrEnum):
    """Say where a metric is to be read."""

    STORE = "store"  # from the store, by `up` or beat: of the whole pipeline, the same after every restart
    WORKER = "worker"  # counted by the processes at work, of one machine or container: to be summed
    MACHINE = "machine"  # read from /proc and the disks by each that is asked


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """Declare one metric."""

    name: str
    kind: Kind
    place: Place
    help: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()  # upper bounds in seconds, of a histogram

    @property
    def exposed(self) -> str:
        """Give the name by which it is asked for."""
        return f"{self.name}_total" if self.kind is Kind.COUNTER else self.name


def _gauge(name: str, help: str, *labels: str, place: Place = Place.STORE) -> Metric:
    return Metric(name=f"wireroom_{name}", kind=Kind.GAUGE, place=place, help=help, labels=labels)


def _counter(name: str, help: str, *labels: str) -> Metric:
    return Metric(name=f"wireroom_{name}", kind=Kind.COUNTER, place=Place.WORKER, help=help, labels=labels)


def _histogram(name: str, help: str, *labels: str, buckets: tuple[float, ...]) -> Metric:
    named = f"wireroom_{name}_seconds"
    return Metric(
        name=named, kind=Kind.HISTOGRAM, place=Place.WORKER, help=help, labels=labels, buckets=buckets
    )


WORK_S = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0)
LATENCY_S = (1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 1_800.0, 3_600.0, 7_200.0, 21_600.0, 86_400.0)

ARTICLES = _gauge("articles", "Articles by state, and by why they are partial, dropped or quarantined.",
                  "state", "slug")  # fmt: skip
BACKLOG = _gauge("backlog", "What a stage could do now.", "stage")
BACKLOG_OLDEST = _gauge("backlog_oldest_seconds", "For how long the oldest of that has been due.", "stage")
LATER = _gauge("later", "Pages that will be tried again later.")
HOSTS_PAUSED = _gauge("hosts_paused", "Hosts with work due that asked to be left alone.")
FEEDS = _gauge("feeds", "Feeds by state.", "state")
FEEDS_FAILING = _gauge("feeds_failing", "Active feeds whose last poll failed.")
FEEDS_OUT = _gauge("feeds_out", "Active feeds that failed three times or more in a row.")
ENTRIES_WITHOUT_LINK = _gauge(
    "entries_without_link", "Entries without a link, in the feeds' newest documents."
)
INDEX_DOCUMENTS = _gauge("index_documents", "Documents that the index holds.")
INDEX_EXPECTED = _gauge("index_documents_expected", "Documents that the index should hold.")
PART_UP = _gauge("part_up", "1 while a part answers, else 0.", "part")
PROBLEM = _gauge("problem", "1 for each problem that `wireroom status` tells; absent without it.", "slug")
COUNTS_AGE = _gauge("counts_age_seconds", "How long ago the store was counted.")

STEPS = _counter("steps", "Steps that stages ended, by outcome.", "stage", "outcome", "slug")
RETRIES = _counter("retries", "Tries after a failed one.", "stage")
LEASES_EXPIRED = _counter("leases_expired", "Articles taken from workers that died or hung.")
HOST_PAUSES = _counter("host_pauses", "Answers by which a host asked to be left alone.")
BULK_DOCUMENTS = _counter(
    "bulk_documents", "Documents given to the index, by what it made of them.", "outcome"
)
STAGE_SECONDS = _histogram(
    "stage", "Time of one poll, page, article or bulk, by stage.", "stage", buckets=WORK_S
)
FOUND_AFTER = _histogram("published_to_found", "From an entry's date to our first sight.", buckets=LATENCY_S)
INDEXED_AFTER = _histogram("found_to_indexed", "From our first sight to the index.", buckets=LATENCY_S)

MEMORY = _gauge(
    "memory_bytes", "Memory of processes, shared pages counted once.", "process", place=Place.MACHINE
)
MEMORY_LARGEST = _gauge("memory_largest_bytes", "Memory of the largest of them.", "process",
                        place=Place.MACHINE)  # fmt: skip
PROCESSES = _gauge("processes", "Processes that live.", "process", place=Place.MACHINE)
DISK_FREE = _gauge("disk_free_bytes", "Room on the disk of a folder.", "folder", place=Place.MACHINE)
DISK_SIZE = _gauge("disk_size_bytes", "Size of the disk of a folder.", "folder", place=Place.MACHINE)

CONTRACT = (
    ARTICLES, BACKLOG, BACKLOG_OLDEST, LATER, HOSTS_PAUSED, FEEDS, FEEDS_FAILING, FEEDS_OUT,
    ENTRIES_WITHOUT_LINK, INDEX_DOCUMENTS, INDEX_EXPECTED, PART_UP, PROBLEM, COUNTS_AGE, STEPS, RETRIES,
    LEASES_EXPIRED, HOST_PAUSES, BULK_DOCUMENTS, STAGE_SECONDS, FOUND_AFTER, INDEXED_AFTER, MEMORY,
    MEMORY_LARGEST, PROCESSES, DISK_FREE, DISK_SIZE,
)  # fmt: skip
