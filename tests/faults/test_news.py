"""The news web: what it serves is what it says that it served."""

import random
import time
import urllib.request
from collections.abc import Iterator

import pytest

from tests.faults.news import NewsWeb, open_news


@pytest.fixture
def web() -> Iterator[NewsWeb]:
    with open_news(10) as opened:
        yield opened


def read(url: str) -> str:
    with urllib.request.urlopen(url) as answer:
        return str(answer.read().decode())


def test_nothing_is_served_before_a_feed_is_asked(web: NewsWeb) -> None:
    web.publish(10)
    assert web.served == {}


def test_what_a_feed_shows_counts_as_served_in_its_revision(web: NewsWeb) -> None:
    web.publish(len(web.origins))
    feed = read(web.feeds[0])
    (article,) = (each for each in web.articles if each.host == 0)
    assert f"<link>{web.url(article)}</link>" in feed
    assert web.served == {web.url(article): 1}


def test_an_edit_shows_in_feed_and_page(web: NewsWeb) -> None:
    web.publish(1)
    before = read(web.feeds[0])
    web.edit(1, random.Random(1))
    after, page = read(web.feeds[0]), read(web.url(web.articles[0]))
    assert ("revision 1" in before, "revision 1" in after) == (True, False)
    assert "revision 2" in after
    assert "<h1>Report 0 from the coast, revision 2</h1>" in page
    assert list(web.served.values()) == [2]


def test_each_poll_is_noted(web: NewsWeb) -> None:
    began = time.monotonic()
    read(web.feeds[2])
    ((at, host),) = web.asked
    assert host == 2
    assert began <= at <= time.monotonic()
