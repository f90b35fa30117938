"""A feed that shows 2,000 entries at once, beside one with news."""

import subprocess
import time
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

from sqlalchemy import func, select

from pipeline.model import State
from pipeline.services import open_services
from pipeline.settings import read_settings
from pipeline.store.tables import articles
from tests.stages.loopback import Site, open_site
from tests.workers.supervised import PATIENCE_S, make_home, show, supervising, told_in

FLOOD = 2_000
STORIES = 8
EVERY = 60
"""Articles of the flood after whose indexing the other feed shows one more story."""

MINUTE_S = 60.0


def test_a_flood_of_2000_entries_delays_no_news_by_more_than_a_minute(tmp_path: Path) -> None:
    with open_site() as flood, open_site() as news:
        show(flood, FLOOD)
        show(news, 1)
        environ = make_home(tmp_path / "home", flood, news, WIREROOM_POLL_MAX="2")
        with supervising(environ) as process:
            delays = follow(environ, flood, news, process)
    assert len(delays) == STORIES
    assert max(delays) < MINUTE_S


def follow(
    environ: Mapping[str, str], flood: Site, news: Site, process: "subprocess.Popen[str]"
) -> list[float]:
    """Show a further story now and then; give for each how long it took from its feed to the index."""
    shown_at = {news.url("/0"): time.time()}
    ends_at = time.monotonic() + PATIENCE_S
    with closing(open_services(read_settings(environ))) as services:
        while True:
            assert process.poll() is None, told_in(environ).read_text()
            assert time.monotonic() < ends_at
            with services.store.read() as connection:
                done = select(articles.c.url, articles.c.indexed_at).where(
                    articles.c.state == State.INDEXED, articles.c.url.startswith(news.origin)
                )
                indexed = {row.url: row.indexed_at for row in connection.execute(done)}
                count = select(func.count()).where(
                    articles.c.state == State.INDEXED, articles.c.url.startswith(flood.origin)
                )
                through = connection.execute(count).scalar_one()
            if len(indexed) == STORIES:
                assert through < FLOOD  # the flood was there all the while
                return [indexed[url] - at for url, at in shown_at.items()]
            if len(shown_at) < STORIES and through >= EVERY * len(shown_at):
                shown_at[news.url(f"/{len(shown_at)}")] = time.time()
                show(news, len(shown_at))
            time.sleep(0.2)
