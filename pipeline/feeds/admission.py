"""Which entries become articles. Pure. What may be one is one: a reader can filter, not find what is lost."""

from urllib.parse import urlsplit

from pipeline.model import Entry
from pipeline.outcomes import Reason


def refusal(entry: Entry, *, now: float, max_age_s: float | None) -> Reason | None:
    """Say why an entry makes no article, or None when it does.

    A link to a site's front page under a bare title is navigation; one with a text is a ticker's item.
    """
    if max_age_s is not None and entry.published_at is not None and now - entry.published_at > max_age_s:
        return Reason.TOO_OLD
    address = urlsplit(entry.link)
    is_front_page = address.path in ("", "/") and not address.query and not address.fragment
    if is_front_page and not (entry.summary.strip() or entry.content.strip()):
        return Reason.NOT_AN_ARTICLE
    return None
