"""Public corpora of feeds, real, odd and hostile."""

import io
import json
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from time import process_time
from unicodedata import category
from zipfile import ZipFile

import feedparser
import pytest

from pipeline.feeds.cleaning import plain_text
from pipeline.feeds.parsing import FeedError, parse_feed
from pipeline.model import ParsedFeed

URL = "https://news.example/feeds/world.xml"
LIMIT_S = 5.0  # of processor time for one document of a corpus


def documents(archive: Path) -> Iterator[tuple[str, bytes]]:
    with ZipFile(archive) as files:
        for name in files.namelist():
            if not name.endswith(("/", ".json")):
                yield name, files.read(name)


def cached_feeds(corpora: Path) -> list[tuple[str, str, bytes]]:
    folder = corpora / "cached-feeds"
    manifest = map(json.loads, (folder / "manifest.jsonl").read_text().splitlines())
    with ZipFile(folder / "feeds.zip") as files:
        names = {Path(name).stem: name for name in files.namelist()}
        return [(feed["url"], feed["kind"], files.read(names[feed["file"]])) for feed in manifest]


def feedparser_entries(body: bytes) -> int:
    return len(feedparser.parse(io.BytesIO(body), sanitize_html=False, resolve_relative_uris=False).entries)


def live_tags(text: str) -> list[str]:
    """List the start tags that a browser would make of a text that somebody forgot to escape."""
    tags: list[str] = []
    parser = HTMLParser()
    parser.handle_starttag = lambda tag, attributes: tags.append(tag)  # type: ignore[method-assign]
    parser.feed(text + ">")
    parser.close()
    return tags


def assert_plain(feed: ParsedFeed) -> None:
    for entry in feed.entries:
        assert entry.link.lower().startswith(("http://", "https://"))
        for text in (feed.title, entry.title, *entry.authors, *entry.tags):
            assert live_tags(text) == []
            assert not any(category(char) in ("Cc", "Cs") for char in text)
        "".join((entry.link, entry.title, entry.summary, entry.content, entry.guid or "")).encode()


def assert_accounted_for(feeds: list[tuple[str, str, bytes]]) -> tuple[int, int]:
    usable = without_link = 0
    for url, kind, body in feeds:
        feed = parse_feed(body, url=url, headers=())
        assert_plain(feed)
        if kind != "json":
            assert len(feed.entries) + feed.entries_without_link == feedparser_entries(body), url
        usable, without_link = usable + len(feed.entries), without_link + feed.entries_without_link
    return usable, without_link


def test_small_real_feeds_give_every_entry(corpora: Path) -> None:
    small = [feed for feed in cached_feeds(corpora) if len(feed[2]) < 40_000]
    assert len(small) > 50
    assert_accounted_for(small)


@pytest.mark.corpus
def test_all_real_feeds_give_every_entry(corpora: Path) -> None:
    feeds = cached_feeds(corpora)
    assert len(feeds) == 200
    assert assert_accounted_for(feeds) == (5_518, 1_047)


@pytest.mark.parametrize(
    ("archive", "step"),
    [
        ("feedparser/feedparser-tests.zip", 10),
        ("feedvalidator/feedvalidator-testcases.zip", 10),
        ("gofeed/gofeed-testdata.zip", 5),
        pytest.param("feedparser/feedparser-tests.zip", 1, marks=pytest.mark.corpus),
        pytest.param("feedvalidator/feedvalidator-testcases.zip", 1, marks=pytest.mark.corpus),
        pytest.param("gofeed/gofeed-testdata.zip", 1, marks=pytest.mark.corpus),
    ],
)
def test_odd_documents_are_read_or_refused_in_order(corpora: Path, archive: str, step: int) -> None:
    for name, body in list(documents(corpora / archive))[::step]:
        began = process_time()
        try:
            feed = parse_feed(body, url=URL, headers=())
        except FeedError as error:
            refused = error.slug
        else:
            refused = None
            assert_plain(feed)
            assert len(feed.entries) + feed.entries_without_link == feedparser_entries(body), name
        assert refused in (None, "not-a-feed", "empty"), name
        assert process_time() - began < LIMIT_S, name


