"""`wireroom coverage`, `feeds health` and `hosts` on a real store."""

import time
from pathlib import Path

import pytest
from sqlalchemy import update

from pipeline.model import FeedState, Request, RequestKind
from pipeline.store.politeness import count_requests, record_requests
from pipeline.store.store import Store
from pipeline.store.subscriptions import NewFeed, add_feeds
from pipeline.store.tables import feeds
from tests.cli.conftest import Wireroom
from tests.cli.newsroom import BRIDGE, FEED, HARBOUR, entry, poll, publish

LEDGER = "https://ledger.example/rss"
COUNTERS = [
    "polls", "failed", "not_modified", "unchanged", "gaps", "gaps_untold", "down_s", "entries", "edited",
    "bytes", "new", "indexed", "partial", "dropped", "quarantined", "waiting",
]  # fmt: skip


@pytest.fixture
def published(store: Store, home: Path) -> Store:
    """Bring two articles all the way, one of them from its feed alone."""
    publish(store, home)
    return store


def asked(host: str, **changed: object) -> Request:
    now = time.monotonic()
    facts = {
        "host": host, "kind": RequestKind.FEED, "began": now - 1, "ended": now, "status": 200, "bytes": 900,
        "is_conditional": False, "pause_s": None,
    }  # fmt: skip
    return Request(**{**facts, **changed})  # type: ignore[arg-type]


def test_coverage_has_the_promised_shape(wireroom: Wireroom, published: Store) -> None:
    begin, day, change = wireroom("coverage", "--json").lines
    assert list(begin) == ["kind", "first_day", "last_day", "counted_since", "total"]
    assert list(begin["total"]) == COUNTERS
    assert list(day) == ["kind", "day", "feed", *COUNTERS]
    assert list(change) == ["kind", "at", "feed", "change", "tags"]
    assert (begin["kind"], day["kind"], change["kind"]) == ("range", "day", "change")
    assert (day["polls"], day["new"], day["indexed"], day["partial"]) == (1, 2, 2, 1)
    assert (change["change"], change["at"][-1]) == ("added", "Z")


def test_downtime_is_told_to_a_tenth_of_a_second(wireroom: Wireroom, published: Store) -> None:
    with published.write() as connection:
        connection.execute(update(feeds).values(next_poll_at=published.now() - 3_600.123456))
    for line in wireroom("coverage", "--since", "2d", "--json").lines:
        down_s = line.get("total", line).get("down_s", 0.0)
        assert down_s == round(down_s, 1)


def test_coverage_adds_up_with_status(wireroom: Wireroom, published: Store) -> None:
    poll(published, LEDGER, entry(BRIDGE), entry("https://ledger.example/own"))
    begin, *_ = wireroom("coverage", "--since", "2020", "--json").lines
    articles = wireroom("status", "--json").json["articles"]
    total = begin["total"]
    assert total["new"] == articles["total"] == 3
    for state in ("indexed", "dropped", "quarantined"):
        assert total[state] == articles[state]
    assert total["waiting"] == articles["found"] + articles["fetched"] + articles["enriched"]


def test_coverage_is_for_a_person_to_read_too(wireroom: Wireroom, published: Store) -> None:
    ran = wireroom("coverage")
    head, day, total, *_ = ran.out.splitlines()
    assert head.split()[:3] == ["day", "polled", "failed"]
    assert day.endswith(FEED)
    assert total.startswith("all")
    assert "the frame" in ran.out
    assert ran.out.splitlines()[-1].split()[1:] == ["added", FEED]


def test_coverage_of_some_feeds_leaves_out_the_others(wireroom: Wireroom, published: Store) -> None:
    poll(published, LEDGER, entry("https://ledger.example/own"))
    wireroom("feeds", "set", LEDGER, "--tag", "money")

    def feeds(*options: str) -> set[str]:
        return {line["feed"] for line in wireroom("coverage", "--json", *options).lines[1:]}

    assert feeds("--tag", "money") == feeds("--outlet", "ledger.example") == {LEDGER}
    assert feeds() == {FEED, LEDGER}


@pytest.mark.parametrize("json", [(), ("--json",)])
@pytest.mark.parametrize("option", ["--tag", "--outlet"])
def test_a_name_that_no_feed_ever_had_is_refused_and_named(
    wireroom: Wireroom, published: Store, option: str, json: tuple[str, ...]
) -> None:
    wireroom("feeds", "set", FEED, "--tag", "city")
    known = {"--tag": "city", "--outlet": "courier.example"}[option]
    ran = wireroom("coverage", option, known, option, "nobody", *json)
    assert (ran.code, ran.out, ran.err.count("\n")) == (2, "", 1)
    assert ran.err.startswith(f"wireroom: {option} nobody: no feed ")


