"""Feeds that want headers of their own, which go to their host and nowhere else."""

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
from pipeline.store.subscriptions import FeedChange, NewFeed, add_feeds, change_feeds
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
        """Watch a feed of the site that wants the key."""
        url = self.site.url(path)
        add_feeds(self.services.store, [NewFeed(url=url)], interval_s=900)
        change_feeds(self.services.store, [url], FeedChange(headers=(KEY,)))
        return url

    def poll(self) -> None:
        with self.services.store.write() as connection:
            connection.execute(update(hosts).values(next_request_at=0))
        run_stage(
            Stage.POLL, self.services, begin_shift(lambda stage: None, threading.Event(), budget_s=30.0)
        )

    def links(self) -> set[str]:
        with self.services.store.read() as connection:
            return set(connection.execute(select(articles.c.url)).scalars())


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    chosen = {"ALLOW_ADDRESSES": "127.0.0.0/8", "HOST_DELAY": "0", "HOME": str(tmp_path)}
    settings = read_settings({f"WIREROOM_{name}": value for name, value in chosen.items()})
    set_up(settings)
    with ExitStack() as stack:
        site, other = (stack.enter_context(open_site()) for _ in range(2))
        services = stack.enter_context(closing(open_services(settings)))
        yield Desk(site, other, services, settings.archive_folder)


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
    desk.watch("/feed")
    desk.poll()
    desk.poll()
    assert (at_home, elsewhere) == ([KEY[1]], [None])
    assert desk.links() == {desk.site.url("/a")}


def test_a_feeds_own_headers_stay_with_the_host_they_were_given_for(desk: Desk) -> None:
    seen: list[str | None] = []
    desk.other.answers["/feed"] = asking_for_a_key(seen, whole(rss(), kind=RSS))
    desk.watch("/feed")
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
    desk.watch("/feed")
    desk.poll()
    desk.services.archive.close()
    kept = b"".join(gzip.decompress(path.read_bytes()) for path in desk.archive.rglob("*.warc.gz*"))
    assert b"GET /feed" in kept
    assert b"s3cret" not in kept
    assert "s3cret" not in caplog.text
