"""What a person removed stays removed, whichever backup is put back, and no store is lost on the way."""

import os
import re
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import select

from pipeline.identity import url_key
from pipeline.model import Stage
from pipeline.store.claims import claim_articles, claim_hosts
from pipeline.store.enriched import Alias, read_sightings, record_document
from pipeline.store.found import known_articles
from pipeline.store.store import Store
from pipeline.store.tables import articles, feeds, sightings
from tests.cli.conftest import Wireroom
from tests.cli.newsroom import (
    BRIDGE,
    OWNER,
    document,
    enrich,
    entry,
    fetch,
    id_of,
    new_store,
    poll,
)

NEWS = "https://courier.example/news"
AGAIN = "https://courier.example/news-again"
SECOND, THIRD = "https://courier.example/second.xml", "https://courier.example/third.xml"

# Ends like a kill at the moment in which the new store is to take the old one's place.
KILLED = """
import os, signal, sys
def hook(name, arguments):
    if name == "os.rename" and str(arguments[1]).endswith("/wireroom.db"):
        os.kill(os.getpid(), signal.SIGKILL)
sys.addaudithook(hook)
from pipeline.cli import main
main()
"""


@pytest.fixture
def younger(wireroom: Wireroom, saved: Path, store: Store, home: Path) -> Path:
    """A backup that is older than an article, of a feed of its own, which was removed."""
    poll(store, SECOND, entry(NEWS))
    fetch(store, home)
    enrich(store)
    assert wireroom("remove", NEWS, "--reason", "court order").code == 0
    store.close()
    return saved


def names(home: Path) -> list[str]:
    """Name the stores of a home."""
    return sorted(each.name for each in home.glob("wireroom.db*") if not each.name.endswith(("-wal", "-shm")))


def test_a_removed_article_that_the_backup_lacks_is_not_found_anew(
    wireroom: Wireroom, younger: Path, home: Path
) -> None:
    assert f"removed again: {NEWS}\n" in wireroom("restore", str(younger), "--replace").out
    with closing(new_store(home)) as opened:
        poll(opened, THIRD, entry(NEWS))
        assert claim_hosts(opened, owner=OWNER, limit=9, pages=9) == ()
        assert {each.entry.title for each in read_sightings(opened, id_of(NEWS))} == {""}
    assert wireroom("trace", NEWS, "--json").json["detail"] == "court order"


def test_no_index_is_said_to_hold_what_was_removed(
    wireroom: Wireroom, saved: Path, store: Store, home: Path
) -> None:
    wireroom("remove", BRIDGE, "--reason", "court order")
    store.close()
    wireroom("restore", str(saved), "--replace")
    assert re.search(r"^index +\S+ \(live\) is to delete it$", wireroom("trace", BRIDGE).out, re.MULTILINE)


def test_a_store_with_removals_of_later_is_sound(wireroom: Wireroom, younger: Path, home: Path) -> None:
    wireroom("restore", str(younger), "--replace")
    told = {each["slug"] for each in wireroom("verify", "--all", "--json").json["problems"]}
    assert told == {"index-held-back"}


def test_a_feed_that_is_added_after_the_restore_is_not_said_to_have_shown_it(
    wireroom: Wireroom, younger: Path, home: Path
) -> None:
    wireroom("restore", str(younger), "--replace")
    with closing(new_store(home)) as opened:
        poll(opened, THIRD, entry(AGAIN))
        assert [each.sighting.feed for each in read_sightings(opened, id_of(NEWS))] == [SECOND]
        with opened.read() as connection:
            shown = select(sightings.c.article_id).join(feeds, feeds.c.id == sightings.c.feed_id)
            assert connection.execute(shown.where(feeds.c.url == THIRD)).scalars().all() == [id_of(AGAIN)]


def test_what_a_removed_article_is_known_by_comes_along(
    wireroom: Wireroom, saved: Path, store: Store, home: Path
) -> None:
    key = url_key(AGAIN) or ""
    poll(store, SECOND, entry(NEWS))
    fetch(store, home)
    [claim] = claim_articles(store, Stage.ENRICH, owner=OWNER, limit=9)
    written = replace(document(claim), fingerprint=(7, 8, 9))
    aliases = [Alias(url_key=key, how="canonical")]
    assert record_document(store, claim, written, aliases=aliases, detail="page", retry_in_s=None)
    wireroom("remove", NEWS, "--reason", "court order")
    store.close()
    wireroom("restore", str(saved), "--replace")
    with closing(new_store(home)) as opened:
        assert known_articles(opened, [key]).is_any_removed
        with opened.read() as connection:
            known_by = select(articles.c.removed_fingerprint).where(articles.c.id == id_of(NEWS))
            assert connection.execute(known_by).scalar_one() == [7, 8, 9]


