"""What the sample news web says: enough articles, and feeds that hold what expected.toml counts."""

import io
import json
import tomllib
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

import feedparser
import pytest

from pipeline.demo.content import Article, Outlet, read_outlets
from pipeline.demo.site import SampleWeb
from tests.demo.conftest import Reply

SAMPLE = Path(__file__).parents[2] / "seeds" / "sample"
Get = Callable[..., Reply]


@pytest.fixture(scope="module")
def outlets() -> tuple[Outlet, ...]:
    return read_outlets(SAMPLE)


def articles(outlets: tuple[Outlet, ...]) -> list[Article]:
    return [article for outlet in outlets for article in outlet.articles]


def entries(get: Get, url: str) -> list[dict[str, str]]:
    """Read a feed as title and link pairs, without any code of the product."""
    reply = get(url)
    if url.endswith(".json"):
        return [{"title": item["title"], "link": item["url"]} for item in json.loads(reply.body)["items"]]
    parsed = feedparser.parse(io.BytesIO(reply.body), response_headers={"content-type": "application/xml"})
    return [{"title": entry.title, "link": entry.get("link", "")} for entry in parsed.entries]


def without_tracking(link: str) -> str:
    return link.partition("?utm_")[0]


def test_at_least_six_outlets_and_sixty_articles_in_three_languages(outlets: tuple[Outlet, ...]) -> None:
    languages = Counter(article.language for article in articles(outlets))
    assert len(outlets) == 8
    assert languages == {"en": 45, "fr": 12, "de": 10, "ja": 1}


def test_every_article_reads_150_to_500_words(outlets: tuple[Outlet, ...]) -> None:
    spaced = [each for each in articles(outlets) if each.language != "ja" and not each.gallery_images]
    lengths = {each.path: len(each.wording.text.split()) for each in spaced}
    assert {path: words for path, words in lengths.items() if not 150 <= words <= 500} == {}


def test_no_paragraph_is_printed_twice_but_for_agency_copy(outlets: tuple[Outlet, ...]) -> None:
    wire = tomllib.loads((SAMPLE / "wire.toml").read_text(encoding="utf-8"))
    agency = {line for copy in wire.values() for line in copy["text"].splitlines() if line}
    lines = Counter(line for each in articles(outlets) for line in each.wording.text.splitlines() if line)
    assert {line for line, times in lines.items() if times > 1} == agency


@pytest.mark.parametrize("version", ["rss20", "atom10", "rss10"])
def test_the_feeds_come_in_every_xml_format(web: SampleWeb, get: Get, version: str) -> None:
    parsed = [feedparser.parse(io.BytesIO(get(url).body)) for url in web.feeds if not url.endswith(".json")]
    assert version in {feed.version for feed in parsed}


def test_one_feed_is_json_feed(web: SampleWeb, get: Get) -> None:
    url = next(url for url in web.feeds if url.endswith(".json"))
    assert json.loads(get(url).body)["version"] == "https://jsonfeed.org/version/1.1"


def test_one_feed_is_broken_xml_and_still_gives_its_entries(web: SampleWeb, get: Get) -> None:
    parsed = {url: feedparser.parse(io.BytesIO(get(url).body)) for url in web.feeds if ".json" not in url}
    broken = {
        url: feed for url, feed in parsed.items() if "not well-formed" in str(feed.get("bozo_exception"))
    }
    assert [len(feed.entries) for feed in broken.values()] == [7]


def test_one_feed_has_headlines_only_and_one_the_whole_text(web: SampleWeb, get: Get) -> None:
    parsed = {urlsplit(url).path: feedparser.parse(io.BytesIO(get(url).body)) for url in web.feeds}
    assert all("summary" not in entry for entry in parsed["/headlines.rss"].entries)
    full = [entry.content[0].value for entry in ledger_articles(web, get)]
    assert all(text.startswith("<p>") and len(text) > 1000 for text in full)


def ledger_articles(web: SampleWeb, get: Get) -> list[feedparser.FeedParserDict]:
    host = next(outlet.host for outlet in web.outlets if outlet.name == "The Northern Ledger")
    parsed = feedparser.parse(io.BytesIO(get(f"http://{host}/atom.xml").body))
    return [entry for entry in parsed.entries if "content" in entry]


def test_each_feed_holds_the_entries_that_are_expected(web: SampleWeb, get: Get) -> None:
    assert {feed.url for feed in web.expected.feeds} == set(web.feeds)
    for feed in web.expected.feeds:
        links = [entry["link"] for entry in entries(get, feed.url)]
        usable = [link for link in links if link.startswith("http://127.0.0.1:")]
        assert (feed.url, len(links)) == (feed.url, feed.entries)
        assert (feed.url, len(links) - len(usable)) == (feed.url, feed.entries_without_link)


def test_the_expected_totals_are_those_of_the_feeds(web: SampleWeb, get: Get) -> None:
    expected = web.expected
    links = [entry["link"] for url in web.feeds for entry in entries(get, url)]
    usable = [link for link in links if link.startswith("http")]
    assert expected.entries == len(links)
    assert expected.entries_without_link == len(links) - len(usable)
    assert expected.links == len(set(usable))
    assert expected.articles == len({without_tracking(link) for link in usable})


def test_the_expected_ends_add_up(web: SampleWeb) -> None:
    expected = web.expected
    assert expected.duplicates == len(expected.duplicate_pages)
    assert expected.articles == expected.indexed + expected.duplicates
    assert expected.indexed == expected.indexed_whole + len(expected.partial)
    assert expected.indexed == sum(expected.languages.values())


def test_a_script_stands_in_one_title_and_javascript_in_one_link(web: SampleWeb, get: Get) -> None:
    found = [entry for url in web.feeds for entry in entries(get, url)]
    raw = b"".join(get(url).body for url in web.feeds)
    assert raw.count(b"&lt;script&gt;") == 1
    assert web.expected.script_in_title in {entry["link"] for entry in found}
    assert sum(entry["link"].startswith("javascript:") for entry in found) == 1


def test_one_feed_tags_every_link_for_tracking(web: SampleWeb, get: Get) -> None:
    tagged = [all("utm_source=" in entry["link"] for entry in entries(get, url)) for url in web.feeds]
    assert tagged.count(True) == 1


def test_dates_lie_in_the_last_36_hours(web: SampleWeb, get: Get) -> None:
    now = datetime.now(UTC)
    for url in web.feeds:
        for entry in feedparser.parse(io.BytesIO(get(url).body)).entries:
            published = datetime(*(entry.get("published_parsed") or entry.updated_parsed)[:6], tzinfo=UTC)
            assert now - timedelta(hours=36) < published < now
