"""News sitemaps as a yardstick: of what an outlet's sitemap listed, how much its other feeds showed, too."""

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from sqlalchemy import Connection, case, exists, func, select

from pipeline.feeds.discovery import sitemap_links
from pipeline.feeds.sitemaps import is_named_news
from pipeline.identity import outlet_of, url_key
from pipeline.store.days import DAY_S, day_in_sql, day_name
from pipeline.store.tables import feeds, hosts, sightings


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


def is_sitemap(url: str) -> bool:
    """Tell whether a subscribed address is that of a sitemap, by its name: sitemap.xml, news-sitemap.xml …"""
    return "sitemap" in urlsplit(url).path.rpartition("/")[2].lower()


def read_sitemap_days(
    connection: Connection, first_day: int, end_day: int, outlets: Mapping[int, tuple[str, str]]
) -> tuple[SitemapDay, ...]:
    """Compare each sitemap among the feeds (by id: address, outlet) with the outlet's other feeds."""
    found: list[SitemapDay] = []
    for feed_id, (url, outlet) in outlets.items():
        others = [
            other
            for other, (address, theirs) in outlets.items()
            if theirs == outlet and not is_sitemap(address)
        ]
        if is_sitemap(url) and others:
            found += _compare(connection, first_day, end_day, feed_id, url, outlet, others)
    return tuple(sorted(found, key=lambda each: (each.sitemap, each.day)))


def read_unwatched_sitemaps(
    connection: Connection, outlets: Mapping[int, tuple[str, str]]
) -> tuple[UnwatchedSitemap, ...]:
    """List the sitemaps named news that outlets with feeds (by id: address, outlet) could be compared with.

    An index among them may be watched by one of its children; that is not known here.
    """
    names = {outlet for _, outlet in outlets.values()}
    watched = {url_key(url) for url in connection.execute(select(feeds.c.url)).scalars()}
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
    url: str,
    outlet: str,
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
            day=day_name(row.day), sitemap=url, outlet=outlet, listed=row.listed, shown_by_feeds=row.shown
        )
        for row in connection.execute(counted.group_by(each.c.day))
    ]
