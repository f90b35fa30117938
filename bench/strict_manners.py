"""How the strictest publishers answer: what a feed asks for, and the documents that it is."""

from collections.abc import Iterable
from dataclasses import dataclass
from email.utils import formatdate
from itertools import count
from time import gmtime, strftime

DAY, HOUR, MINUTE = 86_400.0, 3_600.0, 60.0
SHOWN = 10  # entries of a document
WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
SITEMAPS = 'xmlns="http://www.sitemaps.org/schemas/sitemap/0.9"'
NEWS = 'xmlns:news="http://www.google.com/schemas/sitemap-news/0.9"'
RSS_WORDS = 'xmlns:sy="http://purl.org/rss/1.0/modules/syndication/"'


@dataclass(frozen=True, slots=True, kw_only=True)
class Manner:
    """Say how a feed answers and what it asks for."""

    name: str
    etag: bool = True
    last_modified: bool = True
    max_age_s: float = 0.0
    expires_s: float = 0.0
    ttl_min: int = 0
    updates_a_day: int = 0  # sy:updatePeriod and sy:updateFrequency
    skip_hours: frozenset[int] = frozenset()
    skip_days: frozenset[int] = frozenset()  # 0: Monday
    retry_after_s: float = 0.0
    retry_as_date: bool = False
    busy: str = "429 Too Many Requests"  # what Retry-After comes with
    gone: bool = False
    same_etag: bool = False  # for each body: only Last-Modified and the body tell
    redirect: str = ""  # the status of a redirect to another host
    respelled: bool = False  # its address is not written as HTTP has it
    index: bool = False  # of sitemaps, with one sitemap of news

    @property
    def leads_on(self) -> bool:
        """Tell whether the feed itself is at another address."""
        return self.index or bool(self.redirect)

    @property
    def moved(self) -> bool:
        """Tell whether its address has changed for good."""
        return self.redirect.startswith(("301", "308"))

    @property
    def fresh_s(self) -> float:
        """Give the time for which it asks not to be polled after an answer that was a document, or 304."""
        period_s = DAY / self.updates_a_day if self.updates_a_day else 0.0
        return max(self.max_age_s, self.expires_s, self.ttl_min * MINUTE, period_s)

    def rests(self, at: float) -> bool:
        """Tell whether it is not to be polled in this hour, or on this day (UTC)."""
        return int(at // HOUR) % 24 in self.skip_hours or int(at // DAY + 3) % 7 in self.skip_days


MANNERS = (
    Manner(name="plain"),
    Manner(name="ETag alone", last_modified=False),
    Manner(name="Last-Modified alone", etag=False),
    Manner(name="one ETag for all", same_etag=True),
    Manner(name="max-age", max_age_s=2 * HOUR),
    Manner(name="Expires", expires_s=3 * HOUR),
    Manner(name="ttl", ttl_min=90),
    Manner(name="sy:updatePeriod", updates_a_day=6),
    Manner(name="skipHours", skip_hours=frozenset({0, 1, 2, 3, 4, 5, 13})),
    Manner(name="skipDays", skip_days=frozenset({1, 3, 5})),  # every other one: a run of two days meets one
    Manner(name="429, seconds", retry_after_s=4 * HOUR),
    Manner(name="503, a date", retry_after_s=5 * HOUR, retry_as_date=True, busy="503 Service Unavailable"),
    Manner(name="403, seconds", retry_after_s=6 * HOUR, busy="403 Forbidden"),
    Manner(name="404, a date", retry_after_s=3 * HOUR, retry_as_date=True, busy="404 Not Found"),
    Manner(name="500, seconds", retry_after_s=2 * HOUR, busy="500 Internal Server Error"),
    Manner(name="410", gone=True),
    Manner(name="302", redirect="302 Found"),
    Manner(name="301", redirect="301 Moved Permanently"),
    Manner(name="308", redirect="308 Permanent Redirect"),
    Manner(name="respelled", respelled=True),
    Manner(name="index of sitemaps", index=True),
)


@dataclass(frozen=True, slots=True)
class Feed:
    """Hold a feed's place among the publishers, and how often it has news, in seconds."""

    number: int
    manner: Manner
    host: int
    period_s: float

    @property
    def path(self) -> str:
        """Give the path that is watched, as HTTP has it."""
        return f"/feed/{self.number}"

    @property
    def target(self) -> str:
        """Give the path of a document that is elsewhere."""
        return f"/target/{self.number}"

    @property
    def written(self) -> str:
        """Give the path that is watched, as a person wrote it."""
        return f"/%66eed/{self.number}" if self.manner.respelled else self.path


def document(feed: Feed, version: int, origin: str) -> bytes:
    """Write the newest entries of a feed, as RSS or as a sitemap of news."""
    versions = [number for number, _ in zip(count(version, -1), range(SHOWN), strict=False)]
    return _sitemap(feed, versions, origin) if feed.manner.index else _rss(feed, versions, origin)


def index(child: str) -> bytes:
    """Write an index of sitemaps with one child."""
    return f"<sitemapindex {SITEMAPS}><sitemap><loc>{child}</loc></sitemap></sitemapindex>".encode()


def _rss(feed: Feed, versions: Iterable[int], origin: str) -> bytes:
    manner = feed.manner
    items = "".join(
        f"<item><title>Story {version}</title><link>{_link(feed, version, origin)}</link>"
        f"<pubDate>{formatdate(version * feed.period_s, usegmt=True)}</pubDate></item>"
        for version in versions
    )
    hours = "".join(f"<hour>{hour}</hour>" for hour in sorted(manner.skip_hours))
    days = "".join(f"<day>{WEEKDAYS[day]}</day>" for day in sorted(manner.skip_days))
    asks = f"<skipHours>{hours}</skipHours>" if hours else ""
    asks += f"<skipDays>{days}</skipDays>" if days else ""
    asks += f"<ttl>{manner.ttl_min}</ttl>" if manner.ttl_min else ""
    if manner.updates_a_day:
        asks += "<sy:updatePeriod>daily</sy:updatePeriod>"
        asks += f"<sy:updateFrequency>{manner.updates_a_day}</sy:updateFrequency>"
    channel = f"<title>Feed {feed.number}</title><link>{origin}/</link><description/>{asks}{items}"
    return f'<?xml version="1.0"?><rss version="2.0" {RSS_WORDS}><channel>{channel}</channel></rss>'.encode()


def _sitemap(feed: Feed, versions: Iterable[int], origin: str) -> bytes:
    name = f"<news:publication><news:name>Paper {feed.number}</news:name></news:publication>"
    pages = "".join(
        f"<url><loc>{_link(feed, version, origin)}</loc><news:news>{name}"
        f"<news:publication_date>{strftime('%Y-%m-%dT%H:%M:%SZ', gmtime(version * feed.period_s))}"
        f"</news:publication_date><news:title>Story {version}</news:title></news:news></url>"
        for version in versions
    )
    return f'<?xml version="1.0"?><urlset {SITEMAPS} {NEWS}>{pages}</urlset>'.encode()


def _link(feed: Feed, version: int, origin: str) -> str:
    return f"{origin}/story/{feed.number}/{version}"
