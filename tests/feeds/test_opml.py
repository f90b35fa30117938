"""Lists of feeds, in and out."""

import html
import json
import re
from pathlib import Path
from zipfile import ZipFile

import pytest
from lxml import etree

from pipeline.feeds.opml import Subscription, parse_subscriptions, write_opml


def opml(outlines: str) -> bytes:
    return f'<?xml version="1.0"?><opml version="2.0"><head/><body>{outlines}</body></opml>'.encode()


def read(body: bytes) -> tuple[Subscription, ...]:
    return parse_subscriptions(body, "list").feeds


def test_nested_outlines_become_tags_in_any_casing() -> None:
    assert read(
        opml(
            """<outline text="News"><outline title="Belgium">
            <OUTLINE TEXT="Ghent &amp;amp; Co" XMLURL=" https://a.example/rss "
            HtmlUrl="https://a.example/" language="nl"/>
            </outline><outline text="b" xmlurl="https://b.example/rss" language="unknown"/></outline>
            <outline text="https://c.example/rss" xmlUrl="https://c.example/rss" category="/x/y,z"/>"""
        )
    ) == (
        Subscription(
            url="https://a.example/rss",
            title="Ghent & Co",
            site="https://a.example/",
            tags=("News", "Belgium"),
            language="nl",
        ),
        Subscription(url="https://b.example/rss", title="b", tags=("News",)),
        Subscription(url="https://c.example/rss", title="", tags=("x", "y", "z")),
    )


def test_a_feed_in_two_folders_is_listed_once_with_both_tags(corpora: Path) -> None:
    (feed,) = read((corpora / "opml" / "feedbin-subscriptions.opml").read_bytes())
    assert feed.tags == ("Tag One", "Tag Two")


def test_a_file_with_one_address_a_line_is_read() -> None:
    lines = b"""# my feeds
https://a.example/feed

  feed://b.example/rss
feed:https://c.example/rss
https://a.example/feed
"""
    assert [feed.url for feed in read(lines)] == [
        "https://a.example/feed",
        "http://b.example/rss",
        "https://c.example/rss",
    ]


def test_newsboats_titles_and_tags_are_read() -> None:
    assert read(b'https://a.example/feed "~My title" news "two words" "!hidden"\n') == (
        Subscription(url="https://a.example/feed", title="My title", tags=("news", "two words", "hidden")),
    )


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (b"garbage", "list: line 1: not an http(s) address: garbage"),
        (b'"query:unread:x"', 'list: line 1: not an http(s) address: "query:unread:x"'),
        (b"", "list: no feed in it"),
        (opml('<outline text="x" xmlUrl="/rss"/>'), "list: not an http(s) address: /rss"),
        (
            opml('<outline type="include" url="https://a.example/more.opml"/>'),
            "list: another list, not followed: https://a.example/more.opml",
        ),
    ],
)
def test_what_cannot_be_read_is_told(body: bytes, problem: str) -> None:
    subscriptions = parse_subscriptions(body, "list")
    assert subscriptions.feeds == ()
    assert subscriptions.problems == (problem,)


def test_broken_xml_is_read_and_told() -> None:
    subscriptions = parse_subscriptions(
        opml('<outline text="The "Best" <b>of</b> R&D" xmlUrl="https://a.example/rss?a=1&b=2" type="rss" />'),
        "list",
    )
    assert subscriptions.feeds == (
        Subscription(url="https://a.example/rss?a=1&b=2", title='The "Best" of R&D'),
    )
    assert "not well-formed" in subscriptions.problems[0]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "iso-8859-1"])
def test_every_encoding_is_read(encoding: str) -> None:
    document = f'<?xml version="1.0" encoding="{encoding}"?><opml><body><outline text="Café" xmlUrl="http://a.example/"/></body></opml>'
    assert read(document.encode(encoding))[0].title == "Café"


def test_export_and_import_lose_nothing() -> None:
    feeds = (
        Subscription(
            url="https://a.example/rss?a=1&b=2", title='"A" <&> é', tags=("News, world/EU 50%", "x,y", "/")
        ),
        Subscription(
            url="https://b.example/rss", title="", site="https://b.example/", tags=("News, world/EU 50%",)
        ),
        Subscription(url="https://c.example/rss", title="C", language="pt-BR", tags=("東京",)),
        Subscription(url="https://d.example/rss", title="No tags"),
    )
    expected = {feed.url: feed for feed in feeds}
    expected["https://a.example/rss?a=1&b=2"] = Subscription(
        url="https://a.example/rss?a=1&b=2", title='"A" <&> é', tags=("News, world/EU 50%", "x,y", "/")
    )
    assert {feed.url: feed for feed in read(write_opml(feeds))} == expected


def test_the_export_is_grouped_by_first_tag_as_other_readers_do() -> None:
    written = write_opml(
        [Subscription(url=f"https://{n}.example/", title=n, tags=("News", n)) for n in "ab"]
    ).decode()
    assert written.startswith("<?xml version='1.0' encoding='utf-8'?>\n<opml version=\"2.0\">")
    assert written.count('<outline text="News" title="News">') == 1
    assert '<outline type="rss" text="a" title="a" xmlUrl="https://a.example/" category="a"/>' in written


