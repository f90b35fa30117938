"""How feeds are asked, by the real poll stage on loopback servers: what is sent, where and when."""

import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from email.message import Message
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update

from pipeline.feeds.rhythm import DAY, hour_of
from pipeline.flow import run_stage
from pipeline.identity import host_of
from pipeline.model import Stage
from pipeline.services import Services, open_services, set_up
from pipeline.settings import read_settings
from pipeline.stages.shift import begin_shift
from pipeline.store.moves import list_moves, undo_moves
from pipeline.store.subscriptions import NewFeed, add_feeds, poll_feeds
from pipeline.store.tables import feeds, hosts
from tests.stages.loopback import Answer, Site, open_site, redirect, rss, whole

RSS = "application/rss+xml"
HEADERS = ["Accept", "Accept-Encoding", "Connection", "Host", "User-Agent"]
ODD = {"ETag": 'W/"a b%22c"', "Last-Modified": "yesterday evening"}


@dataclass
class Newsstand:
    """Hold two sites and the services; the first one's /feed is watched."""

    site: Site
    other: Site
    services: Services
    heads: list[tuple[str, Message]] = field(default_factory=list)

    @property
    def url(self) -> str:
        return self.site.url("/feed")

    def poll(self) -> Any:
        """Poll what is due now, all hosts being rested; give the first feed's row."""
        with self.services.store.write() as connection:
            connection.execute(update(feeds).values(next_poll_at=0))
            connection.execute(update(hosts).values(next_request_at=0))
        self.run(Stage.POLL)
        return self.row()

    def run(self, stage: Stage) -> None:
        shift = begin_shift(lambda stage: None, threading.Event(), budget_s=60.0)
        run_stage(stage, self.services, shift)

    def row(self) -> Any:
        with self.services.store.read() as connection:
            return connection.execute(select(feeds).order_by(feeds.c.id).limit(1)).one()

    def change(self, **values: object) -> None:
        with self.services.store.write() as connection:
            connection.execute(update(feeds).values(values))

    def rest_of(self, site: Site) -> float:
        """Tell for how long a site's host is left alone."""
        store = self.services.store
        with store.read() as connection:
            left = select(hosts.c.next_request_at - store.now()).where(hosts.c.host == host_of(site.url("/")))
            return float(connection.execute(left).scalar_one())

    def heard(self, answer: Answer) -> Answer:
        """Keep the head of each request that an answer is given to."""

        def answered(handler: BaseHTTPRequestHandler) -> None:
            self.heads.append((handler.path, handler.headers))
            answer(handler)

        return answered


@pytest.fixture
def stand(tmp_path: Path) -> Iterator[Newsstand]:
    settings = read_settings(
        {
            "WIREROOM_HOME": str(tmp_path),
            "WIREROOM_ALLOW_ADDRESSES": "127.0.0.0/8",
            "WIREROOM_HOST_DELAY": "0",
            "WIREROOM_USER_AGENT_URL": "https://news.example/about-our-reader",
        }
    )
    set_up(settings)
    with ExitStack() as stack:
        site, other = (stack.enter_context(open_site()) for _ in range(2))
        services = stack.enter_context(closing(open_services(settings)))
        opened = Newsstand(site, other, services)
        site.answers["/feed"] = opened.heard(whole(rss(site.url("/a")), kind=RSS, headers=ODD))
        add_feeds(services.store, [NewFeed(url=opened.url)], interval_s=900)
        yield opened


def conditions(stand: Newsstand) -> list[tuple[str | None, str | None]]:
    return [(head["If-None-Match"], head["If-Modified-Since"]) for _, head in stand.heads]


def test_validators_go_back_byte_for_byte_both_and_none_is_invented(stand: Newsstand) -> None:
    stand.poll()
    stand.poll()
    assert conditions(stand) == [(None, None), (ODD["ETag"], ODD["Last-Modified"])]


@pytest.mark.parametrize("spelling", ["/feed?q=site%3Ax.example", "/%66eed", "/feed?a|b", "/feed#latest"])
def test_an_address_that_http_spells_otherwise_is_asked_conditionally(
    stand: Newsstand, spelling: str
) -> None:
    stand.change(url=stand.site.url(spelling))
    stand.poll()
    stand.poll()
    assert conditions(stand) == [(None, None), (ODD["ETag"], ODD["Last-Modified"])]


def test_a_request_carries_nothing_that_it_need_not(stand: Newsstand) -> None:
    stand.poll()
    path, head = stand.heads[0]
    assert (path, sorted(head.keys())) == ("/feed", HEADERS)
    assert head["User-Agent"].startswith("Wireroom/")
    assert head["User-Agent"].endswith(" (+https://news.example/about-our-reader)")


def test_a_changed_body_under_the_same_etag_is_noticed(stand: Newsstand) -> None:
    stand.poll()
    stand.site.answers["/feed"] = whole(
        rss(stand.site.url("/a"), stand.site.url("/b")), kind=RSS, headers=ODD
    )
    assert stand.poll().entries == 2


