"""Faults that no stage foresaw, and hosts that ask for long pauses: others go on, and no host is hammered."""

import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy import select, update

from pipeline.flow import run_stage
from pipeline.identity import article_id, host_of, url_key
from pipeline.model import Stage
from pipeline.services import Services, open_services, set_up
from pipeline.settings import read_settings
from pipeline.stages.index import index
from pipeline.stages.shift import begin_shift
from pipeline.store.due import waiting
from pipeline.store.subscriptions import NewFeed, add_feeds, list_feeds
from pipeline.store.tables import articles, feeds, hosts
from tests.indexing.desk import index_all, new_document, take_away, write
from tests.servers import free_port
from tests.stages.loopback import Answer, Site, open_site, redirect, rss, whole

PAGE = b"<!doctype html><title>Harbour</title><article><p>The ferries have returned.</p></article>"
RSS = "application/rss+xml"
LONG_S = 600  # a pause that no test could wait for


@dataclass(frozen=True)
class Desk:
    """Hold two sites and a store that watches a feed of the first."""

    site: Site
    other: Site
    services: Services
    archive: Path

    def run(self, stage: Stage) -> None:
        run_stage(stage, self.services, begin_shift(lambda stage: None, threading.Event(), budget_s=30.0))

    def watch(self, *links: str) -> None:
        self.site.answers["/feed"] = whole(rss(*links), kind=RSS)
        add_feeds(self.services.store, [NewFeed(url=self.site.url("/feed"))], interval_s=900)

    def article(self, url: str) -> tuple[str, str | None, int, str | None]:
        columns = (articles.c.state, articles.c.stage, articles.c.attempts, articles.c.next_url)
        with self.services.store.read() as connection:
            row = connection.execute(select(*columns).where(articles.c.id == id_of(url))).one()
            return (row[0], row[1], row[2], row[3])

    def rest_s(self, site: Site) -> float:
        """Tell in how many seconds a site's host may be asked again."""
        left = hosts.c.next_request_at - self.services.store.now()
        with self.services.store.read() as connection:
            return connection.execute(select(left).where(hosts.c.host == host_of(site.origin))).scalar_one()

    def wake_hosts(self) -> None:
        with self.services.store.write() as connection:
            connection.execute(update(hosts).values(next_request_at=0))


