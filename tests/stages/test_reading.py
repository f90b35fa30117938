"""What polls read: sitemaps behind an index."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
from sqlalchemy import select, update

from pipeline.feeds.children import CHILDREN_A_POLL
from pipeline.flow import run_stage
from pipeline.model import Stage
from pipeline.services import Services, open_services, set_up
from pipeline.settings import read_settings
from pipeline.stages.shift import begin_shift
from pipeline.store.children import UnreadSitemap, read_unread
from pipeline.store.coverage import Asked, FeedDay, read_coverage, today
from pipeline.store.subscriptions import (
    NewFeed,
    WatchedFeed,
    add_feeds,
    list_feeds,
)
from pipeline.store.tables import articles, feed_sitemaps, feeds, hosts
from tests.stages.loopback import Answer, Site, open_site, redirect, whole

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

    def poll(self, *, delay_s: float = 0.0) -> None:
        """Poll as the tick after a pause does; with a delay, one request."""
        with self.services.store.write() as connection:
            connection.execute(update(hosts).values(next_request_at=0, crawl_delay_s=delay_s or None))
        shift = begin_shift(lambda stage: None, threading.Event(), budget_s=30.0)
        run_stage(Stage.POLL, self.services, shift)

    def make_due(self) -> None:
        with self.services.store.write() as connection:
            connection.execute(update(feeds).values(next_poll_at=0))

    def poll_whole(self) -> None:
        """Poll what is watched once more, to the end."""
        self.make_due()
        self.poll()
        while self.is_under_way():
            self.poll()

    def is_under_way(self) -> bool:
        with self.services.store.read() as connection:
            return connection.execute(select(feeds.c.next_url)).scalar_one() is not None

    def forget_waits(self) -> None:
        """Let what failed be asked again at once."""
        with self.services.store.write() as connection:
            connection.execute(update(feed_sitemaps).values(not_before=None))

    def unread(self) -> tuple[UnreadSitemap, ...]:
        with self.services.store.read() as connection:
            return read_unread(connection)

    def days(self) -> Sequence[FeedDay]:
        end = today(self.services.store) + 1
        return read_coverage(self.services.store, Asked(first_day=end - 2, end_day=end)).days

    def archived(self) -> int:
        """Count the bytes of the archive."""
        return sum(path.stat().st_size for path in self.archive.rglob("*") if path.is_file())

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


Heads = list[tuple[str, str | None, str | None]]


def validated(heads: Heads, body: bytes, etag: str | None, *, since: str | None = None) -> Answer:
    """Answer 304 to whoever shows the validators as they were given, and keep which ones were shown."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        shown = (handler.headers["If-None-Match"], handler.headers["If-Modified-Since"])
        heads.append((handler.path, *shown))
        if shown == (etag, since) != (None, None):
            whole(b"", status=304)(handler)
        else:
            named = {"ETag": etag, "Last-Modified": since}
            given = {name: value for name, value in named.items() if value}
            whole(body, kind="text/xml", headers=given)(handler)

    return answer


def test_an_index_and_its_sitemaps_are_asked_with_their_own_validators_and_unconditionally_once(
    desk: Desk,
) -> None:
    site, heads = desk.site, list[tuple[str, str | None, str | None]]()
    listed = index((site.url("/1.xml"), "2026-11-01"), (site.url("/2.xml"), "2026-11-02"))
    site.answers |= {
        "/index.xml": validated(heads, listed, 'W/"of the index"'),
        "/1.xml": validated(heads, sitemap(site.url("/a")), '"one %22"', since="in autumn"),
        "/2.xml": validated(heads, sitemap(site.url("/b")), None, since="yesterday"),
    }
    desk.watch("/index.xml")
    desk.poll_whole()
    assert heads == [("/index.xml", None, None), ("/2.xml", None, None), ("/1.xml", None, None)]
    assert desk.links() == {site.url("/a"), site.url("/b")}
    archived = desk.archived()
    heads.clear()
    desk.poll_whole()
    assert sorted(heads) == [
        ("/1.xml", '"one %22"', "in autumn"),
        ("/2.xml", None, "yesterday"),
        ("/index.xml", 'W/"of the index"', None),
    ]
    assert (desk.archived(), desk.feed().last_status) == (archived, 304)


def test_every_sitemap_that_changed_is_read_and_what_did_not_is_not_asked_for(desk: Desk) -> None:
    site = desk.site

    def listed(*days: int) -> Answer:
        pairs = ((site.url(f"/{number}.xml"), f"2026-{day:02}-01") for number, day in enumerate(days))
        return whole(index(*pairs), kind="text/xml")

    site.answers["/index.xml"] = listed(1, 2, 9)
    site.answers |= {
        f"/{number}.xml": whole(sitemap(site.url(f"/a{number}")), kind="text/xml") for number in range(3)
    }
    desk.watch("/index.xml")
    desk.poll_whole()
    assert (site.requests, desk.links()) == (["/index.xml", "/2.xml"], {site.url("/a2")})
    site.requests.clear()
    site.answers["/index.xml"] = listed(7, 8, 9)
    desk.poll_whole()
    assert site.requests == ["/index.xml", "/1.xml", "/0.xml", "/2.xml"]
    assert desk.links() == {site.url(f"/a{number}") for number in range(3)}
    site.requests.clear()
    desk.poll_whole()
    assert site.requests == ["/index.xml", "/2.xml"]


