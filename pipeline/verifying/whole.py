"""The whole, verified: every check in its order, and what of it may be mended without asking a person."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace

from sqlalchemy import func, select

from pipeline.errors import WireroomError
from pipeline.services import Services
from pipeline.store.leases import sweep
from pipeline.store.mending import is_held_back, let_index_go
from pipeline.store.projections import count_documents
from pipeline.store.soundness import (
    RESTORE,
    Fault,
    check_documents,
    check_file,
    check_leases,
    check_rows,
    send_on,
)
from pipeline.store.tables import articles
from pipeline.verifying.projection import REFUSED, TEXTS, Compared, compare_index, index_faults, mend_index
from pipeline.verifying.records import archive_faults, page_faults, read_back

HELD_BACK = "index-held-back"
NOTHING = {"articles": 0, "documents": 0, "indexed": 0, "contents_hashed": 0, "pages_hashed": 0}


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Hold what was looked at, in numbers, and what is wrong."""

    checked: Mapping[str, int]
    faults: tuple[Fault, ...]
    compared: Compared | None  # None: the index gave no answer


def verify(services: Services, *, sample: int | None, report: Callable[[str], None]) -> Verdict:
    """Check everything; `sample` contents and pages are read back and hashed, None: all of them. `report`
    is told what is looked at. Of a damaged file nothing else is asked: it may raise, or say what is not so.
    """
    report("the store")
    if damage := tuple(check_file(services.store)):
        return Verdict(checked=NOTHING, faults=damage, compared=None)
    return _verify_contents(services, sample=sample, report=report)


def _verify_contents(services: Services, *, sample: int | None, report: Callable[[str], None]) -> Verdict:
    store = services.store
    faults = [*check_rows(store), *check_leases(store)]
    report("its documents")
    damaged = tuple(check_documents(store))
    if damaged:
        do = RESTORE
        text = "documents that are not what was written"
        faults.append(Fault(slug="document-damaged", text=text, do=do, ids=damaged))
    report("the index")
    held_back = is_held_back(store)
    compared = _compared(services, faults, sample=None if held_back else sample, damaged=damaged)
    if held_back:
        do = "remove again what was removed after the backup, then `wireroom verify --repair`"
        text = "the store was restored: index rests until somebody has looked"
        faults.append(Fault(slug=HELD_BACK, text=text, do=do, ids=(), is_mendable=True))
    report("the archive")
    pages = read_back(store, services.settings.archive_folder, sample=sample)
    faults += [*page_faults(pages), *archive_faults(services.settings.archive_folder)]
    checked = {
        "articles": _count_articles(services),
        "documents": count_documents(store),
        "indexed": compared.documents if compared else 0,
        "contents_hashed": compared.contents if compared else 0,
        "pages_hashed": pages.pages,
    }
    return Verdict(checked=checked, faults=tuple(faults), compared=compared)


def repair(services: Services, verdict: Verdict) -> Verdict:
    """Mend what is safe to mend: free leases, send on what is stuck, make due what the index holds wrongly.
    Return what was found; what is left, since a worker holds it just now, is not mendable in it.

    Index is let go after a restore only when nothing else in the index needs a person."""
    slugs = {fault.slug: fault for fault in verdict.faults}
    if "lease-ended" in slugs:
        sweep(services.store)
    if stuck := slugs.get("stuck"):
        send_on(services.store, stuck.ids)
    left = mend_index(services, verdict.compared) if verdict.compared else frozenset()
    faults = [_left(fault) if left & set(fault.ids) else fault for fault in verdict.faults]
    is_sound = all(fault.is_mendable for fault in faults if fault.slug in TEXTS and fault.slug != REFUSED)
    if verdict.compared and is_sound:
        let_index_go(services.store)
    else:
        faults = [replace(each, is_mendable=False) if each.slug == HELD_BACK else each for each in faults]
    return replace(verdict, faults=tuple(faults))


def _left(fault: Fault) -> Fault:
    return replace(fault, do="a worker has it just now: look again in a minute", is_mendable=False)


def _compared(
    services: Services, faults: list[Fault], *, sample: int | None, damaged: Collection[str]
) -> Compared | None:
    try:
        compared = compare_index(services, sample=sample, damaged=damaged)
    except WireroomError as error:
        do = "`wireroom doctor` tells why"
        faults.append(
            Fault(slug="index-unreadable", text=f"the index cannot be read: {error}", do=do, ids=())
        )
        return None
    faults += index_faults(compared)
    if compared.is_hidden:
        do = "`wireroom up` exposes the live one"
        faults.append(Fault(slug="index-hidden", text="searches see another generation", do=do, ids=()))
    return compared


def _count_articles(services: Services) -> int:
    with services.store.read() as connection:
        return connection.execute(select(func.count()).select_from(articles)).scalar_one()
