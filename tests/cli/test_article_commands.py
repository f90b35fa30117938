"""Commands that tell of articles, on a real store, archive and index."""

from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import delete

from pipeline.indexing.tantivy import TantivyGenerations
from pipeline.store.generations import live_generation
from pipeline.store.store import Store
from pipeline.store.tables import events
from tests.cli.conftest import Wireroom
from tests.cli.newsroom import (
    BRIDGE,
    FEED,
    HARBOUR,
    enrich,
    entry,
    fetch,
    id_of,
    index,
    poll,
    publish,
)


@pytest.fixture
def published(store: Store, home: Path) -> Store:
    """Two articles in the index: the bridge whole, the harbour from its feed alone."""
    publish(store, home)
    return store


def test_search_has_the_promised_shape(wireroom: Wireroom, published: Store) -> None:
    results = wireroom("search", "bridge", "--facets", "person,place", "--json").json
    assert results["total"] == 2
    assert results["hits"][0]["entities"]["person"] == ["Ada Okafor"]
    assert results["facets"]["person"][0]["count"] == 2
    promised = {"total", "took_ms", "next", "hits", "facets", "facets_info"}
    assert set(results) >= promised  # names may be added


def test_search_shows_title_outlet_match_and_entities(wireroom: Wireroom, published: Store) -> None:
    said = wireroom("search", "person:okafor bridge", "--size", "1", "--facets", "person")
    assert said.out.startswith("2 articles in ")
    assert "The bridge is open" in said.out
    assert "The Harbor Courier" in said.out
    assert "opened the bridge in Lagos" in said.out
    assert "Ada Okafor, Lagos" in said.out
    assert "--after" in said.err


def test_no_hits_is_no_failure(wireroom: Wireroom, published: Store) -> None:
    said = wireroom("search", "submarine")
    assert (said.code, said.out.split(" in ")[0]) == (0, "0 articles")


def test_show_prints_the_article(wireroom: Wireroom, published: Store) -> None:
    said = wireroom("show", BRIDGE).out
    assert "The bridge is open\n" in said
    assert not said.endswith("\n\n")
    assert wireroom("show", BRIDGE, BRIDGE).out == f"{said}\n{said}"
    assert "Ada Okafor opened the bridge in Lagos on Monday.\n" in said


def test_show_tells_the_media_that_a_feeds_entry_links_to(
    wireroom: Wireroom, store: Store, home: Path
) -> None:
    picture = "https://courier.example/bridge.jpg"
    poll(store, FEED, replace(entry(BRIDGE), media=(picture,)))
    fetch(store, home)
    enrich(store)
    (sighting,) = wireroom("show", BRIDGE, "--json").json["sightings"]
    assert (sighting["feed"], sighting["media"]) == (FEED, [picture])


def test_show_has_the_promised_shape_one_line_each(wireroom: Wireroom, published: Store) -> None:
    bridge, harbour = wireroom("show", BRIDGE, id_of(HARBOUR), "--json").lines
    assert bridge["url"] == BRIDGE
    assert set(bridge) >= {
        "id", "url", "title", "outlet", "published_at", "published_source", "published_precision",
        "first_seen_at", "language", "text_source", "partial", "entities", "story", "authors", "tags", "text",
        "revision", "version", "stamps", "sightings",
    }  # fmt: skip
    assert bridge["published_at"] == "2026-09-21T14:13:20Z"
    assert bridge["sightings"][0]["feed"] == FEED
    assert harbour["partial"] == "gone"


def test_one_article_that_is_not_there_does_not_hide_the_others(wireroom: Wireroom, published: Store) -> None:
    ran = wireroom("show", "https://courier.example/none", BRIDGE, "--json")
    assert (ran.code, len(ran.lines)) == (1, 1)
    assert ran.err == "wireroom: https://courier.example/none was never seen in any feed\n"


def test_trace_tells_the_story(wireroom: Wireroom, published: Store) -> None:
    said = wireroom("trace", HARBOUR).out
    for part in ("found", f"in {FEED}", "page not to be had", "read", "indexed", "next: fetch in"):
        assert part in said
    traced = wireroom("trace", HARBOUR + "?utm_source=rss", "--json").json
    assert (traced["url"], traced["state"], traced["reason"]) == (HARBOUR, "indexed", None)
    assert wireroom("trace", HARBOUR, "none", HARBOUR).out.count("\n\n") == 1
    assert [step["outcome"] for step in traced["steps"]] == ["found", "no-page", "enriched", "indexed"]
    assert traced["steps"][1]["slug"] == "gone"


