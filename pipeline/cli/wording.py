"""Slugs in plain words."""

from typing import TYPE_CHECKING

from pipeline.cli.printing import local
from pipeline.outcomes import Cause, FeedSlug, FetchSlug, Partial, Reason

if TYPE_CHECKING:
    from pipeline.model import FetchFailure
    from pipeline.store.children import UnreadSitemap
    from pipeline.store.pauses import Pause

PARTIAL: dict[str, str] = {
    Partial.ROBOTS: "robots.txt does not let us fetch the page",
    Partial.BLOCKED: "a paywall, a login or a bot wall stands before the page",
    Partial.GONE: "the page is not there (any more)",
    Partial.FETCH_FAILED: "the page's server gave no usable answer",
    Partial.UNSUPPORTED_TYPE: "the link leads to something that is no web page",
    Partial.EXTRACTION_EMPTY: "no article text was found in the page",
    Partial.EXTRACTION_CRASHED: "reading the page hung or crashed",
    Partial.TOO_LARGE: "the page is too large",
}
REASON: dict[str, str] = {
    Reason.DUPLICATE: "another address of an article that is here",
    Reason.REFUSED_ADDRESS: "its address is private or unusual",
    Reason.NOT_AN_ARTICLE: "the link is no article",
    Reason.TOO_OLD: "older than WIREROOM_MAX_AGE when first seen",
    Reason.REMOVED: "removed by a person",
}
CAUSE: dict[str, str] = {
    Cause.ENRICH_CRASHED: "reading it crashed every time",
    Cause.INDEX_REJECTED: "the index refuses it",
    Cause.STAGE_CRASHED: "a stage failed on it every time",
}
FEED: dict[str, str] = {
    FetchSlug.DNS: "its host has no address",
    FetchSlug.CONNECT: "its host does not take connections",
    FetchSlug.TLS: "its certificate or encryption is wrong",
    FetchSlug.TIMEOUT: "it did not answer in time",
    FetchSlug.BAD_ANSWER: "its answer is broken",
    FetchSlug.TOO_MANY_REDIRECTS: "it redirects without end",
    FetchSlug.REFUSED_ADDRESS: "its address is private or unusual",
    FeedSlug.NOT_A_FEED: "the answer is no feed",
    FeedSlug.EMPTY: "the answer is empty",
    FeedSlug.TOO_LARGE: "the answer is too large",
    FeedSlug.TOO_DEEP: "the answer is nested too deeply",
    FeedSlug.PARSE_TIMEOUT: "reading it took too long",
    FeedSlug.PARSE_CRASHED: "reading it crashed",
    FeedSlug.STAGE_CRASHED: "Wireroom itself failed on it",
}

MEANING: dict[str, str] = {
    str(slug): text for table in (PARTIAL, REASON, CAUSE) for slug, text in table.items()
}


def waits(unread: "UnreadSitemap") -> str:
    """Say why a sitemap of an index is not read yet."""
    if unread.error is None:
        return "waits for its turn"
    return failure_in_words(unread.error)


def failure_in_words(slug: str) -> str:
    """Say why a poll failed; a slug without words of its own is named as it is."""
    return FEED.get(slug) or (
        f"it answers {slug.removeprefix('http-')}" if slug.startswith("http-") else slug
    )


def request_in_words(failure: "FetchFailure") -> str:
    """Say why a request got no answer; that nobody was to ask is said as it is."""
    said = FEED.get(failure.slug)
    return f"{said} ({failure.detail})" if said else failure.detail


def pause_in_words(pause: "Pause") -> str:
    """Say until when a host is left alone, and what it answered."""
    answer = "" if pause.status is None else f" ({pause.status})"
    return f"its host asked to be left alone until {local(pause.until)}{answer}"


def step_in_words(stage: str, outcome: str) -> str:
    """Say what a step of a trace did; a step without words of its own is named as it is."""
    return _STEPS.get((stage, outcome), f"{stage}: {outcome}")


_STEPS = {
    ("poll", "found"): "found",
    ("poll", "sighted"): "shown by one more feed",
    ("poll", "edited"): "edited by its publisher",
    ("poll", "dropped"): "found, and not wanted",
    ("fetch", "fetched"): "page fetched",
    ("fetch", "no-page"): "page not to be had",
    ("fetch", "moved"): "page moved: asked in its host's turn",
    ("fetch", "dropped"): "dropped",
    ("enrich", "enriched"): "read",
    ("enrich", "unchanged"): "read again, nothing new",
    ("enrich", "kept"): "read again in vain: it stays as it was",
    ("enrich", "dropped"): "dropped",
    ("enrich", "page-missing"): "archived page missing, fetched again",
    ("index", "indexed"): "indexed: it can be found",
    ("index", "removed"): "taken out of the index",
    ("quarantine", "replayed"): "replayed by a person",
    ("remove", "removed"): "removed by a person",
    **{(stage, "quarantined"): "quarantined" for stage in ("poll", "fetch", "enrich", "index")},
    **{(stage, "failed"): f"{stage} failed, tried again" for stage in ("fetch", "enrich", "index")},
}
