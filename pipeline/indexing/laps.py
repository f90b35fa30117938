"""The laps of a rebuild: put what is due, read back what was put, and the last one, in which index waits."""

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from contextlib import closing
from dataclasses import dataclass, field, replace
from typing import Any

from pipeline.errors import IndexBusyError, IndexUnavailableError
from pipeline.indexing.building import (
    Verified,
    Work,
    Written,
    patiently,
    put_all,
    put_ids,
    record_results,
    verify_ids,
)
from pipeline.indexing.index import Held, Tombstone, held_twice
from pipeline.indexing.proof import Kept, Proof, compare, digest_of_all, proof_json
from pipeline.services import Services
from pipeline.store.generations import count_in_flight, keep_hold, live_generation, pause, swap
from pipeline.store.projections import (
    Cut,
    Gone,
    count_documents,
    count_due,
    cut,
    list_due,
    list_gone,
    note_held,
    read_current,
    record_gone,
)

PAUSE_S, LONGEST_PAUSE_S = 10.0, 180.0
"""How long index waits at most, and with a large index; its end is in the store, so a builder that dies in it
stops nothing."""

LISTINGS = 3.0
"""What the last lap takes of all that a generation holds, in times of listing it: it lists it, reads what
the store should have, and compares. 50,000 take 1.3 s in all, so ten seconds are enough for 300,000."""

PAUSE_MARGIN_S = 1.5
"""How much of the pause is left for the exchange itself; a lap that comes so far gives up and tries again."""

IN_FLIGHT_S = 3.0
"""How long the batches that index has begun are waited for. One that is frozen ends nothing any more once
another generation is live, and what it left is due again."""

LITTLE, LITTLE_S, LEAST = 500, 2.0, 20
"""What may be due, or to be read back, when the last lap begins: two seconds of work at the pace so far,
within these bounds. On a server that wrote 50 documents a second, 380 did not fit into the pause."""

LAPS = 8
"""Tries of the last lap, and passes over what is due that bring nothing nearer."""

CHUNK = 2_000
"""Ids of one piece of work: a commit costs the embedded index 0.1 s, and a death costs so many puts again."""

LISTED = 20_000
"""Due ids held in memory at a time."""

