"""`reprocess` end to end: the sample web, read by an older version, is read again; killed in the middle."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path

import pytest
from sqlalchemy import insert, select, update

from pipeline.demo.site import SampleWeb, open_sample_web
from pipeline.flow import run_stage
from pipeline.model import Document, Stage
from pipeline.reprocessing.changes import Changes, Example, tally
from pipeline.reprocessing.choosing import CurrentStamps, choose
from pipeline.reprocessing.where import read_where
from pipeline.services import Services, open_services, set_up
from pipeline.settings import read_settings
from pipeline.stages.enrich import BATCH
from pipeline.stages.shift import begin_shift
from pipeline.store.codec import pack_document
from pipeline.store.due import waiting
from pipeline.store.leases import sweep
from pipeline.store.reruns import begin, read_changes, read_indexed, read_reprocessing
from pipeline.store.subscriptions import NewFeed, add_feeds
from pipeline.store.tables import articles, documents, events, feeds, pages, projections

OLD = "old-1"
KILLED_AFTER = 3  # articles: in the middle of a batch of four

DYING_WORKER = f"""
import os, signal, sys, threading
from pipeline.flow import run_stage
from pipeline.model import Stage
from pipeline.points import REACHED, Point
from pipeline.services import open_services
from pipeline.settings import read_settings
from pipeline.stages.shift import begin_shift

done = []

def hear(event, arguments):
    if event == REACHED and Point.COMMITTED in arguments:
        done.append(arguments)
        if len(done) == {KILLED_AFTER}:
            os.kill(os.getpid(), signal.SIGKILL)

