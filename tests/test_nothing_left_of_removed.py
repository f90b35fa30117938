"""Removal, proved: not a word is left in store, archive, index and log, nor comes back."""

import gzip
import logging
import sqlite3
import threading
import zlib
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
from sqlalchemy import update

from pipeline.archive.reading import read
from pipeline.cli.running import run
from pipeline.flow import run_stage, tidy
from pipeline.identity import article_id, url_key
from pipeline.model import Exchange, Stage
from pipeline.removing import CHORE, erase_article
from pipeline.search.request import read_request
from pipeline.services import open_searcher, open_services, set_up
from pipeline.settings import Settings, read_settings
from pipeline.stages.shift import begin_shift
from pipeline.store.chores import read_done
from pipeline.store.due import waiting
from pipeline.store.subscriptions import NewFeed, add_feeds
from pipeline.store.tables import articles, feeds
from pipeline.store.tracing import read_pages
from tests.stages.loopback import Site, open_site, redirect, whole

# Each stands in one place alone, so that what is left says where from.
TITLE, BODY, EDITED, SUMMARY, AUTHOR, WALL = (
    "Quobblefen", "Zyxwhistle", "Vombatroar", "Jinkspladge", "Wurtzelby", "Krankmoot",
)  # fmt: skip
WORDS = (TITLE, BODY, EDITED, SUMMARY, AUTHOR, WALL)
FILLER = "The ferry to the island left at noon and came back in the evening with the mail. " * 8


def page(*words: str) -> bytes:
    said = " ".join(words)
    return f"<!doctype html><title>{TITLE}</title><article><p>{said} {FILLER}</p></article>".encode()


def feed(site: Site, summary: str) -> bytes:
    items = f"""<item><title>{TITLE} speaks</title><link>{site.url("/story")}</link>
        <author>{AUTHOR}</author><description>{summary}</description></item>"""
    items += "".join(
        f"<item><title>Ferry {number}</title><link>{site.url(f'/ferry-{number}')}</link></item>"
        for number in range(5)
    )
    return f'<rss version="2.0"><channel><title>News</title>{items}</channel></rss>'.encode()


@dataclass(frozen=True)
class Run:
    """Hold a home in which an article was found, walled off, read, and edited, beside five others."""

    home: Path
    site: Site

    def until_idle(self, *, shown: bytes | None = None) -> None:
        """Poll, if need be, and do what is due; pages that come later are due now."""
        if shown is not None:
            self.site.answers["/feed.xml"] = whole(shown, kind="application/rss+xml")
        with closing(open_services(settings_of(self.home))) as services:
            with services.store.write() as connection:
                connection.execute(update(feeds).values(next_poll_at=0))
                connection.execute(update(articles).where(articles.c.stage.is_not(None)).values(due_at=0))
            while waiting(services.store).due:
                for stage in Stage:
                    shift = begin_shift(lambda stage: None, threading.Event(), budget_s=60.0)
                    run_stage(stage, services, shift)


def settings_of(home: Path) -> Settings:
    return read_settings(
        {
            "WIREROOM_HOME": str(home),
            "WIREROOM_ALLOW_ADDRESSES": "127.0.0.0/8",
            "WIREROOM_HOST_DELAY": "0",
            "WIREROOM_RETRY_DELAY": "1h",
        }
    )


