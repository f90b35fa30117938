"""When it was published: the best of several dates, with where it was found and how much of it was said."""

import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from pipeline.extraction.jsonld import ArticleClaims
from pipeline.extraction.markup import Markup
from pipeline.model import Entry, Published

EARLIEST = datetime(1991, 8, 6, tzinfo=UTC).timestamp()  # the first page of the web; older dates are fillers
TOLERANCE_S = 86_400.0  # a date may lie so far ahead: zones left out and clocks that go wrong
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
_FRACTION = re.compile(r"(?<=:\d\d)[.,]\d+")
_CLOCK = re.compile(r"\d{1,2}:\d\d(?P<seconds>:\d\d)?")


def choose_date(
    markup: Markup | None, claims: ArticleClaims, entries: Sequence[Entry], *, url: str, now: float | None
) -> Published | None:
    """Choose an article's publication date: the feed's, else JSON-LD's, a <meta>'s, a <time>'s, the URL's.

    A date before the web or more than a day after `now` is passed over. A date that is only a day
    gives way to a later source's that tells the time of the same day.
    """
    plausible = (each for each in _dates(markup, claims, entries, url) if _is_plausible(each.at, now))
    first = next(plausible, None)
    if first is None or first.precision != "day":
        return first
    finer = (each for each in plausible if each.precision != "day" and abs(each.at - first.at) <= SAME_DAY_S)
    return next(finer, first)


def _dates(
    markup: Markup | None, claims: ArticleClaims, entries: Sequence[Entry], url: str
) -> Iterator[Published]:
    fed = [read for entry in entries if (read := _feed_date(entry))]
    yield from sorted(fed, key=lambda each: (each.precision == "day", each.at))
    yield from _written(claims.published, "json-ld")
    if markup is not None:
        for name in _META:
            yield from _written(markup.meta(name), "meta")
        for written in _time_elements(markup):
            yield from _written(written, "time-element")
    yield from _from_url(url)


def _is_plausible(at: float, now: float | None) -> bool:
    return at >= EARLIEST and (now is None or at <= now + TOLERANCE_S)


def _feed_date(entry: Entry) -> Published | None:
    if entry.published_at is None:
        return None
    precision = _precision(entry.published_text or "", datetime.fromtimestamp(entry.published_at, UTC))
    return Published(at=entry.published_at, source="feed", precision=precision)


def _written(text: str, source: str) -> Iterator[Published]:
    if (moment := read_date(text)) is not None:
        yield Published(at=moment.timestamp(), source=source, precision=_precision(text, moment))


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
