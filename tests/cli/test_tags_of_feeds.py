"""A search for a tag that feeds have and no publisher gave."""

from pathlib import Path

import pytest

from pipeline.store.store import Store
from pipeline.store.subscriptions import FeedChange, NewFeed, add_feeds, change_feeds
from tests.cli.conftest import Wireroom
from tests.cli.newsroom import FEED, publish

SECOND = "https://gazette.example/feed.xml"
SAID = "is a tag of 1 feed, and a search looks for tags of publishers: what a feed showed is found by feed:"


@pytest.fixture
def tagged(store: Store, home: Path) -> Store:
    """Two articles in the index, of a feed with two tags."""
    publish(store, home)
    change_feeds(store, [FEED], FeedChange(add_tags=("Polit ics", "city")))
    return store


@pytest.mark.parametrize(
    "asked",
    [
        ("--tag", "polit ics"),
        ('tag:"polit ics"',),
        ('bridge tag:"Polit ics"', "--all"),
        ("--tag", "Polit ics", "--json"),
    ],
)
def test_a_tag_of_feeds_is_told_where_no_article_has_it(
    wireroom: Wireroom, tagged: Store, asked: tuple[str, ...]
) -> None:
    ran = wireroom("search", *asked)
    assert ran.code == 0
    assert ran.err.splitlines()[-1] == f"wireroom: “Polit ics” {SAID}{FEED}"
    assert wireroom("search", f"feed:{FEED}", "--json").json["total"] == 2


def test_where_several_feeds_have_the_tag_it_is_said_how_they_are_listed(
    wireroom: Wireroom, tagged: Store
) -> None:
    add_feeds(tagged, [NewFeed(url=SECOND, tags=("Polit ics",))], interval_s=900.0)
    said = wireroom("search", "--tag", "polit ics").err
    assert "is a tag of 2 feeds" in said
    assert said.endswith("; `wireroom feeds list --tag 'Polit ics'` names them\n")


@pytest.mark.parametrize("asked", ["tag:city", "tag:sport", "nowhere", "nowhere -tag:city"])
def test_of_tags_of_feeds_nothing_is_said_where_they_are_not_asked_for_in_vain(
    wireroom: Wireroom, tagged: Store, asked: str
) -> None:
    assert wireroom("search", asked).err == ""


def test_a_search_without_hits_is_answered_where_there_is_no_store(
    wireroom: Wireroom, tagged: Store, home: Path
) -> None:
    tagged.close()
    (home / "wireroom.db").unlink()
    ran = wireroom("search", "--tag", "polit ics")
    assert (ran.code, ran.err) == (0, "")
