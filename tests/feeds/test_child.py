"""Parsing in a child process that may be killed."""

import gzip
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import monotonic

import pytest

from pipeline.feeds.child import LARGE_BODY, FeedParser
from pipeline.feeds.parsing import FeedError, parse_feed
from pipeline.outcomes import FeedSlug

URL = "https://news.example/feed"
HEADERS = (("Content-Type", "text/xml; charset=utf-8"), ("ETag", '"1"'))
FEED = """<rss version="2.0"><channel><title>Ghent</title><item><link>/1</link><title>Flood – “now”</title>
<category>a</category><author>Jane</author></item><item/></channel></rss>""".encode()
NEWLINES = b'<?xml version="1.0"?>' + b"\n" * (128 << 10) + FEED  # hours for feedparser's doctype expression
TINY_ITEMS = b'{"items": [' + b",".join([b'{"url":"http://a/b","id":1}'] * 350_000) + b"]}"
MIB = 1 << 20


def news_items(count: int) -> bytes:
    text = "Some text of ours. " * 20
    items = "".join(
        f"<item><title>News {number}</title><link>https://news.example/{number}</link>"
        f"<description>{text}</description></item>"
        for number in range(count)
    )
    return f'<rss version="2.0"><channel>{items}</channel></rss>'.encode()


def test_the_child_reads_what_the_parser_reads() -> None:
    with FeedParser() as parser:
        feed = parser.parse(FEED, url=URL, headers=HEADERS)
    assert feed == parse_feed(FEED, url=URL, headers=HEADERS)
    assert (len(feed.entries), feed.entries_without_link) == (1, 1)


def test_a_body_that_is_no_feed_fails_in_the_child_as_it_would_here() -> None:
    with FeedParser() as parser:
        for body in (b"", b"<html></html>", b"{}"):
            with pytest.raises(FeedError) as here:
                parse_feed(body, url=URL, headers=())
            with pytest.raises(FeedError) as there:
                parser.parse(body, url=URL, headers=())
            assert str(there.value) == str(here.value)


def test_a_hang_is_ended_and_the_next_feed_is_read() -> None:
    with FeedParser() as parser:
        began = monotonic()
        with pytest.raises(FeedError) as caught:
            parser.parse(NEWLINES, url=URL, headers=())
        assert caught.value.slug is FeedSlug.PARSE_TIMEOUT
        assert monotonic() - began < 15
        assert len(parser.parse(FEED, url=URL, headers=()).entries) == 1


def test_a_body_that_fills_the_memory_fails_alone() -> None:
    with FeedParser() as parser:
        with pytest.raises(FeedError) as caught:
            parser.parse(TINY_ITEMS, url=URL, headers=())
        assert caught.value.slug in (FeedSlug.TOO_LARGE, FeedSlug.PARSE_CRASHED)
        assert len(parser.parse(FEED, url=URL, headers=()).entries) == 1


def test_ten_mebibytes_of_news_are_read() -> None:
    body = news_items(20_000)
    assert 9 * MIB < len(body) < 10 * MIB
    with FeedParser() as parser:
        assert len(parser.parse(body, url=URL, headers=()).entries) == 20_000


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="processes are listed in /proc")
def test_the_process_that_read_a_large_gzip_file_is_let_go() -> None:
    body = gzip.compress(news_items(3_000))
    assert len(body) < LARGE_BODY < len(gzip.decompress(body))
    with FeedParser() as parser:
        assert len(parser.parse(body, url=URL, headers=()).entries) == 3_000
        assert processes() == set()
        parser.parse(FEED, url=URL, headers=())
        assert len(processes()) == 1


def processes() -> set[str]:
    """List the numbers of the parsers that this process has started (Linux alone has such lists)."""
    listed = " ".join(path.read_text() for path in Path("/proc/self/task").glob("*/children")).split()
    commands = {number: Path(f"/proc/{number}/cmdline").read_bytes() for number in listed}
    return {number for number, command in commands.items() if b"pipeline.feeds.child" in command}


def test_threads_take_turns() -> None:
    with FeedParser() as parser, ThreadPoolExecutor(8) as pool:
        bodies = [news_items(count) for count in range(1, 41)]
        feeds = pool.map(lambda body: parser.parse(body, url=URL, headers=()), bodies)
        assert [len(feed.entries) for feed in feeds] == list(range(1, 41))


def test_a_closed_parser_starts_again_when_asked() -> None:
    parser = FeedParser()
    parser.close()
    assert parser.parse(FEED, url=URL, headers=()).title == "Ghent"
    parser.close()
    assert parser.parse(FEED, url=URL, headers=()).title == "Ghent"
    parser.close()
