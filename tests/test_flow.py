"""The flow, whole and in one process: the sample news web in, its hand-counted facts out."""

import threading
from collections.abc import Iterator
from contextlib import closing

import pytest
from sqlalchemy import select, update

from pipeline.demo.site import SampleWeb, open_sample_web
from pipeline.enrichment.fingerprints import similarity
from pipeline.flow import run_stage
from pipeline.identity import article_id, url_key
from pipeline.model import Document, Stage, State
from pipeline.services import Services, open_searcher, open_services, set_up
from pipeline.settings import read_settings
from pipeline.stages.shift import begin_shift
from pipeline.store.due import article_counts, waiting
from pipeline.store.enriched import read_document, read_sightings
from pipeline.store.status import read_funnel
from pipeline.store.subscriptions import NewFeed, add_feeds
from pipeline.store.tables import articles, feeds
from pipeline.verifying.whole import verify


class Run:
    """Hold one run over the sample web: the web, the services, the outcome before and after its edits."""

    def __init__(self, web: SampleWeb, services: Services) -> None:
        self.web = web
        self.services = services
        self.expected = web.expected

    def until_idle(self) -> None:
        """Run the stages in order until nothing is due."""
        while waiting(self.services.store).due:
            for stage in Stage:
                shift = begin_shift(lambda stage: None, threading.Event(), budget_s=60.0)
                run_stage(stage, self.services, shift)

    def poll_again(self) -> None:
        """Make every feed due, and run until idle."""
        with self.services.store.write() as connection:
            connection.execute(update(feeds).values(next_poll_at=0))
        self.until_idle()

    def document(self, url: str) -> Document:
        """Read the document of a URL; it must have one."""
        found = read_document(self.services.store, id_of(url))
        assert found is not None, url
        return found

    def ends(self) -> dict[str, tuple[str, str | None, str | None]]:
        """Give state, reason and partial of every article, by the link that people click."""
        with self.services.store.read() as connection:
            columns = (articles.c.url, articles.c.state, articles.c.reason, articles.c.partial)
            return {row[0]: (row[1], row[2], row[3]) for row in connection.execute(select(*columns))}


def id_of(url: str) -> str:
    return article_id(url_key(url) or "")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """Run the sample web once until idle."""
    home = tmp_path_factory.mktemp("home")
    settings = read_settings(
        {
            "WIREROOM_HOME": str(home),
            "WIREROOM_ALLOW_ADDRESSES": "127.0.0.0/8",
            "WIREROOM_HOST_DELAY": "0",
            "WIREROOM_RETRY_DELAY": "1h",
        }
    )
    set_up(settings)
    with open_sample_web(ports=()) as web, closing(open_services(settings)) as services:
        add_feeds(services.store, [NewFeed(url=url) for url in web.feeds], interval_s=900)
        only = Run(web, services)
        only.until_idle()
        yield only


def test_every_entry_is_accounted_for(run: Run) -> None:
    funnel = read_funnel(run.services.store)
    assert funnel.entries == run.expected.entries
    assert funnel.without_link == run.expected.entries_without_link
    assert funnel.entries == funnel.without_link + funnel.repeated + funnel.sightings
    assert funnel.articles == run.expected.articles


def test_store_index_and_archive_say_the_same(run: Run) -> None:
    verdict = verify(run.services, sample=None, report=lambda _what: None)
    assert verdict.faults == ()
    assert verdict.checked["contents_hashed"] == run.expected.indexed


def test_every_article_ends_once(run: Run) -> None:
    counts = article_counts(run.services.store)
    assert counts[State.INDEXED] == run.expected.indexed
    assert counts[State.DROPPED] == run.expected.duplicates
    assert sum(counts.values()) == run.expected.articles


def test_each_page_that_cannot_be_had_is_indexed_from_its_entry_and_says_why(run: Run) -> None:
    partial = {url: end[2] for url, end in run.ends().items() if end[2]}
    assert partial == {each.url: each.slug for each in run.expected.partial}
    assert all(run.document(url).text for url in partial)


def test_two_addresses_of_one_page_are_one_article(run: Run) -> None:
    ends = run.ends()
    for each in run.expected.duplicate_pages:
        states = sorted(ends[url][:2] for url in each.urls)
        assert states == [("dropped", "duplicate"), ("indexed", None)], each


def test_the_index_holds_just_the_indexed_articles(run: Run) -> None:
    from pipeline.search.request import read_request

    found = open_searcher(run.services.settings).search(read_request("", now=0.0, size=100))
    indexed = {id_of(url) for url, end in run.ends().items() if end[0] == "indexed"}
    assert {hit.id for hit in found.hits} == indexed
    assert found.total == run.expected.indexed


def test_links_are_kept_as_each_feed_wrote_them(run: Run) -> None:
    links = {
        seen.entry.link
        for url, end in run.ends().items()
        for seen in read_sightings(run.services.store, id_of(url))
    }
    assert any("utm_" in link for link in links)


def test_a_robots_refusal_is_kept(run: Run) -> None:
    refused = next(each.url for each in run.expected.partial if each.slug == "robots")
    assert refused not in {request.url for request in run.web.requests}


def test_languages_are_told_apart(run: Run) -> None:
    documents = [run.document(url) for url, end in run.ends().items() if end[0] == "indexed"]
    languages = [document.language for document in documents]
    assert {name: languages.count(name) for name in set(languages)} == run.expected.languages


def test_a_language_without_a_model_says_so(run: Run) -> None:
    document = next(
        each
        for url, end in run.ends().items()
        if end[0] == "indexed" and (each := run.document(url)).language == "de"
    )
    assert (document.stamps.model, document.entities) == (None, ())


def test_wire_copy_is_three_articles_with_alike_fingerprints(run: Run) -> None:
    first, second, third = (run.document(url) for url in run.expected.wire)
    assert similarity(first.fingerprint, second.fingerprint) > 0.5
    assert similarity(first.fingerprint, third.fingerprint) > 0.5


def test_a_script_in_a_title_is_text_no_more(run: Run) -> None:
    title = run.document(run.expected.script_in_title).title
    assert title
    assert "<script" not in title


def test_pages_in_old_encodings_are_readable(run: Run) -> None:
    for url in run.expected.charsets.values():
        assert "\ufffd" not in run.document(url).text


def test_a_page_that_moved_keeps_its_clicked_link(run: Run) -> None:
    assert run.document(run.expected.moved_from).url == run.expected.moved_from


def test_polling_again_asks_conditionally_and_finds_nothing(run: Run) -> None:
    before = run.ends()
    seen = len(run.web.requests)
    run.poll_again()
    assert {request.status for request in run.web.requests[seen:]} == {304}
    assert run.ends() == before


def test_an_edited_article_becomes_its_next_revision(run: Run) -> None:
    edited = run.expected.edited
    assert run.document(edited.url).title == edited.title_before
    run.web.publish_edits()
    run.poll_again()
    document = run.document(edited.url)
    assert (document.title, document.revision, document.version) == (edited.title_after, 2, 2)
