"""`wireroom feeds …` on a real store."""

import time
from collections import Counter
from pathlib import Path

import pytest

from pipeline.feeds.moves import Moving
from pipeline.store.store import Store
from pipeline.store.subscriptions import NewFeed, add_feeds
from tests.cli.conftest import Wireroom
from tests.cli.newsroom import BRIDGE, FEED, HARBOUR, entry, poll

OPML = """<opml version="2.0"><body>
  <outline text="Cities"><outline text="Courier" xmlUrl="https://courier.example/feed.xml" htmlUrl="https://courier.example/"/></outline>
  <outline text="Ledger" xmlUrl="https://ledger.example/rss" language="fr"/>
  <outline text="Nothing" xmlUrl="gopher://old.example/"/>
</body></opml>"""


@pytest.fixture
def watched(store: Store) -> Store:
    """Watch one feed, polled once: two articles and an entry without a link."""
    poll(store, FEED, entry(BRIDGE), entry(HARBOUR), entries=3, entries_without_link=1)
    return store


def test_a_feed_has_the_promised_shape(wireroom: Wireroom, watched: Store) -> None:
    shown = wireroom("feeds", "show", FEED, "--json").json
    assert list(shown)[:16] == [
        "url", "site", "title", "language", "tags", "state", "next_poll_at", "interval_s", "why",
        "last_polled_at", "last_status", "last_success_at", "failures", "last_error", "entries_per_week",
        "entries_without_link",
    ]  # fmt: skip
    assert shown["title"] == "The Harbor Courier"
    assert shown["entries_per_week"] is None
    assert shown["entries_without_link"] == 1
    assert shown["next_poll_at"].endswith("Z")
    assert shown["state_since"].endswith("Z")
    assert wireroom("feeds", "list", "--json").lines == [shown]


def test_a_feed_is_found_by_another_spelling_of_its_address(wireroom: Wireroom, watched: Store) -> None:
    assert wireroom("feeds", "show", "http://COURIER.example/feed.xml", "--json").json["url"] == FEED


def test_an_unknown_feed_is_named_and_nothing_is_changed(wireroom: Wireroom, watched: Store) -> None:
    ran = wireroom("feeds", "pause", FEED, "https://nobody.example/feed")
    assert (ran.code, ran.err.count("\n")) == (1, 1)
    assert "https://nobody.example/feed is not among the feeds" in ran.err
    assert wireroom("feeds", "show", FEED, "--json").json["state"] == "active"


def test_tags_are_added_and_taken_away(wireroom: Wireroom, watched: Store) -> None:
    wireroom("feeds", "set", FEED, "--tag", "+city,+local,news")
    wireroom("feeds", "set", FEED, "--tag", "-local", "--language", "EN", "--min-interval", "6h")
    shown = wireroom("feeds", "show", FEED, "--json").json
    assert shown["tags"] == ["city", "news"]
    assert (shown["language"], shown["min_interval_s"]) == ("en", 21600.0)
    wireroom("feeds", "set", FEED, "--language", "none", "--min-interval", "none")
    shown = wireroom("feeds", "show", FEED, "--json").json
    assert (shown["language"], shown["min_interval_s"]) == (None, None)


def test_the_longest_interval_is_set_and_told(wireroom: Wireroom, watched: Store) -> None:
    wireroom("feeds", "set", FEED, "--max-interval", "6h")
    assert wireroom("feeds", "show", FEED, "--json").json["max_interval_s"] == 21600.0
    assert "never above 6 h" in wireroom("feeds", "show", FEED).out
    wireroom("feeds", "set", FEED, "--max-interval", "none")
    assert wireroom("feeds", "show", FEED, "--json").json["max_interval_s"] is None


