"""Read JSON Feed 1.0 and 1.1 (jsonfeed.org/version/1.1), which feedparser does not."""

import html
import json
from datetime import UTC, datetime
from typing import Any

from pipeline.feeds.cleaning import bounded_guid, bounded_html, plain_text, usable_link, usable_media
from pipeline.model import Entry, ParsedFeed

_MEDIA_TYPES = ("application/feed+json", "application/json")
_BLANKS = b" \t\r\n\xef\xbb\xbf"


def looks_like_json(body: bytes, content_type: str) -> bool:
    """Tell JSON from XML by the first byte; the content type decides only where that says nothing."""
    start = body.lstrip(_BLANKS)[:1]
    declared = content_type.partition(";")[0].strip().lower() in _MEDIA_TYPES
    return start == b"{" or (declared and start != b"<")


def parse_json_feed(body: bytes, *, url: str) -> ParsedFeed | None:
    """Read a JSON Feed served from `url`; None when it is JSON of another kind or none.

    Raises RecursionError when it is nested too deeply.
    """
    try:
        # Lenient as a feed reader: any UTF, raw control characters and lone surrogates inside strings.
        feed = json.loads(body.decode(json.detect_encoding(body), "replace").lstrip("\ufeff"), strict=False)
    except ValueError:
        return None
    if not isinstance(feed, dict) or not isinstance(feed.get("items"), list):
        return None
    language = _language(feed)
    people = _people(feed)
    entries = [_entry(item, url=url, language=language, people=people) for item in feed["items"]]
    usable = tuple(entry for entry in entries if entry)
    return ParsedFeed(
        title=plain_text(_text(feed, "title")),
        site=usable_link(_text(feed, "home_page_url"), base=url),
        language=language,
        entries=usable,
        entries_without_link=len(entries) - len(usable),
    )


def _entry(item: Any, *, url: str, language: str | None, people: tuple[str, ...]) -> Entry | None:
    if not isinstance(item, dict) or not (link := _link(item, url=url)):
        return None
    published, modified = _text(item, "date_published"), _text(item, "date_modified")
    published_at, updated_at = _instant(published or modified), _instant(modified)
    content = _text(item, "content_html") or html.escape(_text(item, "content_text"), quote=False)
    return Entry(
        link=link,
        guid=bounded_guid(_text(item, "id")),
        title=plain_text(_text(item, "title")),
        summary=bounded_html(html.escape(_text(item, "summary"), quote=False)),
        content=bounded_html(content),
        authors=_people(item) or people,
        tags=_distinct(item.get("tags")),
        published_text=plain_text(published or modified) or None,
        published_at=published_at,
        language=_language(item) or language,
        published_by="published" if published else "updated" if modified else None,
        updated_at=updated_at if updated_at != published_at else None,
        media=_media(item, url=url),
    )


def _media(item: dict[str, Any], *, url: str) -> tuple[str, ...]:
    attachments = item.get("attachments")
    records = attachments if isinstance(attachments, list) else []
    attached = [_text(each, "url") for each in records if isinstance(each, dict)]
    written = [*attached, _text(item, "image"), _text(item, "banner_image")]
    return usable_media(written, base=url)


def _language(record: dict[str, Any]) -> str | None:
    return plain_text(_text(record, "language")) or None


def _link(item: dict[str, Any], *, url: str) -> str | None:
    for key in ("url", "external_url"):
        if link := usable_link(_text(item, key), base=url):
            return link
    return usable_link(_text(item, "id"), base="")  # "ideally the full URL of the resource"


def _people(record: dict[str, Any]) -> tuple[str, ...]:
    authors = record.get("authors")  # version 1.1; `author` is version 1.0
    people = authors if isinstance(authors, list) else [record.get("author")]
    return _distinct([_text(person, "name") for person in people if isinstance(person, dict)])


def _distinct(texts: Any) -> tuple[str, ...]:
    strings = [text for text in texts if isinstance(text, str)] if isinstance(texts, list) else []
    return tuple(filter(None, dict.fromkeys(map(plain_text, strings))))


def _text(record: dict[str, Any], key: str) -> str:
    """Return a string; an `id` may be a number in the wild, to be taken as text (JSON Feed 1.1, "id")."""
    value = record.get(key)
    if isinstance(value, int) and not isinstance(value, bool) and key == "id":
        return str(value)
    return value if isinstance(value, str) else ""


def _instant(written: str) -> float | None:
    try:
        moment = datetime.fromisoformat(written.strip())
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None