def test_a_tag_that_feeds_had_is_known_and_said_to_be_had_no_more(
    wireroom: Wireroom, published: Store
) -> None:
    for change in ("city", "-city"):
        wireroom("feeds", "set", FEED, f"--tag={change}")
    ran = wireroom("coverage", "--tag", "city", "--json")
    assert (ran.code, ran.lines[0]["total"]["polls"], ran.err.count("\n")) == (0, 0, 1)
    assert "has that tag or outlet now" in ran.err


def test_a_removed_feed_is_told_of_by_its_tag_and_its_outlet(wireroom: Wireroom, published: Store) -> None:
    wireroom("feeds", "set", FEED, "--tag", "city")
    wireroom("feeds", "remove", FEED)
    for option in (("--tag", "city"), ("--outlet", "courier.example")):
        assert wireroom("coverage", *option, "--json").lines[0]["total"]["polls"] == 1


def test_a_tag_of_feeds_that_were_added_later_is_known(wireroom: Wireroom, published: Store) -> None:
    wireroom("feeds", "set", FEED, "--tag", "city")
    wireroom("feeds", "remove", FEED)
    assert wireroom("coverage", "--since", "2020", "--until", "2021", "--tag", "city").code == 0


@pytest.mark.parametrize("options", [("--since", "soon"), ("--since", "2026-02", "--until", "2026-01")])
def test_dates_that_mean_nothing_are_refused(
    wireroom: Wireroom, published: Store, options: tuple[str, ...]
) -> None:
    ran = wireroom("coverage", *options)
    assert (ran.code, ran.out, ran.err.count("\n")) == (2, "", 1)


def test_the_day_of_until_is_left_out(wireroom: Wireroom, published: Store) -> None:
    begin, *_ = wireroom("coverage", "--since", "2026-01-05", "--until", "2026-01-08", "--json").lines
    assert (begin["first_day"], begin["last_day"]) == ("2026-01-05", "2026-01-07")


def test_health_has_the_promised_shape(wireroom: Wireroom, published: Store) -> None:
    told = wireroom("feeds", "health", "--json").json
    assert list(told) == [
        "url", "title", "tags", "state", "last_success_at", "next_poll_at", "why", "failures", "last_error",
        "entries_per_week", "ailments", "newest_at", "silence_s", "longest_silence_s", "season",
        "lag_found_s", "lag_indexed_s", "polls", "failed", "share_304", "bytes", "text_length",
        "text_length_before", "shared_with",
    ]  # fmt: skip
    assert (told["url"], told["ailments"], told["polls"], told["share_304"]) == (FEED, [], 1, 0.0)
    assert told["lag_indexed_s"] >= 0


def test_health_says_what_ails_a_feed_and_chooses_by_it(wireroom: Wireroom, published: Store) -> None:
    poll(published, LEDGER, error="http-503", status=503, entries=None, failures=2.0, why="backing off")
    assert [line["url"] for line in wireroom("feeds", "health", "--failing", "--json").lines] == [LEDGER]
    said = wireroom("feeds", "health").out
    [line] = [line for line in said.splitlines() if line.startswith(f"{LEDGER}: ")]
    assert line.startswith(f"{LEDGER}: http-503 since 20")
    assert line.endswith(f"; 2 failures in a row; tried again in 15 min → `wireroom doctor {LEDGER}`")
    assert wireroom("feeds", "health", "--silent").err == "wireroom: no feed is like that\n"


def test_a_failure_that_weighs_half_is_one(wireroom: Wireroom, published: Store) -> None:
    poll(published, LEDGER, error="not-a-feed", entries=None, failures=0.5)
    assert wireroom("feeds", "health", "--failing", "--json").json["failures"] == 1
    said = wireroom("feeds", "health", "--failing").out
    assert f"{LEDGER}: not-a-feed, the answer is no feed, since 20" in said
    assert "; 1 failure in a row; " in said
    assert "0.5" not in said + wireroom("feeds", "show", LEDGER).out


def test_a_feed_that_is_gone_fails_no_more(wireroom: Wireroom, published: Store) -> None:
    gone = {"error": "http-410", "status": 410, "entries": None, "state": FeedState.GONE}
    poll(published, LEDGER, **gone)
    for command in ("list", "health"):
        assert wireroom("feeds", command, "--failing", "--json").lines == []


def test_hosts_have_the_promised_shape(wireroom: Wireroom, published: Store) -> None:
    count_requests(published, [asked("courier.example:443", is_conditional=True, status=304)])
    told = wireroom("hosts", "--json").json
    assert list(told) == [
        "host", "first_day", "last_day", "requests", "feed", "page", "robots", "conditional", "bytes",
        "not_modified", "limited", "unavailable", "hints", "hints_kept", "shortest_gap_s", "delay_s",
        "conditional_share", "spacing_kept", "hints_pending",
    ]  # fmt: skip
    assert (told["host"], told["requests"], told["conditional_share"]) == ("courier.example:443", 1, 1.0)


