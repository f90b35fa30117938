"""Write in bulk: one retry layer, and an account of every single item.

`verdict`, a pure function, decides what each answer means; `BulkWriter` sends, waits and sends again what may
still be taken, for some seconds. Batches are halved under pressure and grow back.
"""

import random
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any, Final

import orjson
from elastic_transport import ConnectionTimeout, TransportError
from elasticsearch import ApiError

from pipeline.errors import IndexUnavailableError
from pipeline.indexing.elasticsearch_client import PRIVILEGES, Connection, told_cause
from pipeline.indexing.index import PutOutcome, PutResult

MOST_ITEMS: Final = 500
MOST_BYTES: Final = 5_000_000
"""Of one request. Elasticsearch advises 5 to 15 MB; it rejects what would bring the requests in flight above
10 % of its heap, so small ones are rejected last."""

LEAST_BYTES: Final = 100_000  # what halving stops at
GROWTH: Final = 1.25  # of the limits after a batch that went through whole

PATIENCE_S: Final = 8.0
"""How long one call tries again. With one request that hangs (60 s) it stays below the lease of 120 s."""

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.1, 2.0
SHARD_WAIT = "5s"  # how long the server waits for a shard that is not there, before it says so

KEPT: Final = ["errors", "items.*.status", "items.*.error", "items.*.result"]
UNSURE: Final = frozenset({408, 429, 500, 502, 503, 504})  # of a whole request: try again


class Verdict(Enum):
    """Say what to do about one item."""

    DONE = auto()
    CONFLICT = auto()  # the same version or a newer one is there
    PRESSURE = auto()  # try again, with less at a time
    UNSURE = auto()  # it may have been written or not: try again, the same version does no harm
    UNANSWERED = auto()  # likewise, and the server is away
    BLOCKED = auto()  # nothing is wrong with it, and trying again at once is of no use
    MISSING = auto()  # there is no such alias
    BAD = auto()  # the document itself
    FORBIDDEN = auto()  # the user may not write here


AGAIN: Final = frozenset({Verdict.PRESSURE, Verdict.UNSURE, Verdict.UNANSWERED})


@dataclass(frozen=True, slots=True)
class Operation:
    """Hold one write; `source` is JSON, and None means that the document is removed."""

    id: str
    alias: str
    version: int
    source: bytes | None

    def lines(self) -> tuple[bytes, ...]:
        """Write it as the bulk API reads it."""
        kind, rule = ("index", "external") if self.source is not None else ("delete", "external_gte")
        named = {"_index": self.alias, "_id": self.id, "version": self.version, "version_type": rule}
        action = orjson.dumps({kind: named})
        return (action,) if self.source is None else (action, self.source)

    def size(self) -> int:
        """Count its bytes, the action's own estimated."""
        return len(self.source or b"") + 200


@dataclass(frozen=True, slots=True)
class Told:
    """Say how one operation ended; `detail` is one line for a person."""

    verdict: Verdict
    detail: str | None = None


def verdict(item: Mapping[str, Any]) -> Told:
    """Decide what the answer to one item means (docs: bulk API; our own table in docs/operating.md)."""
    status, error = item["status"], item.get("error")
    if error is None:
        # A removal of what is not there is done, too: its tombstone is left.
        return Told(Verdict.DONE)
    kind, said = error.get("type", ""), told_cause(error)
    if status == 409:
        return Told(Verdict.CONFLICT, said)
    if kind == "cluster_block_exception":  # 403, and 429 for the flood stage since 7.x
        return Told(Verdict.BLOCKED, _told_block(said))
    if status in (401, 403):
        return Told(Verdict.FORBIDDEN, said)
    if status == 404:
        return Told(Verdict.MISSING, said)
    if status == 429:
        return Told(Verdict.PRESSURE, said)
    if status == 413:
        return Told(Verdict.BAD, said)
    if status == 400:
        # What is said of an alias is said of how the index was set up, never of the document.
        return Told(Verdict.BLOCKED if "alias" in said else Verdict.BAD, said)
    return Told(Verdict.UNSURE, said)


def _told_block(said: str) -> str:
    if "flood" in said:
        return f"a disk of Elasticsearch is full (flood stage): make room, it goes on by itself ({said})"
    return f"Elasticsearch takes no writes: lift the block on the index ({said})"