@pytest.fixture
def ran(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> Iterator[Run]:
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("WIREROOM_HOME", str(tmp_path / "home"))
    settings = settings_of(tmp_path / "home")
    set_up(settings)
    with open_site() as site:
        for number in range(5):
            other = f"<!doctype html><title>Ferry</title><article><p>{number} {FILLER}</p></article>"
            site.answers[f"/ferry-{number}"] = whole(other.encode())
        site.answers["/story"] = whole(f"<p>{WALL} pay first</p>".encode(), status=403)
        with closing(open_services(settings)) as services:
            add_feeds(services.store, [NewFeed(url=site.url("/feed.xml"))], interval_s=900)
        only = Run(tmp_path / "home", site)
        only.until_idle(shown=feed(site, SUMMARY))
        site.answers["/story"] = redirect("/moved")
        site.answers["/moved"] = whole(page(BODY))
        only.until_idle()
        site.answers["/moved"] = whole(page(BODY, EDITED))
        only.until_idle(shown=feed(site, f"{SUMMARY}, corrected"))
        yield only


def written(home: Path) -> Iterator[tuple[str, bytes]]:
    """Read every file of a home as it is, and what is compressed in it."""
    for path in sorted(each for each in home.rglob("*") if each.is_file()):
        name = path.relative_to(home).as_posix()
        yield name, path.read_bytes()
        if ".warc.gz" in name:
            yield f"{name}, unpacked", gzip.decompress(path.read_bytes())
    with closing(sqlite3.connect(home / "wireroom.db")) as connection:
        for (table,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
            for row in connection.execute(f'SELECT * FROM "{table}"'):
                for value in row:
                    yield f"table {table}", unpacked(value)


def unpacked(value: object) -> bytes:
    if isinstance(value, bytes):
        try:
            return zlib.decompress(value)
        except zlib.error:
            return value
    return str(value).encode()


def left(home: Path) -> dict[str, set[str]]:
    """Tell which words stand where."""
    found: dict[str, set[str]] = {}
    for where, octets in written(home):
        lowered = octets.lower()
        for word in WORDS:
            if word.lower().encode() in lowered:
                found.setdefault(word, set()).add(where.partition("/")[0])
    return found


def show_text(ran: Run, path: str) -> str:
    """Read an article's text as the archive still has it."""
    with closing(open_services(settings_of(ran.home))) as services:
        [*_, newest] = read_pages(services.store, article_id(url_key(ran.site.url(path)) or ""))
        return read(services.settings.archive_folder, newest.position).body.decode()


def test_before_the_removal_every_word_is_there(ran: Run) -> None:
    found = left(ran.home)
    assert set(found) == set(WORDS)
    assert found[BODY] >= {"archive", "index", "table documents"}
    assert found[SUMMARY] >= {"archive", "table sightings"}
    assert found[WALL] == {"archive"}


def test_after_it_none_is_left_in_store_archive_and_log_nor_comes_back(
    ran: Run, caplog: pytest.LogCaptureFixture
) -> None:
    assert run(["remove", ran.site.url("/story"), "--reason", "court order"]) == 0
    assert {where for places in left(ran.home).values() for where in places} <= {"index"}
    ran.site.requests.clear()
    ran.until_idle(shown=feed(ran.site, f"{SUMMARY}, and again"))
    ran.until_idle(shown=feed(ran.site, f"{SUMMARY}, a fourth time"))
    assert "/feed.xml" in ran.site.requests
    assert "/story" not in ran.site.requests
    assert "/moved" not in ran.site.requests
    assert {where for places in left(ran.home).values() for where in places} <= {"index"}
    assert not any(word in caplog.text for word in WORDS)


def test_none_is_found_at_once_and_none_is_left_in_the_index_files_after_a_rebuild(ran: Run) -> None:

    run(["remove", ran.site.url("/story"), "--reason", "court order"])
    found = open_searcher(settings_of(ran.home))
    assert [found.search(read_request(word, now=0.0)).total for word in WORDS] == [0] * len(WORDS)
    assert found.get(article_id(url_key(ran.site.url("/story")) or "")) is None
    assert run(["reindex", "--keep", "0"]) == 0
    assert left(ran.home) == {}
    assert open_searcher(settings_of(ran.home)).search(read_request("ferry", now=0.0)).total == 5


def test_a_page_to_which_another_article_was_sent_too_stays(ran: Run) -> None:
    ran.site.answers["/ferry-5"] = redirect("/moved")
    more = feed(ran.site, f"{SUMMARY}, corrected").replace(b"/ferry-4", b"/ferry-5")
    other = "Nine lighthouses were painted red this summer, and the keepers are content with it. " * 8
    ran.site.answers["/moved"] = whole(f"<title>Lights</title><article><p>{other}</p></article>".encode())
    ran.until_idle(shown=more)
    run(["remove", ran.site.url("/story"), "--reason", "court order"])
    assert run(["verify", "--all"]) == 0
    assert "lighthouses" in show_text(ran, "/ferry-5")


def test_a_duplicate_goes_with_it_and_all_is_sound(ran: Run) -> None:
    ran.site.answers["/ferry-5"] = redirect("/moved")
    ran.until_idle(shown=feed(ran.site, SUMMARY).replace(b"/ferry-4", b"/ferry-5"))
    run(["remove", ran.site.url("/ferry-5"), "--reason", "court order"])
    assert run(["verify", "--all"]) == 0
    assert {where for places in left(ran.home).values() for where in places} <= {"index"}


def test_the_archive_stays_readable(ran: Run, capsys: pytest.CaptureFixture[str]) -> None:
    run(["remove", ran.site.url("/story"), "--reason", "court order"])
    assert run(["verify", "--all"]) == 0
    assert "5 pages read back" in capsys.readouterr().out


def test_none_is_left_of_a_feed_to_which_a_redirect_leads(ran: Run) -> None:
    ran.site.answers["/real.xml"] = whole(feed(ran.site, f"{SUMMARY}, elsewhere"), kind="application/rss+xml")
    ran.site.answers["/feed.xml"] = redirect("/real.xml")
    with closing(open_services(settings_of(ran.home))) as services, services.store.write() as connection:
        connection.execute(update(feeds).values(next_poll_at=0))
    ran.until_idle()
    assert "/real.xml" in ran.site.requests
    assert run(["remove", ran.site.url("/story"), "--reason", "court order"]) == 0
    assert archived_words(ran) == set()


def test_none_is_left_in_an_archive_that_lost_its_indexes(ran: Run) -> None:
    for sidecar in (ran.home / "archive").glob("*.cdxj"):
        sidecar.unlink()
    assert run(["remove", ran.site.url("/story"), "--reason", "court order"]) == 0
    assert archived_words(ran) == set()


def remove_story(ran: Run) -> None:
    with closing(open_services(settings_of(ran.home))) as services:
        id = article_id(url_key(ran.site.url("/story")) or "")
        erase_article(services.store, services.settings.archive_folder, id, reason="court order")


def archived_words(ran: Run) -> set[str]:
    return {word for word, places in left(ran.home).items() if "archive" in places}


def let_tidy(ran: Run, *, is_over: bool = False) -> None:
    with closing(open_services(settings_of(ran.home))) as services:
        tidy(services, is_over=lambda: is_over)


@pytest.mark.parametrize("path", ["/story", "/moved"])
def test_a_page_that_is_on_its_way_at_the_removal_is_not_kept(ran: Run, path: str) -> None:
    served = ran.site.answers[path]

    def remove_and_answer(handler: BaseHTTPRequestHandler) -> None:
        remove_story(ran)
        served(handler)

    ran.site.answers[path] = remove_and_answer
    ran.until_idle(shown=feed(ran.site, f"{SUMMARY}, corrected again"))
    assert archived_words(ran) == set()
    assert run(["verify", "--all"]) == 0


def test_a_page_whose_worker_died_when_it_was_removed_goes_with_the_next_tidying(ran: Run) -> None:
    remove_story(ran)
    archive(ran, "/story", page(BODY, EDITED))
    assert archived_words(ran) == {TITLE, BODY, EDITED}
    let_tidy(ran)
    assert archived_words(ran) == set()


def archive(ran: Run, path: str, body: bytes) -> None:
    """Archive an answer as a stage does that was asked for it before the removal."""
    exchange = Exchange(
        url=ran.site.url(path), method="GET", request_headers=(), status=200, reason="OK", headers=(),
        body=body, fetched_at=1_790_000_000.0, remote_address=None,
    )  # fmt: skip
    with closing(open_services(settings_of(ran.home))) as services:
        services.archive.write(exchange)


def test_a_feed_that_was_on_its_way_at_the_removal_goes_with_the_next_tidying(ran: Run) -> None:
    remove_story(ran)
    let_tidy(ran)
    archive(ran, "/feed.xml", feed(ran.site, SUMMARY))
    assert archived_words(ran) == {TITLE, SUMMARY, AUTHOR}
    let_tidy(ran)  # an hour later; it looked a moment after the removal, too early
    assert archived_words(ran) == set()


def test_a_tidying_that_was_stopped_leaves_what_was_on_its_way_to_the_next(ran: Run) -> None:
    remove_story(ran)
    archive(ran, "/feed.xml", feed(ran.site, SUMMARY))
    let_tidy(ran, is_over=True)
    assert archived_words(ran) == {TITLE, SUMMARY, AUTHOR}
    with closing(open_services(settings_of(ran.home))) as services:
        assert read_done(services.store, CHORE)[0] is None
    let_tidy(ran)
    assert archived_words(ran) == set()


def test_what_a_tidying_could_not_search_is_searched_by_the_next(ran: Run) -> None:
    remove_story(ran)
    archive(ran, "/feed.xml", feed(ran.site, SUMMARY))
    damaged = ran.home / "archive" / "lost.warc.gz"
    damaged.write_bytes(b"x" * 999)
    let_tidy(ran)
    with closing(open_services(settings_of(ran.home))) as services:
        assert read_done(services.store, CHORE)[0] is None
    damaged.write_bytes(b"")
    let_tidy(ran)
    assert {where for places in left(ran.home).values() for where in places} <= {"index"}
    with closing(open_services(settings_of(ran.home))) as services:
        assert read_done(services.store, CHORE)[0] is not None
