"""The index in Elasticsearch: a physical index for each generation and month, behind aliases."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from time import time
from typing import Any, Final

import orjson

from pipeline.errors import GenerationMovedError, IndexUnavailableError, WireroomError
from pipeline.indexing.elasticsearch_bulk import (
    PATIENCE_S,
    BulkWriter,
    Operation,
    Told,
    Verdict,
    put_result,
)
from pipeline.indexing.elasticsearch_client import Connection
from pipeline.indexing.elasticsearch_months import (
    Month,
    create_month,
    exposed_months,
    is_current,
    month_of,
    months,
)
from pipeline.indexing.elasticsearch_source import differences, digest, mapping_file, source
from pipeline.indexing.elasticsearch_templates import ALIAS
from pipeline.indexing.index import Held, PutOutcome, PutResult, Tombstone
from pipeline.model import Document

Lock = Callable[[], AbstractContextManager[object]]

MOST_HITS: Final = 10_000  # of one answer (index.max_result_window)
PAGE: Final = 1_000  # documents read back at a time: some 5 MB
SNAPSHOT_KEPT: Final = "2m"  # between two pages

NAMED: Final = "event.id"
"""The id as a column: `_id` is kept in one compressed block with the texts, from which reading it is
slow (50,000 real articles: 11 s)."""


class ElasticsearchIndex:
    """Keep the promises of `index.Index` in the indices of one generation."""

    def __init__(self, connection: Connection, generation: str, lock: Lock, patience_s: float) -> None:
        self._connection = connection
        self._generation = generation
        self._lock = lock
        self._writer = BulkWriter(connection, patience_s=patience_s)
        self._known = {month for month in months(connection) if month.generation == generation}
        self._touched: set[Month] = set()

    def put(self, documents: Sequence[Document]) -> Sequence[PutResult]:
        results: dict[int, PutResult] = {}
        operations: dict[int, Operation] = {}
        for place, document in enumerate(documents):
            try:
                operations[place] = self._operation(document)
            except ValueError as error:
                detail = " ".join(str(error).split())
                results[place] = PutResult(document.id, PutOutcome.REJECTED, detail)
        written = list(operations.values())
        told = self._write(written, [documents[place].first_seen_at for place in operations])
        held = self._held_versions(written, told)
        for place, operation, each in zip(operations, written, told, strict=True):
            same = held.get(operation.id) == operation.version
            results[place] = put_result(operation.id, each, held=same)
        return [results[place] for place in range(len(documents))]

    def remove(self, tombstones: Sequence[Tombstone]) -> None:
        operations = [
            Operation(each.id, self._month(each.first_seen_at).alias, each.version, None)
            for each in tombstones
        ]
        written = self._write(operations, [each.first_seen_at for each in tombstones])
        for told in (*written, *self._writer.write(self._elsewhere(operations))):
            if told.verdict not in (Verdict.DONE, Verdict.CONFLICT):  # a conflict: a newer version is there
                raise IndexUnavailableError(f"removed articles are still in the index: {told.detail}")

    def commit(self, *, visible: bool = True) -> None:
        """Refresh what was written; every write is durable already. Nobody searches another generation."""
        if not visible:
            return
        exposed = set(exposed_months(self._connection)) if self._touched else set()
        _refresh(self._connection, sorted(self._touched & exposed, key=lambda month: month.month))
        self._touched.clear()

    def count(self) -> int:
        mine = _of(self._connection, self._generation)
        if not set(mine) & set(exposed_months(self._connection)):
            _refresh(self._connection, mine)  # one that is being filled is refreshed when it is looked at
        with self._connection.asking():
            answer = self._connection.client.count(index=[month.index for month in mine])
        return int(answer["count"])

    def close(self) -> None:
        """Nothing to give up: every write stands. The connection is its generations'."""

    def _month(self, at: float) -> Month:
        return Month(self._generation, month_of(at))

    def _operation(self, document: Document) -> Operation:
        written = source(document)
        written["event"]["ingested"] = datetime.fromtimestamp(time(), UTC).isoformat().replace("+00:00", "Z")
        alias = self._month(document.first_seen_at).alias
        return Operation(document.id, alias, document.version, orjson.dumps(written))

    def _write(self, operations: Sequence[Operation], seen: Sequence[float]) -> Sequence[Told]:
        """Write to months that are made first; one that went away meanwhile is made once more."""
        if not operations:
            return ()
        asked = {self._month(at) for at in seen}
        self._ensure(asked - self._known)
        told = self._writer.write(operations)
        gone = [place for place, each in enumerate(told) if each.verdict is Verdict.MISSING]
        if gone:
            if not _of(self._connection, self._generation):  # deleted: nobody would know of what is made now
                raise GenerationMovedError(f"generation {self._generation} is in the index no more")
            self._ensure({self._month(seen[place]) for place in gone})
            again = self._writer.write([operations[place] for place in gone])
            for place, each in zip(gone, again, strict=True):
                told[place] = each
        self._touched |= asked
        return told

    def _ensure(self, asked: set[Month]) -> None:
        for month in sorted(asked, key=lambda each: each.month):
            ensure_month(self._connection, month, self._lock)
            self._known.add(month)

    def _elsewhere(self, removed: Sequence[Operation]) -> list[Operation]:
        """Find what else goes by the ids in other months, where a document may be left since a restore."""
        aliases = {month.index: month.alias for month in _of(self._connection, self._generation)}
        if not removed or len(aliases) == 1:
            return []
        due = {(each.id, each.alias) for each in removed}
        with self._connection.asking():
            answer = self._connection.client.search(
                index=list(aliases),
                query={"ids": {"values": [each.id for each in removed]}},
                size=min(MOST_HITS, len(removed) * len(aliases)),
                version=True,
                source=False,
                allow_partial_search_results=False,
            )
        return [
            Operation(hit["_id"], aliases[hit["_index"]], hit["_version"] + 1, None)
            for hit in answer["hits"]["hits"]
            if (hit["_id"], aliases[hit["_index"]]) not in due
        ]

    def _held_versions(self, operations: Sequence[Operation], told: Sequence[Told]) -> dict[str, int]:
        """Ask which version is there of what met the same one or a newer; what is removed has none."""
        met = [
            operation
            for operation, each in zip(operations, told, strict=True)
            if each.verdict is Verdict.CONFLICT
        ]
        if not met:
            return {}
        asked = [{"_index": operation.alias, "_id": operation.id} for operation in met]
        with self._connection.asking():
            answer = self._connection.client.mget(docs=asked, source=False)
        return {each["_id"]: each["_version"] for each in answer["docs"] if each.get("found")}