def test_an_index_that_is_away_is_told_in_the_log(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    environ = {"WIREROOM_HOME": str(tmp_path), "WIREROOM_INDEX_URL": f"http://127.0.0.1:{free_port()}"}
    settings = read_settings(environ)
    set_up(settings)
    with closing(open_services(settings)) as services:
        assert not index(services, begin_shift(lambda stage: None, threading.Event()))
    (told,) = (each for each in caplog.records if each.name == "pipeline.stages.index")
    assert told.message == "articles wait for the index"
    assert str(vars(told)["error"]).startswith(f"Elasticsearch at {settings.index_url} cannot be reached")


def test_what_an_index_worker_died_with_has_its_turn_at_the_end_of_each_shift(tmp_path: Path) -> None:
    settings = read_settings({"WIREROOM_HOME": str(tmp_path)})
    set_up(settings)
    with closing(open_services(settings)) as services:
        write(services.store, [new_document("suspect"), new_document("fresh")])
        with services.store.write() as connection:
            suspect = articles.c.id == "suspect"
            connection.execute(update(articles).where(suspect).values(attempts=1, host="other.example:443"))
        assert index(services, begin_shift(lambda stage: None, threading.Event(), budget_s=0.0))
        with services.store.read() as connection:
            indexed = select(articles.c.id).where(articles.c.stage.is_(None))
            assert connection.execute(indexed).scalars().all() == ["suspect"]


def id_of(url: str) -> str:
    return article_id(url_key(url) or "")


def test_a_removal_that_workers_died_with_is_never_given_up(tmp_path: Path) -> None:
    settings = read_settings({"WIREROOM_HOME": str(tmp_path)})
    set_up(settings)
    with closing(open_services(settings)) as services:
        write(services.store, [new_document("gone")])
        index_all(services)
        take_away(services.store, "gone")
        with services.store.write() as connection:
            connection.execute(update(articles).values(attempts=99))
        index_all(services)
        with services.store.read() as connection:
            row = connection.execute(select(articles.c.state, articles.c.reason, articles.c.stage)).one()
    assert tuple(row) == ("dropped", "removed", None)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    settings = read_settings(
        {
            "WIREROOM_HOME": str(tmp_path / "home"),
            "WIREROOM_ALLOW_ADDRESSES": "127.0.0.0/8",
            "WIREROOM_HOST_DELAY": "0",
        }
    )
    set_up(settings)
    with ExitStack() as stack:
        site, other = (stack.enter_context(open_site()) for _ in range(2))
        services = stack.enter_context(closing(open_services(settings)))
        yield Desk(site, other, services, settings.archive_folder)


def test_a_feed_that_cannot_be_archived_fails_by_a_slug_and_is_left_alone_for_a_while(desk: Desk) -> None:
    desk.archive.write_text("no folder")  # as a full disk does: no record can be written
    desk.watch(desk.site.url("/a"))
    for _ in range(3):
        desk.run(Stage.POLL)
    (feed,) = list_feeds(desk.services.store)
    assert (feed.last_error, feed.failures) == ("stage-crashed", 1)
    assert "takes no more records" in (feed.last_error_detail or "")
    assert desk.site.requests == ["/feed"]
    assert waiting(desk.services.store).leases == 0


def test_a_feed_that_wireroom_fails_on_does_not_hold_up_its_host(desk: Desk) -> None:
    desk.watch(desk.site.url("/a"))
    broken, sound = "http://[broken", desk.site.url("/second")
    desk.site.answers["/second"] = whole(rss(desk.site.url("/b")), kind=RSS)
    with desk.services.store.write() as connection:  # an address that no rule lets in
        connection.execute(update(feeds).values(url=broken))
    desk.run(Stage.POLL)
    add_feeds(desk.services.store, [NewFeed(url=sound)], interval_s=900)
    desk.run(Stage.POLL)
    errors = {feed.url: feed.last_error for feed in list_feeds(desk.services.store)}
    assert errors == {broken: "stage-crashed", sound: None}
    assert desk.site.requests == ["/second"]


def test_a_page_that_cannot_be_archived_is_kept_untried_and_its_host_left_alone(desk: Desk) -> None:
    page = desk.site.url("/a")
    desk.watch(page)
    desk.run(Stage.POLL)
    desk.services.close()
    for path in (desk.archive, desk.archive.with_name("away")):
        if path.is_dir():
            path.rename(path.with_name("away"))
    desk.archive.write_text("no folder")
    for _ in range(3):
        desk.run(Stage.FETCH)
    assert desk.article(page)[:3] == ("found", "fetch", 0)
    assert desk.site.requests.count("/a") == 1


def test_a_page_that_fails_as_nobody_foresaw_is_blamed_alone(desk: Desk) -> None:
    good, bad, later = (desk.site.url(path) for path in ("/good", "/bad", "/later"))
    desk.site.answers |= {path: whole(PAGE) for path in ("/good", "/bad", "/later")}
    desk.site.answers["/robots.txt"] = whole(b"User-agent: *\nDisallow: /private\n", kind="text/plain")
    desk.watch(good, bad, later)
    desk.run(Stage.POLL)
    with desk.services.store.write() as connection:  # a link that no rule lets in
        broken = update(articles).where(articles.c.id == id_of(bad)).values(url="http://[broken")
        connection.execute(broken)
    for _ in range(3):
        desk.run(Stage.FETCH)
    assert desk.article(bad)[:2] == ("found", "fetch")
    assert desk.article(bad)[2] >= 1
    assert [desk.article(each)[:3] for each in (good, later)] == [("fetched", "enrich", 0)] * 2


@pytest.mark.parametrize("stage", [Stage.POLL, Stage.FETCH])
def test_a_broker_that_does_not_answer_holds_up_no_request_to_another_host(desk: Desk, stage: Stage) -> None:
    first_rang, others_rang, went_on = threading.Event(), threading.Event(), []

    def ring(_: Stage) -> None:
        if first_rang.is_set():
            others_rang.set()
        else:
            first_rang.set()
            went_on.append(others_rang.wait(10))

    def later(answer: Answer) -> Answer:
        return lambda handler: answer(handler) if first_rang.wait(10) else None

    desk.watch(desk.site.url("/a"), desk.other.url("/b"))
    desk.other.answers["/feed"] = whole(rss(desk.other.url("/c")), kind=RSS)
    desk.site.answers["/a"] = desk.other.answers["/b"] = whole(PAGE)
    add_feeds(desk.services.store, [NewFeed(url=desk.other.url("/feed"))], interval_s=900)
    if stage is Stage.FETCH:
        desk.run(Stage.POLL)
        desk.wake_hosts()
    slow = "/feed" if stage is Stage.POLL else "/b"
    desk.other.answers[slow] = later(desk.other.answers[slow])
    run_stage(stage, desk.services, begin_shift(ring, threading.Event(), budget_s=30.0))
    assert went_on == [True]


def test_a_long_crawl_delay_does_not_hold_up_the_worker(desk: Desk) -> None:
    slow, moved, quick = desk.site.url("/slow"), desk.site.url("/moved"), desk.other.url("/quick")
    rules = f"User-agent: *\nCrawl-delay: {LONG_S}\n".encode()
    desk.site.answers |= {"/robots.txt": whole(rules, kind="text/plain"), "/slow": whole(PAGE)}
    desk.site.answers["/moved"] = redirect("/slow")
    desk.other.answers["/quick"] = whole(PAGE)
    desk.watch(moved, quick)
    began_at = time.monotonic()
    desk.run(Stage.POLL)
    desk.run(Stage.FETCH)
    assert desk.article(quick)[0] == "fetched"
    assert desk.site.requests == ["/feed", "/robots.txt"]
    assert desk.rest_s(desk.site) > LONG_S - 60
    desk.wake_hosts()
    desk.run(Stage.FETCH)  # one page, and its redirect in a turn of its own
    assert desk.article(moved) == ("found", "fetch", 0, slow)
    assert desk.site.requests == ["/feed", "/robots.txt", "/moved"]
    assert desk.rest_s(desk.site) > LONG_S - 60
    assert time.monotonic() - began_at < 30


def test_a_run_that_ends_when_idle_does_not_wait_for_a_host_that_asked_for_a_long_pause(desk: Desk) -> None:
    slow, later = desk.site.url("/slow"), desk.site.url("/later")
    rules = f"User-agent: *\nCrawl-delay: {LONG_S}\n".encode()
    desk.site.answers |= {"/robots.txt": whole(rules, kind="text/plain"), "/slow": whole(PAGE)}
    desk.watch(slow, later)
    desk.run(Stage.POLL)
    desk.run(Stage.FETCH)
    left = waiting(desk.services.store)
    assert (left.due, left.leases, left.retries) == (0, 0, 2)
    assert left.next_retry_s is not None
    assert LONG_S - 60 < left.next_retry_s <= LONG_S