def test_trace_tells_what_is_known_beside_the_steps(wireroom: Wireroom, published: Store) -> None:
    said = wireroom("trace", BRIDGE).out
    for part in (
        f"shown by  {FEED} since ",
        "'The bridge is open'",
        f"asked     2026-09-21T14:13:20Z {BRIDGE}: HTTP 200, text/html, in wireroom-",
        "revision 1, version 1: 14 words from page, sha256 ",
        "language  en",
        "person    Ada Okafor",
        "place     Lagos",
        "read by   trafilatura 2.3.1, lid 1, en 3.8.0",
        "index     g1 (live) holds version 1",
    ):
        assert part in said
    traced = wireroom("trace", BRIDGE, "--json").json
    assert [(each["url"], each["status"]) for each in traced["requests"]] == [(BRIDGE, 200)]
    assert traced["shown"][0]["feed"] == FEED
    assert traced["document"]["entities"]["person"] == ["Ada Okafor"]
    assert traced["index"] == [{"generation": "g1", "state": "live", "version": 1}]


def test_trace_tells_much_when_its_steps_were_trimmed(wireroom: Wireroom, published: Store) -> None:
    with published.write() as connection:
        connection.execute(delete(events))
    said = wireroom("trace", BRIDGE).out
    assert "its steps were trimmed by age" in said
    assert "asked     2026-09-21T14:13:20Z" in said


def test_an_address_that_no_feed_showed_is_answered_with_the_nearest(
    wireroom: Wireroom, published: Store
) -> None:
    ran = wireroom("trace", "https://courier.example/bridges")
    assert (ran.code, ran.out.splitlines()[:3]) == (
        1,
        ["https://courier.example/bridges", "in no feed; 1 feed of its site", f"  feed     {FEED}"],
    )
    assert ran.out.splitlines()[3].split() == ["indexed", BRIDGE]
    unseen = wireroom("trace", "https://elsewhere.example/a", "--json").json
    assert (unseen["id"], unseen["steps"], unseen["nearest"], unseen["feeds"]) == (None, [], [], [])


def test_a_feed_that_is_taken_for_an_article_is_pointed_at(wireroom: Wireroom, published: Store) -> None:
    assert "is a feed" in wireroom("trace", FEED).err


def test_status_adds_up(wireroom: Wireroom, published: Store) -> None:
    status = wireroom("status", "--json").json
    articles = status["articles"]
    assert articles["total"] == articles["indexed"] + articles["dropped"] + articles["quarantined"] == 2
    assert status["partial"] == {"gone": 1}
    assert status["index"] == {"documents": 2}
    assert status["entries_without_link"] == 1
    assert status["parts"] == {"store": "ok", "broker": "stopped", "index": "ok", "archive": "ok"}
    assert status["problems"] == []
    assert wireroom("status", "--check").code == 0


def test_status_on_one_screen(wireroom: Wireroom, published: Store) -> None:
    said = wireroom("status").out
    assert "2 = 2 indexed + 0 dropped + 0 quarantined" in said
    assert "the page is not there (any more)" in said
    assert "1 page will be tried again" in said
    assert said.count("\n") < 24


def test_status_tells_where_the_logs_are_and_how_many_feeds_fail(
    wireroom: Wireroom, published: Store, home: Path
) -> None:
    assert "logs" not in wireroom("status").out
    (home / "log").mkdir()
    wireroom("feeds", "poll", FEED)
    poll(published, FEED, error="http-503", status=503, failures=1.0, entries=None)
    said = wireroom("status").out
    assert f"logs      {home / 'log'}\n" in said
    assert "feeds     1 active, 1 of them failing\n" in said


