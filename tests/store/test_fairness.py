"""Who is claimed first: news before floods, what kills its worker after the news. On both stores."""

from collections.abc import Sequence
from typing import Any

import pytest
from sqlalchemy import Connection, Select, event, select, text, update
from sqlalchemy.dialects import postgresql, sqlite

from pipeline.model import Entry, Stage, State
from pipeline.store import claims as claiming
from pipeline.store.claimed import ArticleClaim, HostTurn
from pipeline.store.claims import FETCHED_ALONE_AFTER, claim_articles, claim_hosts, claim_suspects
from pipeline.store.leases import blame, release
from pipeline.store.store import Store
from pipeline.store.tables import articles, hosts
from tests.cli.newsroom import OWNER, entry, id_of, poll

FLOOD_FEED, NEWS_FEED = "https://flood.example/feed.xml", "https://news.example/feed.xml"
OTHER = "elsewhere:2:test:0"
NEWS = "https://news.example/today"
FLOOD = [f"https://flood.example/{number}" for number in range(60)]
HOSTS = [f"https://host-{number}.example/story" for number in range(60)]


def found(store: Store, feed: str, links: Sequence[str], *, age_s: float | None = None) -> None:
    """Let a feed show links, all of an age or without dates."""
    with store.read() as connection:
        now = store.read_clock(connection)
    poll(store, feed, *(shown(link, None if age_s is None else now - age_s) for link in links))


def shown(link: str, published_at: float | None) -> Entry:
    return entry(link, title=f"On {link}", published_at=published_at)


def to_enrich(store: Store) -> None:
    """Let all that was found wait for enrich."""
    with store.write() as connection:
        connection.execute(update(articles).values(state=State.FETCHED, stage=Stage.ENRICH))


def wake_hosts(store: Store) -> None:
    with store.write() as connection:
        connection.execute(update(hosts).values(next_request_at=0, lease_owner=None, lease_until=None))


def urls(claimed: Sequence[ArticleClaim]) -> set[str]:
    return {claim.url for claim in claimed}


def test_news_that_comes_before_or_after_a_flood_without_dates_goes_before_nearly_all_of_it(
    store: Store,
) -> None:
    found(store, NEWS_FEED, [NEWS], age_s=120)
    found(store, FLOOD_FEED, FLOOD)
    to_enrich(store)
    assert NEWS in urls(claim_articles(store, Stage.ENRICH, owner=OWNER, limit=4))


def test_a_floods_own_entries_go_in_its_order(store: Store) -> None:
    found(store, FLOOD_FEED, FLOOD)
    to_enrich(store)
    assert urls(claim_articles(store, Stage.ENRICH, owner=OWNER, limit=4)) == set(FLOOD[:4])


def test_the_hosts_of_news_are_asked_though_a_feed_shows_very_many_others(store: Store) -> None:
    found(store, FLOOD_FEED, HOSTS)  # none of them was ever asked
    found(store, NEWS_FEED, [NEWS], age_s=60)
    with store.write() as connection:  # asked a moment ago: all others have waited longer
        mine = hosts.c.host == "news.example:443"
        connection.execute(update(hosts).where(mine).values(next_request_at=store.now() - 1))
    turns = claim_hosts(store, owner=OWNER, limit=4, pages=1)
    assert len(turns) == 4
    assert NEWS in {claim.url for turn in turns for claim in turn.claims}


def test_a_host_with_old_pages_has_its_turn_while_there_is_always_news(store: Store) -> None:
    found(store, FLOOD_FEED, ["https://archive.example/old"], age_s=1e6)
    found(store, NEWS_FEED, HOSTS, age_s=60)
    with store.write() as connection:
        connection.execute(update(hosts).values(next_request_at=store.now() - 1))
        mine = hosts.c.host == "archive.example:443"
        connection.execute(update(hosts).where(mine).values(next_request_at=store.now() - 60))
    turns = claim_hosts(store, owner=OWNER, limit=4, pages=1)
    assert "archive.example:443" in {turn.host for turn in turns}


