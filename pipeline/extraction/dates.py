"""When it was published: the best of several dates, with where it was found and how much of it was said."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from pipeline.extraction.jsonld import ArticleClaims
from pipeline.extraction.markup import Markup
from pipeline.model import Entry, Published

EARLIEST = datetime(1991, 8, 6, tzinfo=UTC).timestamp()  # the first page of the web; older dates are fillers
TOLERANCE_S = 86_400.0  # a date may lie so far ahead: zones left out and clocks that go wrong
UPDATED = "updated"  # Entry.published_by: the feed said only when the entry was last changed
CLOCK_SLACK_S = 600.0  # a publisher's clock may be so fast
SAME_DAY_S = 1.5 * 86_400.0  # a day and a moment within it, whatever the zone

_META = (
    *("article:published_time", "og:published_time", "datepublished", "parsely-pub-date", "sailthru.date"),
    *(
        "cxenseparse:recs:publishtime",
        "publishdate",
        "pubdate",
        "dc.date.issued",
        "dcterms.issued",
        "dc.date",
        "date",
    ),
)
_IN_URL = re.compile(
    r"(?<!\d)(?P<year>(?:19|20)\d\d)(?P<cut>[/_-]?)(?P<month>0[1-9]|1[0-2]|(?<=[/_-])[1-9])(?P=cut)"
    r"(?P<day>0[1-9]|[12]\d|3[01]|(?<=[/_-])[1-9])(?=[/_.-]|$)"
)
_ZONE_NAME = re.compile(r"\s*(?:Z|UTC|GMT)$", re.IGNORECASE)
# After a clock: RFC 5322's +0100, ISO 8601's +01:00 and +01, and the names that RFC 822 has.
_ZONE = re.compile(
    r"(?<=\d)\s*(?:(?P<sign>[+-])(?P<hours>[01]\d):?(?P<minutes>[0-5]\d)?|(?P<name>[A-Z]{1,4}))$",
    re.IGNORECASE,
)
_ZONES = dict.fromkeys(("Z", "UT", "UTC", "GMT"), "+00:00") | {
    f"{letter}{kind}T": f"-{hours + (kind == 'S'):02}:00"
    for letter, hours in zip("ECMP", range(4, 8), strict=True)
    for kind in "SD"
}
_FRACTION = re.compile(r"(?<=:\d\d)[.,]\d+")
_CLOCK = re.compile(r"\d{1,2}:\d\d(?P<seconds>:\d\d)?")


def choose_date(
    markup: Markup | None, claims: ArticleClaims, entries: Sequence[Entry], *, url: str, now: float | None
) -> Published | None:
    """Choose an article's publication date: the feed's, else JSON-LD's, a <meta>'s, a <time>'s, that of its
    last edit where the feed tells no other, the URL's.

    `now` is when the article was first seen. A date more than a day later is passed over, unless there is no
    other, and one before the web always. A date that is only a day gives way to a later source's that tells
    the time of the same day. What lies in the future all the same is clamped to `now`, and marked.
    """
    dates = [each for each in _dates(markup, claims, entries, url) if each.at >= EARLIEST]
    plausible = (each for each in dates if now is None or each.at <= now + TOLERANCE_S)
    first = next(plausible, None)
    if first is None:
        return _clamped(dates[0], now) if dates else None
    if first.precision != "day":
        return _clamped(first, now)
    finer = (each for each in plausible if each.precision != "day" and abs(each.at - first.at) <= SAME_DAY_S)
    return _clamped(next(finer, first), now)


def _clamped(published: Published, now: float | None) -> Published:
    """Bring a date of the future back to `now`; but a day may have begun in the east, and clocks be fast."""
    slack_s = TOLERANCE_S if published.precision == "day" else CLOCK_SLACK_S
    if now is None or published.at <= now + slack_s:
        return published
    return replace(published, at=now, is_clamped=True)


def _dates(
    markup: Markup | None, claims: ArticleClaims, entries: Sequence[Entry], url: str
) -> Iterator[Published]:
    edits = [entry for entry in entries if entry.published_by == UPDATED]
    yield from _fed(entry for entry in entries if entry.published_by != UPDATED)
    yield from _written(claims.published, "json-ld")
    if markup is not None:
        for name in _META:
            yield from _written(markup.meta(name), "meta")
        for written in _time_elements(markup):
            yield from _written(written, "time-element")
    yield from _fed(edits)
    yield from _from_url(url)


def _fed(entries: Iterable[Entry]) -> list[Published]:
    fed = [read for entry in entries if (read := _feed_date(entry))]
    return sorted(fed, key=lambda each: (each.precision == "day", each.at))


def _feed_date(entry: Entry) -> Published | None:
    if entry.published_at is None:
        return None
    text = entry.published_text or ""
    precision = _precision(text, datetime.fromtimestamp(entry.published_at, UTC))
    return Published(at=entry.published_at, source="feed", precision=precision, zone=zone_of(text))


def _written(text: str, source: str) -> Iterator[Published]:
    if (moment := read_date(text)) is not None:
        precision = _precision(text, moment)
        yield Published(at=moment.timestamp(), source=source, precision=precision, zone=zone_of(text))


def read_date(text: str) -> datetime | None:
    """Read an ISO 8601 or RFC 5322 date; without a zone it is taken for UTC. None when it is neither."""
    text = (
        _FRACTION.sub("", _ZONE_NAME.sub("+00:00", text.strip()[:64])) if ":" in text else text.strip()[:64]
    )
    for parse in (datetime.fromisoformat, parsedate_to_datetime):
        try:
            moment = parse(text)
            return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        except (ValueError, TypeError, OverflowError, IndexError):
            continue
    return None


def zone_of(text: str) -> str | None:
    """Tell which zone a date names, as +01:00; None when it names none that is known."""
    text = text.strip()[:64]
    clock = _CLOCK.search(text)
    found = _ZONE.search(text, clock.end()) if clock else None
    if found is None:
        return None
    if found["hours"] is None:
        return _ZONES.get(found["name"].upper())
    return (
        None if found[0].strip() == "-0000" else f"{found['sign']}{found['hours']}:{found['minutes'] or '00'}"
    )


def _precision(text: str, moment: datetime) -> str:
    """Tell how much a date says. Midnight to the second is a day: software fills in the hour it lacks."""
    clock = _CLOCK.search(text)
    if clock is None or (moment.hour, moment.minute, moment.second) == (0, 0, 0):
        return "day"
    return "second" if clock["seconds"] else "minute"


def _time_elements(markup: Markup) -> Iterator[str]:
    """Give the <time> elements that are marked as the publication's, then the first inside an <article>."""
    times = [each for each in markup.tree.iter("time") if each.get("datetime")]
    marked = [
        each for each in times if each.get("pubdate") is not None or each.get("itemprop") == "datePublished"
    ]
    inside = [each for each in times if next(each.iterancestors("article"), None) is not None]
    for element in [*marked, *inside[:1]]:
        yield element.get("datetime")


def _from_url(url: str) -> Iterator[Published]:
    if found := _IN_URL.search(url):
        try:
            day = datetime(int(found["year"]), int(found["month"]), int(found["day"]), tzinfo=UTC)
        except ValueError:
            return
        yield Published(at=day.timestamp(), source="url", precision="day")
