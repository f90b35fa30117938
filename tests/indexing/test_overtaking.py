"""An index that is ahead of its store, as after a restore, is overtaken: no words of a future stay."""

from contextlib import closing

import pytest
from sqlalchemy import update

from pipeline.indexing.index import Index, Tombstone
from pipeline.services import Services
from pipeline.store.enriched import read_document
from pipeline.store.tables import articles
from tests.indexing.desk import SEEN_AT, edit, held_versions, index_all, new_document, publish

AHEAD = 4

pytestmark = pytest.mark.parametrize(
    "settings", ["sqlite", "postgresql", "elasticsearch8", "elasticsearch9"], indirect=True
)


def live(services: Services) -> Index:
    return services.generations.open(services.generations.exposed() or "")


def index_in_turns(services: Services, turns: int) -> None:
    for _ in range(turns):
        index_all(services)
        with services.store.write() as connection:  # what was put off is due at once
            connection.execute(update(articles).where(articles.c.stage == "index").values(due_at=0))


def test_an_edit_is_found_though_the_index_holds_a_newer_version(services: Services) -> None:
    publish(services, ["one"])
    with closing(live(services)) as writer:
        writer.put([new_document("one", version=AHEAD, title="Words of a future")])
        writer.commit()
    edit(services.store, "one", title="The store's correction")
    index_in_turns(services, 2)
    due = read_document(services.store, "one")
    assert due is not None
    assert (due.version, due.title) == (AHEAD + 1, "The store's correction")
    name = services.generations.exposed() or ""
    assert [each.sha256 for each in services.generations.held(name)] == [services.generations.digest(due)]


def test_an_edit_is_found_though_the_index_knows_a_later_removal(services: Services) -> None:
    publish(services, ["one"])
    with closing(live(services)) as writer:
        writer.remove([Tombstone("one", AHEAD, SEEN_AT)])
        writer.commit()
    edit(services.store, "one", title="The store's correction")
    index_in_turns(services, AHEAD)
    assert held_versions(services) == {"one": AHEAD + 1}
