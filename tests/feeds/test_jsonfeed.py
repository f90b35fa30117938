"""JSON Feed 1.0 and 1.1."""

import json
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest

from pipeline.feeds.parsing import FeedError, parse_feed
from pipeline.model import Entry, ParsedFeed

URL = "https://news.example/feed.json"
JSON = (("Content-Type", "application/feed+json; charset=utf-8"),)


def read(**feed: Any) -> ParsedFeed:
    document = {"version": "https://jsonfeed.org/version/1.1", **feed}
    return parse_feed(json.dumps(document).encode(), url=URL, headers=JSON)


def test_an_item_is_read_whole() -> None:
    feed = read(
        title="News <b>now</b>",
        home_page_url="/",
        language="en",
        items=[
            {
                "id": 7,
                "url": "/7",
                "title": "Flood &amp; storm",
                "summary": "Water < 2 m",
                "content_html": "<p>The water rose.</p>",
                "date_published": "2026-11-02T10:00:00+01:00",
                "authors": [{"name": "Jane Doe"}, {"url": "https://bob.example"}],
                "tags": ["weather", "weather", 3],
            }
        ],
    )
    assert feed == ParsedFeed(
        title="News now",
        site="https://news.example/",
        language="en",
        entries_without_link=0,
        entries=(
            Entry(
                link="https://news.example/7",
                guid="7",
                title="Flood & storm",
                summary="Water &lt; 2 m",
                content="<p>The water rose.</p>",
                authors=("Jane Doe",),
                tags=("weather",),
                published_text="2026-11-02T10:00:00+01:00",
                published_at=1793610000.0,
                language="en",
                published_by="published",
            ),
        ),
    )


@pytest.mark.parametrize(
    ("item", "link"),
    [
        ({"url": "https://a.example/1", "external_url": "https://b.example/"}, "https://a.example/1"),
        ({"external_url": "https://b.example/1"}, "https://b.example/1"),
        ({"url": "javascript:x()", "id": "https://a.example/2"}, "https://a.example/2"),
    ],
)
def test_the_link_is_the_url_or_the_external_one_or_the_id(item: dict[str, str], link: str) -> None:
    assert read(items=[item]).entries[0].link == link


def test_items_without_a_link_or_of_another_type_are_counted() -> None:
    feed = read(items=[{"id": "x"}, None, [], "text", {"url": 5}, {"url": "https://a.example/1"}])
    assert (len(feed.entries), feed.entries_without_link) == (1, 5)


def test_text_content_becomes_html() -> None:
    item = {"url": "https://a.example/1", "content_text": "1 < 2 & 3"}
    assert read(items=[item]).entries[0].content == "1 &lt; 2 &amp; 3"


def test_version_1_has_one_author_and_items_inherit_the_feeds() -> None:
    link = {"url": "https://a.example/1"}
    feed = read(author={"name": "Desk"}, items=[link, {**link, "author": {"name": "Ada"}}])
    assert [entry.authors for entry in feed.entries] == [("Desk",), ("Ada",)]


def test_a_json_feed_is_known_by_its_first_character_whatever_its_type() -> None:
    body = b'\xef\xbb\xbf {"items": [{"url": "https://a.example/1"}]}'
    assert len(parse_feed(body, url=URL, headers=(("content-type", "text/html"),)).entries) == 1


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-32-le"])
def test_every_unicode_encoding_is_read(encoding: str) -> None:
    body = '{"items": [{"url": "https://a.example/1", "title": "洪水"}]}'.encode(encoding)
    assert parse_feed(body, url=URL, headers=JSON).entries[0].title == "洪水"


def test_lone_surrogates_and_control_characters_are_removed() -> None:
    body = rb'{"items": [{"url": "https://a.example/1", "title": "a\ud83d\u0000\u001bb", "id": "\udc00"}]}'
    entry = parse_feed(body, url=URL, headers=JSON).entries[0]
    assert (entry.title, entry.guid) == ("ab", None)


def test_the_public_samples_read_as_expected(corpora: Path) -> None:
    pairs = ZipFile(corpora / "cached-feeds" / "integration-pairs.zip")
    expected = json.loads(pairs.read("json_feed_sample.expected.json"))
    feed = parse_feed(pairs.read("json_feed_sample.json"), url=URL, headers=())
    assert [(entry.link, entry.title) for entry in feed.entries] == [
        (entry["link"], entry["title"]) for entry in expected["entries"]
    ]


def test_gofeeds_documents_read_as_gofeed_reads_them(corpora: Path) -> None:
    pairs = map(json.loads, (corpora / "gofeed" / "pairs.jsonl").read_text().splitlines())
    documents = ZipFile(corpora / "gofeed" / "gofeed-testdata.zip")
    for pair in pairs:
        if pair["group"] in ("parser/json", "translator/json"):
            expected = json.loads(documents.read(pair["expected"]))
            feed = parse_feed(documents.read(pair["input"]), url=URL, headers=())
            assert feed.title == expected.get("title", "")
            assert len(feed.entries) + feed.entries_without_link == len(expected.get("items", []))


def test_json_of_every_kind_is_read_or_refused_in_order(corpora: Path) -> None:
    cases = ZipFile(corpora / "json" / "test_parsing.zip")
    slugs = {slug_of(b'{"items": [' + cases.read(name) + b"]}") for name in cases.namelist()}
    assert slugs == {None, "not-a-feed", "too-deep"}


def slug_of(body: bytes) -> str | None:
    try:
        parse_feed(body, url=URL, headers=JSON)
    except FeedError as error:
        return error.slug
    return None


def test_a_language_keeps_nothing_that_a_store_cannot_hold() -> None:
    item = {"url": "https://news.example/a", "language": "d\ud800e"}
    feed = read(language="e\0n", items=[item])
    assert (feed.language, feed.entries[0].language) == ("en", "de")


def test_attachments_and_pictures_are_kept_and_a_later_edit_is_told() -> None:
    (entry,) = read(
        items=[
            {
                "url": "/7",
                "date_published": "2026-11-02T10:00:00Z",
                "date_modified": "2026-11-02T11:00:00Z",
                "image": "/1.jpg",
                "attachments": [{"url": "/1.mp3"}, {"url": "/2.mp3"}, {"url": 3}, "x"],
            }
        ]
    ).entries
    assert entry.media == tuple(f"https://news.example/{name}" for name in ("1.mp3", "2.mp3", "1.jpg"))
    assert (entry.published_by, entry.updated_at) == ("published", 1793617200.0)