def test_a_shortest_interval_beyond_the_longest_is_refused(wireroom: Wireroom, watched: Store) -> None:
    both = wireroom("feeds", "set", FEED, "--min-interval", "2d", "--max-interval", "1h")
    wireroom("feeds", "set", FEED, "--max-interval", "6h")
    one = wireroom("feeds", "set", FEED, "--min-interval", "12h")
    for ran in (both, one):
        assert (ran.code, ran.out, ran.err.count("\n")) == (1, "", 1)
        assert "its shortest interval would be" in ran.err
    shown = wireroom("feeds", "show", FEED, "--json").json
    assert (shown["min_interval_s"], shown["max_interval_s"]) == (None, 21_600.0)


def test_what_was_changed_is_told_as_it_is_now(wireroom: Wireroom, watched: Store) -> None:
    ran = wireroom("feeds", "set", FEED, "--tag", "city", "--min-interval", "3h", "--max-interval", "none")
    assert ran.out == f"changed: {FEED}: tags city; never below 3 h; no longest interval\n"


def test_headers_and_a_login_come_from_files_and_are_never_shown(
    wireroom: Wireroom, watched: Store, tmp_path: Path
) -> None:
    (tmp_path / "headers").write_text("X-Api-Key: s3cret\n")
    (tmp_path / "login").write_text("desk:s3cret\n")
    for name in ("headers", "login"):
        (tmp_path / name).chmod(0o600)
    files = ("--headers-from", str(tmp_path / "headers"), "--login-from", str(tmp_path / "login"))
    said = [wireroom("feeds", "set", FEED, *files)]
    shown = wireroom("feeds", "show", FEED, "--json")
    assert shown.json["header_names"] == ["X-Api-Key", "Authorization"]
    said += [shown, *(wireroom(*words) for words in (("feeds", "show", FEED), ("feeds", "list", "--json")))]
    said += [wireroom("feeds", "export"), wireroom("status", "--json"), wireroom("config", "show")]
    assert not [ran for ran in said if "s3cret" in ran.out + ran.err or "ZGVzazpzM2NyZXQ" in ran.out]
    wireroom("feeds", "set", FEED, "--headers-from", "none")
    assert wireroom("feeds", "show", FEED, "--json").json["header_names"] == []


def test_a_file_of_secrets_that_others_can_read_is_named(
    wireroom: Wireroom, watched: Store, tmp_path: Path
) -> None:
    (tmp_path / "login").write_text("desk:s3cret")
    (tmp_path / "login").chmod(0o644)
    ran = wireroom("feeds", "set", FEED, "--login-from", str(tmp_path / "login"))
    assert (ran.code, "chmod 600" in ran.err) == (0, True)


def test_a_file_that_holds_no_headers_changes_nothing_and_is_not_quoted(
    wireroom: Wireroom, watched: Store, tmp_path: Path
) -> None:
    (tmp_path / "headers").write_text("Host: s3cret")
    for file in ("headers", "nowhere"):
        ran = wireroom("feeds", "set", FEED, "--headers-from", str(tmp_path / file))
        assert (ran.code, ran.err.count("\n"), "s3cret" in ran.err) == (2, 1, False)
    assert wireroom("feeds", "show", FEED, "--json").json["header_names"] == []


def test_a_paused_feed_is_not_polled_until_it_is_resumed(wireroom: Wireroom, watched: Store) -> None:
    assert wireroom("feeds", "pause", FEED).out == f"paused: {FEED}\n"
    assert wireroom("feeds", "pause", FEED).err == "wireroom: nothing to do: paused already\n"
    assert wireroom("feeds", "show", FEED, "--json").json["next_poll_at"] is None
    refused = wireroom("feeds", "poll", FEED)
    assert (refused.code, "is paused" in refused.err) == (1, True)
    assert wireroom("feeds", "resume", FEED).out == f"active: {FEED}\n"
    assert wireroom("status", "--json").json["due"]["poll"] == 1