def test_status_knows_nothing_of_a_store_that_does_not_answer(
    wireroom: Wireroom, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WIREROOM_STORE_URL", "postgresql://127.0.0.1:9/news")
    said = wireroom("status").out
    assert "feeds     unknown\narticles  unknown\nparts     store unreachable" in said
    assert "the store cannot be opened" in said


def test_status_check_fails_on_problems(wireroom: Wireroom, store: Store) -> None:
    poll(store, FEED, entry(BRIDGE))
    ran = wireroom("status", "--check", "--json")
    assert ran.code == 1
    assert ran.json["problems"] == [
        {"slug": "not-running", "text": "1 thing is due and nothing runs", "do": "wireroom up"}
    ]


def test_remove_says_what_would_go_and_then_removes_it(
    wireroom: Wireroom, published: Store, home: Path
) -> None:
    told = f"{BRIDGE}: 1 document, 1 feed entry, 1 archived page\n"
    assert wireroom("remove", BRIDGE, "--reason", "court order", "--dry-run").out == f"would remove: {told}"
    assert wireroom("search", "bridge", "--json").json["total"] == 2
    ran = wireroom("remove", BRIDGE, "--reason", "court order")
    assert ran.out == f"removed: {told}"
    assert ran.err.startswith("wireroom: the index keeps words that nobody finds any more: `wireroom reindex")
    assert ran.err.count("\n") == 1
    assert wireroom("search", "bridge", "--json").json["total"] == 1
    assert "dropped: removed" in wireroom("show", BRIDGE).err
    status = wireroom("status", "--json").json
    assert (status["dropped"], status["articles"]["total"], status["problems"]) == ({"removed": 1}, 2, [])
    assert wireroom("trace", BRIDGE, "--json").json["detail"] == "court order"
    steps = wireroom("trace", BRIDGE).out.splitlines()
    assert steps[-3].split("  ", 1)[1].split() == ["removed", "by", "a", "person", "court", "order"]
    assert steps[-1] == "now dropped (removed by a person)"


def test_a_removal_says_so_when_the_index_is_busy(wireroom: Wireroom, published: Store, home: Path) -> None:
    busy = TantivyGenerations(home / "index").open(live_generation(published) or "")
    ran = wireroom("remove", BRIDGE, "--reason", "court order")
    assert ran.code == 0
    assert "until `wireroom up`" in ran.err
    assert wireroom("search", "bridge", "--json").json["total"] == 2
    busy.close()
    index(published, home)
    assert wireroom("search", "bridge", "--json").json["total"] == 1


def test_doctor_finds_a_missing_model_and_up_refuses_it(
    wireroom: Wireroom, published: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert wireroom("doctor").code == 0
    monkeypatch.setenv("WIREROOM_MODELS", "xx=no_such_model")
    ran = wireroom("doctor", "--json")
    assert ran.code == 1
    [finding] = [each for each in ran.lines if not each["ok"]]
    assert finding["name"] == "model for xx"
    assert finding["text"] == "the entity model no_such_model is not installed"
    assert "never by its name alone; or take xx out of WIREROOM_MODELS" in finding["do"]
    refused = wireroom("up", "--until-idle")
    told = f"wireroom: {finding['text']}: {finding['do']}\n"
    assert (refused.code, refused.out, refused.err) == (2, "", told)
    assert all(bool(each["do"]) is not each["ok"] for each in ran.lines)


@pytest.mark.parametrize(
    ("file", "text", "name"),
    [
        ("outlets.toml", '["courier.example"\nname = "The Courier"', "outlets"),
        ("outlets.toml", '[courier.example]\nname = "The Courier"', "outlets"),
        ("outlets.toml", '["courier.example"]\nname = 3', "outlets"),
        ("wireroom.toml", "host_delay = 'soon'", "settings"),
    ],
)
def test_doctor_finds_a_broken_file(
    wireroom: Wireroom, published: Store, home: Path, file: str, text: str, name: str
) -> None:
    (home / file).write_text(text)
    ran = wireroom("doctor", "--json")
    assert ran.code == 1
    [finding] = [each for each in ran.lines if not each["ok"]]
    assert finding["name"] == name
    assert finding["text"].startswith(str(home / file))
    refused = wireroom("up", "--until-idle")
    assert (refused.code, refused.out, refused.err) == (2, "", f"wireroom: {finding['text']}\n")


def test_doctor_says_of_a_store_of_another_version_what_mends_it(wireroom: Wireroom, store: Store) -> None:
    for version, mends in (("9999", "upgrade Wireroom"), ("0001", "run `wireroom setup`")):
        with store.write() as connection:
            connection.exec_driver_sql("UPDATE alembic_version SET version_num = ?", (version,))
        told = {line["name"]: line for line in wireroom("doctor", "--json").lines}
        assert (told["store"]["ok"], told["store"]["do"]) == (False, mends)


def test_doctor_says_of_a_damaged_store_how_a_backup_is_put_back(wireroom: Wireroom, home: Path) -> None:
    home.mkdir()
    (home / "wireroom.db").write_bytes(b"no database " * 1_000)
    told = {line["name"]: line for line in wireroom("doctor", "--json").lines}
    assert (told["store"]["ok"], "wireroom restore FILE --replace" in told["store"]["do"]) == (False, True)


def test_doctor_asks_for_no_backup_where_the_store_is_not_damaged(wireroom: Wireroom, home: Path) -> None:
    (home / "wireroom.db").mkdir(parents=True)
    told = {line["name"]: line for line in wireroom("doctor", "--json").lines}
    assert "cannot be written" in told["store"]["text"]
    assert told["store"]["do"].startswith("look at its owner and rights")


def test_doctor_tries_to_write(wireroom: Wireroom, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(
        "WIREROOM_HOME", "/proc/wireroom"
    )  # where root's permissions say yes, and nothing can be
    failing = {each["name"]: each["text"] for each in wireroom("doctor", "--json").lines if not each["ok"]}
    assert failing.keys() >= {"home", "archive"}
    assert failing["home"].startswith("/proc/wireroom is not writable, not there yet: ")


def test_config_masks_secrets_and_says_where_values_come_from(
    wireroom: Wireroom, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WIREROOM_STORE_URL", "postgresql://wire:hush@db.example/news")
    ran = wireroom("config", "show", "--json")
    assert "hush" not in ran.out
    [store_url] = [each for each in ran.lines if each["name"] == "WIREROOM_STORE_URL"]
    assert store_url == {
        "name": "WIREROOM_STORE_URL",
        "value": "postgresql://wire:***@db.example/news",
        "source": "environment",
    }
