"""What the stages ask of a server is what the politeness ledger says that they asked."""

import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import update

from pipeline.feeds.child import FeedParser
from pipeline.flow import run_stage
from pipeline.model import ParsedFeed, Stage
from pipeline.services import Services, open_services, set_up
from pipeline.settings import read_settings
from pipeline.stages.shift import begin_shift
from pipeline.store.asked_hosts import HostCounts, read_hosts
from pipeline.store.coverage import Asked, FeedDay, read_coverage, today
from pipeline.store.due import waiting
from pipeline.store.ledger_tables import host_days, host_marks
from pipeline.store.subscriptions import NewFeed, add_feeds
from pipeline.store.tables import feeds, hosts
from tests.stages.loopback import Site, open_site, rss, whole
from tests.stages.test_awkward_pages import PAGE

DELAY_S = 0.3


@pytest.fixture
def site() -> Iterator[Site]:
    with open_site() as opened:
        yield opened


@pytest.fixture
def services(site: Site, tmp_path: Path) -> Iterator[Services]:
    """Watch a feed of two articles at a host that is given a pause between two requests."""
    site.answers["/feed"] = whole(
        rss(site.url("/a"), site.url("/b")), kind="application/rss+xml", headers={"ETag": '"1"'}
    )
    site.answers["/a"] = site.answers["/b"] = whole(PAGE.encode())
    settings = read_settings(
        {
            "WIREROOM_HOME": str(tmp_path),
            "WIREROOM_ALLOW_ADDRESSES": "127.0.0.0/8",
            "WIREROOM_HOST_DELAY": str(DELAY_S),
        }
    )
    set_up(settings)
    with closing(open_services(settings)) as opened:
        add_feeds(opened.store, [NewFeed(url=site.url("/feed"))], interval_s=900)
        yield opened


def work(services: Services, *stages: Stage) -> None:
    """Do what is due; the host is free at once, as after its pause."""
    for stage in stages:
        with services.store.write() as connection:
            connection.execute(update(hosts).values(next_request_at=0))
            connection.execute(update(feeds).values(next_poll_at=services.store.now()))
        run_stage(stage, services, begin_shift(lambda stage: None, threading.Event(), budget_s=60.0))


class StoppedParser(FeedParser):
    """Parse a feed when the worker has been told to stop, and tell it to stop when there is one to parse."""

    def __init__(self) -> None:
        super().__init__()
        self.begun, self.stopped = threading.Event(), threading.Event()

    def parse(self, body: bytes, *, url: str, headers: Sequence[tuple[str, str]]) -> ParsedFeed:
        self.begun.set()
        assert self.stopped.wait(10)
        return super().parse(body, url=url, headers=headers)

    def is_set(self) -> bool:
        if self.begun.is_set():
            self.stopped.set()
        return self.begun.is_set()

    def wait(self, timeout: float) -> bool:
        return self.begun.wait(timeout)


def told(services: Services) -> HostCounts:
    [host] = read_hosts(services.store)
    return host.total


def day(services: Services) -> FeedDay:
    end = today(services.store) + 1
    [only] = read_coverage(services.store, Asked(first_day=end - 1, end_day=end)).days
    return only


def test_every_request_is_in_the_ledger_once(services: Services, site: Site) -> None:
    work(services, Stage.POLL, Stage.FETCH, Stage.FETCH)
    asked = Counter(site.requests)
    counts = told(services)
    assert counts.requests == asked.total()
    assert (counts.feed, counts.robots, counts.page) == (asked["/feed"], asked["/robots.txt"], 2)


def test_the_pause_within_a_turn_is_measured(services: Services) -> None:
    work(services, Stage.POLL)
    with services.store.write() as connection:  # forget the poll: `work` gives its host no pause after it
        connection.execute(host_marks.delete())
        connection.execute(host_days.delete())
    work(services, Stage.FETCH)
    counts = told(services)
    assert (counts.robots, counts.page, counts.delay_s) == (1, 2, DELAY_S)
    assert counts.is_spaced
    assert counts.shortest_gap_s is not None


def test_a_conditional_request_and_its_304_are_counted(services: Services, site: Site) -> None:
    work(services, Stage.POLL)
    site.answers["/feed"] = whole(b"", status=304)
    work(services, Stage.POLL)
    counts, polled = told(services), day(services)
    assert (counts.feed, counts.conditional, counts.not_modified) == (2, 1, 1)
    assert (polled.polls, polled.not_modified, polled.new) == (2, 1, 2)
    assert polled.bytes == counts.bytes > 0


def test_a_poll_that_is_stopped_while_it_is_recorded_counts_once(services: Services) -> None:
    vars(services)["feed_parser"] = parser = StoppedParser()
    run_stage(Stage.POLL, services, begin_shift(lambda stage: None, parser, budget_s=60.0))
    assert (told(services).feed, day(services).polls, day(services).new) == (1, 1, 2)
    assert waiting(services.store).leases == 0


def test_a_host_that_wants_to_be_left_alone_is_counted(services: Services, site: Site) -> None:
    site.answers["/feed"] = whole(b"", status=503, headers={"Retry-After": "3600"})
    work(services, Stage.POLL)
    assert told(services).unavailable == 1
    work(services, Stage.POLL)  # which the schedule would not have done
    assert (told(services).hints, told(services).hints_kept) == (1, 0)


def test_a_server_that_is_not_there_was_asked_all_the_same(services: Services) -> None:
    with services.store.write() as connection:
        gone = {"url": "http://127.0.0.1:9/feed", "host": "127.0.0.1:9"}
        connection.execute(hosts.insert().values(host=gone["host"]))
        connection.execute(update(feeds).values(**gone))
    work(services, Stage.POLL)
    assert (told(services).feed, told(services).bytes) == (1, 0)


def test_a_refused_address_was_never_asked(services: Services) -> None:
    with services.store.write() as connection:
        connection.execute(hosts.insert().values(host="10.0.0.1:80"))
        connection.execute(update(feeds).values(url="http://10.0.0.1/feed", host="10.0.0.1:80"))
    work(services, Stage.POLL)
    assert read_hosts(services.store) == ()
    assert day(services).failed == 1