def test_what_a_poll_does_not_come_to_is_read_by_the_next_ones_soon(desk: Desk) -> None:
    site, number = desk.site, CHILDREN_A_POLL + 3
    listed = [(site.url(f"/{place}.xml"), "2026-11-01") for place in range(number)]
    site.answers["/index.xml"] = whole(index(*listed), kind="text/xml", headers={"ETag": '"1"'})
    site.answers |= {
        f"/{place}.xml": whole(sitemap(site.url(f"/a{place}")), kind="text/xml") for place in range(number)
    }
    desk.watch("/index.xml")
    desk.poll_whole()
    assert len(desk.links()) == CHILDREN_A_POLL
    assert len(desk.unread()) == 3
    assert "3 sitemaps are left to read" in desk.feed().why
    desk.poll_whole()
    assert (len(desk.links()), desk.unread()) == (number, ())


def test_each_sitemap_is_asked_in_a_turn_of_its_host(desk: Desk) -> None:
    site = desk.site
    site.answers |= {
        "/index.xml": whole(index((site.url("/1.xml"), "2026-11-01")), kind="text/xml"),
        "/1.xml": whole(sitemap(site.url("/a")), kind="text/xml"),
    }
    desk.watch("/index.xml")
    desk.poll(delay_s=60.0)
    assert site.requests == ["/index.xml"]
    desk.poll(delay_s=60.0)
    assert site.requests == ["/index.xml", "/1.xml"]


def test_a_sitemap_that_fails_keeps_no_other_from_being_read_and_is_told_of(desk: Desk) -> None:
    site = desk.site
    listed = [(site.url("/lost.xml"), "2026-11-02"), (site.url("/1.xml"), "2026-11-01")]
    site.answers |= {
        "/index.xml": whole(index(*listed), kind="text/xml"),
        "/1.xml": whole(sitemap(site.url("/a")), kind="text/xml"),
    }
    desk.watch("/index.xml")
    desk.poll_whole()
    assert (desk.links(), desk.feed().last_error) == ({site.url("/a")}, None)
    (unread,) = desk.unread()
    assert (unread.sitemap, unread.error) == (site.url("/lost.xml"), "http-404")
    site.requests.clear()
    desk.poll_whole()
    assert site.requests == ["/index.xml", "/1.xml"]


def test_an_index_none_of_whose_sitemaps_can_be_read_is_failing_until_one_can(desk: Desk) -> None:
    site = desk.site
    site.answers["/index.xml"] = whole(index((site.url("/1.xml"), "2026-11-02")), kind="text/xml")
    desk.watch("/index.xml")
    desk.poll_whole()
    desk.poll_whole()
    assert (desk.feed().last_error, site.requests) == ("http-404", ["/index.xml", "/1.xml", "/index.xml"])
    site.answers["/1.xml"] = whole(sitemap(site.url("/a")), kind="text/xml")
    desk.forget_waits()
    desk.poll_whole()
    assert (desk.feed().last_error, desk.unread()) == (None, ())


def test_a_host_that_asks_to_be_left_alone_ends_the_poll_and_what_is_left_is_read_later(desk: Desk) -> None:
    site = desk.site
    listed = [(site.url("/1.xml"), "2026-11-02"), (site.url("/2.xml"), "2026-11-01")]
    site.answers |= {
        "/index.xml": whole(index(*listed), kind="text/xml"),
        "/1.xml": whole(b"", status=503, headers={"Retry-After": "900"}),
        "/2.xml": whole(sitemap(site.url("/b")), kind="text/xml"),
    }
    desk.watch("/index.xml")
    desk.poll_whole()
    assert (site.requests, desk.feed().last_error) == (["/index.xml", "/1.xml"], "http-503")
    site.answers["/1.xml"] = whole(sitemap(site.url("/a")), kind="text/xml")
    desk.forget_waits()
    desk.poll_whole()
    assert (desk.links(), desk.feed().last_error) == ({site.url("/a"), site.url("/b")}, None)


def test_a_sitemap_elsewhere_and_one_that_redirects_are_read_and_keep_their_validators(desk: Desk) -> None:
    site, other, heads = desk.site, desk.other, list[tuple[str, str | None, str | None]]()
    site.answers |= {
        "/index.xml": whole(index((site.url("/1.xml"), "2026-11-02")), kind="text/xml"),
        "/1.xml": redirect(other.url("/there.xml")),
    }
    other.answers["/there.xml"] = validated(heads, sitemap(site.url("/a")), '"1"')
    desk.watch("/index.xml")
    desk.poll_whole()
    desk.poll_whole()
    assert heads == [("/there.xml", None, None), ("/there.xml", '"1"', None)]
    assert desk.links() == {site.url("/a")}