def test_a_feed_is_polled_at_once_but_not_against_its_publisher(wireroom: Wireroom, watched: Store) -> None:
    assert wireroom("feeds", "poll", FEED).out == f"due now: {FEED}\n"
    poll(watched, FEED, asked_s=7200.0)
    waits = wireroom("feeds", "poll", FEED).out
    assert waits.startswith("due in ")
    assert waits.endswith(f", as its publisher asks (--force does not wait): {FEED}\n")
    assert wireroom("feeds", "poll", FEED, "--force").out == f"due now: {FEED}\n"


def test_of_a_host_that_wants_to_be_left_alone_no_feed_is_said_to_be_polled_now(
    wireroom: Wireroom, watched: Store
) -> None:
    sibling = "https://courier.example/world.xml"
    wireroom("feeds", "poll", FEED)
    turned_away = {"status": 429, "error": "http-429", "entries": None, "failures": 0.5}
    poll(watched, FEED, **turned_away, host_pause_s=10_800.0, wait_s=0.0, why="asking again in 5 min")
    add_feeds(watched, [NewFeed(url=sibling)], interval_s=900.0)
    for options in ((), ("--force",)):
        lines = wireroom("feeds", "poll", FEED, sibling, *options).out.splitlines()
        for line, url in zip(lines, (FEED, sibling), strict=True):
            assert line.startswith("its host asked to be left alone until 20")
            assert line.endswith(f" (429); --force does not change that: {url}")
    shown = wireroom("feeds", "show", FEED).out
    assert "in 3 h; its host asked to be left alone until 20" in shown
    assert "asking again" not in shown
    assert wireroom("feeds", "list").out.count("its host asked to be left alone until 20") == 2
    health = wireroom("feeds", "health").out
    assert (health.count("in 3 h"), "asking again" in health) == (2, False)


def test_what_waits_for_a_host_is_later_and_no_problem(wireroom: Wireroom, watched: Store) -> None:
    wireroom("feeds", "poll", FEED)
    poll(watched, FEED, status=429, error="http-429", entries=None, host_pause_s=7_200.0, wait_s=0.0)
    ran = wireroom("status", "--json", "--check")
    assert (ran.code, ran.json["problems"], ran.json["oldest_due_s"]) == (0, [], None)
    assert ran.json["due"] == {"poll": 0, "fetch": 0, "enrich": 0, "index": 0, "later": 3}
    assert "3 wait for 1 host that asked to be left alone, until 20" in wireroom("status").out


def test_a_person_who_wants_a_poll_is_told_what_polls(wireroom: Wireroom, watched: Store) -> None:
    assert wireroom("feeds", "poll", FEED).err == "wireroom: `wireroom up` polls it\n"


def test_moves_are_listed_and_undone(wireroom: Wireroom, watched: Store) -> None:
    assert wireroom("feeds", "moves").err == "wireroom: no feed has moved\n"
    new = "https://new.example/feed"
    wireroom("feeds", "poll", FEED)
    poll(watched, FEED, moving=Moving(to=new, seen=3, since=0.0))
    (move,) = wireroom("feeds", "moves", "--json").lines
    assert (move["old_url"], move["new_url"], move["undone_at"]) == (FEED, new, None)
    assert wireroom("feeds", "moves", "--undo", new).out == f"back at: {FEED}\n"
    assert "undone 20" in wireroom("feeds", "moves").out


def test_feeds_are_listed_by_tag_and_by_state(wireroom: Wireroom, watched: Store) -> None:
    poll(watched, "https://ledger.example/rss", error="http-503", status=503, entries=None)
    wireroom("feeds", "set", FEED, "--tag", "city,local")
    wireroom("feeds", "pause", FEED)

    def listed(*options: str) -> list[str]:
        return [feed["url"] for feed in wireroom("feeds", "list", "--json", *options).lines]

    assert listed("--tag", "local") == listed("--paused") == [FEED]
    assert listed("--failing", "--tag", "local") == listed("--tag", "loc") == []
    assert wireroom("feeds", "list", "--tag", "loc").err == "wireroom: no feed is like that\n"
    assert "city, local" in wireroom("feeds", "list").out


