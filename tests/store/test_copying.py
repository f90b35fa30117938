"""A store is copied into another one, whatever stopped it on the way, and never over what is not its own."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import select, text, update

from pipeline.errors import StoreVersionError, WireroomError
from pipeline.model import Stage
from pipeline.store.claims import claim_articles
from pipeline.store.copying import BATCH, TableProof, copied_tables, copy_store
from pipeline.store.leases import free_all
from pipeline.store.migrations import migrate
from pipeline.store.status import read_counts
from pipeline.store.store import Store, open_store
from pipeline.store.tables import articles, documents, events, feeds, projections
from tests.cli.newsroom import BRIDGE, FEED, entry, fetch, id_of, poll, publish

MANY = [f"https://courier.example/{word}" for word in ("a", "B", "b", "Z", "é", "zebra", "10", "9", "_")]
"""Links whose order differs between collations."""


@pytest.fixture
def source(tmp_path: Path) -> Iterator[Store]:
    """Open a SQLite store with articles in several states."""
    opened = open_store(f"sqlite:///{tmp_path / 'source.db'}")
    migrate(opened)
    publish(opened, tmp_path)
    poll(opened, "https://other.example/feed.xml", *[entry(link, title=f"On {link}") for link in MANY])
    fetch(opened, tmp_path)
    free_all(opened)
    yield opened
    opened.close()


@pytest.fixture
def target(postgresql_url: str) -> Iterator[Store]:
    """Open an empty PostgreSQL database."""
    opened = open_store(postgresql_url)
    yield opened
    opened.close()


def copy(
    source: Store, target: Store, *, batch: int = BATCH
) -> tuple[dict[str, int], tuple[TableProof, ...]]:
    written: dict[str, int] = {}
    return written, copy_store(source, target, report=written.__setitem__, batch=batch)


def rows(proof: tuple[TableProof, ...], table: str) -> int:
    return next(each.target.rows for each in proof if each.table == table)


def test_everything_but_what_an_index_holds_is_there(source: Store, target: Store) -> None:
    written, proof = copy(source, target)
    assert [each.table for each in proof] == [table.name for table in copied_tables()]
    assert all(each.is_equal for each in proof)
    assert written == {each.table: each.source.rows for each in proof}
    assert (rows(proof, "articles"), rows(proof, "documents")) == (len(MANY) + 2, 2)
    with target.read() as connection:
        assert connection.execute(select(projections)).all() == []
    assert read_counts(target).articles == read_counts(source).articles


def test_a_second_copy_writes_only_what_changed(source: Store, target: Store) -> None:
    copy(source, target)
    with source.write() as connection:
        connection.execute(update(feeds).where(feeds.c.url == FEED).values(title="A new name"))
    written, proof = copy(source, target, batch=2)
    assert {table: count for table, count in written.items() if count} == {"feeds": 1}
    assert all(each.is_equal for each in proof)


class Killed(Exception):
    """Stand for the end of the process."""


@pytest.mark.parametrize("table", ["articles", "documents"])
def test_a_copy_that_was_stopped_goes_on(source: Store, target: Store, table: str) -> None:
    def stop(name: str, _written: int) -> None:
        if name == table:
            raise Killed

    with pytest.raises(Killed):
        copy_store(source, target, report=stop, batch=3)
    before = [each.name for each in copied_tables()]
    written, proof = copy(source, target, batch=3)
    assert all(written[name] == 0 for name in before[: before.index(table) + 1])
    assert all(each.is_equal for each in proof)


def test_the_new_store_goes_on_where_the_old_one_was(source: Store, target: Store, tmp_path: Path) -> None:
    copy(source, target)
    poll(target, "https://third.example/feed.xml", entry("https://third.example/news"))
    assert {claim.url for claim in claim_articles(target, Stage.ENRICH, owner="x:1:y:0", limit=99)} >= set(
        MANY[:1]
    )
    with target.read() as connection:
        assert connection.execute(select(feeds.c.id).order_by(feeds.c.id)).scalars().all() == [1, 2, 3]


def test_the_way_back_is_the_same(source: Store, target: Store, tmp_path: Path) -> None:
    copy(source, target)
    back = open_store(f"sqlite:///{tmp_path / 'back.db'}")
    _, returned = copy(target, back)
    _, proof = copy(source, back)  # nothing differs between the first and the third
    back.close()
    assert all(each.is_equal for each in (*returned, *proof))


def test_a_row_that_differs_afterwards_is_named(source: Store, target: Store) -> None:
    copy(source, target)
    with target.write() as connection:
        connection.execute(
            text("CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN OLD; END'")
        )
        connection.execute(
            text("CREATE TRIGGER keep BEFORE UPDATE ON documents FOR EACH ROW EXECUTE FUNCTION keep()")
        )
    with source.write() as connection:
        stays = documents.c.article_id == id_of(BRIDGE)
        connection.execute(update(documents).where(stays).values(sha256="another"))
    _, proof = copy(source, target)
    assert [each.table for each in proof if not each.is_equal] == ["documents"]


def test_a_target_that_has_moved_on_is_left_alone(source: Store, target: Store) -> None:
    copy(source, target)
    poll(target, "https://third.example/feed.xml", entry("https://third.example/news"))
    with pytest.raises(WireroomError, match=r"the target's articles are not all of this store \(1 are not\)"):
        copy(source, target)


def test_a_target_with_another_past_is_left_alone(source: Store, target: Store) -> None:
    copy(source, target)
    with target.write() as connection:
        connection.execute(update(events).where(events.c.id == 1).values(detail="another story"))
    with pytest.raises(WireroomError, match="the target's events are not all of this store"):
        copy(source, target)


def test_a_database_of_somebody_else_is_left_alone(source: Store, target: Store) -> None:
    with target.write() as connection:
        connection.execute(text("CREATE TABLE customers (id integer)"))
    with pytest.raises(WireroomError, match=r"tables of somebody else \(customers …\)"):
        copy(source, target)
    with target.read() as connection:
        tables = text("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'")
        assert connection.execute(tables).scalar_one() == 1


def test_a_target_of_a_newer_version_is_left_alone(source: Store, target: Store) -> None:
    migrate(target)
    with target.write() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(StoreVersionError, match="upgrade Wireroom"):
        copy(source, target)


def test_a_store_at_work_is_not_copied(source: Store, target: Store) -> None:
    assert claim_articles(source, Stage.ENRICH, owner="x:1:y:0", limit=1)
    with pytest.raises(WireroomError, match="workers hold 1 articles"):
        copy(source, target)


def test_what_the_target_refuses_is_one_line(source: Store, target: Store) -> None:
    with source.write() as connection:
        connection.execute(update(articles).where(articles.c.id == id_of(BRIDGE)).values(detail="a\0b"))
    with pytest.raises(WireroomError, match=r"the copy stopped: .*NUL.*; run it again"):
        copy(source, target)