def test_the_export_is_what_other_readers_importers_ask_for() -> None:
    """Miniflux takes an outline's parent for its category, and needs xmlUrl in this spelling; FreshRSS and
    newsboat want type="rss"; NetNewsWire and Feedbin read one level of folders. All want UTF-8."""
    written = write_opml(
        [
            Subscription(
                url="https://a.example/", title="É", site="https://a.example/home", tags=("News", "x")
            ),
            Subscription(url="https://b.example/"),
        ]
    )
    root = etree.fromstring(written)
    assert written.decode("utf-8").startswith("<?xml version='1.0' encoding='utf-8'?>")
    assert (root.tag, root.get("version"), [each.tag for each in root]) == ("opml", "2.0", ["head", "body"])
    assert root.findtext("head/title")
    feeds = [outline for outline in root.iter("outline") if outline.get("xmlUrl")]
    assert [dict(feed.attrib) for feed in feeds] == [
        {
            "type": "rss",
            "text": "É",
            "title": "É",
            "xmlUrl": "https://a.example/",
            "htmlUrl": "https://a.example/home",
            "category": "x",
        },
        {
            "type": "rss",
            "text": "https://b.example/",
            "title": "https://b.example/",
            "xmlUrl": "https://b.example/",
        },
    ]
    depths = [len(list(feed.iterancestors("outline"))) for feed in feeds]
    assert depths == [1, 0]


def test_an_export_never_fails_on_control_characters() -> None:
    assert read(write_opml([Subscription(url="https://a.example/", title="\x1b[1mA", tags=("b\x00c",))])) == (
        Subscription(url="https://a.example/", title="[1mA", tags=("bc",)),
    )


def test_all_public_lists_give_all_their_feeds(corpora: Path) -> None:
    folder = corpora / "opml"
    archive = ZipFile(folder / "awesome-rss-feeds.zip")
    lists = [json.loads(line) for line in (folder / "manifest.jsonl").read_text().splitlines()]
    for entry in lists:
        name = entry["file"].removeprefix("awesome-rss-feeds.zip!")
        body = (folder / name).read_bytes() if name == entry["file"] else archive.read(name)
        subscriptions = parse_subscriptions(body, name)
        urls = {
            html.unescape(url).strip()
            for url in re.findall(r'xmlUrl="(.*?)"', body.decode("utf-8", "replace"))
        }
        assert {feed.url for feed in subscriptions.feeds} == urls, name
        assert len(urls) == entry.get("distinct_feed_urls", len(urls)), name
        again = read(write_opml(subscriptions.feeds))
        assert sorted(again, key=repr) == sorted(subscriptions.feeds, key=repr), name


def test_minifluxs_lists_give_what_miniflux_reads(corpora: Path) -> None:
    for case in json.loads((corpora / "opml" / "miniflux-cases.json").read_text()):
        feeds = read(case["document"].encode())
        if case["error"]:
            assert feeds == ()
            continue
        assert len(feeds) == case["count"], case["name"]
        for feed, expected in zip(feeds, case["expected"], strict=False):
            assert feed.url == expected["FeedURL"]
            assert (feed.tags or ("",))[-1] == expected.get("CategoryName", "")
            # miniflux puts the address where there is no title or site; Wireroom leaves them empty
            assert feed.title in (expected["Title"], "")
            assert feed.site in (expected["SiteURL"], None)


# listparser calls only categories of one level tags; Wireroom's tags hold every level.
TAGS_OF_ALL_LEVELS = {
    "opml/categories/cats-2-single_hierarchy.xml",
    "opml/categories/cats-3-multiple.xml",
    "opml/categories/cats-4-bad.xml",
    "opml/categories/hier-2-nested.xml",
}


def test_listparsers_lists_give_its_addresses_titles_and_tags(corpora: Path) -> None:
    documents = ZipFile(corpora / "opml" / "listparser-tests.zip")
    checked, different = 0, set()
    for case in map(json.loads, (corpora / "opml" / "listparser-index.jsonl").read_text().splitlines()):
        if case["file"].startswith("rdf"):  # FOAF lists, which nobody exports any more
            continue
        feeds = read(documents.read(case["file"]))
        result = {
            "feeds": [{"url": feed.url, "title": feed.title, "tags": list(feed.tags)} for feed in feeds]
        }
        for expression in case["evals"]:
            if "feeds" in expression and "categories" not in expression:
                checked += 1
                if not eval(expression, {"result": result}):
                    different.add(case["file"])
    assert checked == 53
    assert different == TAGS_OF_ALL_LEVELS


@pytest.mark.parametrize(
    "name", ["xmlbomb.xml", "quadratic.xml", "cyclic.xml", "external.xml", "external_file.xml"]
)
def test_hostile_xml_gives_no_feed_and_does_no_harm(corpora: Path, name: str) -> None:
    assert read((corpora / "xml-safety" / "xmltestdata" / name).read_bytes()) == ()
