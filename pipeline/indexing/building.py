"""What the processes of a rebuild do: put a batch of documents into a generation, or read one back.

Each call opens what it needs and may be repeated: what it did counts only when the store has it.
"""

import os
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from threading import Thread
from typing import TypeVar

from pipeline.errors import IndexBusyError, IndexUnavailableError
from pipeline.indexing.index import Index, PutOutcome, PutResult
from pipeline.model import Document
from pipeline.services import Services
from pipeline.settings import Settings
from pipeline.store.projections import begin_putting, read_current, record_put
from pipeline.store.store import open_store

BULK = 500
"""Documents of one call of `put`, as in the index stage."""

PARENT_CHECK_S = 0.5
"""How long a process may outlive the one that started it."""

PATIENCE_S = 60.0
"""How long an index that is away, or written by another process, is waited for before a rebuild gives up; the
next `wireroom reindex` goes on from there."""

TRY_AGAIN_S = 0.5

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """Say which generation is worked on, for whom."""

    settings: Settings
    generation: str
    owner: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """Say what became of a batch: the ids of what is stored, how much the index put off, and why it will not
    have some."""

    stored: frozenset[str]
    deferred: int
    rejected: dict[str, str]


@dataclass(frozen=True, slots=True)
class Verified:
    """Say that the generation holds a document as it should, as of a write."""

    id: str
    version: int
    mark: str
    sha256: str


def put_ids(work: Work, ids: Sequence[str]) -> Written:
    """Put the documents of some ids into a generation and write it down."""
    with (
        _opened(work) as services,
        closing(patiently(lambda: services.generations.open(work.generation))) as to,
    ):
        documents = begin_putting(services.store, work.generation, work.owner, ids)
        results = patiently(lambda: put_all(to, documents))
        return record_results(services, work, documents, results)


def put_all(index: Index, documents: Sequence[Document]) -> Sequence[PutResult]:
    """Put documents and commit them."""
    results: list[PutResult] = []
    for start in range(0, len(documents), BULK):
        results += index.put(documents[start : start + BULK])
    index.commit()
    return results


def record_results(
    services: Services, work: Work, documents: Sequence[Document], results: Sequence[PutResult]
) -> Written:
    """Write down in the store what was stored."""
    stored = {
        document.id: document.version
        for document, result in zip(documents, results, strict=True)
        if result.outcome is PutOutcome.STORED
    }
    record_put(services.store, work.generation, work.owner, stored)
    rejected = {
        each.id: each.detail or "no reason given" for each in results if each.outcome is PutOutcome.REJECTED
    }
    deferred = sum(each.outcome is PutOutcome.DEFERRED for each in results)
    return Written(stored=frozenset(stored), deferred=deferred, rejected=rejected)


def verify_ids(work: Work, ids: Sequence[str]) -> Sequence[Verified]:
    """Read documents back and return those that are kept just as the store's documents should be."""
    with _opened(work) as services:
        due = {
            document.id: (document.version, services.generations.digest(document))
            for document in read_current(services.store, ids)
        }
        held = patiently(lambda: list(services.generations.held(work.generation, ids=ids)))
    return [
        Verified(each.id, each.version, each.mark, each.sha256 or "")
        for each in held
        if due.get(each.id) == (each.version, each.sha256)
    ]


def patiently(do: Callable[[], Result]) -> Result:
    """Do what may be repeated, again while the index is away or written by another process."""
    ends_at = time.monotonic() + PATIENCE_S
    while True:
        try:
            return do()
        except (IndexBusyError, IndexUnavailableError):
            if time.monotonic() >= ends_at:
                raise
            time.sleep(TRY_AGAIN_S)


def workers(number: int) -> Executor:
    """Start what works on a rebuild: processes, or for one alone a thread."""
    if number == 1:
        return ThreadPoolExecutor(1, "rebuild")
    return ProcessPoolExecutor(
        number, mp_context=get_context("spawn"), initializer=_end_with_parent, initargs=(os.getpid(),)
    )


def _end_with_parent(parent: int) -> None:
    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(PARENT_CHECK_S)
        os._exit(1)

    Thread(target=watch, daemon=True).start()


@contextmanager
def _opened(work: Work) -> Iterator[Services]:
    store = open_store(work.settings.sql_url)
    try:
        yield Services(work.settings, store)
    finally:
        store.close()
