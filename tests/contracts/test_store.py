"""What every store must keep: SQLite and PostgreSQL pass the same suite."""

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest
from sqlalchemy import insert, select, update
from sqlalchemy.exc import IntegrityError

from pipeline.errors import WireroomError
from pipeline.feeds.moves import Moving
from pipeline.identity import article_id, host_of, url_key
from pipeline.model import (
    ArchivePosition,
    Document,
    Entry,
    FeedState,
    Sighting,
    Stage,
    Stamps,
    State,
    TextSource,
)
from pipeline.outcomes import Cause, Partial, Reason
from pipeline.store.claimed import ArticleClaim, FeedClaim, HostTurn
from pipeline.store.claims import claim_articles, claim_feeds, claim_host, claim_hosts, rest_of
from pipeline.store.due import article_counts, due_stages, waiting
from pipeline.store.enriched import (
    Alias,
    Twin,
    find_twins,
    read_material,
    read_sightings,
    record_document,
    record_duplicate,
    record_quarantine,
    wait_for_twin,
)
from pipeline.store.fetched import Dropped, GotPage, Moved, NoPage, Quarantined, record_turn
from pipeline.store.found import FoundEntry, PollCounts, known_articles
from pipeline.store.generations import adopt_generation, live_generation
from pipeline.store.indexed import (
    Indexed,
    read_documents,
    record_indexed,
)
from pipeline.store.leases import blame, free_all, machine, new_owner, release, release_host, sweep
from pipeline.store.migrations import migrate
from pipeline.store.moves import list_moves, undo_moves
from pipeline.store.polled import Polled, Validators, record_hop, record_poll
from pipeline.store.quarantine import replay
from pipeline.store.removal import remove
from pipeline.store.store import Clock, Store, insert_new, open_store
from pipeline.store.subscriptions import pause_feeds
from pipeline.store.tables import articles, events, feeds, generations, hosts, projections, sightings

FEED = "https://news.example/feed.xml"
OTHER_FEED = "https://other.example/feed.xml"
OWNER = "elsewhere:1:test:0"
VALIDATORS = Validators(etag='"1"', last_modified=None, body_hash="h1", given_by=FEED)