def test_how_often_a_feed_speaks_is_unknown_before_it_was_read(wireroom: Wireroom, store: Store) -> None:
    add_feeds(store, [NewFeed(url=FEED)], interval_s=900.0)
    assert wireroom("feeds", "list").out.splitlines()[1].split() == [
        "(no", "title", "yet)", FEED, "?", "not", "polled", "yet",
    ]  # fmt: skip


def test_entries_a_week_are_those_of_the_time_that_is_known(wireroom: Wireroom, store: Store) -> None:
    day, now = 86_400.0, time.time()
    weekly = ("https://courier.example/weekly.xml", range(1, 22, 7))
    for url, days in (weekly, (FEED, range(1, 3))):
        poll(store, url, *(entry(f"{url}/{number}", published_at=now - number * day) for number in days))
    told = {feed["url"]: feed["entries_per_week"] for feed in wireroom("feeds", "list", "--json").lines}
    assert told == {weekly[0]: 1.4, FEED: None}  # three in fifteen days; two days are no week


def test_a_rhythm_is_told_with_its_limit(wireroom: Wireroom, watched: Store) -> None:
    wireroom("feeds", "set", FEED, "--min-interval", "6h")
    assert "every 6 h, never below 6 h" in wireroom("feeds", "show", FEED).out


def test_removing_a_feed_keeps_its_articles(wireroom: Wireroom, watched: Store) -> None:
    assert wireroom("feeds", "remove", FEED).code == 0
    assert wireroom("feeds", "list").err == "wireroom: no feeds yet: run `wireroom add URL`\n"
    assert wireroom("status", "--json").json["articles"]["total"] == 2


def test_a_failing_feed_says_why(wireroom: Wireroom, watched: Store) -> None:
    wireroom("feeds", "poll", FEED)
    poll(watched, FEED, error="http-503", status=503, failures=1.0, entries=None)
    assert "failing: http-503" in wireroom("feeds", "list", "--failing").out
    assert "503" in wireroom("feeds", "show", FEED).out


def test_import_adds_what_can_be_read_and_names_the_rest(wireroom: Wireroom, tmp_path: Path) -> None:
    (tmp_path / "feeds.opml").write_text(OPML)
    ran = wireroom("feeds", "import", str(tmp_path / "feeds.opml"), "--tag", "new")
    assert ran.out == "2 feeds added, 0 known already, 1 line skipped\n"
    assert "gopher://old.example/" in ran.err
    courier, ledger = wireroom("feeds", "list", "--json").lines
    assert (courier["url"], courier["title"], courier["site"]) == (
        FEED,
        "Courier",
        "https://courier.example/",
    )
    assert (courier["tags"], ledger["tags"], ledger["language"]) == (["Cities", "new"], ["new"], "fr")
    again = wireroom("feeds", "import", str(tmp_path / "feeds.opml"), "--tag", "late,again")
    assert again.out == "0 feeds added, 2 known already, 2 of them tagged, 1 line skipped\n"
    assert again.err.splitlines()[1:] == [
        f"wireroom: known already: {FEED}",
        "wireroom: known already: https://ledger.example/rss",
    ]
    courier, ledger = wireroom("feeds", "list", "--json").lines
    assert (courier["tags"], ledger["tags"]) == (["Cities", "new", "late", "again"], ["new", "late", "again"])


def test_the_folders_of_a_list_tag_feeds_that_are_there_already(wireroom: Wireroom, tmp_path: Path) -> None:
    (tmp_path / "urls").write_text(f"{FEED}\nhttps://ledger.example/rss\n")
    (tmp_path / "feeds.opml").write_text(OPML)
    wireroom("feeds", "import", str(tmp_path / "urls"))
    ran = wireroom("feeds", "import", str(tmp_path / "feeds.opml"))
    assert ran.out == "0 feeds added, 2 known already, 1 of them tagged, 1 line skipped\n"
    assert wireroom("feeds", "list", "--tag", "Cities", "--json").json["url"] == FEED


