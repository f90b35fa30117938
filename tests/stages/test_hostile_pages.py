"""Pages that do their worst, through the real fetch stage: each ends by a slug, and the others are had."""

import threading
from collections.abc import Mapping
from contextlib import ExitStack, closing

import pytest
from sqlalchemy import select

from pipeline.flow import run_stage
from pipeline.model import Stage
from pipeline.services import open_services, set_up
from pipeline.settings import read_settings
from pipeline.stages.shift import begin_shift
from pipeline.store.subscriptions import NewFeed, add_feeds
from pipeline.store.tables import articles, events
from tests.misbehaving_server import MISDEEDS, misbehaving_server
from tests.stages.loopback import open_site, rss, whole

QUICK = {path: slug for path, slug in MISDEEDS.items() if slug != "timeout"}
PARTIAL = {"too-large": "too-large", "bad-answer": "fetch-failed"}


@pytest.fixture(scope="module")
def ends(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, tuple[str, str]]:
    """Fetch a page of every quick misdeed and one good page; give how each ended, by its path."""
    environ = {
        "WIREROOM_HOME": str(tmp_path_factory.mktemp("home")),
        "WIREROOM_ALLOW_ADDRESSES": "127.0.0.0/8",
        "WIREROOM_HOST_DELAY": "0",
    }
    settings = read_settings(environ)
    set_up(settings)
    with ExitStack() as stack, closing(open_services(settings)) as services:
        server = stack.enter_context(misbehaving_server())
        site = stack.enter_context(open_site())
        links = [server.url(path) for path in (*QUICK, "/page")]
        site.answers["/feed"] = whole(rss(*links), kind="application/rss+xml")
        add_feeds(services.store, [NewFeed(url=site.url("/feed"))], interval_s=900)
        for stage in (Stage.POLL, Stage.FETCH):
            run_stage(stage, services, begin_shift(lambda _: None, threading.Event(), budget_s=60.0))
        asked = select(articles.c.url, events.c.slug, events.c.detail).join(
            events, events.c.article_id == articles.c.id
        )
        with services.store.read() as connection:
            rows = connection.execute(asked.where(events.c.stage == Stage.FETCH)).all()
    return {row.url.removeprefix(server.url("")): (row.slug or "", row.detail) for row in rows}


@pytest.mark.parametrize(("path", "slug"), QUICK.items())
def test_a_page_that_misbehaves_ends_in_a_slug(
    ends: Mapping[str, tuple[str, str]], path: str, slug: str
) -> None:
    partial, detail = ends[path]
    assert (partial, detail.partition(":")[0]) == (PARTIAL[slug], slug)


def test_the_good_page_beside_them_is_had(ends: Mapping[str, tuple[str, str]]) -> None:
    assert ends["/page"][1].startswith("HTTP 200")