def test_validators_come_together_with_their_body(stand: Newsstand) -> None:
    stand.poll()
    body = rss(stand.site.url("/a"))
    stand.site.answers["/feed"] = stand.heard(whole(body, kind=RSS, headers={"ETag": '"2"'}))
    stand.poll()
    stand.poll()
    assert conditions(stand)[-1] == ('"2"', None)


def test_what_could_not_be_read_leaves_the_validators_of_what_could(stand: Newsstand) -> None:
    stand.poll()
    stand.site.answers["/feed"] = whole(b"<p>no feed", headers={"ETag": '"broken"'})
    row = stand.poll()
    assert (row.last_error, row.etag) == ("not-a-feed", ODD["ETag"])
    stand.site.answers["/feed"] = whole(b"", status=304)
    row = stand.poll()
    assert (row.last_error, row.failures) == ("not-a-feed", 1.0)


def test_a_304_heals_a_network_failure(stand: Newsstand) -> None:
    stand.poll()
    stand.site.answers["/feed"] = whole(b"", status=500)
    assert stand.poll().failures == 0.5
    stand.site.answers["/feed"] = whole(b"", status=304)
    row = stand.poll()
    assert (row.last_error, row.failures, row.failing_since) == (None, 0.0, None)


def test_a_redirect_to_another_host_is_left_to_that_hosts_turn(stand: Newsstand) -> None:
    stand.site.answers["/feed"] = stand.heard(redirect(stand.other.url("/moved")))
    stand.other.answers["/moved"] = stand.heard(whole(rss(stand.site.url("/a")), kind=RSS, headers=ODD))
    row = stand.poll()
    assert (row.entries, row.host, row.next_url, row.hops) == (1, host_of(stand.url), None, 0)
    assert stand.rest_of(stand.other) <= 0
    stand.poll()
    shown = ODD["ETag"], ODD["Last-Modified"]
    assert conditions(stand) == [(None, None), (None, None), (None, None), shown]


def follow(stand: Newsstand, status: int, *, polls: int = 3, days: bool = True) -> Any:
    """Poll a feed that redirects so often, on two days or one."""
    stand.site.answers["/feed"] = redirect(stand.other.url("/new"), status=status)
    stand.other.answers["/new"] = whole(rss(stand.site.url("/a")), kind=RSS)
    for _ in range(polls - 1):
        stand.poll()
    if days:
        stand.change(moving_since=feeds.c.moving_since - DAY)
    return stand.poll()


@pytest.mark.parametrize("status", [301, 308])
def test_the_address_is_rewritten_after_three_permanent_redirects_on_two_days(
    stand: Newsstand, status: int
) -> None:
    row = follow(stand, status)
    assert (row.url, row.host) == (stand.other.url("/new"), host_of(stand.other.url("/")))
    assert f"moved here from {stand.url} after permanent redirects" in row.why
    assert [(move.old_url, move.new_url) for move in list_moves(stand.services.store)] == [
        (stand.url, stand.other.url("/new"))
    ]


@pytest.mark.parametrize(
    ("status", "polls", "days"), [(302, 4, True), (307, 4, True), (301, 2, True), (301, 4, False)]
)
def test_it_is_not_rewritten_for_less(stand: Newsstand, status: int, polls: int, days: bool) -> None:
    assert follow(stand, status, polls=polls, days=days).url == stand.url


def test_it_is_never_rewritten_to_what_another_feed_has(stand: Newsstand) -> None:
    add_feeds(stand.services.store, [NewFeed(url=stand.other.url("/new"))], interval_s=900)
    row = follow(stand, 301)
    assert row.url == stand.url
    assert f"it has moved to {stand.other.url('/new')}, which another feed has" in row.why


def test_a_move_that_was_undone_is_not_made_again(stand: Newsstand) -> None:
    follow(stand, 301)
    assert undo_moves(stand.services.store, [stand.other.url("/new")]) == (stand.url,)
    row = follow(stand, 301)
    assert row.url == stand.url
    assert "but that was undone" in row.why


@pytest.mark.parametrize(
    ("headers", "least", "most"), [({}, 290, 300), ({"Retry-After": "20"}, 10, 20)], ids=["silent", "20 s"]
)
@pytest.mark.parametrize("status", [429, 503])
def test_an_overloaded_host_is_left_alone_for_all_its_feeds(
    stand: Newsstand, status: int, headers: dict[str, str], least: float, most: float
) -> None:
    for path in ("/feed", "/second"):
        stand.site.answers[path] = whole(b"", status=status, headers=headers)
    add_feeds(stand.services.store, [NewFeed(url=stand.site.url("/second"))], interval_s=900)
    stand.poll()
    assert len(stand.site.requests) == 1
    assert least < stand.rest_of(stand.site) <= most