@pytest.mark.parametrize("name", ["courier.example", "COURIER.example:443", FEED, f"feed:{FEED}"])
def test_one_host_is_told_day_by_day(wireroom: Wireroom, published: Store, name: str) -> None:
    count_requests(published, [asked("courier.example:443"), asked("other.example:443")])
    told = wireroom("hosts", name, "--json").json
    assert (told["host"], [day["requests"] for day in told["days"]]) == ("courier.example:443", [1])
    assert "1: 1 for feeds, 0 for pages, 0 for robots.txt" in wireroom("hosts", name).out


def test_a_pause_that_runs_is_neither_kept_nor_broken(wireroom: Wireroom, published: Store) -> None:
    count_requests(published, [asked("courier.example:443", status=429, pause_s=3_600.0)])
    told = wireroom("hosts", "courier.example").out
    assert "429: 1 time" in told
    assert "1 time: 0 kept, 0 not, 1 still running (until 20" in told
    told = wireroom("hosts", "courier.example", "--json").json
    assert (told["limited"], told["hints"], told["hints_pending"]) == (1, 0, 1)
    count_requests(published, [asked("courier.example:443")])
    assert "1 time: 0 kept, 1 not\n" in wireroom("hosts", "courier.example").out


def ask_twice(store: Store, host: str, *, gap_s: float, delay_s: float) -> None:
    now = time.monotonic()
    both = [asked(host, began=now - 1 - gap_s, ended=now - 1 - gap_s), asked(host)]
    with store.write() as connection:
        record_requests(connection, store.read_moment(connection), both, delay_s=delay_s, host=host)


def test_a_short_pause_is_not_shown_as_none(wireroom: Wireroom, published: Store) -> None:
    ask_twice(published, "courier.example:443", gap_s=0.022, delay_s=0.02)
    assert " 0.02 s " in wireroom("hosts").out
    assert "never less than 0.02 s between two requests; to be kept: 0.02 s" in (
        wireroom("hosts", "courier.example").out
    )


@pytest.mark.parametrize(
    ("host", "delay_s", "is_demo"),
    [("127.0.0.1:8631", 0.02, True), ("127.0.0.1:8631", 5.0, False), ("courier.example:443", 0.02, False)],
)
def test_the_demos_hurry_at_its_own_hosts_is_explained(
    wireroom: Wireroom, published: Store, host: str, delay_s: float, is_demo: bool
) -> None:
    ask_twice(published, host, gap_s=0.022, delay_s=delay_s)
    assert ("`wireroom demo` asks its own hosts" in wireroom("hosts").err) == is_demo


def test_a_host_that_was_never_asked_is_said_to_be_so(wireroom: Wireroom, published: Store) -> None:
    ran = wireroom("hosts", "nobody.example")
    assert (ran.code, ran.out) == (1, "")
    assert ran.err == "wireroom: nobody.example was never asked; `wireroom hosts` lists those that were\n"


@pytest.mark.parametrize("command", [("coverage",), ("feeds", "health"), ("hosts",)])
def test_where_nothing_is_yet_one_line_says_what_to_do(wireroom: Wireroom, command: tuple[str, ...]) -> None:
    ran = wireroom(*command)
    assert (ran.code, ran.out, ran.err.count("\n")) == (1, "", 1)
    assert "wireroom add URL" in ran.err


@pytest.mark.parametrize(
    ("command", "said"),
    [(("coverage",), "wireroom add"), (("feeds", "health"), "wireroom add"), (("hosts",), "wireroom up")],
)
def test_an_empty_store_gets_one_line(
    wireroom: Wireroom, store: Store, command: tuple[str, ...], said: str
) -> None:
    ran = wireroom(*command)
    assert (ran.code, ran.out, ran.err.count("\n")) == (0, "", 1)
    assert said in ran.err


def test_a_feed_that_was_never_polled_is_told_as_such(wireroom: Wireroom, store: Store) -> None:
    add_feeds(store, [NewFeed(url=FEED)], interval_s=900)
    assert "not polled yet" in wireroom("feeds", "health").out
    assert wireroom("coverage").out.splitlines()[-1].endswith(f"added   {FEED}")


def test_feeds_may_not_steer_a_terminal(wireroom: Wireroom, store: Store) -> None:
    poll(store, FEED, entry(HARBOUR), error="http-503", status=503, entries=None, why="\x1b[2Jcleared")
    for command in (("coverage",), ("feeds", "health"), ("feeds", "health", "--json")):
        assert "\x1b" not in wireroom(*command).out
