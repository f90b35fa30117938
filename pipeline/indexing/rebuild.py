"""Rebuild: fill a generation from the store beside the live one, prove it equal, and exchange the two.

A builder holds its generation in the store, so that there is one, and so that the next goes on where it died.
It follows what happens meanwhile until little is left. The last lap lets index wait for some seconds: what is
due at one moment of the store is put, then every id, version and content is compared. Only what was written
since it was last read back is read again in that time.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from pipeline.errors import IndexBusyError, IndexUnavailableError, RebuildFailedError, WireroomError
from pipeline.indexing.building import Work, patiently, workers
from pipeline.indexing.laps import LAPS, Job, Progress, come_near, last_lap, listing, say
from pipeline.indexing.live import expose_live, new_name
from pipeline.indexing.proof import Proof, proof_json
from pipeline.indexing.report import compare_answers
from pipeline.services import Services, mapping_version, open_searcher
from pipeline.store.generations import (
    Generation,
    clear,
    forget,
    hold_building,
    hold_kept,
    keep_hold,
    keep_proof,
    let_go,
    live_generation,
    names_kept,
    read_generations,
)
from pipeline.store.leases import new_owner
from pipeline.store.projections import count_documents, count_due, note_held
from pipeline.store.tables import BUILDING


def rebuild(
    services: Services,
    *,
    processes: int,
    rate: float | None,
    keep: int,
    report: Callable[[Progress], None],
) -> Proof:
    """Build the next generation, or go on with one that was begun, and expose it when it is proved equal.

    Raises RebuildBusyError while another builder lives, RebuildFailedError when the proof fails (the live
    generation stays), IndexUnavailableError when the index stays away.
    """
    _expose_what_is_live(services)
    owner = new_owner("reindex")
    name = _begin(services, owner)
    with _job(services, name, owner, processes, rate, report) as job:
        if not services.generations.exists(name):
            clear(services.store, name)
            patiently(lambda: services.generations.open(name)).close()
        proof = _finish(job)
    if proof.ok:
        prune(services, keep=keep)
    return proof


def roll_back(services: Services, *, processes: int, keep: int, report: Callable[[Progress], None]) -> Proof:
    """Bring the newest kept generation up to date and expose it when it is proved equal; raises as `rebuild`
    does."""
    _expose_what_is_live(services)
    name = next((each for each in names_kept(services.store) if services.generations.exists(each)), None)
    if name is None:
        raise RebuildFailedError(
            "no earlier generation is kept that has this version's fields; `wireroom reindex` builds one"
        )
    owner = new_owner("reindex")
    hold_kept(services.store, name, owner=owner)
    with _job(services, name, owner, processes, None, report) as job:
        note_held(services.store, name, owner, [each.id for each in listing(job)])
        proof = _finish(job)
    if proof.ok:
        prune(services, keep=keep)
    return proof


def _expose_what_is_live(services: Services) -> None:
    """Let searches see the live generation, unless it is not there, as after a restore in another place."""
    live = live_generation(services.store)
    if live is not None and services.generations.exists(live):
        expose_live(services.generations, services.store)


def prune(services: Services, *, keep: int) -> None:
    """Delete the kept generations but the newest ones; one that is being written, or does not go just now,
    waits for the next time: the exchange before is done."""
    for name in names_kept(services.store)[keep:]:
        try:
            services.generations.delete(name)
        except (IndexBusyError, IndexUnavailableError):
            continue
        forget(services.store, name)


def _begin(services: Services, owner: str) -> str:
    """Take the generation that is being built. One that failed, or was made by other fields, makes way."""
    store, mapping = services.store, mapping_version(services.settings)
    while True:
        name = hold_building(store, new_name(), owner=owner, mapping=mapping)
        found = next(each for each in read_generations(store) if each.name == name)
        if _is_good(services, found):
            return name
        try:
            services.generations.delete(name)
            forget(store, name)
        finally:
            let_go(store, name, owner)


@contextmanager
def _job(
    services: Services,
    name: str,
    owner: str,
    processes: int,
    rate: float | None,
    report: Callable[[Progress], None],
) -> Iterator[Job]:
    work = Work(settings=services.settings, generation=name, owner=owner)
    pool = workers(processes)
    try:
        yield Job(services=services, work=work, pool=pool, processes=processes, rate=rate, report=report)
    finally:
        pool.shutdown(cancel_futures=True)
        let_go(services.store, name, owner)


def _finish(job: Job) -> Proof:
    """Bring a generation up to date until a last lap fits into the pause; prove and expose it."""
    for _ in range(LAPS):
        come_near(job)
        proof = last_lap(job)
        if proof is not None:
            break
    else:
        raise RebuildFailedError(
            f"generation {job.name} does not catch up: {LAPS} last laps did not fit into {job.pause_s:.0f} s;"
            " `wireroom reindex` goes on from there"
        )
    if proof.ok:
        expose_live(job.services.generations, job.services.store)
        say(job, "exposed", 1, 1)
    else:
        keep_hold(job.services.store, job.name, job.work.owner, proof=proof_json(proof), progress=None)
    return proof


def keep_answers(services: Services, proof: Proof) -> Proof:
    """Add to a proof how the new generation answers, beside the newest one that is kept, or the live one when
    the proof failed; and keep it in the store."""
    live = live_generation(services.store)
    before = [each for each in (live, *names_kept(services.store)) if each and each != proof.generation]
    old = next((each for each in before if services.generations.exists(each)), None)
    try:
        searcher = open_searcher(services.settings, old) if old else None
        told = compare_answers(searcher, open_searcher(services.settings, proof.generation))
    except WireroomError as error:
        told = {"failed": str(error)}
    proof = replace(proof, report=told)
    keep_proof(services.store, proof.generation, proof_json(proof))
    return proof


def plan(services: Services, *, keep: int) -> dict[str, Any]:
    """Tell what a rebuild would do: what it goes on with, what it writes and deletes."""
    store = services.store
    begun = next((each for each in read_generations(store) if each.state == BUILDING), None)
    goes_on = begun is not None and _is_good(services, begun)
    documents = count_documents(store)
    live = live_generation(store)
    kept = [*([live] if live else []), *names_kept(store)]
    return {
        "goes_on_with": begun.name if begun and goes_on else None,
        "running": bool(begun and begun.is_held),
        "documents": documents,
        "due": count_due(store, begun.name) if begun and goes_on else documents,
        "cleans": begun.name if begun and not goes_on else None,
        "deletes": kept[keep:],
    }


def _is_good(services: Services, begun: Generation) -> bool:
    return begun.proof is None and begun.mapping == mapping_version(services.settings)