def test_a_hosts_crawl_delay_counts_between_its_feeds(stand: Newsstand) -> None:
    with stand.services.store.write() as connection:
        connection.execute(update(hosts).values(crawl_delay_s=30.0))
    stand.poll()
    assert 25 < stand.rest_of(stand.site) <= 30


def test_what_an_answer_asked_is_remembered_when_a_304_says_nothing(stand: Newsstand) -> None:
    fresh = {**ODD, "Cache-Control": "max-age=7200"}
    stand.site.answers["/feed"] = whole(rss(stand.site.url("/a")), kind=RSS, headers=fresh)
    stand.poll()
    stand.site.answers["/feed"] = whole(b"", status=304)
    row = stand.poll()
    assert row.next_poll_at >= row.not_before == row.last_polled_at + 7200
    assert "its answer is fresh for 2 h" in row.why


@pytest.mark.parametrize("status", [200, 404, 503])
def test_how_long_a_failed_answer_may_be_kept_says_nothing_of_the_feed(stand: Newsstand, status: int) -> None:
    kept = {"Cache-Control": "max-age=604800"}
    stand.site.answers["/feed"] = whole(b"<p>We are working on it.", status=status, headers=kept)
    row = stand.poll()
    assert row.last_error is not None
    assert row.not_before is None
    assert row.next_poll_at < row.last_polled_at + 3600


def rest_now(stand: Newsstand) -> float:
    """Let the feed rest in this hour and the next; give when that ends."""
    with stand.services.store.read() as connection:
        now = stand.services.store.read_clock(connection)
    stand.change(hints={"skip_hours": sorted({hour_of(now), hour_of(now + 3600)})})
    return (now // 3600 + 2) * 3600


def test_a_poll_that_comes_late_does_not_fall_into_hours_of_rest(stand: Newsstand) -> None:
    ends = rest_now(stand)
    row = stand.poll()
    assert stand.site.requests == []
    assert (row.next_poll_at, row.why) == (ends, "it rests (skipHours, skipDays)")


def test_a_person_waits_for_the_publisher_or_forces_it(stand: Newsstand) -> None:
    ends = rest_now(stand)
    (waits,) = poll_feeds(stand.services.store, [stand.url])
    assert waits.at == ends
    (due,) = poll_feeds(stand.services.store, [stand.url], force=True)
    assert due.at == due.now
    stand.run(Stage.POLL)
    assert stand.site.requests == ["/feed"]
    assert not stand.row().forced


def test_410_ends_the_asking(stand: Newsstand) -> None:
    stand.site.answers["/feed"] = whole(b"", status=410)
    assert stand.poll().state == "gone"
    stand.poll()
    assert stand.site.requests == ["/feed"]


def test_a_host_elsewhere_that_answers_429_for_its_robots_txt_gets_its_pause(stand: Newsstand) -> None:
    stand.poll()
    stand.site.answers["/robots.txt"] = redirect(stand.other.url("/robots.txt"))
    stand.other.answers["/robots.txt"] = whole(b"", status=429, headers={"Retry-After": "900"})
    stand.run(Stage.FETCH)
    assert stand.rest_of(stand.other) > 890


def test_410_behind_a_temporary_redirect_is_no_end_of_the_feed(stand: Newsstand) -> None:
    stand.site.answers["/feed"] = redirect(stand.other.url("/away"))
    stand.other.answers["/away"] = whole(b"", status=410)
    row = stand.poll()
    assert (row.state, row.last_error) == ("active", "http-410")


def test_410_of_a_sitemap_is_no_end_of_its_index(stand: Newsstand) -> None:
    child = f"<sitemap><loc>{stand.site.url('/news.xml')}</loc></sitemap>"
    index = f'<sitemapindex xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">{child}</sitemapindex>'
    stand.site.answers |= {
        "/feed": whole(index.encode(), kind="application/xml"),
        "/news.xml": whole(b"", status=410),
    }
    row = stand.poll()
    assert (stand.site.requests, row.state) == (["/feed", "/news.xml"], "active")


def test_410_behind_a_permanent_redirect_ends_the_asking(stand: Newsstand) -> None:
    stand.site.answers["/feed"] = redirect(stand.other.url("/away"), status=301)
    stand.other.answers["/away"] = whole(b"", status=410)
    assert stand.poll().state == "gone"


def test_a_robots_txt_elsewhere_is_asked_for_in_that_hosts_turn(stand: Newsstand) -> None:
    stand.poll()
    stand.site.answers |= {"/robots.txt": redirect(stand.other.url("/robots.txt")), "/a": whole(b"<p>text")}
    stand.other.answers["/robots.txt"] = whole(b"User-agent: *\nCrawl-delay: 40\n", kind="text/plain")
    stand.run(Stage.FETCH)
    assert stand.other.requests == ["/robots.txt"]
    assert stand.rest_of(stand.other) <= 0
    assert 35 < stand.rest_of(stand.site) <= 40
