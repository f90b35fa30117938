"""The sides of an index: what writes into it, what keeps its generations, and what searches it.

`tests/contracts/test_index.py` holds every back-end to these promises."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from pipeline.model import Document
from pipeline.search.request import Hit, Results, SearchRequest


class PutOutcome(StrEnum):
    """Say what became of a document that was put."""

    STORED = "stored"  # the index holds this version
    SUPERSEDED = "superseded"  # the index holds, or has removed, a newer version
    REJECTED = "rejected"  # the index cannot hold it, however often it is tried
    DEFERRED = "deferred"  # not now: the index is overloaded or takes no writes; nothing is wrong with it


@dataclass(frozen=True, slots=True)
class PutResult:
    """Hold the outcome of one document; `detail` is one line for a person when it was not stored."""

    id: str
    outcome: PutOutcome
    detail: str | None = None


@dataclass(frozen=True, slots=True)
class Tombstone:
    """Name a removed document, up to which version it is removed, and when its article was first seen."""

    id: str
    version: int
    first_seen_at: float


@dataclass(frozen=True, slots=True)
class Held:
    """Hold what a generation says of one document, read back from it.

    `sha256` is that of the kept form, as `Generations.digest` computes it (None: not asked for). `mark`
    changes with every write of the document, even one of the same version.
    """

    id: str
    version: int
    sha256: str | None
    mark: str


def held_twice(held: Iterable[Held]) -> frozenset[str]:
    """Find the ids that come more than once."""
    return frozenset(id for id, times in Counter(each.id for each in held).items() if times > 1)


class Index(Protocol):
    """Write one generation's documents by (id, version), so that any call may be repeated."""

    def put(self, documents: Sequence[Document]) -> Sequence[PutResult]:
        """Write documents; one result for each, in order. An older version never replaces a newer one.

        Raises IndexUnavailableError when the index does not answer; any part may have been written then."""

    def remove(self, tombstones: Sequence[Tombstone]) -> None:
        """Remove documents, unless the index holds a newer version than the one named. That version or an
        older one, put later, does not bring a document back. Raises as `put` does."""

    def commit(self, *, visible: bool = True) -> None:
        """Make all that was put and removed durable, and visible to searches that begin afterwards; where
        that costs much and is not asked for, visible with a later commit, or a second or so later."""

    def count(self) -> int:
        """Count the committed documents."""

    def close(self) -> None:
        """Give up what was not committed, and let other processes write."""


class Generations(Protocol):
    """Keep the generations of an index: searches see one of them; others are being built, or kept."""

    def open(self, name: str) -> Index:
        """Open a generation for writing; it is made, empty, when it is not there.

        Raises IndexBusyError when another process holds it, IndexUnavailableError when there is no answer."""

    def exists(self, name: str) -> bool:
        """Tell whether a generation is there, whole, by the present mapping."""

    def exposed(self) -> str | None:
        """Name the generation that searches see."""

    def expose(self, name: str) -> None:
        """Let searches see a generation and no other, in one step; may be repeated."""

    def digest(self, document: Document) -> str:
        """Compute the SHA-256, in hex, of the form in which the index keeps a document."""

    def held(self, name: str, *, ids: Sequence[str] | None = None, hashed: bool = True) -> Iterator[Held]:
        """Read a generation back as it is at this moment, tombstones left out, in any order: all of it, or
        some ids. Without `hashed`, `sha256` may be None, which is faster. What is held twice comes twice."""

    def listed(self, name: str) -> Iterator[Held]:
        """List all that a generation holds, as fast as it can be listed, without `sha256`; each document
        under the id that it gives itself, which `held` by that id confirms."""

    def differing(self, name: str, document: Document) -> Sequence[str]:
        """Name the fields in which a generation's form of a document differs from its due form; none when it
        does not hold it."""

    def names(self) -> Sequence[str]:
        """List the generations that are there."""

    def delete(self, name: str) -> None:
        """Delete a generation; one that is not there is no error. The exposed one is never deleted."""


@dataclass(frozen=True, slots=True)
class Edition:
    """Name what is searched: the back-end, the generation, and the version of its schema or mapping."""

    backend: str
    generation: str
    mapping: int


class Snapshot(Protocol):
    """Read one generation as it was at one moment, whatever is written meanwhile."""

    @property
    def edition(self) -> Edition:
        """Name what is read."""

    def scan(self, request: SearchRequest) -> Iterator[Hit]:
        """Give every hit of a search that is sorted by date, in one unchanging order, without score and
        highlights; size, position and facets of the request count for nothing. Memory does not grow with
        the hits. Raises IndexUnavailableError when a part of the index does not answer."""


class Searcher(Protocol):
    """Search the committed documents; safe to call from several threads."""

    def snapshot(self) -> AbstractContextManager[Snapshot]:
        """Hold on to what is committed now. Raises IndexUnavailableError when there is no answer."""

    def search(self, request: SearchRequest) -> Results:
        """Find, count and page. Raises QueryError for a cursor that this index cannot follow."""

    def get(self, id: str) -> Hit | None:
        """Give the document of an id as a hit without score and highlights; None when the index has none."""


TIE_BITS = 28


def sort_key(at: float, id: str) -> int:
    """Make a number that sorts by whole seconds and then by a digest of the id (signed, 64 bits, years 882 to
    3058), so that hits of the same second keep one order, whatever the index does with its segments."""
    digest = int.from_bytes(hashlib.blake2b(id.encode(), digest_size=4).digest(), "big") >> (32 - TIE_BITS)
    return (int(at // 1) << TIE_BITS) + digest
