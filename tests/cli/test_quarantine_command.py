"""The quarantine's commands: what should not have happened, and another try."""

from pathlib import Path

import pytest
from sqlalchemy import update

from pipeline.store.store import Store
from pipeline.store.tables import articles
from tests.cli.conftest import Wireroom
from tests.cli.newsroom import BRIDGE, FEED, HARBOUR, entry, fetch, poll, publish, quarantine


def test_quarantine_is_listed_by_cause_with_what_helps(wireroom: Wireroom, store: Store, home: Path) -> None:
    poll(store, FEED, entry(BRIDGE), entry(HARBOUR))
    fetch(store, home)
    quarantine(store)
    said = wireroom("quarantine").out
    assert wireroom("quarantine", "list").out == said
    assert said.startswith("enrich-crashed: 2 articles\n")
    assert "replay it" in said
    assert {each["url"] for each in wireroom("quarantine", "--json").lines} == {BRIDGE, HARBOUR}
    shown = wireroom("quarantine", "show", BRIDGE, "--json").json
    assert (shown["cause"], shown["detail"]) == ("enrich-crashed", "signal 11, three times")


def test_replay_and_drop_empty_the_quarantine(wireroom: Wireroom, store: Store, home: Path) -> None:
    poll(store, FEED, entry(BRIDGE), entry(HARBOUR))
    fetch(store, home)
    quarantine(store)
    assert wireroom("quarantine", "replay", BRIDGE).out == "1 article due again\n"
    assert wireroom("quarantine", "replay", BRIDGE).code == 1
    dropped = wireroom("quarantine", "drop", "--cause", "enrich-crashed", "--reason", "junk")
    assert dropped.out == "1 article dropped\n"
    assert wireroom("status", "--json").json["articles"] == {
        "found": 0, "fetched": 1, "enriched": 0, "indexed": 0, "dropped": 1, "quarantined": 0, "total": 2,
    }  # fmt: skip


def test_of_an_edit_that_was_refused_the_text_before_is_told_and_kept(
    wireroom: Wireroom, store: Store, home: Path
) -> None:
    publish(store, home)
    with store.write() as connection:
        refused = {"reason": "index-rejected", "detail": "too long"}
        connection.execute(update(articles).where(articles.c.url == BRIDGE).values(**refused))
    assert "  of 1 of them an edit was refused: the text before is searched\n" in wireroom("quarantine").out
    assert "now indexed; its newest edit was refused, the text before is" in wireroom("trace", BRIDGE).out
    assert wireroom("status", "--json").json["refused"] == {"index-rejected": 1}
    assert "edits-refused: " in wireroom("status", "--check").out
    dropped = wireroom("quarantine", "drop", "--all", "--reason", "junk")
    assert (dropped.out, "1 article searched in the text before" in dropped.err) == (
        "0 articles dropped\n",
        True,
    )
    assert wireroom("quarantine", "replay", BRIDGE).out == "1 article due again\n"


def test_the_quarantine_tells_by_host_what_is_common(wireroom: Wireroom, store: Store, home: Path) -> None:
    poll(store, FEED, entry(BRIDGE), entry(HARBOUR), entry("https://other.example/one"))
    fetch(store, home)
    quarantine(store)
    lines = wireroom("quarantine", "list").out.splitlines()
    assert lines[3].split() == ["host", "articles", "last", "detail", "newest"]
    assert [line.split()[:2] for line in lines[4:]] == [
        ["courier.example:443", "2"],
        ["other.example:443", "1"],
    ]
    assert "signal 11, three times" in lines[4]


def test_quarantine_shows_the_page_as_it_was_served(wireroom: Wireroom, store: Store, home: Path) -> None:
    poll(store, FEED, entry(BRIDGE), entry(HARBOUR))
    fetch(store, home, missing=frozenset({HARBOUR}))
    quarantine(store)
    said = wireroom("quarantine", "show", BRIDGE).out
    for part in ("page fetched", "quarantined", "HTTP 200 from", "Content-Type: text/html", "The secret of"):
        assert part in said
    assert wireroom("quarantine", "show", BRIDGE, "--page").out == "<p>The secret of the bridge</p>" * 20
    page = wireroom("quarantine", "show", BRIDGE, "--json").json["page"]
    assert (page["status"], page["digest"][:5]) == (200, "sha1:")
    assert "no page of it was ever had" in wireroom("quarantine", "show", HARBOUR).out


def test_a_dry_run_names_what_would_be_tried_and_changes_nothing(
    wireroom: Wireroom, store: Store, home: Path
) -> None:
    poll(store, FEED, entry(BRIDGE), entry(HARBOUR))
    fetch(store, home)
    quarantine(store)
    said = wireroom("quarantine", "replay", "--query", "harbour", "--dry-run").out
    assert said.startswith("1 article would be due again\n")
    assert HARBOUR in said
    kept = wireroom("quarantine", "drop", "--all", "--reason", "junk", "--dry-run").out
    assert kept.startswith("2 articles would be dropped\n")
    assert len(wireroom("quarantine", "list", "--json").lines) == 2
    replayed = wireroom("quarantine", "replay", "--host", "courier.example", "--rate", "0.5")
    assert replayed.out == "2 articles due again\n"
    assert "over 2.0 s" in replayed.err


def test_what_was_removed_cannot_be_tried_again(wireroom: Wireroom, store: Store) -> None:
    ran = wireroom("quarantine", "replay", "--dropped", "removed")
    assert (ran.code, "too-old, not-an-article, refused-address" in ran.err) == (2, True)


def test_replaying_nothing_in_particular_is_refused(wireroom: Wireroom, store: Store) -> None:
    assert wireroom("quarantine", "replay").code == 2


@pytest.mark.parametrize(
    ("chosen", "said"),
    [
        ((BRIDGE, "--cause", "enrich-crashed"), "give addresses or filters, not both"),
        ((BRIDGE, "--all"), "--all means every article: give it alone, without addresses and filters"),
        (("--host", "x", "--all"), "--all means every article: give it alone, without addresses and filters"),
    ],
)
def test_two_ways_of_choosing_at_once_are_refused_with_what_to_leave_out(
    wireroom: Wireroom, store: Store, chosen: tuple[str, ...], said: str
) -> None:
    ran = wireroom("quarantine", "replay", *chosen, "--dry-run")
    assert (ran.code, ran.out, ran.err) == (2, "", f"wireroom: {said}\n")


@pytest.mark.parametrize(
    "options",
    [
        ("--host", ""),
        ("--cause", "enrich-crashed", "--host", " "),
        ("--cause", "enrich-crashed", "--query", ""),
    ],
)
def test_an_empty_option_does_not_mean_everything(
    wireroom: Wireroom, store: Store, home: Path, options: tuple[str, ...]
) -> None:
    poll(store, FEED, entry(BRIDGE))
    fetch(store, home)
    quarantine(store)
    ran = wireroom("quarantine", "drop", *options, "--reason", "junk")
    assert (ran.code, f"{options[-2]} is empty" in ran.err) == (2, True)
    assert len(wireroom("quarantine", "list", "--json").lines) == 1