class BulkWriter:
    """Send operations until each has a verdict that stands, or patience ends."""

    def __init__(self, connection: Connection, *, patience_s: float = PATIENCE_S) -> None:
        self._connection = connection
        self._patience_s = patience_s
        self.most_items, self.most_bytes = MOST_ITEMS, MOST_BYTES

    def write(self, operations: Sequence[Operation]) -> list[Told]:
        """Write operations; what became of each, in order. PRESSURE and UNSURE mean: not within patience.

        Raises IndexUnavailableError when there is no answer, or the user may not write.
        """
        told: dict[int, Told] = {}
        pending = list(range(len(operations)))
        deadline, pause_s = time.monotonic() + self._patience_s, FIRST_PAUSE_S
        while pending:
            again = self._pass(operations, pending, told)
            if again and time.monotonic() + pause_s > deadline:
                break
            if again:
                time.sleep(pause_s * random.uniform(0.5, 1.0))  # noqa: S311  # spreads writers, keeps no secret
                pause_s = min(pause_s * 2, LONGEST_PAUSE_S)
            pending = again
        _raise_what_is_no_fault_of_the_documents(self._connection, told.values())
        return [told[place] for place in range(len(operations))]

    def _pass(
        self, operations: Sequence[Operation], pending: Sequence[int], told: dict[int, Told]
    ) -> list[int]:
        """Send all that is pending once, in batches; return what has to be sent again."""
        again: list[int] = []
        places = list(pending)
        while places:
            batch = places[: self._fitting([operations[place] for place in places])]
            verdicts = self._send([operations[place] for place in batch])
            if verdicts is None:  # too large a request: now smaller
                continue
            places = places[len(batch) :]
            told.update(zip(batch, verdicts, strict=True))
            undone = [place for place in batch if told[place].verdict in AGAIN]
            again += undone
            if undone:
                # Go no further now: what follows would meet the same pressure, and order would be lost.
                for place in places:
                    told.setdefault(place, told[undone[0]])
                return again + places
            self._grow()
        return again

    def _fitting(self, operations: Sequence[Operation]) -> int:
        """Count how many of the first operations make one request; one always does."""
        size = 0
        for number, operation in enumerate(operations):
            size += operation.size()
            if number and (size > self.most_bytes or number >= self.most_items):
                return number
        return len(operations)

    def _send(self, batch: Sequence[Operation]) -> list[Told] | None:
        """Send one request; None says that it was too large and that the limits are now smaller."""
        lines: list[Any] = [line for operation in batch for line in operation.lines()]  # sent as they are
        try:
            answer = self._connection.client.bulk(
                operations=lines,
                require_alias=True,
                timeout=SHARD_WAIT,
                filter_path=KEPT,
            )
        except ApiError as error:
            return self._judge_request(batch, error)
        except TransportError as error:
            if isinstance(error, ConnectionTimeout):
                raise IndexUnavailableError(self._connection.tell(error)) from None
            return [Told(Verdict.UNANSWERED, self._connection.tell(error))] * len(batch)
        verdicts = [verdict(next(iter(item.values()))) for item in answer["items"]]
        if any(each.verdict is Verdict.PRESSURE for each in verdicts):
            self._halve()
        return verdicts

    def _judge_request(self, batch: Sequence[Operation], error: ApiError) -> list[Told] | None:
        status, said = error.meta.status, self._connection.tell(error)
        if status == 413:
            if len(batch) == 1:
                return [Told(Verdict.BAD, f"the document is larger than the server takes ({said})")]
            self.most_items = max(1, len(batch) // 2)
            return None
        if status in UNSURE:
            self._halve()
            blocked = "cluster_block" in said
            return [Told(Verdict.BLOCKED if blocked else Verdict.PRESSURE, said)] * len(batch)
        raise IndexUnavailableError(said) from None

    def _halve(self) -> None:
        self.most_items = max(1, self.most_items // 2)
        self.most_bytes = max(LEAST_BYTES, self.most_bytes // 2)

    def _grow(self) -> None:
        self.most_items = min(MOST_ITEMS, int(self.most_items * GROWTH) + 1)
        self.most_bytes = min(MOST_BYTES, int(self.most_bytes * GROWTH))


def _raise_what_is_no_fault_of_the_documents(connection: Connection, told: Iterable[Told]) -> None:
    for each in told:
        if each.verdict is Verdict.UNANSWERED:
            raise IndexUnavailableError(each.detail)
        if each.verdict is Verdict.FORBIDDEN:
            raise IndexUnavailableError(
                f"Elasticsearch at {connection.shown} does not allow this user or API key to write "
                f"({each.detail}); it needs {PRIVILEGES}"
            )


def put_result(id: str, told: Told, *, held: bool) -> PutResult:
    """Say what became of a document that was put; `held` tells of a conflict whether the index has it so."""
    match told.verdict:
        case Verdict.DONE:
            return PutResult(id, PutOutcome.STORED)
        case Verdict.CONFLICT:
            return PutResult(id, PutOutcome.STORED if held else PutOutcome.SUPERSEDED)
        case Verdict.BAD:
            return PutResult(id, PutOutcome.REJECTED, told.detail)
    return PutResult(id, PutOutcome.DEFERRED, told.detail)
