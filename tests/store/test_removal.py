"""Removal erases the words and keeps the URL."""

from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import func, insert, select, update

from pipeline.archive.errors import ArchiveError
from pipeline.archive.reading import erase, read
from pipeline.model import ArchivePosition, Stage, State
from pipeline.store.claims import claim_articles
from pipeline.store.enriched import Twin, read_document, record_document, record_duplicate
from pipeline.store.removal import Removal, plan_removal, read_places, remove
from pipeline.store.status import read_counts
from pipeline.store.store import Store
from pipeline.store.tables import (
    articles,
    documents,
    events,
    feed_moves,
    feed_sitemaps,
    feeds,
    pages,
    sightings,
)
from pipeline.store.tracing import trace
from tests.cli.newsroom import (
    BRIDGE,
    FEED,
    HARBOUR,
    OWNER,
    document,
    enrich,
    entry,
    fetch,
    id_of,
    index,
    poll,
    publish,
)


def positions(store: Store) -> list[ArchivePosition]:
    with store.read() as connection:
        rows = connection.execute(select(pages)).all()
    return [
        ArchivePosition(file=row.file, offset=row.offset, length=row.length, digest=row.digest)
        for row in rows
    ]


def test_the_plan_counts_and_changes_nothing(store: Store, tmp_path: Path) -> None:
    publish(store, tmp_path)
    removal = Removal(id=id_of(BRIDGE), url=BRIDGE, articles=1, documents=1, entries=1, pages=1)
    assert plan_removal(store, id_of(BRIDGE)) == removal
    assert read_document(store, id_of(BRIDGE)) is not None


def test_the_text_goes_from_store_and_archive(store: Store, tmp_path: Path) -> None:
    publish(store, tmp_path)
    [position] = positions(store)
    remove(store, id_of(BRIDGE), reason="court order", erase=partial(erase, tmp_path / "archive"))
    assert read_document(store, id_of(BRIDGE)) is None
    assert positions(store) == []
    with pytest.raises(ArchiveError, match="removed"):
        read(tmp_path / "archive", position)
    with store.read() as connection:
        told = connection.execute(
            select(events.c.detail).where(events.c.article_id == id_of(BRIDGE))
        ).scalars()
        assert [detail for detail in told if detail] == ["court order"]


def test_the_index_lets_go_of_it_and_the_counts_add_up(store: Store, tmp_path: Path) -> None:
    publish(store, tmp_path)
    remove(store, id_of(BRIDGE), reason="", erase=partial(erase, tmp_path / "archive"))
    assert read_counts(store).due.index == 1
    index(store, tmp_path)
    counts = read_counts(store)
    assert (counts.articles[State.DROPPED], counts.projected, counts.due.now) == (1, 1, 0)


def test_it_does_not_come_back_when_its_feed_shows_it_again(store: Store, tmp_path: Path) -> None:
    publish(store, tmp_path)
    remove(store, id_of(BRIDGE), reason="", erase=partial(erase, tmp_path / "archive"))
    index(store, tmp_path)
    poll(store, "https://courier.example/more.xml", entry(BRIDGE))
    assert read_counts(store).due.now == 0
    traced = trace(store, BRIDGE)
    assert traced is not None
    assert (traced.state, traced.reason) == (State.DROPPED, "removed")


def test_an_unchanged_entry_does_not_bring_its_text_back(store: Store, tmp_path: Path) -> None:
    publish(store, tmp_path)
    remove(store, id_of(BRIDGE), reason="", erase=partial(erase, tmp_path / "archive"))
    with store.read() as connection:
        mine = select(func.length(sightings.c.entry)).where(sightings.c.article_id == id_of(BRIDGE))
        bare = connection.execute(mine).scalar_one()
        other = select(func.length(sightings.c.entry)).where(sightings.c.article_id == id_of(HARBOUR))
        assert bare < connection.execute(other).scalar_one()