def failed(store: Store, link: str) -> None:
    """Let an article have failed at enrich once, and be due again."""
    claims = claim_articles(store, Stage.ENRICH, owner=OWNER, limit=100)
    (claim,) = (each for each in claims if each.url == link)
    release(store, [each for each in claims if each.url != link])
    blame(store, claim, Stage.ENRICH, detail="killed")
    with store.write() as connection:
        connection.execute(update(articles).values(due_at=store.now()))


def test_what_failed_waits_for_the_news_and_goes_alone(store: Store) -> None:
    found(store, FLOOD_FEED, FLOOD[:1])
    found(store, NEWS_FEED, [NEWS, f"{NEWS}-2"])
    to_enrich(store)
    failed(store, FLOOD[0])
    assert urls(claim_articles(store, Stage.ENRICH, owner=OWNER, limit=4)) == {NEWS, f"{NEWS}-2"}
    assert urls(claim_articles(store, Stage.ENRICH, owner=OWNER, limit=4)) == {FLOOD[0]}


def test_a_page_whose_turns_died_twice_is_fetched_after_the_others_and_alone(store: Store) -> None:
    found(store, FLOOD_FEED, FLOOD[:4])
    with store.write() as connection:  # all but the last were in the hands of two workers that died
        met = articles.c.url != FLOOD[3]
        connection.execute(update(articles).where(met).values(attempts=FETCHED_ALONE_AFTER))
    turns = []
    for _ in range(2):
        wake_hosts(store)
        turns += claim_hosts(store, owner=OWNER, limit=4, pages=16)
    assert [urls(turn.claims) for turn in turns] == [{FLOOD[3]}, {FLOOD[0]}]


def test_a_host_whose_pages_kill_has_one_worker_at_a_time(store: Store) -> None:
    found(store, FLOOD_FEED, FLOOD[:9])
    to_enrich(store)
    failed(store, FLOOD[0])
    (first,) = claim_suspects(store, Stage.ENRICH, owner=OWNER)
    blame(store, first, Stage.ENRICH, detail="killed")
    with store.write() as connection:
        connection.execute(update(articles).values(due_at=store.now()))
        mine = articles.c.id == id_of(FLOOD[0])
        connection.execute(update(articles).where(mine).values(due_at=store.now() - 1))
    (again,) = claim_suspects(store, Stage.ENRICH, owner=OWNER)
    assert again.url == FLOOD[0]
    assert claim_suspects(store, Stage.ENRICH, owner=OTHER) == ()
    assert claim_articles(store, Stage.ENRICH, owner=OTHER, limit=4) == ()
    release(store, [again])
    assert len(claim_articles(store, Stage.ENRICH, owner=OTHER, limit=4)) == 1


def test_of_a_large_batch_whose_worker_died_some_go_together_and_what_failed_again_alone(
    store: Store,
) -> None:
    found(store, FLOOD_FEED, FLOOD[:9])
    with store.write() as connection:
        connection.execute(update(articles).values(state=State.ENRICHED, stage=Stage.INDEX, attempts=1))
        again = articles.c.id == id_of(FLOOD[0])
        connection.execute(update(articles).where(again).values(attempts=2, due_at=store.now() - 1))
    alone = claim_suspects(store, Stage.INDEX, owner=OWNER, limit=4)
    assert urls(alone) == {FLOOD[0]}
    assert claim_suspects(store, Stage.INDEX, owner=OTHER, limit=4) == ()
    release(store, alone, delay_s=60.0)
    together = claim_suspects(store, Stage.INDEX, owner=OWNER, limit=4)
    assert len(together) == 4
    assert FLOOD[0] not in urls(together)


