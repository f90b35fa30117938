"""What polls read: sitemaps behind an index, and feeds that want headers of their own."""

import gzip
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
from sqlalchemy import select, update

from pipeline.flow import run_stage
from pipeline.model import Stage
from pipeline.services import Services, open_services, set_up
from pipeline.settings import read_settings
from pipeline.stages.shift import begin_shift
from pipeline.store.subscriptions import (
    FeedChange,
    NewFeed,
    WatchedFeed,
    add_feeds,
    change_feeds,
    list_feeds,
)
from pipeline.store.tables import articles, feeds, hosts
from tests.stages.loopback import Answer, Site, open_site, redirect, rss, whole

KEY = ("X-Api-Key", "s3cret")
RSS = "application/rss+xml"


@dataclass(frozen=True)
class Desk:
    """Hold two sites, a store and its archive."""

    site: Site
    other: Site
    services: Services
    archive: Path

    def watch(self, path: str) -> str:
        add_feeds(self.services.store, [NewFeed(url=self.site.url(path))], interval_s=900)
        return self.site.url(path)

    def poll(self) -> None:
        """Make one request, as the tick after a pause does."""
        with self.services.store.write() as connection:
            connection.execute(update(hosts).values(next_request_at=0))
        shift = begin_shift(lambda stage: None, threading.Event(), budget_s=30.0)
        run_stage(Stage.POLL, self.services, shift)

    def make_due(self) -> None:
        with self.services.store.write() as connection:
            connection.execute(update(feeds).values(next_poll_at=0))

    def feed(self) -> WatchedFeed:
        (only,) = list_feeds(self.services.store)
        return only

    def links(self) -> set[str]:
        with self.services.store.read() as connection:
            return set(connection.execute(select(articles.c.url)).scalars())


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    settings = read_settings(
        {
            "WIREROOM_HOME": str(tmp_path),
            "WIREROOM_ALLOW_ADDRESSES": "127.0.0.0/8",
            "WIREROOM_HOST_DELAY": "0",
        }
    )
    set_up(settings)
    with ExitStack() as stack:
        site, other = (stack.enter_context(open_site()) for _ in range(2))
        services = stack.enter_context(closing(open_services(settings)))
        yield Desk(site, other, services, settings.archive_folder)


def sitemap(*links: str) -> bytes:
    told = "<n:news><n:title>News</n:title></n:news>"
    urls = "".join(f"<url><loc>{link}</loc>{told}</url>" for link in links)
    namespace = "http://www.google.com/schemas/sitemap-news/0.9"
    return f'<urlset xmlns:n="{namespace}">{urls}</urlset>'.encode()


def index(*children: tuple[str, str]) -> bytes:
    listed = "".join(f"<sitemap><loc>{url}</loc><lastmod>{at}</lastmod></sitemap>" for url, at in children)
    return f"<sitemapindex>{listed}</sitemapindex>".encode()


def test_an_index_of_sitemaps_is_followed_to_its_newest_child_at_every_poll(desk: Desk) -> None:
    site = desk.site
    october, november = site.url("/10.xml"), site.url("/11.xml")
    site.answers |= {
        "/index.xml": whole(index((october, "2026-10-31")), kind="text/xml"),
        "/10.xml": whole(sitemap(site.url("/a")), kind="text/xml"),
        "/11.xml": whole(sitemap(site.url("/b")), kind="text/xml"),
    }
    url = desk.watch("/index.xml")
    desk.poll()
    desk.poll()
    assert (site.requests, desk.links()) == (["/index.xml", "/10.xml"], {site.url("/a")})
    assert (desk.feed().url, desk.feed().last_error) == (url, None)
    listed = index((october, "2026-10-31"), (november, "2026-11-01"))
    site.answers["/index.xml"] = whole(listed, kind="text/xml")
    desk.make_due()
    desk.poll()
    desk.poll()
    assert site.requests[2:] == ["/index.xml", "/11.xml"]
    assert desk.links() == {site.url("/a"), site.url("/b")}


def test_indexes_that_lead_in_a_circle_end(desk: Desk) -> None:
    one, two = desk.site.url("/1.xml"), desk.site.url("/2.xml")
    desk.site.answers |= {
        "/1.xml": whole(index((two, "2026-11-01")), kind="text/xml"),
        "/2.xml": whole(index((one, "2026-11-01")), kind="text/xml"),
    }
    desk.watch("/1.xml")
    for _ in range(10):
        desk.poll()
    assert len(desk.site.requests) == 6


def asking_for_a_key(seen: list[str | None], answer: Answer) -> Answer:
    def checked(handler: BaseHTTPRequestHandler) -> None:
        seen.append(handler.headers.get(KEY[0]))
        answer(handler)

    return checked


def test_a_feeds_own_headers_go_to_its_host_and_after_a_redirect_to_no_other(desk: Desk) -> None:
    at_home: list[str | None] = []
    elsewhere: list[str | None] = []
    desk.site.answers["/feed"] = asking_for_a_key(at_home, redirect(desk.other.url("/feed")))
    desk.other.answers["/feed"] = asking_for_a_key(elsewhere, whole(rss(desk.site.url("/a")), kind=RSS))
    url = desk.watch("/feed")
    change_feeds(desk.services.store, [url], FeedChange(headers=(KEY,)))
    desk.poll()
    desk.poll()
    assert (at_home, elsewhere) == ([KEY[1]], [None])
    assert desk.links() == {desk.site.url("/a")}


def test_a_feeds_own_headers_stay_with_the_host_they_were_given_for(desk: Desk) -> None:
    seen: list[str | None] = []
    desk.other.answers["/feed"] = asking_for_a_key(seen, whole(rss(), kind=RSS))
    url = desk.watch("/feed")
    change_feeds(desk.services.store, [url], FeedChange(headers=(KEY,)))
    with desk.services.store.write() as connection:  # as permanent redirects rewrite it
        moved = {"url": desk.other.url("/feed"), "host": desk.other.origin.removeprefix("http://")}
        connection.execute(hosts.insert().values(host=moved["host"]))
        connection.execute(update(feeds).values(moved))
    desk.poll()
    assert seen == [None]


def test_a_feeds_own_headers_are_not_archived_nor_logged(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    desk.site.answers["/feed"] = whole(rss(desk.site.url("/a")), kind=RSS)
    url = desk.watch("/feed")
    change_feeds(desk.services.store, [url], FeedChange(headers=(KEY,)))
    desk.poll()
    desk.services.archive.close()
    kept = b"".join(gzip.decompress(path.read_bytes()) for path in desk.archive.rglob("*.warc.gz*"))
    assert b"GET /feed" in kept
    assert b"s3cret" not in kept
    assert "s3cret" not in caplog.text