def test_who_works_on_it_meanwhile_can_write_nothing(store: Store, tmp_path: Path) -> None:
    poll(store, FEED, entry(BRIDGE))
    fetch(store, tmp_path)
    [claim] = claim_articles(store, Stage.ENRICH, owner=OWNER, limit=1)
    remove(store, id_of(BRIDGE), reason="", erase=partial(erase, tmp_path / "archive"))
    assert not record_document(store, claim, document(claim), aliases=(), detail="", retry_in_s=None)
    assert read_document(store, id_of(BRIDGE)) is None


def test_its_duplicates_go_with_it_whichever_is_named(store: Store, tmp_path: Path) -> None:
    poll(store, FEED, entry(BRIDGE), entry(HARBOUR))
    fetch(store, tmp_path)
    claims = {claim.url: claim for claim in claim_articles(store, Stage.ENRICH, owner=OWNER, limit=2)}
    twin = Twin(id=id_of(BRIDGE), document=None, is_coming=True, is_removed=False)
    record_duplicate(store, claims[HARBOUR], twin, detail="same guid")
    removal = remove(store, id_of(HARBOUR), reason="", erase=partial(erase, tmp_path / "archive"))
    assert (removal.articles, removal.pages) == (2, 2)
    assert read_counts(store).dropped == {"removed": 2}


def test_its_feeds_words_are_sought_wherever_these_answered(store: Store) -> None:
    poll(store, FEED, entry(BRIDGE))
    old, new, led, child = (f"https://courier.example/{name}" for name in ("old", "new", "led", "child"))
    with store.write() as connection:
        connection.execute(update(feeds).values(url=new, validators_from=led))
        id = connection.execute(select(feeds.c.id)).scalar_one()
        connection.execute(insert(feed_moves).values(feed_id=id, at=0.0, old_url=old, new_url=new))
        connection.execute(insert(feed_sitemaps).values(feed_id=id, url=child, depth=1))
    assert read_places(store, id_of(BRIDGE)).feeds == tuple(sorted((FEED, old, new, led, child)))


def test_an_article_whose_twin_was_removed_meanwhile_is_read_again(store: Store, tmp_path: Path) -> None:
    poll(store, FEED, entry(BRIDGE), entry(HARBOUR))
    fetch(store, tmp_path)
    claims = {claim.url: claim for claim in claim_articles(store, Stage.ENRICH, owner=OWNER, limit=2)}
    remove(store, id_of(BRIDGE), reason="", erase=partial(erase, tmp_path / "archive"))
    twin = Twin(id=id_of(BRIDGE), document=None, is_coming=True, is_removed=False)
    assert record_duplicate(store, claims[HARBOUR], twin, detail="same guid")
    [again] = claim_articles(store, Stage.ENRICH, owner=OWNER, limit=2)
    assert (again.url, again.state) == (HARBOUR, State.FETCHED)
    assert read_counts(store).dropped == {"removed": 1}


def test_a_removal_that_the_archive_interrupted_is_taken_up_again(store: Store, tmp_path: Path) -> None:
    def fail(_position: ArchivePosition) -> None:
        raise ArchiveError("the disk is away")

    publish(store, tmp_path)
    with pytest.raises(ArchiveError):
        remove(store, id_of(BRIDGE), reason="", erase=fail)
    assert read_document(store, id_of(BRIDGE)) is None
    assert len(positions(store)) == 1
    remove(store, id_of(BRIDGE), reason="", erase=partial(erase, tmp_path / "archive"))
    assert positions(store) == []


@pytest.mark.parametrize("store", ["sqlite"], indirect=True)
def test_nothing_of_the_text_is_left_in_the_database_file(store: Store, tmp_path: Path) -> None:
    poll(store, FEED, entry(BRIDGE))
    fetch(store, tmp_path)
    enrich(store)
    with store.read() as connection:
        packed = connection.execute(select(documents.c.document)).scalar_one()
        written = connection.execute(select(sightings.c.entry)).scalar_one()
    remove(store, id_of(BRIDGE), reason="", erase=partial(erase, tmp_path / "archive"))
    left = b"".join(path.read_bytes() for path in tmp_path.glob("wireroom.db*"))
    assert packed[:64] not in left
    assert written[:64] not in left
    with store.read() as connection:
        assert connection.execute(select(func.count()).select_from(articles)).scalar_one() == 1
