"""Feeds that do their worst, through the real poll stage: each fails alone, by a slug, and is asked later."""

import os
import subprocess
import sys
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from pipeline.services import open_services, set_up
from pipeline.settings import read_settings
from pipeline.store.due import article_counts
from pipeline.store.subscriptions import NewFeed, WatchedFeed, add_feeds, list_feeds
from tests.stages.loopback import Answer, cut_short, endless, open_site, redirect, rss, whole

MEMORY = 300 * 1024 * 1024  # bytes: the process that polls and the one that parses, at their highest
RSS = "application/rss+xml"
JSON = "application/feed+json"
MEBIBYTE = bytes(1 << 20)

POLL = """
import os, resource, sys, threading
from contextlib import ExitStack, closing
from pipeline.flow import run_stage
from pipeline.model import Stage
from pipeline.services import open_services
from pipeline.settings import read_settings
from pipeline.stages.shift import begin_shift

with closing(open_services(read_settings(os.environ))) as services:
    run_stage(Stage.POLL, services, begin_shift(lambda stage: None, threading.Event(), budget_s=120.0))
status = dict(line.split(":", 1) for line in open("/proc/self/status"))
print(int(status["VmHWM"].split()[0]) + resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""


def deep(link: str) -> bytes:
    """Write a feed with one good item below 5,000 levels of nothing."""
    inside = rss(link).replace(b"<item>", b"<a>" * 5_000 + b"<item>", 1)
    return inside.replace(b"</item>", b"</item>" + b"</a>" * 5_000, 1)


def bomb() -> Answer:
    """Answer with gzip that never ends, a thousand times smaller than what it holds."""
    compressor = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    piece = compressor.compress(MEBIBYTE) + compressor.flush(zlib.Z_FULL_FLUSH)
    return endless(piece, kind=RSS, coding="gzip", start=b"\x1f\x8b\x08\0\0\0\0\0\0\xff")


HOSTILE: Mapping[str, tuple[Callable[[], Answer], str]] = {
    "html": (lambda: whole(b"<!doctype html><title>Home</title><p>No feed here."), "not-a-feed"),
    "nonsense": (lambda: whole(b"\x89PNG\r\n\x1a\n" + bytes(1000), kind=RSS), "not-a-feed"),
    "empty": (lambda: whole(b"", kind=RSS), "empty"),
    "blank": (lambda: whole(b"\xef\xbb\xbf \r\n", kind=RSS), "empty"),
    "11-mib": (lambda: whole(rss("http://x.example/a") + b" " * (11 << 20), kind=RSS), "too-large"),
    "bomb": (bomb, "too-large"),
    "endless": (lambda: endless(MEBIBYTE, kind=RSS), "too-large"),
    "deep": (lambda: whole(b'{"version": "x", "items": ' + b"[" * 5_000, kind=JSON), "too-deep"),
    "many-items": (
        lambda: whole(b"<rss version='2.0'><channel>" + b"<item/>" * 1_000_000, kind=RSS),
        "too-large parse-timeout",  # whichever limit comes first
    ),
    "cut-short": (lambda: cut_short(rss("http://x.example/b"), promised=100_000, kind=RSS), "bad-answer"),
    "loop": (lambda: redirect("/feed"), "too-many-redirects"),
    "inside": (lambda: redirect("http://169.254.169.254/latest/meta-data"), "refused-address"),
    "not-found": (lambda: whole(b"", status=404), "http-404"),
    "unwell": (lambda: whole(b"", status=503, headers={"Retry-After": "7200"}), "http-503"),
}


@dataclass(frozen=True)
class Outcome:
    """Hold what the store knows after one poll of all feeds, and what the polling took."""

    feeds: Mapping[str, WatchedFeed]
    articles: int
    peak_bytes: int
    environ: Mapping[str, str]


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Outcome]:
    """Poll every hostile feed once, each on a site of its own, and a good one with them."""
    home = tmp_path_factory.mktemp("home")
    environ = {
        **{name: value for name, value in os.environ.items() if not name.startswith("WIREROOM_")},
        "WIREROOM_HOME": str(home),
        "WIREROOM_ALLOW_ADDRESSES": "127.0.0.0/8",
        "WIREROOM_HOST_DELAY": "0",
    }
    settings = read_settings(environ)
    set_up(settings)
    with ExitStack() as stack, closing(open_services(settings)) as services:
        sites = {name: stack.enter_context(open_site()) for name in (*HOSTILE, "good", "deep-xml")}
        for name, (make, _) in HOSTILE.items():
            sites[name].answers["/feed"] = make()
        good, deeper = sites["good"], sites["deep-xml"]
        good.answers["/feed"] = whole(rss(good.url("/a"), good.url("/b")), kind=RSS)
        deeper.answers["/feed"] = whole(deep(deeper.url("/c")), kind=RSS)
        add_feeds(services.store, [NewFeed(url=site.url("/feed")) for site in sites.values()], interval_s=900)
        polled = subprocess.run(
            [sys.executable, "-c", POLL], env=environ, check=True, capture_output=True, text=True
        )
        by_url = {feed.url: feed for feed in list_feeds(services.store)}
        yield Outcome(
            feeds={name: by_url[site.url("/feed")] for name, site in sites.items()},
            articles=sum(article_counts(services.store).values()),
            peak_bytes=int(polled.stdout) * 1024,
            environ=environ,
        )


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_feed_fails_by_its_own_slug(outcome: Outcome, name: str) -> None:
    assert outcome.feeds[name].last_error in HOSTILE[name][1].split()


@pytest.mark.parametrize("name", HOSTILE)
def test_a_feed_that_failed_is_asked_again_later(outcome: Outcome, name: str) -> None:
    feed = outcome.feeds[name]
    assert feed.failures > 0
    assert feed.next_poll_at is not None
    assert feed.last_polled_at is not None
    assert feed.next_poll_at - feed.last_polled_at >= (7_200 if name == "unwell" else 900)


def test_other_feeds_are_not_affected(outcome: Outcome) -> None:
    assert (outcome.feeds["good"].last_error, outcome.feeds["good"].last_status) == (None, 200)
    assert outcome.articles == 3


def test_an_item_5000_levels_deep_is_found_all_the_same(outcome: Outcome) -> None:
    assert outcome.feeds["deep-xml"].last_error is None


@pytest.mark.skipif(sys.platform != "linux", reason="the highest memory of a process is read from /proc")
def test_polling_them_all_stays_within_memory(outcome: Outcome) -> None:
    assert outcome.peak_bytes < MEMORY


def test_the_slug_is_shown_to_people(outcome: Outcome) -> None:
    url = outcome.feeds["html"].url
    wireroom = str(Path(sys.executable).parent / "wireroom")
    shown = subprocess.run(
        [wireroom, "feeds", "show", url], env=outcome.environ, check=True, capture_output=True, text=True
    ).stdout
    assert "not-a-feed" in shown
    assert "the answer is an HTML page" in shown
