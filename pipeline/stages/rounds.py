"""The polls of indexes of sitemaps: the index first, then some of its sitemaps, each in a turn of its own."""

from dataclasses import replace

from pipeline.feeds.children import CHILDREN_A_POLL, Child, Round, begin, choose, go_on
from pipeline.model import FeedKind
from pipeline.services import Services
from pipeline.stages.judging import Answer, is_of_host, so_far_of
from pipeline.store.children import list_children, still_there
from pipeline.store.claimed import FeedClaim
from pipeline.store.found import Known
from pipeline.store.polled import Polled

Onward = tuple[str, Round]
"""The address that a poll asks next, and how far it has come then."""

ENTRIES = ("entries", "entries_repeated", "entries_without_link")


def is_index(claim: FeedClaim, answer: Answer) -> bool:
    """Tell whether an answer, which may be that nothing changed, is of the index that a feed is."""
    kind = answer.parsed.kind if answer.parsed else claim.kind
    return claim.child is None and answer.failure is None and kind is FeedKind.INDEX


def after_index(services: Services, claim: FeedClaim, answer: Answer) -> tuple[Answer, Onward | None]:
    """Choose the sitemap that is asked first; where none is, an index is no better than its sitemaps."""
    listed = answer.parsed.sitemaps if answer.parsed else None
    children = list_children(services.store, claim, listed)
    onward = begin(choose(children, now=claim.claimed_at))
    return (answer if onward else _as_its_sitemaps(answer, children)), onward


def after_sitemap(
    services: Services, claim: FeedClaim, answer: Answer, polled: Polled, known: Known
) -> Onward | None:
    """Choose the sitemap that is asked next; None: the poll ends with this answer."""
    if claim.child is None or (answer.failure and is_of_host(answer)):
        return None
    so_far = _with_answer(so_far_of(claim), polled, answer, known)
    if answer.parsed and answer.parsed.kind is FeedKind.INDEX:
        more = list_children(services.store, claim, answer.parsed.sitemaps)
        # What it lists no more was forgotten just now, and may have been chosen before.
        so_far = so_far.only(still_there(services.store, [id for id, _ in so_far.left]))
        room = max(0, CHILDREN_A_POLL - so_far.asked - len(so_far.left))
        so_far = so_far.then(choose(more, now=claim.claimed_at, room=room))
    return go_on(so_far)


def _as_its_sitemaps(answer: Answer, children: tuple[Child, ...]) -> Answer:
    if not children or any(child.last_error is None for child in children):
        return answer
    return replace(answer, failure=children[0].last_error, detail=f"so answered {children[0].url}")


def _with_answer(round: Round, polled: Polled, answer: Answer, known: Known) -> Round:
    """Count an answer among what a poll has brought; `polled` has the sums already."""
    told = {} if polled.entries is None else {name: getattr(polled, name) for name in ENTRIES}
    new = len(answer.keyed.keys() - known.url_keys)
    read = round.read + (answer.failure is None)
    return replace(round, asked=round.asked + 1, read=read, new=round.new + new, **told)