def test_its_neighbours_go_on_when_it_is_through(store: Store) -> None:
    found(store, FLOOD_FEED, FLOOD[:9])
    to_enrich(store)
    failed(store, FLOOD[0])
    with store.write() as connection:
        mine = articles.c.id == id_of(FLOOD[0])
        connection.execute(update(articles).where(mine).values(stage=None, attempts=0))
    assert len(claim_articles(store, Stage.ENRICH, owner=OTHER, limit=4)) == 4


def plan(store: Store, query: Select[Any]) -> str:
    """Ask the store how it would find something; SQLite has no statistics, as in production."""
    is_sqlite = store.engine.dialect.name == "sqlite"
    dialect = sqlite.dialect() if is_sqlite else postgresql.dialect()
    written = str(query.compile(dialect=dialect, compile_kwargs={"literal_binds": True}))
    with store.write() as connection:
        if not is_sqlite:
            connection.exec_driver_sql("ANALYZE")
            for method in ("seqscan", "bitmapscan", "sort"):  # cheap in the small tables of a test
                connection.exec_driver_sql(f"SET LOCAL enable_{method} = off")
        explain = "EXPLAIN QUERY PLAN " if is_sqlite else "EXPLAIN "
        rows = connection.execute(text(explain + written.replace(":", "\\:"))).all()
    return "\n".join(str(row[-1]) for row in rows)


@pytest.fixture
def full(store: Store) -> Store:
    """Give a store in which some articles wait among many that rest."""
    found(store, FLOOD_FEED, [f"https://flood.example/{number}" for number in range(2_000)])
    with store.write() as connection:
        ids = connection.execute(select(articles.c.id).order_by(articles.c.id)).scalars().all()
        waits = articles.c.id.in_(ids[:200])
        connection.execute(
            update(articles).where(~waits).values(state=State.INDEXED, stage=None, due_at=None)
        )
        connection.execute(update(articles).where(waits).values(state=State.FETCHED, stage=Stage.ENRICH))
    return store


def test_the_newest_are_found_by_an_index_in_their_order_without_sorting(full: Store) -> None:
    told = plan(full, claiming.in_turn(Stage.ENRICH, full.now()).limit(32))
    assert "ix_articles_fair" in told
    assert "TEMP B-TREE FOR ORDER BY" not in told
    assert "Sort" not in told


def test_the_newest_pages_are_found_by_an_index_in_their_order(full: Store) -> None:
    assert "ix_articles_fair" in plan(full, claiming.newest_pages(full.now()))


def test_of_very_many_pages_of_hosts_that_rest_only_the_newest_are_looked_at(store: Store) -> None:
    found(store, FLOOD_FEED, [f"https://flood.example/{number}" for number in range(1_001)])
    found(store, NEWS_FEED, ["https://archive.example/old"], age_s=1e9)
    with store.write() as connection:
        rests = hosts.c.host == "flood.example:443"
        connection.execute(update(hosts).where(rests).values(next_request_at=store.now() + 60))
    with store.read() as connection:
        assert connection.execute(claiming.newest_pages(store.now())).all() == []
    turns = claim_hosts(store, owner=OWNER, limit=4, pages=1)
    assert [turn.host for turn in turns] == ["archive.example:443"]


def test_who_finds_the_first_hosts_taken_is_given_others(store: Store) -> None:
    found(store, NEWS_FEED, HOSTS[:8], age_s=60)

    def taken_meanwhile(_connection: Connection, _cursor: object, statement: str, *_: object) -> None:
        if "row_number" in statement and not interrupted:
            interrupted.append(statement)
            turns.extend(claim_hosts(store, owner=OTHER, limit=4, pages=1))

    interrupted: list[str] = []
    turns: list[HostTurn] = []
    event.listen(store.engine, "before_cursor_execute", taken_meanwhile)
    mine = claim_hosts(store, owner=OWNER, limit=4, pages=1)
    assert (len(turns), len(mine)) == (4, 4)