@dataclass(frozen=True)
class ElasticsearchGenerations:
    """Keep the promises of `index.Generations`. `lock` keeps two processes from making an index, or moving
    the alias, at the same time."""

    connection: Connection
    lock: Lock
    patience_s: float = PATIENCE_S

    def open(self, name: str) -> ElasticsearchIndex:
        if not _of(self.connection, name):
            ensure_month(self.connection, Month(name, month_of(time())), self.lock)
        return ElasticsearchIndex(self.connection, name, self.lock, self.patience_s)

    def exists(self, name: str) -> bool:
        mine = _of(self.connection, name)
        return bool(mine) and is_current(self.connection, mine)

    def exposed(self) -> str | None:
        names = sorted({month.generation for month in exposed_months(self.connection)})
        if len(names) > 1:
            raise IndexUnavailableError(
                f"the alias {ALIAS} leads to several generations ({', '.join(names)}); "
                "`wireroom reindex` mends it"
            )
        return names[0] if names else None

    def expose(self, name: str) -> None:
        with self.lock():
            mine, now = set(_of(self.connection, name)), set(exposed_months(self.connection))
            if not mine:
                raise WireroomError(f"there is no generation {name} in the index to be searched")
            _wake(self.connection, sorted(mine - now, key=lambda month: month.month))
            actions: list[dict[str, Any]] = [
                *({"remove": {"index": month.index, "alias": ALIAS}} for month in now - mine),
                *({"add": {"index": month.index, "alias": ALIAS}} for month in mine - now),
            ]
            if actions:
                with self.connection.asking():
                    self.connection.client.indices.update_aliases(actions=actions)

    def digest(self, document: Document) -> str:
        return digest(source(document))

    def held(self, name: str, *, ids: Sequence[str] | None = None, hashed: bool = True) -> Iterator[Held]:
        with _snapshot(self.connection, name) as snapshot:
            for some in _slices(ids):
                query = {"match_all": {}} if some is None else {"ids": {"values": list(some)}}
                for hit in _scan(self.connection, snapshot, query, source=hashed):
                    yield _held(hit, hit["_id"], digest(hit["_source"]) if hashed else None)

    def listed(self, name: str) -> Iterator[Held]:
        """List by the column what has it, and by `_id` what has not, which somebody else wrote."""
        is_named: dict[str, Any] = {"exists": {"field": NAMED}}
        columns = {"stored_fields": "_none_", "docvalue_fields": [NAMED]}
        with _snapshot(self.connection, name) as snapshot:
            for hit in _scan(self.connection, snapshot, is_named, source=False, **columns):
                yield _held(hit, hit["fields"][NAMED][0], None)
            for hit in _scan(self.connection, snapshot, {"bool": {"must_not": is_named}}, source=False):
                yield _held(hit, hit["_id"], None)

    def differing(self, name: str, document: Document) -> Sequence[str]:
        """Name the fields in which a generation's form of a document differs from its due form; none when it
        does not hold it."""
        month = Month(name, month_of(document.first_seen_at))
        with self.connection.asking():
            docs = [{"_index": month.alias, "_id": document.id}]
            (found,) = self.connection.client.mget(docs=docs)["docs"]
        return differences(found["_source"], source(document)) if found.get("found") else ()

    def names(self) -> Sequence[str]:
        return sorted({month.generation for month in months(self.connection)})

    def delete(self, name: str) -> None:
        with self.lock():
            if self.exposed() == name:
                raise WireroomError(f"the generation {name} is searched just now; it is not deleted")
            mine = _of(self.connection, name)
            if mine:
                with self.connection.asking():
                    self.connection.client.indices.delete(
                        index=[month.index for month in mine], ignore_unavailable=True
                    )


