"""The verdict sees what is lost, doubled, stale or left, each by itself."""

import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from sqlalchemy import update

from pipeline.flow import run_stage
from pipeline.identity import article_id, url_key
from pipeline.model import Stage
from pipeline.services import Services, open_services, set_up
from pipeline.settings import Settings, read_settings
from pipeline.stages.shift import begin_shift
from pipeline.store.leases import new_owner
from pipeline.store.subscriptions import NewFeed, add_feeds
from pipeline.store.tables import articles
from tests.faults.news import NewsWeb, open_news
from tests.faults.verdict import Verdict, judge

CALM = Verdict(
    served=8,
    indexed=8,
    partial=0,
    dropped=0,
    quarantined=0,
    lost=0,
    doubled=0,
    stale=0,
    leases=0,
    waiting=0,
    differing=0,
)


@dataclass(frozen=True)
class Desk:
    """Hold a web of eight articles, all of them indexed."""

    web: NewsWeb
    settings: Settings
    services: Services

    def id(self, number: int) -> str:
        return article_id(url_key(self.web.url(self.web.articles[number])) or "")

    def judge(self) -> Verdict:
        return judge(self.settings, self.web.served)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    home = tmp_path / "home"
    home.mkdir()
    (home / "wireroom.toml").write_text("models = {}\nhost_delay = 0\n")
    settings = read_settings({"WIREROOM_HOME": str(home), "WIREROOM_ALLOW_ADDRESSES": "127.0.0.0/8"})
    set_up(settings)
    with open_news(8) as web, closing(open_services(settings)) as services:
        add_feeds(services.store, [NewFeed(url=url) for url in web.feeds], interval_s=900)
        web.publish(8)
        for stage in Stage:
            run_stage(stage, services, begin_shift(lambda stage: None, threading.Event(), budget_s=30.0))
        yield Desk(web, settings, services)


def test_nothing_is_wrong_when_all_that_was_served_is_indexed(desk: Desk) -> None:
    assert desk.judge() == CALM
    assert CALM.ok


def test_an_article_that_was_served_and_is_nowhere_is_lost(desk: Desk) -> None:
    desk.web.served["http://127.0.0.1:1/story/99"] = 1
    assert desk.judge() == replace(CALM, served=9, lost=1)


def test_an_article_that_the_index_does_not_hold_is_lost_whatever_the_store_says(desk: Desk) -> None:
    with closing(desk.services.generations.open(desk.services.generations.exposed() or "")) as index:
        from pipeline.indexing.index import Tombstone

        index.remove([Tombstone(desk.id(3), 99, desk.web.articles[3].published_at)])
        index.commit()
    assert desk.judge() == replace(CALM, indexed=7, lost=1, differing=1)


def test_an_article_that_nobody_served_is_doubled(desk: Desk) -> None:
    del desk.web.served[desk.web.url(desk.web.articles[3])]
    verdict = desk.judge()
    assert (verdict.served, verdict.lost) == (7, 0)
    assert verdict.doubled > 0


def test_a_revision_that_was_served_and_is_not_indexed_makes_it_stale(desk: Desk) -> None:
    desk.web.served[desk.web.url(desk.web.articles[3])] = 2
    assert desk.judge() == replace(CALM, stale=1)


def test_a_lease_that_is_left_is_counted_with_the_article_that_waits(desk: Desk) -> None:
    with desk.services.store.write() as connection:
        held = {"lease_owner": new_owner(Stage.ENRICH), "stage": Stage.ENRICH, "due_at": 0}
        connection.execute(update(articles).where(articles.c.id == desk.id(3)).values(**held))
    assert desk.judge() == replace(CALM, leases=1, waiting=1)