@pytest.fixture(params=["sqlite", "postgresql"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """Open an empty store of each kind, with all its tables and two feeds that are due."""
    is_sqlite = request.param == "sqlite"
    url = f"sqlite:///{tmp_path / 'wireroom.db'}" if is_sqlite else request.getfixturevalue("postgresql_url")
    opened = open_store(url)
    migrate(opened)
    for feed in (FEED, OTHER_FEED):
        add_feed(opened, feed)
    yield opened
    opened.close()


def add_feed(store: Store, url: str) -> None:
    with store.write() as connection:
        insert_new(connection, hosts, [{"host": host_of(url)}])
        connection.execute(
            insert(feeds).values(
                url=url,
                host=host_of(url),
                tags=[],
                state=FeedState.ACTIVE,
                added_at=0,
                state_since=0,
                next_poll_at=0,
                interval_s=900,
            )
        )


def entry(link: str, title: str = "A title") -> Entry:
    return Entry(
        link=link,
        guid=link,
        title=title,
        summary="What happened.",
        content="",
        authors=(),
        tags=("world",),
        published_text=None,
        published_at=None,
        language="en",
    )


def found(
    link: str, title: str = "A title", *, refused: Reason | None = None, updated_at: float | None = None
) -> FoundEntry:
    key = url_key(link) or ""
    return FoundEntry(
        entry=replace(entry(link, title), updated_at=updated_at),
        url_key=key,
        article_id=article_id(key),
        refused=refused,
    )


def id_of(link: str) -> str:
    return article_id(url_key(link) or "")


def polled(*entries: FoundEntry, **changed: object) -> Polled:
    facts: dict[str, object] = {
        "status": 200,
        "error": None,
        "detail": None,
        "state": FeedState.ACTIVE,
        "wait_s": 900.0,
        "interval_s": 900.0,
        "failures": 0.0,
        "why": "",
        "validators": VALIDATORS,
        "entries": len(entries),
        "found": entries,
    }
    return Polled(**{**facts, **changed})  # type: ignore[arg-type]


def poll(store: Store, feed: str, *entries: FoundEntry, **changed: object) -> PollCounts | None:
    """Poll one feed as a worker would: make it due, claim it, record what it showed."""
    with store.write() as connection:
        connection.execute(update(feeds).values(next_poll_at=1e12))
        connection.execute(update(feeds).where(feeds.c.url == feed).values(next_poll_at=0))
        connection.execute(update(hosts).values(next_request_at=0))
    (claim,) = claim_feeds(store, owner=OWNER, limit=1)
    return record_poll(store, claim, polled(*entries, **changed), host_delay_s=0)


def turn(store: Store) -> HostTurn:
    (only,) = claim_hosts(store, owner=OWNER, limit=1, pages=16)
    return only


def got_page(claim: ArticleClaim) -> GotPage:
    position = ArchivePosition(file="a.warc.gz", offset=1, length=2, digest="sha1:X")
    return GotPage(claim=claim, url=claim.url, status=200, position=position, fetched_at=5.0, detail="")


def fetch_all(store: Store) -> None:
    while turns := claim_hosts(store, owner=OWNER, limit=9, pages=16):
        for each in turns:
            record_turn(store, each, [got_page(claim) for claim in each.claims], delay_s=0, robots=None)


def document(claim: ArticleClaim, text: str = "The text of the page.") -> Document:
    return Document(
        id=claim.id,
        version=claim.version + 1,
        revision=1,
        url=claim.url,
        title="A title",
        text=text,
        authors=(),
        tags=("world",),
        language="en",
        outlet="news.example",
        outlet_name="News",
        published=None,
        first_seen_at=claim.first_seen_at,
        text_source=TextSource.PAGE,
        partial=None,
        entities=(),
        fingerprint=(1, 2),
        sightings=(Sighting(feed=FEED, seen_at=claim.first_seen_at),),
        stamps=Stamps(extractor="x", language="l", model=None, rules=1),
    )


def enrich_all(store: Store) -> None:
    for claim in claim_articles(store, Stage.ENRICH, owner=OWNER, limit=100):
        record_document(store, claim, document(claim), aliases=(), detail="", retry_in_s=None)


def index_all(store: Store) -> tuple[Document, ...]:
    if live_generation(store) is None:
        adopt_generation(store, "g1", instead_of=None)
    claims = claim_articles(store, Stage.INDEX, owner=OWNER, limit=100)
    documents = read_documents(store, claims)
    versions = {each.id: each.version for each in documents}
    record_indexed(store, "g1", [Indexed(claim=claim, version=versions[claim.id]) for claim in claims])
    return documents


def rested(store: Store, *links: str) -> None:
    """Bring articles of the first feed to rest, indexed."""
    poll(store, FEED, *(found(link) for link in links))
    fetch_all(store)
    enrich_all(store)
    index_all(store)


def article(store: Store, link: str) -> object:
    with store.read() as connection:
        return connection.execute(select(articles).where(articles.c.id == id_of(link))).one()


A, B = "https://news.example/a", "https://news.example/b"


def test_an_article_goes_from_found_to_indexed_and_then_rests(store: Store) -> None:
    rested(store, A)
    row = article(store, A)
    assert (row.state, row.stage, row.lease_owner, row.attempts, row.version) == ("indexed", None, None, 0, 1)
    assert waiting(store).due == 0
    assert article_counts(store)[State.INDEXED] == 1


def test_each_step_of_an_article_leaves_an_event(store: Store) -> None:
    rested(store, A)
    with store.read() as connection:
        told = connection.execute(
            select(events.c.stage, events.c.outcome)
            .where(events.c.article_id == id_of(A))
            .order_by(events.c.id)
        ).all()
    assert told == [("poll", "found"), ("fetch", "fetched"), ("enrich", "enriched"), ("index", "indexed")]


def test_a_poll_counts_new_seen_elsewhere_and_edited(store: Store) -> None:
    assert poll(store, FEED, found(A), found(B)) == PollCounts(new=2)
    assert poll(store, FEED, found(A), found(B)) == PollCounts()
    assert poll(store, OTHER_FEED, found(A)) == PollCounts(sighted=1)
    assert poll(store, FEED, found(A, "Another title"), found(B)) == PollCounts(edited=1)


def test_a_feed_that_goes_to_and_fro_between_two_texts_is_followed_once(store: Store) -> None:
    poll(store, FEED, found(A, "First"))
    edited = [poll(store, FEED, found(A, title)) for title in ("Second", "First", "Second", "First")]
    assert edited == [PollCounts(edited=1), PollCounts(), PollCounts(), PollCounts()]


def test_an_entry_is_followed_through_twenty_four_edits(store: Store) -> None:
    poll(store, FEED, found(A, "Title 0"))
    counts = [poll(store, FEED, found(A, f"Title {number}")) for number in range(1, 31)]
    assert counts == [PollCounts(edited=1)] * 24 + [PollCounts()] * 6


def test_a_later_date_of_an_edit_counts_as_one(store: Store) -> None:
    poll(store, FEED, found(A), found(B))
    assert poll(store, FEED, found(A, updated_at=9.0), found(B)) == PollCounts(edited=1)
    assert poll(store, FEED, found(A, updated_at=9.0), found(B)) == PollCounts()
    assert poll(store, FEED, found(A, updated_at=8.0), found(B)) == PollCounts()


def test_a_feed_that_stamps_all_its_entries_anew_has_no_edits(store: Store) -> None:
    links = [f"https://news.example/{number}" for number in range(5)]
    poll(store, FEED, *map(found, links))
    stamped = [found(link, updated_at=9.0) for link in links[1:]]
    assert poll(store, FEED, found(links[0], "Edited"), *stamped) == PollCounts(edited=1)


def test_an_entry_whose_guid_changes_stays_one_article(store: Store) -> None:
    poll(store, FEED, found(A))
    renamed = found(A)
    assert poll(store, FEED, replace(renamed, entry=replace(renamed.entry, guid="n-2"))) == PollCounts()
    assert article_counts(store)[State.FOUND] == 1


def test_two_links_with_one_key_are_one_article(store: Store) -> None:
    poll(store, FEED, found(A))
    poll(store, OTHER_FEED, found(A + "?utm_source=rss"))
    assert article_counts(store)[State.FOUND] == 1
    assert article(store, A).url == A


def test_validators_are_stored_with_the_articles(store: Store) -> None:
    poll(store, FEED, found(A))
    with store.read() as connection:
        row = connection.execute(select(feeds).where(feeds.c.url == FEED)).one()
    assert (row.etag, row.body_hash, row.entries) == ('"1"', "h1", 1)


def test_validators_stay_when_a_poll_brings_no_new_document(store: Store) -> None:
    poll(store, FEED, found(A))
    poll(store, FEED, status=304, entries=None, validators=None)
    with store.read() as connection:
        row = connection.execute(select(feeds).where(feeds.c.url == FEED)).one()
    assert (row.etag, row.body_hash, row.last_status) == ('"1"', "h1", 304)


def test_a_feed_that_is_paused_while_it_is_asked_stays_paused(store: Store) -> None:
    claim = next(claim for claim in claim_feeds(store, owner=OWNER, limit=2) if claim.url == FEED)
    pause_feeds(store, [FEED])
    assert record_poll(store, claim, polled(found(A)), host_delay_s=0) is not None
    assert feed_row(store).state == FeedState.PAUSED


def test_a_poll_whose_lease_is_lost_writes_nothing(store: Store) -> None:
    (claim,) = claim_feeds(store, owner=OWNER, limit=1)
    free_all(store)
    assert record_poll(store, claim, polled(found(A)), host_delay_s=0) is None
    assert not known_articles(store, [url_key(A) or ""]).url_keys


def test_a_refused_entry_is_dropped_with_its_reason(store: Store) -> None:
    poll(store, FEED, found(A, refused=Reason.TOO_OLD))
    row = article(store, A)
    assert (row.state, row.reason, row.stage) == ("dropped", "too-old", None)


def test_one_feed_a_host_is_claimed(store: Store) -> None:
    second = "https://news.example/second.xml"
    add_feed(store, second)
    claims = claim_feeds(store, owner=OWNER, limit=10)
    assert len(claims) == 2
    assert {claim.host for claim in claims} == {"news.example:443", "other.example:443"}
    assert claim_feeds(store, owner="elsewhere:2:test:0", limit=10) == ()


def test_a_host_serves_one_worker_and_its_newest_pages_first(store: Store) -> None:
    poll(store, FEED, found(A), found(B))
    with store.write() as connection:
        connection.execute(update(articles).where(articles.c.id == id_of(A)).values(fair_at=1.0))
    first = turn(store)
    assert [claim.url for claim in first.claims] == [B, A]
    assert claim_hosts(store, owner="elsewhere:2:test:0", limit=9, pages=9) == ()


def test_a_host_rests_for_its_delay(store: Store) -> None:
    poll(store, FEED, found(A), found(B))
    (host,) = claim_hosts(store, owner=OWNER, limit=1, pages=1)
    record_turn(store, host, [got_page(claim) for claim in host.claims], delay_s=100, robots=None)
    assert claim_hosts(store, owner=OWNER, limit=1, pages=1) == ()
    assert Stage.FETCH not in due_stages(store)


def test_a_finished_row_must_still_be_owned(store: Store) -> None:
    poll(store, FEED, found(A))
    lost = turn(store)
    free_all(store)
    (again,) = claim_hosts(store, owner="elsewhere:2:test:0", limit=1, pages=1)
    assert record_turn(store, again, [got_page(again.claims[0])], delay_s=0, robots=None) == 1
    late = NoPage(claim=lost.claims[0], partial=Partial.GONE, detail="", retry_in_s=None)
    assert record_turn(store, lost, [late], delay_s=0, robots=None) == 0
    assert article(store, A).partial is None


def feed_row(store: Store, url: str = FEED) -> Any:
    with store.read() as connection:
        return connection.execute(select(feeds).where(feeds.c.url == url)).one()


def test_a_feeds_redirect_waits_for_the_turn_of_the_host_that_it_leads_to(store: Store) -> None:
    (claim, _) = sorted(claim_feeds(store, owner=OWNER, limit=2), key=lambda claim: claim.host)
    moved = "https://moved.example/feed.xml"
    record_hop(store, claim, to=moved, temporary=True, host_delay_s=100)
    (again,) = claim_feeds(store, owner=OWNER, limit=2)
    assert (again.host, again.next_url, again.hops) == ("moved.example:443", moved, 1)
    assert (again.url, again.hop_was_temporary) == (FEED, True)
    record_poll(store, again, polled(found(A)), host_delay_s=0)
    row = feed_row(store)
    assert (row.host, row.next_url, row.hops, row.hop_was_temporary) == ("news.example:443", None, 0, False)


def test_a_host_that_asks_for_a_pause_is_left_alone_with_all_its_feeds(store: Store) -> None:
    add_feed(store, "https://news.example/second.xml")
    poll(store, FEED, host_pause_s=300.0)
    with store.write() as connection:
        connection.execute(update(feeds).values(next_poll_at=0))
    assert [claim.url for claim in claim_feeds(store, owner=OWNER, limit=9)] == [OTHER_FEED]


def test_what_a_feed_asks_and_its_rhythm_come_with_the_next_claim(store: Store) -> None:
    hints, rhythm = {"ttl_s": 3600.0, "skip_hours": [1, 2]}, [5.0, 1.0]
    poll(store, FEED, hints=hints, rhythm=rhythm, is_healthy=True, asked_s=50.0)
    row = feed_row(store)
    assert row.not_before == row.last_polled_at + 50.0
    poll(store, FEED, status=304, entries=None, validators=None)
    with store.write() as connection:
        connection.execute(update(feeds).where(feeds.c.url == FEED).values(next_poll_at=0))
        connection.execute(update(hosts).values(next_request_at=0, crawl_delay_s=30.0))
    (claim,) = claim_feeds(store, owner=OWNER, limit=1)
    assert (claim.hints, claim.rhythm, claim.crawl_delay_s) == (hints, rhythm, 30.0)


def test_a_failing_feed_knows_since_when_until_it_succeeds(store: Store) -> None:
    poll(store, FEED, error="dns", status=None, entries=None, validators=None)
    since = feed_row(store).failing_since
    poll(store, FEED, error="dns", failing_since=since, status=None, entries=None, validators=None)
    assert feed_row(store).failing_since == since
    poll(store, FEED, found(A))
    assert feed_row(store).failing_since is None


def test_one_host_may_be_claimed_for_a_request_of_no_row(store: Store) -> None:
    assert claim_host(store, "news.example:443", owner=OWNER)
    assert not claim_host(store, "news.example:443", owner="elsewhere:2:test:0")
    assert claim_host(store, "never.seen.example:80", owner=OWNER)
    release_host(store, "news.example:443", OWNER, delay_s=100)
    assert not claim_host(store, "news.example:443", owner=OWNER)
    assert 90 < rest_of(store, "news.example:443") <= 100


def test_a_moved_feed_has_its_new_address_until_that_is_undone(store: Store) -> None:
    new = "https://new.example/feed.xml"
    poll(store, FEED, moving=Moving(to=new, seen=3, since=0.0))
    assert feed_row(store, new).host == "new.example:443"
    (made,) = list_moves(store)
    assert (made.old_url, made.new_url, made.undone_at) == (FEED, new, None)
    assert undo_moves(store, [new]) == (FEED,)
    assert feed_row(store).host == "news.example:443"
    with pytest.raises(WireroomError, match="no feed was moved to"):
        undo_moves(store, [new])


def test_a_move_that_is_undone_during_a_poll_is_undone(store: Store) -> None:
    new = "https://new.example/feed.xml"
    poll(store, FEED, moving=Moving(to=new, seen=3, since=0.0))
    with store.write() as connection:
        connection.execute(update(feeds).where(feeds.c.url == new).values(next_poll_at=0))
    (claim,) = claim_feeds(store, owner=OWNER, limit=1)
    undo_moves(store, [new])
    assert record_poll(store, claim, polled(found(A)), host_delay_s=0) is None
    row = feed_row(store)
    assert (row.url, row.host) == (FEED, "news.example:443")


def test_a_feed_does_not_move_to_the_address_of_another(store: Store) -> None:
    poll(store, FEED, moving=Moving(to=OTHER_FEED.replace("https", "http"), seen=3, since=0.0))
    assert "which another feed has" in feed_row(store).why
    assert list_moves(store) == ()


def test_a_clock_that_goes_faster_is_the_same_for_all_who_share_it(store: Store) -> None:
    start = time.time() - 10
    fast = [replace(store, clock=Clock(start=start, factor=1000.0)) for _ in range(2)]
    read = []
    for each in (*fast, store):
        with each.read() as connection:
            read.append(each.read_clock(connection) - start)
    assert read[0] > 10_000
    assert read[0] <= read[1] < 1_000 * read[2] + 1_000


def test_released_articles_are_due_and_untried(store: Store) -> None:
    poll(store, FEED, found(A))
    fetch_all(store)
    release(store, claim_articles(store, Stage.ENRICH, owner=OWNER, limit=9))
    (claim,) = claim_articles(store, Stage.ENRICH, owner=OWNER, limit=9)
    assert claim.attempts == 1


def test_what_a_dead_process_of_this_machine_held_is_freed_and_counted(store: Store) -> None:
    poll(store, FEED, found(A))
    fetch_all(store)
    child = subprocess.run(
        [sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, check=True
    )
    dead = f"{machine()}:{int(child.stdout)}:enrich:0"
    claim_articles(store, Stage.ENRICH, owner=dead, limit=9)
    assert sweep(store) == 1
    row = article(store, A)
    assert (row.lease_owner, row.attempts) == (None, 1)


def test_a_living_owner_and_another_machines_are_left_alone(store: Store) -> None:
    poll(store, FEED, found(A), found(B), found("https://news.example/c"))
    fetch_all(store)
    claim_articles(store, Stage.ENRICH, owner=OWNER, limit=1)
    # A clone of this machine, or a container on its network: no process of ours has its numbers.
    claim_articles(store, Stage.ENRICH, owner=f"{socket.gethostname()}/0-1:999999999:enrich:0", limit=1)
    claim_articles(store, Stage.ENRICH, owner=new_owner(Stage.ENRICH), limit=1)
    assert (waiting(store).leases, sweep(store)) == (3, 0)


def test_an_expired_lease_is_freed(store: Store) -> None:
    poll(store, FEED, found(A))
    fetch_all(store)
    claim_articles(store, Stage.ENRICH, owner=OWNER, limit=9)
    with store.write() as connection:
        connection.execute(update(articles).values(lease_until=1.0))
    assert sweep(store) == 1


def test_an_article_that_failed_is_claimed_alone(store: Store) -> None:
    poll(store, FEED, found(A), found(B))
    fetch_all(store)
    first, _ = claims = claim_articles(store, Stage.ENRICH, owner=OWNER, limit=9)
    blame(store, first, Stage.ENRICH, detail="it crashed")
    release(store, claims)
    with store.write() as connection:
        connection.execute(update(articles).values(due_at=0))
    (alone,) = claim_articles(store, Stage.ENRICH, owner=OWNER, limit=9)
    assert (alone.id, alone.attempts) == (first.id, 2)
    assert (
        claim_articles(store, Stage.ENRICH, owner=OWNER, limit=9) == ()
    )  # of its host nobody else meanwhile
    record_quarantine(store, alone, Stage.ENRICH, Cause.ENRICH_CRASHED, detail="")
    assert [claim.attempts for claim in claim_articles(store, Stage.ENRICH, owner=OWNER, limit=9)] == [1]


def test_a_start_frees_all_leases_and_blames_nobody(store: Store) -> None:
    poll(store, FEED, found(A))
    fetch_all(store)
    claim_articles(store, Stage.ENRICH, owner=OWNER, limit=9)
    free_all(store)
    assert article(store, A).attempts == 0
    assert waiting(store).leases == 0


def test_many_workers_never_hold_the_same_article(store: Store) -> None:
    poll(store, FEED, *(found(f"https://news.example/{number}") for number in range(60)))
    fetch_all(store)

    def take(worker: int) -> list[str]:
        taken: list[str] = []
        while claims := claim_articles(store, Stage.ENRICH, owner=f"elsewhere:{worker}:x:0", limit=3):
            taken += [claim.id for claim in claims]
        return taken

    with ThreadPoolExecutor(4) as pool:
        taken = [each for portion in pool.map(take, range(4)) for each in portion]
    assert len(taken) == len(set(taken)) == 60


def test_of_two_polls_that_find_an_article_at_once_one_has_found_it(store: Store) -> None:
    with store.write() as connection:
        connection.execute(update(feeds).values(next_poll_at=0))
        connection.execute(update(hosts).values(next_request_at=0))
    claims = claim_feeds(store, owner=OWNER, limit=9)
    entries = [found(f"https://news.example/{number}") for number in range(300)]
    with ThreadPoolExecutor(2) as pool:
        counts = list(
            pool.map(lambda claim: record_poll(store, claim, polled(*entries), host_delay_s=0), claims)
        )
    assert sum(count.new for count in counts if count) == 300
    assert sum(count.sighted for count in counts if count) == 300


def test_a_page_that_cannot_be_had_goes_on_from_its_feed_entry_and_is_asked_for_again(store: Store) -> None:
    poll(store, FEED, found(A))
    host = turn(store)
    failed = NoPage(claim=host.claims[0], partial=Partial.GONE, detail="HTTP 404", retry_in_s=60.0)
    record_turn(store, host, [failed], delay_s=0, robots=None)
    row = article(store, A)
    assert (row.state, row.stage, row.partial, row.refetches) == ("fetched", "enrich", "gone", 1)
    (claim,) = claim_articles(store, Stage.ENRICH, owner=OWNER, limit=1)
    assert read_material(store, claim).position is None
    record_document(store, claim, document(claim), aliases=(), detail="", retry_in_s=None)
    index_all(store)
    row = article(store, A)
    assert (row.state, row.stage, row.refetch_at) == ("indexed", "fetch", None)
    assert waiting(store).due == 0
    assert 50 < (waiting(store).next_retry_s or 0) <= 60


def test_a_page_had_at_last_makes_the_article_whole(store: Store) -> None:
    poll(store, FEED, found(A))
    host = turn(store)
    failed = NoPage(claim=host.claims[0], partial=Partial.FETCH_FAILED, detail="", retry_in_s=0.0)
    record_turn(store, host, [failed], delay_s=0, robots=None)
    enrich_all(store)
    index_all(store)
    fetch_all(store)
    (claim,) = claim_articles(store, Stage.ENRICH, owner=OWNER, limit=1)
    assert (claim.state, claim.partial, claim.version) == (State.INDEXED, None, 1)
    assert read_material(store, claim).position is not None


def test_a_retry_that_fails_leaves_the_good_document_standing(store: Store) -> None:
    rested(store, A)
    poll(store, FEED, found(A, "Another title"))
    host = turn(store)
    failed = NoPage(claim=host.claims[0], partial=Partial.GONE, detail="", retry_in_s=None)
    record_turn(store, host, [failed], delay_s=0, robots=None)
    row = article(store, A)
    assert (row.state, row.partial, row.stage) == ("indexed", None, None)


def test_a_redirect_to_another_host_waits_for_that_hosts_turn(store: Store) -> None:
    poll(store, FEED, found(A))
    host = turn(store)
    moved = Moved(claim=host.claims[0], next_url="https://new.example/a", host="new.example:443", hops=1)
    record_turn(store, host, [moved], delay_s=0, robots=None)
    following = turn(store)
    assert following.host == "new.example:443"
    assert (following.claims[0].next_url, following.claims[0].hops) == ("https://new.example/a", 1)


def test_a_refused_address_is_dropped(store: Store) -> None:
    poll(store, FEED, found(A))
    host = turn(store)
    dropped = Dropped(claim=host.claims[0], reason=Reason.REFUSED_ADDRESS, detail="127.0.0.1")
    record_turn(store, host, [dropped], delay_s=0, robots=None)
    assert (article(store, A).state, article(store, A).reason) == ("dropped", "refused-address")


def test_another_feeds_sighting_makes_a_new_version_without_fetching_again(store: Store) -> None:
    rested(store, A)
    poll(store, OTHER_FEED, found(A))
    (indexed,) = index_all(store)
    assert indexed.version == 2
    assert [each.feed for each in indexed.sightings] == [FEED, OTHER_FEED]
    assert article(store, A).stage is None


def test_a_sighting_during_indexing_is_not_lost(store: Store) -> None:
    poll(store, FEED, found(A))
    fetch_all(store)
    enrich_all(store)
    adopt_generation(store, "g1", instead_of=None)
    (claim,) = claim_articles(store, Stage.INDEX, owner=OWNER, limit=1)
    (before,) = read_documents(store, [claim])
    poll(store, OTHER_FEED, found(A))
    record_indexed(store, "g1", [Indexed(claim=claim, version=before.version)])
    (after,) = index_all(store)
    assert (after.version, len(after.sightings)) == (2, 2)


def test_what_is_indexed_after_the_clock_went_back_stands_after_what_was_before(store: Store) -> None:
    rested(store, A)
    with store.write() as connection:
        connection.execute(update(articles).values(indexed_at=articles.c.indexed_at + 3_600))
    rested(store, B)
    first, second = (article(store, each).indexed_at for each in (A, B))
    assert first < second < first + 1


def test_an_edited_entry_asks_for_the_page_again(store: Store) -> None:
    rested(store, A)
    poll(store, FEED, found(A, "Another title"))
    row = article(store, A)
    assert (row.state, row.stage) == ("indexed", "fetch")


def test_an_edit_during_indexing_is_not_lost(store: Store) -> None:
    rested(store, A)
    poll(store, OTHER_FEED, found(A))
    (claim,) = claim_articles(store, Stage.INDEX, owner=OWNER, limit=1)
    poll(store, FEED, found(A, "Another title"))
    record_indexed(store, "g1", [Indexed(claim=claim, version=2)])
    assert article(store, A).stage == "fetch"


def test_an_edit_while_the_article_is_under_way_is_not_lost(store: Store) -> None:
    poll(store, FEED, found(A))
    fetch_all(store)
    poll(store, FEED, found(A, "Another title"))
    enrich_all(store)
    index_all(store)
    assert article(store, A).stage == "fetch"


def test_an_edit_brings_a_retry_forward(store: Store) -> None:
    poll(store, FEED, found(A))
    host = turn(store)
    failed = NoPage(claim=host.claims[0], partial=Partial.GONE, detail="", retry_in_s=1e6)
    record_turn(store, host, [failed], delay_s=0, robots=None)
    enrich_all(store)
    index_all(store)
    assert waiting(store).due == 0
    poll(store, FEED, found(A, "Another title"))
    assert waiting(store).due == 1


def test_a_removed_article_stays_without_text_whatever_feeds_show(store: Store) -> None:
    rested(store, A)
    remove(store, id_of(A), reason="a court asked for it", erase=lambda position: None)
    poll(store, FEED, found(A, "Another title"))
    poll(store, OTHER_FEED, found(A))
    assert [seen.entry.title for seen in read_sightings(store, id_of(A))] == ["", ""]
    assert article(store, A).state == "dropped"


def test_a_removed_article_is_found_as_a_twin(store: Store) -> None:
    rested(store, A)
    remove(store, id_of(A), reason="a court asked for it", erase=lambda position: None)
    poll(store, FEED, found(A), found(B))
    fetch_all(store)
    claims = claim_articles(store, Stage.ENRICH, owner=OWNER, limit=9)
    (claim,) = [each for each in claims if each.id == id_of(B)]
    (twin,) = find_twins(store, claim, [Alias(url_key=url_key(A) or "", how="redirect")], ())
    assert twin.is_removed


def test_a_duplicate_names_its_twin_and_hands_over_its_sightings(store: Store) -> None:
    rested(store, A)
    poll(store, OTHER_FEED, found(B))
    fetch_all(store)
    (claim,) = claim_articles(store, Stage.ENRICH, owner=OWNER, limit=1)
    (twin,) = find_twins(store, claim, [Alias(url_key=url_key(A) or "", how="canonical")], ())
    assert twin.id == id_of(A)
    record_duplicate(store, claim, twin, detail="the same text")
    row = article(store, B)
    assert (row.state, row.reason, row.duplicate_of) == ("dropped", "duplicate", id_of(A))
    with store.read() as connection:
        seen = connection.execute(
            select(sightings.c.feed_url).where(sightings.c.article_id == id_of(A))
        ).all()
    assert sorted(each.feed_url for each in seen) == [FEED, OTHER_FEED]
    assert poll(store, OTHER_FEED, found(B)) == PollCounts()


def test_quarantine_keeps_cause_and_detail(store: Store) -> None:
    poll(store, FEED, found(A))
    fetch_all(store)
    (claim,) = claim_articles(store, Stage.ENRICH, owner=OWNER, limit=1)
    record_quarantine(store, claim, Stage.ENRICH, Cause.ENRICH_CRASHED, detail="signal 11")
    row = article(store, A)
    assert (row.state, row.reason, row.detail, row.stage) == (
        "quarantined",
        "enrich-crashed",
        "signal 11",
        None,
    )


def test_an_indexed_article_is_never_quarantined(store: Store) -> None:
    rested(store, A)
    poll(store, FEED, found(A, "Another title"))
    fetch_all(store)
    (claim,) = claim_articles(store, Stage.ENRICH, owner=OWNER, limit=1)
    record_quarantine(store, claim, Stage.ENRICH, Cause.ENRICH_CRASHED, detail="signal 11")
    row = article(store, A)
    assert (row.state, row.reason, row.detail, row.stage) == ("indexed", "enrich-crashed", "signal 11", None)


def test_an_indexed_article_whose_page_kills_its_workers_stays_found_and_is_asked_for_again_by_a_replay(
    store: Store,
) -> None:
    rested(store, A)
    poll(store, FEED, found(A, "Another title"))
    (turn,) = claim_hosts(store, owner=OWNER, limit=1, pages=1)
    worn = Quarantined(
        claim=turn.claims[0], stage=Stage.FETCH, cause=Cause.STAGE_CRASHED, detail="failed 10 times"
    )
    record_turn(store, turn, [worn], delay_s=0.0, robots=None)
    row = article(store, A)
    assert (row.state, row.reason, row.stage) == ("indexed", "stage-crashed", None)
    replay(store, [id_of(A)])
    assert (article(store, A).state, article(store, A).stage) == ("indexed", "fetch")


def test_an_edit_that_comes_while_index_refuses_the_one_before_is_not_forgotten(store: Store) -> None:
    rested(store, A)
    poll(store, FEED, found(A, "Another title"))
    fetch_all(store)
    enrich_all(store)
    (claim,) = claim_articles(store, Stage.INDEX, owner=OWNER, limit=1)
    poll(store, FEED, found(A, "A third title"))
    record_indexed(store, "g1", [Indexed(claim=claim, version=2, rejected="too long")])
    assert article(store, A).stage is not None


def test_a_rejected_document_is_quarantined(store: Store) -> None:
    poll(store, FEED, found(A))
    fetch_all(store)
    enrich_all(store)
    adopt_generation(store, "g1", instead_of=None)
    (claim,) = claim_articles(store, Stage.INDEX, owner=OWNER, limit=1)
    record_indexed(store, "g1", [Indexed(claim=claim, version=1, rejected="too long")])
    assert (article(store, A).state, article(store, A).reason) == ("quarantined", "index-rejected")


def test_an_edit_that_is_rejected_leaves_the_version_before_and_says_why_until_it_is_taken(
    store: Store,
) -> None:
    rested(store, A)
    poll(store, FEED, found(A, "Another title"))
    fetch_all(store)
    enrich_all(store)
    (claim,) = claim_articles(store, Stage.INDEX, owner=OWNER, limit=1)
    record_indexed(store, "g1", [Indexed(claim=claim, version=2, rejected="too long")])
    row = article(store, A)
    assert (row.state, row.reason, row.detail, row.stage) == ("indexed", "index-rejected", "too long", None)
    with store.read() as connection:
        assert connection.execute(select(projections.c.version)).scalars().all() == [1]
    assert replay(store, [id_of(A)]) == (id_of(A),)
    index_all(store)
    assert (article(store, A).state, article(store, A).reason) == ("indexed", None)


def test_a_projection_says_which_version_a_generation_holds(store: Store) -> None:
    rested(store, A)
    poll(store, OTHER_FEED, found(A))
    index_all(store)
    with store.read() as connection:
        held = connection.execute(select(projections.c.generation, projections.c.version)).all()
    assert held == [("g1", 2)]


def test_a_new_generation_makes_every_document_due(store: Store) -> None:
    rested(store, A, B)
    adopt_generation(store, "g2", instead_of="g1")
    assert len(claim_articles(store, Stage.INDEX, owner=OWNER, limit=9)) == 2


@pytest.mark.parametrize("lost", [None, "g1"])
def test_of_many_that_adopt_a_generation_at_once_one_does(store: Store, lost: str | None) -> None:
    if lost:
        adopt_generation(store, lost, instead_of=None)
    names = [f"new{number}" for number in range(8)]
    begun = Barrier(len(names))

    def adopt(name: str) -> str:
        begun.wait()
        return adopt_generation(store, name, instead_of=lost)

    with ThreadPoolExecutor(len(names)) as pool:
        adopted = set(pool.map(adopt, names))
    assert adopted == {live_generation(store)}
    assert adopted < set(names)


def test_a_second_live_generation_is_refused_by_the_table_itself(store: Store) -> None:
    adopt_generation(store, "g1", instead_of=None)
    with pytest.raises(IntegrityError), store.write() as connection:
        connection.execute(insert(generations).values(name="g2", state="live", created_at=0.0))


def test_a_feed_claim_carries_its_validators(store: Store) -> None:
    poll(store, FEED, found(A))
    with store.write() as connection:
        connection.execute(update(feeds).where(feeds.c.url == FEED).values(next_poll_at=0))
    claims: dict[str, FeedClaim] = {claim.url: claim for claim in claim_feeds(store, owner=OWNER, limit=9)}
    assert claims[FEED].etag == '"1"'


def test_a_reading_sees_one_moment_though_others_write(store: Store) -> None:
    with store.read() as connection:
        connection.execute(select(feeds.c.id)).all()
        add_feed(store, "https://third.example/feed.xml")
        assert len(connection.execute(select(feeds.c.id)).all()) == 2
    with store.read() as connection:
        assert len(connection.execute(select(feeds.c.id)).all()) == 3


def twin_of(store: Store, claim: ArticleClaim, other: str) -> Twin:
    (twin,) = find_twins(store, claim, [Alias(url_key=url_key(other) or "", how="canonical")], ())
    return twin


def test_of_two_that_claim_each_other_only_one_waits(store: Store) -> None:
    poll(store, FEED, found(A), found(B))
    fetch_all(store)
    first, second = sorted(
        claim_articles(store, Stage.ENRICH, owner=OWNER, limit=9), key=lambda claim: claim.id
    )
    other = {first.id: second.url, second.id: first.url}
    for claim in (first, second):  # both look at the same moment, and both see the other coming
        assert twin_of(store, claim, other[claim.id]).is_coming
    for claim in (first, second):
        wait_for_twin(store, claim, twin_of(store, claim, other[claim.id]), delay_s=0)
    again = sorted(claim_articles(store, Stage.ENRICH, owner=OWNER, limit=9), key=lambda claim: claim.id)
    assert [twin_of(store, claim, other[claim.id]).is_coming for claim in again] == [False, True]


def test_a_sighting_is_not_lost_when_index_dies_with_it(store: Store) -> None:
    rested(store, A)
    poll(store, OTHER_FEED, found(A))
    claim_articles(store, Stage.INDEX, owner=OWNER, limit=1)
    free_all(store)
    (indexed,) = index_all(store)
    assert len(indexed.sightings) == 2


def test_a_sighting_during_a_failed_retry_is_not_lost(store: Store) -> None:
    rested(store, A)
    poll(store, FEED, found(A, "Another title"))
    host = turn(store)
    poll(store, OTHER_FEED, found(A))
    failed = NoPage(claim=host.claims[0], partial=Partial.GONE, detail="", retry_in_s=60.0)
    record_turn(store, host, [failed], delay_s=0, robots=None)
    (indexed,) = index_all(store)
    assert len(indexed.sightings) == 2
    assert article(store, A).stage == "fetch"