sys.addaudithook(hear)
services = open_services(read_settings(os.environ))
run_stage(Stage.ENRICH, services, begin_shift(lambda stage: None, threading.Event(), budget_s=60.0))
"""


@dataclass(frozen=True)
class Desk:
    """Hold a home whose articles were read by an older version, and what its own version made of them."""

    web: SampleWeb
    services: Services
    environ: Mapping[str, str]
    new: Mapping[str, Document]
    lost: str  # whose page is away
    edited: str  # whose page its publisher changed before

    def run(self, *stages: Stage) -> None:
        for stage in stages:
            shift = begin_shift(lambda stage: None, threading.Event(), budget_s=60.0)
            run_stage(stage, self.services, shift)

    def until_idle(self) -> None:
        while waiting(self.services.store).due:
            self.run(*Stage)

    def queue(self, *where: str) -> int:
        conditions = read_where(where, now=0.0, stamps=CurrentStamps(self.services))
        ids = choose(read_indexed(self.services.store), conditions)
        begin(self.services.store, ids, conditions=where, rate=None)
        return len(ids)

    def documents(self) -> dict[str, Document]:
        return {each.id: each for each in read_indexed(self.services.store)}


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """Run the sample web until idle, then make its documents older."""
    environ = {
        "WIREROOM_HOME": str(tmp_path / "home"),
        "WIREROOM_ALLOW_ADDRESSES": "127.0.0.0/8",
        "WIREROOM_HOST_DELAY": "0",
        "WIREROOM_RETRY_DELAY": "1h",
    }
    settings = read_settings(environ)
    set_up(settings)
    with open_sample_web(ports=()) as web, closing(open_services(settings)) as services:
        add_feeds(services.store, [NewFeed(url=url) for url in web.feeds], interval_s=900)
        desk = Desk(web, services, {**os.environ, **environ}, {}, "", "")
        desk.until_idle()
        web.publish_edits()
        with services.store.write() as connection:
            connection.execute(update(feeds).values(next_poll_at=0))
        desk.until_idle()
        new = desk.documents()
        whole = sorted(id for id, each in new.items() if each.partial is None and each.revision == 1)
        edited = next(id for id, each in new.items() if each.revision == 2)
        make_older(desk, new, lost=whole[0])
        yield replace(desk, new=new, lost=whole[0], edited=edited)


def make_older(desk: Desk, new: Mapping[str, Document], *, lost: str) -> None:
    """Write the documents as a worse extractor would have, and take one page away."""
    with desk.services.store.write() as connection:
        for each in new.values():
            worse = replace(each, text=each.text[:40], entities=()) if each.partial is None else each
            packed, digest = pack_document(replace(worse, stamps=replace(each.stamps, extractor=OLD)))
            values = {"document": packed, "sha256": digest, "extractor": OLD}
            connection.execute(update(documents).where(documents.c.article_id == each.id).values(**values))
        connection.execute(update(pages).where(pages.c.article_id == lost).values(file="away.warc.gz"))


def assert_read_again(desk: Desk) -> None:
    """Every document is what this version makes of its page, one version on, its revision as it was."""
    found = desk.documents()
    assert found.keys() == desk.new.keys()
    for id, document in found.items():
        if id == desk.lost:
            assert (document.stamps.extractor, document.version) == (OLD, desk.new[id].version)
        else:
            assert document == replace(desk.new[id], version=desk.new[id].version + 1)
    with desk.services.store.read() as connection:
        held = connection.execute(select(projections.c.article_id, projections.c.version)).all()
    assert {row.article_id: row.version for row in held} == {
        id: document.version for id, document in found.items()
    }


def test_what_an_older_version_read_is_read_again_though_a_worker_is_killed(desk: Desk) -> None:
    asked = len(desk.web.requests)
    chosen = desk.queue("extractor!=current")
    assert chosen == len(desk.new)
    worker = subprocess.run([sys.executable, "-c", DYING_WORKER], env=desk.environ, check=False)
    assert worker.returncode == -signal.SIGKILL
    run = read_reprocessing(desk.services.store)
    assert run is not None
    assert run.left == chosen - KILLED_AFTER
    assert sweep(desk.services.store) == 1
    desk.until_idle()
    assert_read_again(desk)
    assert len(desk.web.requests) == asked
    run = read_reprocessing(desk.services.store)
    assert run is not None
    assert (run.left, run.changed, run.failed) == (0, chosen - 1, {"page-missing": 1})
    examples = [Example(id, url, Changes(**each)) for id, url, each in read_changes(desk.services.store)]
    told = tally(examples)
    assert told.fields["text"] == run.changed - told.only_stamps
    assert (told.text_source, told.language, told.entities_lost) == ({}, {}, 0)
    assert told.entities_gained > 0
    assert desk.documents()[desk.edited].revision == 2


def test_a_page_that_is_away_is_told_and_its_document_stands(desk: Desk) -> None:
    desk.queue("extractor!=current")
    desk.until_idle()
    with desk.services.store.read() as connection:
        mine = (events.c.article_id == desk.lost, events.c.outcome == "kept")
        (told,) = connection.execute(select(events.c.slug, events.c.detail).where(*mine)).all()
        row = connection.execute(select(articles).where(articles.c.id == desk.lost)).one()
    assert told.slug == "page-missing"
    assert "the document that stands is kept" in told.detail
    assert (row.state, row.stage, row.version) == ("indexed", None, desk.new[desk.lost].version)


def test_a_second_run_finds_all_unchanged(desk: Desk) -> None:
    desk.queue("extractor!=current", "partial=none")
    desk.until_idle()
    before = desk.documents()
    assert desk.queue("extractor!=current", "partial=none") == 1  # the one whose page is away
    desk.until_idle()
    chosen = desk.queue("extractor=current", "partial=none")
    desk.until_idle()
    run = read_reprocessing(desk.services.store)
    assert run is not None
    assert (run.unchanged, run.changed) == (chosen, 0)
    assert desk.documents() == before


def test_news_that_come_meanwhile_are_read_next(desk: Desk) -> None:
    chosen = desk.queue("extractor!=current")
    looks = count(1)

    def get_on() -> None:
        if next(looks) == 3:  # after its claim and the first article: in the middle of the first batch
            insert_news(desk)

    shift = begin_shift(lambda stage: None, threading.Event(), budget_s=60.0, get_on=get_on)
    run_stage(Stage.ENRICH, desk.services, shift)
    with desk.services.store.read() as connection:
        query = select(events.c.article_id).where(events.c.stage == "enrich").order_by(events.c.id.desc())
        order = list(connection.execute(query.limit(chosen + 1)).scalars())[::-1]
    assert order.index("news") == BATCH


def insert_news(desk: Desk) -> None:
    """Bring an article that was published before all others, and is not searchable yet."""
    news = {
        "id": "news",
        "url": "https://news.example/new",
        "host": "news.example:443",
        "state": "fetched",
        "stage": "enrich",
        "due_at": 0.0,
        "news_at": 0.0,
        "first_seen_at": 0.0,
        "month": "1970-01",
        "partial": "robots",
    }
    with desk.services.store.write() as connection:
        connection.execute(insert(articles), [news])
