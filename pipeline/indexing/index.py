"""The two sides of an index: what writes into it and what searches it.

`tests/contracts/test_index.py` holds every back-end to these promises."""

import hashlib
from collections.abc import Iterator, Sequence
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


@dataclass(frozen=True, slots=True)
class PutResult:
    """Hold the outcome of one document; `detail` is one line for a person when it was rejected."""

    id: str
    outcome: PutOutcome
    detail: str | None = None


class Index(Protocol):
    """Write documents by (id, version), so that any call may be repeated."""

    def put(self, documents: Sequence[Document]) -> Sequence[PutResult]:
        """Write documents; one result for each, in order. An older version never replaces a newer one."""

    def remove(self, versions: Sequence[tuple[str, int]]) -> None:
        """Remove documents by id, unless the index holds a newer version than the one named. That version or
        an older one, put later, does not bring a document back."""

    def commit(self) -> None:
        """Make all that was put and removed durable, and visible to searches that begin afterwards."""

    def count(self) -> int:
        """Count the committed documents."""

    def versions(self) -> Iterator[tuple[str, int]]:
        """List id and version of each committed document, by id."""

    def close(self) -> None:
        """Give up what was not committed, and let other processes write."""


class Searcher(Protocol):
    """Search the committed documents; safe to call from several threads."""

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