def test_an_archive_that_is_lost_bars_no_restore(
    wireroom: Wireroom, saved: Path, store: Store, home: Path
) -> None:
    wireroom("remove", BRIDGE, "--reason", "court order")
    store.close()
    (file,) = (home / "archive").glob("*.warc.gz*")
    file.unlink()
    ran = wireroom("restore", str(saved), "--replace")
    assert (ran.code, "is removed, but not from the archive" in ran.err) == (0, True)
    assert wireroom("trace", BRIDGE, "--json").json["detail"] == "court order"
    assert "text-left" in wireroom("verify").out


def test_removals_of_an_older_version_s_store_are_known(
    wireroom: Wireroom, younger: Path, home: Path
) -> None:
    with closing(sqlite3.connect(home / "wireroom.db")) as connection:
        connection.execute("ALTER TABLE articles DROP COLUMN removed_fingerprint")
        connection.execute("UPDATE alembic_version SET version_num = '0010'")
        connection.commit()
    ran = wireroom("restore", str(younger), "--replace")
    assert (f"removed again: {NEWS}\n" in ran.out, "cannot be read" in ran.err) == (True, False)


def test_a_second_restore_brings_no_removed_article_back(
    wireroom: Wireroom, saved: Path, store: Store, home: Path, tmp_path: Path
) -> None:
    poll(store, SECOND, entry(NEWS))
    fetch(store, home)
    enrich(store)
    assert wireroom("backup", str(tmp_path / "late.db")).code == 0
    wireroom("remove", NEWS, "--reason", "court order")
    store.close()
    wireroom("restore", str(saved), "--replace")
    assert f"removed again: {NEWS}\n" in wireroom("restore", str(tmp_path / "late.db"), "--replace").out
    assert wireroom("trace", NEWS, "--json").json["detail"] == "court order"


def test_no_store_that_is_kept_is_lost_by_another_restore(
    wireroom: Wireroom, saved: Path, store: Store, home: Path
) -> None:
    store.close()
    before = (home / "wireroom.db").stat().st_ino
    for name in ("wireroom.db.replaced", "wireroom.db.replaced.2", "wireroom.db.replaced.3"):
        assert f"kept as {home / name}\n" in wireroom("restore", str(saved), "--replace").err
    assert (home / "wireroom.db.replaced").stat().st_ino == before


def test_what_a_kept_store_alone_knows_of_removals_counts(
    wireroom: Wireroom, younger: Path, home: Path
) -> None:
    (home / "wireroom.db").rename(home / "wireroom.db.replaced")
    assert f"removed again: {NEWS}\n" in wireroom("restore", str(younger)).out


def test_a_restore_that_is_killed_leaves_a_store_and_can_be_run_again(
    wireroom: Wireroom, younger: Path, home: Path
) -> None:
    arguments = ("restore", str(younger), "--replace")
    ended = subprocess.run([sys.executable, "-c", KILLED, *arguments], env=dict(os.environ))
    assert ended.returncode == -signal.SIGKILL
    assert wireroom("trace", NEWS, "--json").json["detail"] == "court order"
    assert f"removed again: {NEWS}\n" in wireroom(*arguments).out
    assert names(home) == ["wireroom.db", "wireroom.db.replaced"]
    assert wireroom("show", BRIDGE).code == 0


def test_a_log_that_was_left_alone_is_not_taken_for_the_restored_store_s(
    wireroom: Wireroom, younger: Path, store: Store, home: Path
) -> None:
    with closing(sqlite3.connect(home / "wireroom.db")) as connection:
        connection.execute("UPDATE articles SET url = 'https://lost.example/'")
        connection.commit()
        log = (home / "wireroom.db-wal").read_bytes()
    (home / "wireroom.db").unlink()
    (home / "wireroom.db-wal").write_bytes(log)
    assert wireroom("restore", str(younger)).code == 0
    with closing(new_store(home)) as opened, opened.read() as connection:
        assert connection.execute(
            select(articles.c.url).where(articles.c.id == id_of(BRIDGE))
        ).scalars().all() == [BRIDGE]