def payloads(corpora: Path) -> list[str]:
    folder = corpora / "xss"
    html5 = [case["payload"] for case in json.loads((folder / "h5sc.json").read_text())]
    purify = [case["payload"] for case in json.loads((folder / "dompurify.json").read_text())]
    return [*html5, *purify, *json.loads((folder / "blns.json").read_text())]


def test_no_payload_stays_live_in_a_title_author_or_tag(corpora: Path) -> None:
    for payload in payloads(corpora):
        xml = "".join(char for char in payload if char.isprintable() or char in "\n\t")
        escaped = xml.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
        for written in (escaped, f"<![CDATA[{xml.replace(']]>', '')}]]>"):
            item = (
                f"<item><title>{written}</title><author>{written}</author><category>{written}</category>"
                f"<link>{written}</link><guid>{written}</guid></item>"
                f"<item><title>{written}</title><author>{written}</author><category>{written}</category>"
                "<link>https://news.example/1</link></item>"
            )
            document = f'<rss version="2.0"><channel><title>{written}</title>{item}</channel></rss>'
            feed = parse_feed(document.encode("utf-8", "replace"), url=URL, headers=())
            assert_plain(feed)
            assert len(feed.entries) + feed.entries_without_link == 2


def test_awkward_strings_without_markup_stay_as_they_are(corpora: Path) -> None:
    strings = json.loads((corpora / "xss" / "blns.json").read_text())
    plain = [text for text in strings if text.isprintable() and not set("<&\u00ad\ufeff") & set(text)]
    assert len(plain) > 250
    for text in plain:
        assert plain_text(text) == " ".join(text.split())


AUDITED = """
import json, sys
from pathlib import Path
from pipeline.feeds.opml import parse_subscriptions
from pipeline.feeds.parsing import FeedError, parse_feed

def read(body):
    parse_subscriptions(body, "list")
    try:
        return repr(parse_feed(body, url="https://news.example/feed", headers=()))
    except FeedError as error:
        return error.slug

folder, canary = Path(sys.argv[1]), Path(sys.argv[2])
bodies = [path.read_bytes().replace(b"/PATH/TO", bytes(canary.parent)) for path in sorted(folder.iterdir())]
RSS = '<rss version="2.0"><channel><item><title>%s</title><link>https://news.example/1</link></item></channel></rss>'
DTD = '<?xml version="1.0"?><!DOCTYPE rss [%s]>'
bombs = '<!ENTITY a "aaaaaaaaaa">' + "".join(
    f'<!ENTITY {name} "{("&" + before + ";") * 100}">' for before, name in zip("bcdef", "abcde")
)
bodies += [
    ((DTD % entity) + (RSS % use)).encode()
    for entity, use in [
        (bombs, "&f;"),
        (f'<!ENTITY x SYSTEM "file://{canary}">', "&x;"),
        (f'<!ENTITY % x SYSTEM "file://{canary}"> %x;', "&x;"),
        ('<!ENTITY x SYSTEM "http://127.0.0.1:9/x">', "&x;"),
    ]
]
bodies += [str(canary).encode(), f"file://{canary}".encode(), b"http://127.0.0.1:9/feed"]
read(RSS.encode())  # what is imported at first use
opened = []

def watch(event, args):
    if event.startswith(("socket.", "urllib.")):
        opened.append(event)
    if event == "open" and not str(args[0]).endswith((".py", ".pyc")):  # codecs are imported late
        opened.append(str(args[0]))

sys.addaudithook(watch)
answers = [read(body) for body in bodies]
print(json.dumps({"opened": opened, "answers": answers, "count": len(answers)}))
"""


def test_parsing_opens_no_file_and_no_socket_and_expands_no_bomb(corpora: Path, tmp_path: Path) -> None:
    canary = tmp_path / "simple.xml"
    canary.write_text("<rss version='2.0'><channel><title>the canary sang</title></channel></rss>")
    command = [sys.executable, "-c", AUDITED, str(corpora / "xml-safety" / "xmltestdata"), str(canary)]
    result = subprocess.run(command, capture_output=True, text=True, check=True, timeout=30)
    seen = json.loads(result.stdout)
    assert seen["count"] == 20
    assert seen["opened"] == []
    assert not any("canary" in answer or len(answer) > 2_000 for answer in seen["answers"])
