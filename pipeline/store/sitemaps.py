"""News sitemaps as a yardstick: of what an outlet's sitemap listed, how much its other feeds showed, too."""

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import Connection, case, exists, func, select

from pipeline.feeds.discovery import sitemap_links
from pipeline.feeds.sitemaps import is_named_news
from pipeline.identity import outlet_of, url_key
from pipeline.model import FeedKind
from pipeline.store.days import DAY_S, day_in_sql, day_name
from pipeline.store.tables import feed_sitemaps, feeds, hosts, sightings

SITEMAPS = (FeedKind.SITEMAP, FeedKind.INDEX)


@dataclass(frozen=True, slots=True)
class KnownFeed:
    """Hold a feed that is watched, or was."""

    url: str
    tags: tuple[str, ...]
    outlet: str
    kind: str | None  # what its newest document is, see FeedKind; None: not known

    @property
    def is_sitemap(self) -> bool:
        """Tell whether it is a sitemap of news, or an index of such."""
        return self.kind in SITEMAPS


@dataclass(frozen=True, slots=True, kw_only=True)
class SitemapDay:
    """Hold what a sitemap listed on a day for the first time, and how much of it other feeds of its outlet
    showed, whenever: without the sitemap the rest would have been missed."""

    day: str
    sitemap: str
    outlet: str
    listed: int
    shown_by_feeds: int


@dataclass(frozen=True, slots=True, kw_only=True)
class UnwatchedSitemap:
    """Hold a sitemap of news that the robots.txt of an outlet's host names, and nobody watches."""

    outlet: str
    sitemap: str


def read_sitemap_days(
    connection: Connection, first_day: int, end_day: int, known: Mapping[int, KnownFeed]
) -> tuple[SitemapDay, ...]:
    """Compare each sitemap among the feeds (by id) with the outlet's other feeds."""
    found: list[SitemapDay] = []
    for feed_id, feed in known.items():
        others = [
            other for other, each in known.items() if each.outlet == feed.outlet and not each.is_sitemap
        ]
        if feed.is_sitemap and others:
            found += _compare(connection, first_day, end_day, feed_id, feed, others)
    return tuple(sorted(found, key=lambda each: (each.sitemap, each.day)))


def read_unwatched_sitemaps(
    connection: Connection, known: Mapping[int, KnownFeed]
) -> tuple[UnwatchedSitemap, ...]:
    """List the sitemaps named news that the outlets of feeds could be compared with, unless an index that is
    watched lists them."""
    names = {feed.outlet for feed in known.values()}
    addresses = (select(feeds.c.url), select(feed_sitemaps.c.url))
    watched = {url_key(url) for query in addresses for url in connection.execute(query).scalars()}
    told = select(hosts.c.host, hosts.c.robots_body).where(
        hosts.c.robots_body.is_not(None), hosts.c.robots_status.between(200, 299)
    )
    found = {
        (outlet, link.url)
        for row in connection.execute(told)
        if (outlet := outlet_of(f"https://{row.host}/")) in names and b"sitemap" in row.robots_body.lower()
        for link in sitemap_links(row.robots_body, url=f"https://{row.host}/")
        if is_named_news(link.url) and url_key(link.url) not in watched
    }
    return tuple(UnwatchedSitemap(outlet=outlet, sitemap=url) for outlet, url in sorted(found))


def _compare(
    connection: Connection,
    first_day: int,
    end_day: int,
    feed_id: int,
    feed: KnownFeed,
    others: list[int],
) -> list[SitemapDay]:
    mine, theirs = sightings.alias(), sightings.alias()
    shown = exists().where(theirs.c.article_id == mine.c.article_id, theirs.c.feed_id.in_(others))
    listed = select(
        day_in_sql(connection, mine.c.seen_at).label("day"), case((shown, 1), else_=0).label("shown")
    ).where(mine.c.feed_id == feed_id, mine.c.seen_at >= first_day * DAY_S, mine.c.seen_at < end_day * DAY_S)
    each = listed.subquery()
    counted = select(each.c.day, func.count().label("listed"), func.sum(each.c.shown).label("shown"))
    return [
        SitemapDay(
            day=day_name(row.day),
            sitemap=feed.url,
            outlet=feed.outlet,
            listed=row.listed,
            shown_by_feeds=row.shown,
        )
        for row in connection.execute(counted.group_by(each.c.day))
    ]