def ensure_month(connection: Connection, month: Month, lock: Lock) -> None:
    """Make a month's index under the lock, with the read alias when its generation is the exposed one."""
    with lock():
        exposed = {each.generation for each in exposed_months(connection)}
        create_month(connection, month, exposed=month.generation in exposed)


def _of(connection: Connection, generation: str) -> Sequence[Month]:
    return [month for month in months(connection) if month.generation == generation]


def _refresh(connection: Connection, some: Sequence[Month]) -> None:
    if not some:
        return
    with connection.asking():
        answer = connection.client.indices.refresh(index=[month.index for month in some])
    if answer["_shards"]["failed"]:
        raise IndexUnavailableError(f"Elasticsearch at {connection.shown} could not refresh every shard")


def _wake(connection: Connection, some: Sequence[Month]) -> None:
    """Give a generation that was filled at rest the settings of one that is searched."""
    if not some:
        return
    settings = mapping_file()["settings"]["index"]
    chosen = {name: settings[name] for name in ("refresh_interval", "auto_expand_replicas")}
    with connection.asking():
        connection.client.indices.put_settings(
            index=[month.index for month in some], settings={"index": chosen}
        )
    _refresh(connection, some)


def _slices(ids: Sequence[str] | None) -> Iterator[Sequence[str] | None]:
    if ids is None:
        yield None
        return
    for start in range(0, len(ids), PAGE):
        yield ids[start : start + PAGE]


@dataclass(slots=True)
class _Snapshot:
    """Hold what a point in time is called now: any answer may give it another name."""

    id: str


@contextmanager
def _snapshot(connection: Connection, generation: str) -> Iterator[_Snapshot | None]:
    """Hold on to what a generation holds now; None when it has no index."""
    mine = _of(connection, generation)
    if not mine:
        yield None
        return
    _refresh(connection, mine)
    indices = [month.index for month in mine]
    with connection.asking():
        opened = connection.client.open_point_in_time(index=indices, keep_alive=SNAPSHOT_KEPT)
    snapshot = _Snapshot(opened["id"])
    try:
        yield snapshot
    finally:
        with connection.asking():
            connection.client.close_point_in_time(id=snapshot.id)


def _scan(
    connection: Connection, snapshot: _Snapshot | None, query: Mapping[str, Any], **wanted: Any
) -> Iterator[Mapping[str, Any]]:
    after: list[Any] | None = None
    while snapshot is not None:
        with connection.asking():
            answer = connection.client.search(
                pit={"id": snapshot.id, "keep_alive": SNAPSHOT_KEPT},
                query=query,
                sort=[{"_shard_doc": "asc"}],
                size=PAGE,
                search_after=after,
                version=True,
                seq_no_primary_term=True,
                track_total_hits=False,
                allow_partial_search_results=False,
                **wanted,
            )
        snapshot.id, hits = answer["pit_id"], answer["hits"]["hits"]
        yield from hits
        if len(hits) < PAGE:
            return
        after = hits[-1]["sort"]


def _held(hit: Mapping[str, Any], id: str, sha256: str | None) -> Held:
    return Held(id, hit["_version"], sha256, f"{hit['_primary_term']}.{hit['_seq_no']}")
