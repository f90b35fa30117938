"""The live generation against the store, by id and version, and by content for a sample or for all.

Both move while they are compared; so what differs is asked for a second time, and what index has yet to come
to is no fault.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from pipeline.indexing.index import held_twice
from pipeline.model import State
from pipeline.services import Services
from pipeline.store.generations import live_generation
from pipeline.store.mending import Due, overtake, put_again, read_due, take_out
from pipeline.store.projections import read_current
from pipeline.store.soundness import SEND_UP, Fault
from pipeline.store.store import portions

REPLAY = "`wireroom quarantine` tells why, `wireroom quarantine replay URL` tries again"
REINDEX = "`wireroom reindex` makes a new generation from the store"

MISSING, OLDER, NEWER, OTHER = "index-missing", "index-older", "index-newer", "index-content"
REFUSED = "index-refused"
HAUNTED, UNKNOWN, DOUBLED = "index-removed", "index-unknown", "index-doubled"

TEXTS = {
    MISSING: ("documents that the index should hold and does not", SEND_UP),
    OLDER: ("documents that the index holds in an older version", SEND_UP),
    REFUSED: ("articles of which the index refused the newest version", REPLAY),
    NEWER: ("documents that the index holds in a newer version than the store", SEND_UP),
    OTHER: ("documents that the index holds with another content", SEND_UP),
    HAUNTED: ("articles that were dropped and that the index still holds", SEND_UP),
    UNKNOWN: ("documents in the index of which the store knows nothing", REINDEX),
    DOUBLED: ("documents that the index holds more than once", REINDEX),
}
"""By slug: what is wrong, and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """Hold what was compared: how many ids, how many contents, and by slug what differs: id → held version
    (0: not held)."""

    generation: str | None
    documents: int
    contents: int
    differing: Mapping[str, Mapping[str, int]]
    is_hidden: bool = False  # searches do not see it


def compare_index(services: Services, *, sample: int | None, damaged: Collection[str]) -> Compared:
    """Compare the live generation with the store, `damaged` documents left out; `sample` contents are hashed,
    None: all.

    Raises IndexUnavailableError when there is no answer."""
    store, name = services.store, live_generation(services.store)
    if name is None or name not in services.generations.names():
        return _without_index(services, name)
    listed = list(services.generations.held(name, hashed=False))
    held, doubled = {each.id: each.version for each in listed}, held_twice(listed)
    due = read_due(store, name)
    ids = (held.keys() | due.keys()) - set(damaged) - doubled  # of which two versions may be there
    suspects = [id for id in ids if _kind(due.get(id), held.get(id, 0))]
    found: dict[str, dict[str, int]] = {}
    for batch in portions(sorted(suspects)):
        for kind, id, version in _still(services, name, batch):
            found.setdefault(kind, {})[id] = version
    if doubled:
        found[DOUBLED] = {id: held[id] for id in sorted(doubled)}
    sound = sorted(ids & held.keys() & due.keys() - set(suspects))
    chosen = sound if sample is None else sound[:: max(1, len(sound) // max(1, sample))][:sample]
    if other := dict(_other_contents(services, name, chosen)):
        found[OTHER] = other
    is_hidden = services.generations.exposed() != name == live_generation(store)
    return Compared(
        generation=name, documents=len(held), contents=len(chosen), differing=found, is_hidden=is_hidden
    )


def index_faults(compared: Compared) -> Iterator[Fault]:
    """Put into words what differs."""
    for slug, (text, do) in TEXTS.items():
        if ids := compared.differing.get(slug):
            yield Fault(slug=slug, text=text, do=do, ids=tuple(ids), is_mendable=do == SEND_UP)


def mend_index(services: Services, compared: Compared) -> frozenset[str]:
    """Make due what differs, as far as that is safe: the index stage does the rest. Return what is left,
    since a worker holds it just now."""
    store, name, found = services.store, compared.generation, compared.differing
    if name is None:
        return frozenset()
    if lacking := [*found.get(MISSING, ()), *found.get(OLDER, ())]:
        put_again(store, name, lacking)
    if haunted := found.get(HAUNTED):
        take_out(store, name, haunted)
    ahead = {**found.get(NEWER, {}), **found.get(OTHER, {})}
    return overtake(store, name, ahead) if ahead else frozenset()


def _still(services: Services, name: str, ids: Sequence[str]) -> Iterator[tuple[str, str, int]]:
    """Yield what is wrong with suspects by the store before and after the index was asked: index may have
    written in between."""
    before = read_due(services.store, name, ids)
    held = {each.id: each.version for each in services.generations.held(name, ids=ids, hashed=False)}
    after = read_due(services.store, name, ids)
    for id in ids:
        kind = _kind(after.get(id), held.get(id, 0))
        if kind and kind == _kind(before.get(id), held.get(id, 0)):
            yield kind, id, held.get(id, 0)


def _without_index(services: Services, name: str | None) -> Compared:
    """Compare with an index that is not there: it lacks what it is said to hold."""
    said = read_due(services.store, name) if name else {}
    lacking = {id: 0 for id, each in said.items() if each.projected}
    return Compared(generation=name, documents=0, contents=0, differing={MISSING: lacking})


def _kind(due: Due | None, held: int) -> str | None:
    """Name what is wrong with an article in the index, held in this version (0: not held); None: nothing."""
    if due is None:
        return UNKNOWN if held else None
    if held > max(due.version, due.document or 0) or (held and due.document and held > due.document):
        return HAUNTED if due.state == State.DROPPED and not due.is_due else NEWER
    if due.is_due:
        return None
    if due.state == State.DROPPED:
        return HAUNTED if held else None
    if due.state != State.INDEXED or due.document is None or held == due.document:
        return None
    if due.is_refused:
        return REFUSED
    return OLDER if held else MISSING


def _other_contents(services: Services, name: str, ids: Sequence[str]) -> Iterator[tuple[str, int]]:
    for batch in portions(ids):
        wanted = {each.id: each for each in read_current(services.store, batch)}
        for held in services.generations.held(name, ids=batch):
            due = wanted.get(held.id)
            is_same = due is not None and due.version == held.version
            if due is not None and is_same and services.generations.digest(due) != held.sha256:
                yield held.id, held.version