def test_import_reads_one_address_a_line(wireroom: Wireroom, tmp_path: Path) -> None:
    (tmp_path / "feeds.txt").write_text(
        f"# ours\n{FEED}\nnot an address\n\nhttp://courier.example/feed.xml\n"
    )
    ran = wireroom("feeds", "import", str(tmp_path / "feeds.txt"), "--json")
    assert ran.json["added"] == 1
    assert "line 3" in ran.err


def test_an_import_reports_each_line(wireroom: Wireroom, tmp_path: Path) -> None:
    spellings = "http://COURIER.example/feed.xml\nhttps://courier.example:443/feed.xml\n"
    (tmp_path / "urls").write_text(f"{FEED} news\n{FEED} city\n{spellings}gopher://a.example/\n")
    ran = wireroom("feeds", "import", str(tmp_path / "urls"), "--json")
    assert {name: ran.json[name] for name in ("added", "known", "repeated", "problems")} == {
        "added": 1,
        "known": 0,
        "repeated": 3,
        "problems": 1,
    }
    assert sorted((line["outcome"], line["url"]) for line in ran.json["lines"] if line["url"]) == [
        ("added", FEED),
        ("repeated", "http://COURIER.example/feed.xml"),
        ("repeated", FEED),
        ("repeated", "https://courier.example:443/feed.xml"),
    ]
    assert wireroom("feeds", "list", "--json").json["tags"] == ["news", "city"]


def test_importing_twice_changes_nothing(wireroom: Wireroom, tmp_path: Path) -> None:
    (tmp_path / "feeds.opml").write_text(OPML)
    wireroom("feeds", "import", str(tmp_path / "feeds.opml"))
    before = wireroom("feeds", "list", "--json").lines
    wireroom("feeds", "import", str(tmp_path / "feeds.opml"))
    assert wireroom("feeds", "list", "--json").lines == before


def test_a_long_list_is_not_polled_all_in_one_minute(wireroom: Wireroom, tmp_path: Path) -> None:
    urls = "".join(f"https://site-{number}.example/feed\n" for number in range(2_500))
    (tmp_path / "urls").write_text(urls)
    wireroom("feeds", "import", str(tmp_path / "urls"))
    due = [feed["next_poll_at"] for feed in wireroom("feeds", "list", "--json").lines]
    minutes = Counter(at[:16] for at in due)
    assert max(minutes.values()) < 2_400


def test_of_a_file_that_is_no_list_a_few_lines_are_named(wireroom: Wireroom, tmp_path: Path) -> None:
    (tmp_path / "noise").write_bytes(bytes(range(256)) * 40)
    ran = wireroom("feeds", "import", str(tmp_path / "noise"))
    assert (ran.code, ran.out) == (1, "")
    assert ran.err.count("\n") <= 7
    assert "more like these" in ran.err


def test_a_feed_that_is_taken_for_a_list_is_named_as_one(wireroom: Wireroom, tmp_path: Path) -> None:
    (tmp_path / "feed.xml").write_text("<rss version='2.0'><channel><title>News</title></channel></rss>")
    ran = wireroom("feeds", "import", str(tmp_path / "feed.xml"))
    assert ran.code == 1
    assert ran.err.startswith("wireroom: feed.xml: a feed itself, no list of them")


def test_a_list_without_feeds_stores_nothing(wireroom: Wireroom, tmp_path: Path, home: Path) -> None:
    (tmp_path / "empty.txt").write_text("\n")
    ran = wireroom("feeds", "import", str(tmp_path / "empty.txt"))
    assert ran.code == 1
    assert not home.exists()