BEAT_S = 1.0
"""How often a builder shows that it lives, and how far it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """Say how far a rebuild is: what it does, how much of it is done, how fast, and how long it may take."""

    generation: str
    phase: str
    done: int
    total: int
    per_s: float
    left_s: float | None


@dataclass(slots=True, kw_only=True)
class Job:
    """Hold one run of a builder: what it works on, and what it knows of it so far."""

    services: Services
    work: Work
    pool: Executor
    processes: int
    rate: float | None
    report: Callable[[Progress], None]
    began_at: float = field(default_factory=time.monotonic)
    beat_at: float = 0.0
    told_at: float = 0.0  # that it lives, and how far it is
    written: int = 0
    per_s: float = 0.0  # of the newest pass
    rejected: dict[str, str] = field(default_factory=dict)
    verified: dict[str, Verified] = field(default_factory=dict)
    unread: set[str] | None = None  # what is to be read back; None: all that it holds
    listing_s: float = 0.0  # how long it took to list all that it holds

    @property
    def name(self) -> str:
        """Name the generation."""
        return self.work.generation

    @property
    def pause_s(self) -> float:
        """Tell how long index may have to wait in the last lap."""
        return min(LONGEST_PAUSE_S, max(PAUSE_S, PAUSE_MARGIN_S + LISTINGS * self.listing_s))


def come_near(job: Job) -> None:
    """Put and read back, while index goes on, until little is left to do."""
    for _ in range(LAPS):
        catch_up(job)
        verify(job)
        if count_due(job.services.store, job.name) <= _little(job):
            return


def _little(job: Job) -> int:
    return max(LEAST, min(LITTLE, int(job.per_s * LITTLE_S))) if job.per_s else LITTLE


def catch_up(job: Job) -> None:
    """Put what is due until little is left. What the index rejects, or puts off for long, stays due."""
    enough = 0  # the first pass takes all, so that the pause has the least to do
    for _ in range(LAPS):
        _remove_gone(job)
        due = count_due(job.services.store, job.name) - len(job.rejected)
        if due <= enough or not _put_due(job, due):
            return
        enough = _little(job)


def _put_due(job: Job, due: int) -> int:
    """Pass once over what is due; return how much was stored."""
    total = count_documents(job.services.store)
    began_at, before = time.monotonic(), job.written

    def tell(written: Written) -> None:
        _note(job, written)
        if written.deferred:
            time.sleep(BEAT_S)  # the index is overloaded
        done = job.written - before
        per_s = done / max(1e-3, time.monotonic() - began_at)
        _beat(job, "building", min(total, total - due + done), total, per_s)

    _spread(job, put_ids, _due_chunks(job), tell, rate=job.rate)
    job.per_s = (job.written - before) / max(1e-3, time.monotonic() - began_at)
    return job.written - before


def _note(job: Job, written: Written) -> None:
    job.written += len(written.stored)
    job.rejected |= written.rejected
    if job.unread is not None:
        job.unread |= written.stored


def _due_chunks(job: Job) -> Iterator[Sequence[str]]:
    size = max(1, min(CHUNK, int(job.rate or CHUNK)))
    after = ""
    while ids := list_due(job.services.store, job.name, after=after, limit=LISTED):
        after = ids[-1]
        for start in range(0, len(ids), size):
            yield ids[start : start + size]


def _spread(
    job: Job,
    do: Callable[[Work, Sequence[str]], Any],
    chunks: Iterator[Sequence[str]],
    tell: Callable[[Any], None],
    *,
    rate: float | None,
) -> None:
    """Have pieces of work done by all processes, no faster than the rate."""
    pending: set[Future[Any]] = set()
    next_at = time.monotonic()
    for chunk in chunks:
        pending.add(job.pool.submit(do, job.work, chunk))
        next_at = max(next_at, time.monotonic()) + (len(chunk) / rate if rate else 0.0)
        while len(pending) > job.processes or time.monotonic() < next_at:
            pending = _await(job, pending, tell, until=next_at)
    while pending:
        pending = _await(job, pending, tell, until=None)


def _await(
    job: Job, pending: set[Future[Any]], tell: Callable[[Any], None], *, until: float | None
) -> set[Future[Any]]:
    left_s = BEAT_S if until is None else min(BEAT_S, max(0.01, until - time.monotonic()))
    if not pending:
        time.sleep(left_s)
    done, pending = wait(pending, timeout=left_s, return_when=FIRST_COMPLETED)
    for each in done:
        tell(each.result())
    _beat(job)
    return pending


def _remove_gone(job: Job) -> None:
    gone = list_gone(job.services.store, job.name)
    if gone:
        with closing(patiently(lambda: job.services.generations.open(job.name))) as index:
            index.remove([_tombstone(each) for each in gone])
            index.commit()
        record_gone(job.services.store, job.name, job.work.owner, [each.id for each in gone])


def verify(job: Job) -> None:
    """Read back what was written since it was last read back, while index goes on; at first all that is held.

    Listing all takes a second for 50,000 documents, in which a busy newsroom writes more than a lap reads.
    """
    began_at = time.monotonic()
    if job.unread is None:
        unread = [each.id for each in listing(job)]
        job.listing_s = time.monotonic() - began_at
    else:
        unread = sorted(job.unread)
    job.unread = set()
    total, done = len(unread), 0
    size = CHUNK

    def tell(found: Sequence[Verified]) -> None:
        nonlocal done
        done = min(total, done + size)
        job.verified |= {each.id: each for each in found}
        _beat(job, "verifying", done, total, done / max(1e-3, time.monotonic() - began_at))

    chunks = (unread[start : start + size] for start in range(0, total, size))
    _spread(job, verify_ids, chunks, tell, rate=None)


def listing(job: Job) -> Sequence[Held]:
    return patiently(lambda: list(job.services.generations.listed(job.name)))


def _is_verified(job: Job, held: Held) -> bool:
    known = job.verified.get(held.id)
    return known is not None and (known.version, known.mark) == (held.version, held.mark)


def last_lap(job: Job) -> Proof | None:
    """Catch up and compare while index waits; None when that did not fit into the pause, or the index would
    not take it all."""
    store, owner = job.services.store, job.work.owner
    pause(store, job.name, owner, seconds=job.pause_s)
    paused_at = time.monotonic()
    gives_up_at = paused_at + job.pause_s - PAUSE_MARGIN_S
    say(job, "last lap", 0, 1)
    try:
        while count_in_flight(store) and time.monotonic() < paused_at + IN_FLIGHT_S:
            time.sleep(0.05)
        moment = cut(store, job.name)
        deferred = _put_cut(job, moment)
        proof = _prove(job, moment, paused_at)
        if deferred or proof is None or (proof.ok and time.monotonic() > gives_up_at):
            return None
        if proof.ok:
            say(job, "proved", 1, 1)
            swap(store, job.name, owner, proof=proof_json(proof))
            say(job, "exchanged", 1, 1)
        return proof
    except (IndexBusyError, IndexUnavailableError):
        return None
    finally:
        if live_generation(store) != job.name:
            pause(store, job.name, owner, seconds=0)


def _put_cut(job: Job, moment: Cut) -> int:
    """Put what was due at the cut; return how much the index put off."""
    if not (moment.due or moment.gone):
        return 0
    store, owner = job.services.store, job.work.owner
    note_held(store, job.name, owner, [each.id for each in moment.due])
    with closing(job.services.generations.open(job.name)) as index:
        index.remove([_tombstone(each) for each in moment.gone])
        results = put_all(index, moment.due)
    written = record_results(job.services, job.work, moment.due, results)
    record_gone(store, job.name, owner, [each.id for each in moment.gone])
    _note(job, written)
    return written.deferred


def _prove(job: Job, moment: Cut, paused_at: float) -> Proof | None:
    """Compare a generation with the store at the cut; None when the store moved on under a document that had
    to be read again."""
    listed = list(job.services.generations.listed(job.name))
    kept = {each.id: Kept(each.version, _vouched(job, each)) for each in listed}
    stale = [
        id for id, each in kept.items() if each.sha256 is None and each.version == moment.versions.get(id)
    ]
    due = _digests_at(job, moment, stale)
    if len(due) < len(stale):
        return None
    again = job.services.generations.held(job.name, ids=stale) if stale else ()
    read_again = {each.id: each.sha256 for each in again}
    kept |= {id: replace(kept[id], sha256=read_again.get(id)) for id in stale}
    wrong = {id for id in stale if kept[id].sha256 != due[id]}
    found = compare(moment.versions, kept, doubled=held_twice(listed), wrong=wrong)
    return Proof(
        generation=job.name,
        at=_now(job),
        documents=len(moment.versions),
        sha256=digest_of_all(kept),
        differences=found,
        fields=_differing_fields(job, found.contents),
        rejected={id: why for id, why in job.rejected.items() if id in found.missing},
        hashed_in_pause=len(stale),
        put_in_pause=len(moment.due),
        pause_s=time.monotonic() - paused_at,
        written=job.written,
        took_s=time.monotonic() - job.began_at,
    )


def _vouched(job: Job, held: Held) -> str | None:
    """Give the hash of what was read back and found right, unless it was written again since."""
    return job.verified[held.id].sha256 if _is_verified(job, held) else None


def _digests_at(job: Job, moment: Cut, ids: Sequence[str]) -> dict[str, str]:
    """Compute how documents should be kept at the cut, those left out that have a newer version by now."""
    contents = {each.id: each for each in moment.due}
    others = read_current(job.services.store, [id for id in ids if id not in contents])
    # A version never changes what it says: the same version now is what it was at the cut.
    contents |= {each.id: each for each in others if each.version == moment.versions[each.id]}
    return {id: job.services.generations.digest(contents[id]) for id in ids if id in contents}


def _now(job: Job) -> float:
    with job.services.store.read() as connection:
        return job.services.store.read_clock(connection)


def _differing_fields(job: Job, ids: Sequence[str]) -> dict[str, tuple[str, ...]]:
    found = read_current(job.services.store, ids[:LITTLE])
    return {each.id: tuple(job.services.generations.differing(job.name, each)) for each in found}


def _tombstone(gone: Gone) -> Tombstone:
    return Tombstone(gone.id, gone.version, gone.first_seen_at)


def say(job: Job, phase: str, done: int, total: int) -> None:
    job.report(Progress(generation=job.name, phase=phase, done=done, total=total, per_s=0.0, left_s=None))


def _beat(job: Job, phase: str = "", done: int = 0, total: int = 0, per_s: float = 0.0) -> None:
    """Show a sign of life; with a phase, how far it is."""
    now = time.monotonic()
    if now - (job.told_at if phase else job.beat_at) < BEAT_S:
        return
    job.beat_at = now
    if not phase:
        keep_hold(job.services.store, job.name, job.work.owner)
        return
    job.told_at = now
    left_s = round((total - done) / per_s, 1) if per_s else None
    progress = Progress(
        generation=job.name, phase=phase, done=done, total=total, per_s=round(per_s, 1), left_s=left_s
    )
    shown = {"phase": phase, "done": done, "total": total, "per_s": progress.per_s, "left_s": left_s}
    keep_hold(job.services.store, job.name, job.work.owner, progress=shown)
    job.report(progress)
