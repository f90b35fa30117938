"""The list of well-known outlets: well-formed OPML, about a hundred feeds, none twice, known addresses."""

import html
import json
import re
import zipfile
from pathlib import Path
from xml.etree import ElementTree

import pytest

OPML = Path(__file__).parents[2] / "seeds" / "world-news.opml"


@pytest.fixture(scope="module")
def root() -> ElementTree.Element:
    return ElementTree.parse(OPML).getroot()


def test_it_is_opml_2_with_a_title(root: ElementTree.Element) -> None:
    assert (root.tag, root.get("version")) == ("opml", "2.0")
    assert root.findtext("head/title")


def test_about_a_hundred_feeds_lie_one_level_below_their_regions(root: ElementTree.Element) -> None:
    regions = root.findall("body/outline")
    feeds = root.findall("body/outline/outline")
    assert len(regions) == 9
    assert all(region.get("xmlUrl") is None for region in regions)
    assert 90 <= len(feeds) <= 120
    assert len(list(root.iter("outline"))) == len(regions) + len(feeds)


def test_every_feed_has_a_name_a_language_and_an_address(root: ElementTree.Element) -> None:
    for feed in root.findall("body/outline/outline"):
        assert feed.get("type") == "rss"
        assert feed.get("text") == feed.get("title")
        assert re.fullmatch(r"[a-z]{2}", feed.get("language", ""))
        assert re.match(r"https?://[a-z0-9.-]+/", feed.get("xmlUrl", ""))


def test_no_feed_and_no_name_is_listed_twice(root: ElementTree.Element) -> None:
    feeds = root.findall("body/outline/outline")
    addresses = {re.sub(r"^https?://(www\.)?|/$", "", feed.get("xmlUrl", "")) for feed in feeds}
    assert len(addresses) == len({feed.get("text") for feed in feeds}) == len(feeds)


def test_every_address_comes_from_the_public_collections(root: ElementTree.Element, corpora: Path) -> None:
    manifest = (corpora / "cached-feeds" / "manifest.jsonl").read_text().splitlines()
    known = {json.loads(line)["url"] for line in manifest}
    with zipfile.ZipFile(corpora / "opml" / "awesome-rss-feeds.zip") as collection:
        for name in collection.namelist():
            known |= set(re.findall(r'xmlUrl="([^"]*)"', collection.read(name).decode("utf-8", "replace")))
    listed = {feed.get("xmlUrl", "") for feed in root.findall("body/outline/outline")}
    assert listed - {html.unescape(address) for address in known} == set()