def test_what_is_exported_can_be_imported(wireroom: Wireroom, watched: Store, tmp_path: Path) -> None:
    wireroom("feeds", "set", FEED, "--tag", "city")
    (tmp_path / "out.opml").write_text(wireroom("feeds", "export").out)
    wireroom("feeds", "remove", FEED)
    wireroom("feeds", "import", str(tmp_path / "out.opml"))
    [feed] = wireroom("feeds", "list", "--json").lines
    assert (feed["url"], feed["title"], feed["tags"]) == (FEED, "The Harbor Courier", ["city"])


def test_of_a_long_list_that_is_known_not_every_line_is_named(wireroom: Wireroom, tmp_path: Path) -> None:
    (tmp_path / "urls").write_text("".join(f"https://site-{n}.example/feed\n" for n in range(60)))
    wireroom("feeds", "import", str(tmp_path / "urls"))
    *named, more = wireroom("feeds", "import", str(tmp_path / "urls")).err.splitlines()
    assert (len(named), more) == (50, "wireroom: and 10 more that are known already; --json names all")


def test_commas_in_names_of_folders_survive_an_import_an_export_and_an_import(
    wireroom: Wireroom, tmp_path: Path
) -> None:
    inner = f'<outline text="Courier" xmlUrl="{FEED}"/>'
    folders = f'<outline text="News, world"><outline text="Ghent, Bruges">{inner}</outline></outline>'
    (tmp_path / "in.opml").write_text(f'<opml version="2.0"><body>{folders}</body></opml>')
    wireroom("feeds", "import", str(tmp_path / "in.opml"))
    exported = wireroom("feeds", "export").out
    wireroom("feeds", "remove", FEED)
    (tmp_path / "out.opml").write_text(exported)
    wireroom("feeds", "import", str(tmp_path / "out.opml"))
    assert wireroom("feeds", "show", FEED, "--json").json["tags"] == ["News, world", "Ghent, Bruges"]
    assert wireroom("feeds", "export").out == exported
    assert wireroom("feeds", "list", "--tag", "News, world", "--json").json["url"] == FEED
    wireroom("feeds", "set", FEED, "--tag", r"-News\, world,+x\,y")
    assert wireroom("feeds", "show", FEED, "--json").json["tags"] == ["Ghent, Bruges", "x,y"]


BARE = FEED.removeprefix("https://")


@pytest.mark.parametrize("written", [BARE, f"feed://{BARE}", f"feed:{FEED}"])
@pytest.mark.parametrize("command", ["show", "set --tag x", "poll", "pause", "remove"])
def test_every_command_for_feeds_takes_an_address_as_add_does(
    wireroom: Wireroom, watched: Store, command: str, written: str
) -> None:
    ran = wireroom("feeds", *command.split(), written)
    assert (ran.code, FEED in ran.out) == (0, True)


def test_every_command_for_articles_takes_an_address_as_add_does(wireroom: Wireroom, watched: Store) -> None:
    bare = BRIDGE.removeprefix("https://")
    assert wireroom("trace", bare).out == wireroom("trace", BRIDGE).out
    assert wireroom("show", bare).err == wireroom("show", BRIDGE).err


def test_a_login_in_a_lists_address_is_kept_as_a_header_and_shown_nowhere(
    wireroom: Wireroom, tmp_path: Path
) -> None:
    address = "https://desk:s3cret@courier.example/feed.xml"
    (tmp_path / "urls").write_text(f"{address}\n{address}\nhttps://desk:s3cret@..example/\n")
    said = [wireroom("feeds", "import", str(tmp_path / "urls"), "--json")]
    (feed,) = wireroom("feeds", "list", "--json").lines
    assert (feed["url"], feed["header_names"]) == (FEED, ["Authorization"])
    wireroom("feeds", "remove", FEED)
    said += [wireroom("coverage", "--json"), wireroom("feeds", "export")]
    assert not [ran for ran in said if "s3cret" in ran.out + ran.err]