def test_an_index_in_an_index_is_followed_and_circles_end(desk: Desk) -> None:
    one, two, news = (desk.site.url(path) for path in ("/1.xml", "/2.xml", "/n.xml"))
    desk.site.answers |= {
        "/1.xml": whole(index((two, "2026-11-01")), kind="text/xml"),
        "/2.xml": whole(index((one, "2026-11-01"), (news, "2026-11-01")), kind="text/xml"),
        "/n.xml": whole(sitemap(desk.site.url("/a")), kind="text/xml"),
    }
    desk.watch("/1.xml")
    desk.poll_whole()
    assert desk.site.requests == ["/1.xml", "/2.xml", "/n.xml"]
    assert desk.links() == {desk.site.url("/a")}


def served(desk: Desk, **listed: bytes) -> None:
    for name, body in listed.items():
        desk.site.answers[f"/{name}.xml"] = whole(body, kind="text/xml")


def sitemaps_known(desk: Desk) -> set[str]:
    with desk.services.store.read() as connection:
        found = connection.execute(select(feed_sitemaps.c.url)).scalars()
        return {url.removeprefix(desk.site.origin) for url in found}


def test_a_poll_passes_over_a_sitemap_that_an_index_in_the_index_lists_no_more(desk: Desk) -> None:
    inner, one, two, last = (desk.site.url(f"/{name}.xml") for name in ("inner", "one", "two", "last"))
    day = "2026-11-02"
    served(desk, outer=index((inner, "2026-11-03"), (last, "2026-11-01")))
    served(desk, inner=index((one, day), (two, day)))
    served(desk, one=sitemap(desk.site.url("/a")), two=sitemap(desk.site.url("/b")))
    served(desk, last=sitemap(desk.site.url("/c")))
    desk.watch("/outer.xml")
    desk.poll_whole()
    desk.site.requests.clear()
    served(desk, inner=index((two, day)), last=sitemap(desk.site.url("/d")))
    desk.poll_whole()
    assert "/one.xml" not in desk.site.requests
    assert desk.feed().last_error is None
    assert desk.site.url("/d") in desk.links()
    assert sitemaps_known(desk) == {"/inner.xml", "/two.xml", "/last.xml"}


def test_an_index_that_its_index_lists_no_more_is_forgotten_with_the_sitemaps_that_it_lists(
    desk: Desk,
) -> None:
    inner, one, last = (desk.site.url(f"/{name}.xml") for name in ("inner", "one", "last"))
    served(desk, outer=index((inner, "2026-11-02"), (last, "2026-11-02")), inner=index((one, "2026-11-02")))
    served(desk, one=sitemap(desk.site.url("/a")), last=sitemap(desk.site.url("/b")))
    desk.watch("/outer.xml")
    desk.poll_whole()
    assert sitemaps_known(desk) == {"/inner.xml", "/one.xml", "/last.xml"}
    served(desk, outer=index((last, "2026-11-02")))
    desk.poll_whole()
    assert sitemaps_known(desk) == {"/last.xml"}


def test_a_max_age_of_a_sitemap_is_kept_for_itself(desk: Desk) -> None:
    site = desk.site
    fresh = {"Cache-Control": "max-age=7200"}
    site.answers |= {
        "/index.xml": whole(index((site.url("/1.xml"), "2026-11-02")), kind="text/xml"),
        "/1.xml": whole(sitemap(site.url("/a")), kind="text/xml", headers=fresh),
    }
    desk.watch("/index.xml")
    desk.poll_whole()
    desk.poll_whole()
    assert site.requests == ["/index.xml", "/1.xml", "/index.xml"]


def test_the_sitemap_that_an_earlier_version_read_is_asked_with_the_validators_that_it_kept(
    desk: Desk,
) -> None:
    site, heads = desk.site, list[tuple[str, str | None, str | None]]()
    site.answers |= {
        "/index.xml": whole(index((site.url("/1.xml"), "2026-11-02")), kind="text/xml"),
        "/1.xml": validated(heads, sitemap(site.url("/a")), '"kept"'),
    }
    desk.watch("/index.xml")
    with desk.services.store.write() as connection:
        connection.execute(update(feeds).values(etag='"kept"', validators_from=site.url("/1.xml")))
    desk.poll_whole()
    assert heads == [("/1.xml", '"kept"', None)]


def test_a_poll_of_an_index_is_one_poll_in_the_ledger_and_a_gap_is_told_by_each_sitemap(desk: Desk) -> None:
    site = desk.site
    listed = [(site.url("/1.xml"), "2026-11-02"), (site.url("/2.xml"), "2026-11-01")]
    site.answers |= {
        "/index.xml": whole(index(*listed), kind="text/xml"),
        "/1.xml": whole(sitemap(site.url("/a"), site.url("/b")), kind="text/xml"),
        "/2.xml": whole(sitemap(site.url("/c"), site.url("/d")), kind="text/xml"),
    }
    desk.watch("/index.xml")
    desk.poll_whole()
    site.answers["/2.xml"] = whole(sitemap(site.url("/e"), site.url("/f")), kind="text/xml")
    desk.poll_whole()
    (day,) = desk.days()
    assert (day.polls, day.entries, day.gaps, day.failed) == (2, 6, 1, 0)
