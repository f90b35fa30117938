"""What is kept for a time only goes by night, whatever kills the work, and the whole stays sound."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from threading import Event

import pytest
from sqlalchemy import select, update

from pipeline.archive.keeping import old_files, remove_file
from pipeline.archive.warc import open_archive, sidecar_of
from pipeline.feeds.edits import MAX_EDITS
from pipeline.flow import tidy
from pipeline.keeping import CHORE, keep_tonight
from pipeline.model import Stage, State
from pipeline.outcomes import Reason
from pipeline.services import Services, open_services
from pipeline.settings import read_settings
from pipeline.stages.index import index
from pipeline.stages.shift import begin_shift
from pipeline.store.chores import is_nightly_due, read_done, record_done
from pipeline.store.claims import claim_articles
from pipeline.store.duty_tables import chores
from pipeline.store.enriched import Twin, read_document, read_sightings, record_duplicate
from pipeline.store.keeping import forget_pages
from pipeline.store.reruns import read_indexed
from pipeline.store.store import Store
from pipeline.store.tables import articles, documents, feeds, hosts, pages, sightings
from tests.cli.conftest import Wireroom
from tests.cli.newsroom import BRIDGE, HARBOUR, OWNER, TEXT, entry, fetch, id_of, poll, publish

DAY = 86_400.0
Open = Callable[..., Services]


@pytest.fixture
def opened(store: Store, home: Path) -> Iterator[Open]:
    """Give two articles, indexed; and how to open the parts with further settings."""
    publish(store, home)
    with ExitStack() as stack:

        def open_with(**chosen: str) -> Services:
            settings = read_settings({"WIREROOM_HOME": str(home), **chosen})
            return stack.enter_context(closing(open_services(settings)))

        yield open_with


def age(store: Store, *, days: float) -> None:
    """Let all articles have been seen first so long ago, and no page be tried again any more."""
    with store.write() as connection:
        connection.execute(update(articles).values(first_seen_at=store.now() - days * DAY))
        connection.execute(update(articles).where(articles.c.stage == Stage.FETCH).values(stage=None))


def tonight(services: Services) -> None:
    keep_tonight(services, is_over=lambda: False)


def let_index_work(services: Services) -> None:
    index(services, begin_shift(lambda _stage: None, Event(), budget_s=60.0))


def archived(home: Path) -> list[str]:
    return sorted(path.name for path in (home / "archive").iterdir())


def is_sound(wireroom: Wireroom) -> bool:
    return wireroom("verify", "--all").code == 0


def test_by_default_everything_stays(opened: Open, home: Path, wireroom: Wireroom) -> None:
    services = opened()
    age(services.store, days=5_000)
    before = archived(home)
    tidy(services)
    assert archived(home) == before
    assert read_document(services.store, id_of(BRIDGE)).text == TEXT  # type: ignore[union-attr]


def test_pages_go_with_their_files_when_their_time_is_over(
    opened: Open, home: Path, wireroom: Wireroom
) -> None:
    services = opened(WIREROOM_KEEP_PAGES="30d")  # these were fetched in September of 2026
    tonight(services)
    assert archived(home) == []
    assert is_sound(wireroom)
    assert wireroom("show", BRIDGE, "--json").json["text"] == TEXT


def test_younger_pages_stay(opened: Open, home: Path) -> None:
    before = archived(home)
    tonight(opened(WIREROOM_KEEP_PAGES="30000d"))
    assert archived(home) == before != []


def test_a_page_that_is_yet_to_be_read_keeps_its_file(opened: Open, home: Path) -> None:
    services = opened(WIREROOM_KEEP_PAGES="30d")
    poll(services.store, "https://other.example/feed", entry("https://other.example/waits"))
    fetch(services.store, home)
    tonight(services)
    assert len(archived(home)) == 2  # a file and its index
    with services.store.read() as connection:
        left = connection.execute(select(pages.c.url)).scalars().all()
    assert left == ["https://other.example/waits"]


def test_a_file_that_is_being_written_stays(opened: Open, home: Path) -> None:
    folder = home / "archive"
    (folder / "wireroom-20260101000000-host-1-00000.warc.gz.open").write_bytes(b"x")
    (folder / "wireroom-20260101000000-host-1-00000.cdxj").write_bytes(b"a 20260101000000 {}\n")
    assert not any("20260101" in name for name in old_files(folder, before=2e9))


@pytest.mark.parametrize("steps", [0, 1, 2])
def test_the_removal_of_a_file_may_be_killed_after_each_step(
    opened: Open, home: Path, wireroom: Wireroom, steps: int
) -> None:
    services, folder = opened(WIREROOM_KEEP_PAGES="30d"), home / "archive"
    (name,) = old_files(folder, before=2e9)
    if steps >= 1:
        forget_pages(services.store, name)
    if steps >= 2:
        (folder / name).unlink()
        assert sidecar_of(folder, name).exists()
    assert is_sound(wireroom)
    tonight(services)
    assert archived(home) == []
    assert is_sound(wireroom)
    remove_file(folder, name)  # once more does no harm


def test_texts_go_and_what_is_counted_stays(opened: Open, wireroom: Wireroom) -> None:
    services = opened(WIREROOM_KEEP_TEXT="30d")
    before = wireroom("show", BRIDGE, "--json").json
    counts = wireroom("search", "person:okafor", "--facets", "language,outlet", "--json").json
    age(services.store, days=31)
    tonight(services)
    assert is_sound(wireroom)  # the index has yet to come to it
    let_index_work(services)
    assert is_sound(wireroom)
    after = wireroom("show", BRIDGE, "--json").json
    changed = {name for name in before if before[name] != after[name]}
    assert changed <= {"text", "version", "first_seen_at"}
    assert (after["text"], after["version"], after["revision"]) == ("", before["version"] + 1, 1)
    again = wireroom("search", "person:okafor", "--facets", "language,outlet", "--json").json
    assert (again["total"], again["facets"]) == (counts["total"], counts["facets"])
    assert wireroom("search", "Lagos bank", "--json").json["total"] == 0
    assert wireroom("search", "bridge", "--json").json["total"] == 2  # by its title
    assert "text-dropped" in wireroom("trace", BRIDGE).out


def test_what_feeds_said_goes_but_for_the_title(opened: Open) -> None:
    services = opened(WIREROOM_KEEP_TEXT="30d")
    age(services.store, days=31)
    tonight(services)
    (seen,) = read_sightings(services.store, id_of(HARBOUR))
    assert (seen.entry.title, seen.entry.summary, seen.entry.content) == ("The bridge is open", "", "")


def test_the_number_of_characters_stays(opened: Open) -> None:
    services = opened(WIREROOM_KEEP_TEXT="30d")
    age(services.store, days=31)
    tonight(services)
    with services.store.read() as connection:
        lengths = connection.execute(select(documents.c.text_length)).scalars().all()
    assert lengths == [len(TEXT)] * 2


def test_the_words_are_not_left_in_the_files_of_the_store(opened: Open, home: Path) -> None:
    services = opened(WIREROOM_KEEP_TEXT="30d")
    age(services.store, days=31)
    with services.store.read() as connection:
        packed = [*connection.execute(select(documents.c.document)).scalars()]
        packed += connection.execute(select(sightings.c.entry)).scalars()
    ends = [each[-24:] for each in packed]  # with their checksums: no other has them
    assert [end for end in ends if end in stored(home)] == ends
    tonight(services)
    assert [end for end in ends if end in stored(home)] == []


def stored(home: Path) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(home.glob("wireroom.db*")))


def test_younger_texts_and_what_is_under_way_stay(opened: Open) -> None:
    services = opened(WIREROOM_KEEP_TEXT="30d")
    age(services.store, days=29)
    tonight(services)
    assert read_document(services.store, id_of(BRIDGE)).text == TEXT  # type: ignore[union-attr]
    age(services.store, days=31)
    with services.store.write() as connection:
        at_work = {"stage": Stage.ENRICH, "due_at": services.store.now()}
        connection.execute(update(articles).where(articles.c.id == id_of(BRIDGE)).values(**at_work))
        connection.execute(chores.delete())
    tonight(services)
    assert read_document(services.store, id_of(BRIDGE)).text == TEXT  # type: ignore[union-attr]
    assert read_document(services.store, id_of(HARBOUR)).text == ""  # type: ignore[union-attr]


def test_an_edit_brings_a_text_back_until_the_next_night(opened: Open) -> None:
    services = opened(WIREROOM_KEEP_TEXT="30d")
    age(services.store, days=31)
    tonight(services)
    poll_again(services.store, entry(HARBOUR, title="The harbour is closed"))
    with services.store.read() as connection:
        mine = select(articles.c.text_dropped_at).where(articles.c.id == id_of(HARBOUR))
        assert connection.execute(mine).scalar_one() is None


@pytest.mark.parametrize("state", [State.DROPPED, State.QUARANTINED])
def test_what_a_second_feed_says_of_what_is_not_indexed_goes_too(opened: Open, state: State) -> None:
    services = opened(WIREROOM_KEEP_TEXT="30d")
    with services.store.write() as connection:
        ended = {"state": state, "reason": Reason.TOO_OLD, "stage": None}
        connection.execute(update(articles).where(articles.c.id == id_of(HARBOUR)).values(**ended))
    age(services.store, days=31)
    tonight(services)
    poll(services.store, "https://other.example/feed.xml", entry(HARBOUR))
    next_night(services)
    seen = read_sightings(services.store, id_of(HARBOUR))
    assert [each.entry.summary for each in seen] == ["", ""]


def test_what_an_edit_too_many_says_goes_too(opened: Open) -> None:
    services = opened(WIREROOM_KEEP_TEXT="30d")
    with services.store.write() as connection:
        connection.execute(update(articles).values(revision=MAX_EDITS))
    age(services.store, days=31)
    tonight(services)
    let_index_work(services)
    poll_again(services.store, entry(HARBOUR, title="The harbour is closed"))
    next_night(services)
    (seen,) = read_sightings(services.store, id_of(HARBOUR))
    assert (seen.entry.title, seen.entry.summary) == ("The harbour is closed", "")


def test_what_a_duplicate_brings_goes_too(opened: Open) -> None:
    services = opened(WIREROOM_KEEP_TEXT="30d")
    age(services.store, days=31)
    tonight(services)
    let_index_work(services)
    poll(services.store, "https://other.example/feed.xml", entry("https://other.example/bridge"))
    fetch(services.store, services.settings.home)
    [claim] = claim_articles(services.store, Stage.ENRICH, owner=OWNER, limit=1)
    twin = Twin(id=id_of(BRIDGE), document=None, is_coming=False, is_removed=False)
    record_duplicate(services.store, claim, twin, detail="the same text")
    let_index_work(services)
    next_night(services)
    seen = read_sightings(services.store, id_of(BRIDGE))
    assert [each.entry.summary for each in seen] == ["", ""]


def next_night(services: Services) -> None:
    with services.store.write() as connection:
        connection.execute(chores.delete())
    tonight(services)


def poll_again(store: Store, *entries: object) -> None:
    with store.write() as connection:
        connection.execute(update(feeds).values(next_poll_at=0))
        connection.execute(update(hosts).values(next_request_at=0))
    poll(store, "https://courier.example/feed.xml", *entries)  # type: ignore[arg-type]


def test_reprocess_passes_over_what_has_no_text(opened: Open) -> None:
    services = opened(WIREROOM_KEEP_TEXT="30d")
    assert len(list(read_indexed(services.store))) == 2
    age(services.store, days=31)
    tonight(services)
    assert list(read_indexed(services.store)) == []


def test_it_is_done_once_a_night_and_again_when_it_was_stopped(opened: Open, home: Path) -> None:
    services = opened(WIREROOM_KEEP_PAGES="30d")
    keep_tonight(services, is_over=lambda: True)
    assert read_done(services.store, CHORE)[0] is None
    assert archived(home) != []
    record_done(services.store, CHORE)
    tonight(services)
    assert archived(home) != []
    with services.store.write() as connection:
        connection.execute(update(chores).values(done_at=services.store.now() - DAY))
    tonight(services)
    assert archived(home) == []


NIGHT = 20_000 * DAY + 3 * 3_600


@pytest.mark.parametrize(
    ("done_at", "now", "due"),
    [
        (None, NIGHT, True),
        (NIGHT - 60, NIGHT - 30, False),
        (NIGHT - 60, NIGHT, True),
        (NIGHT + 60, NIGHT + DAY - 1, False),
        (NIGHT + 60, NIGHT + DAY, True),
        (NIGHT - 5 * DAY, NIGHT - 60, True),  # a machine that was off
    ],
)
def test_a_night_begins_at_three(done_at: float | None, now: float, due: bool) -> None:
    assert is_nightly_due(done_at, now) is due


def test_a_writer_begins_a_new_file_each_day(tmp_path: Path) -> None:
    from tests.archive.test_archive import PAGE

    with closing(open_archive(tmp_path, rotate_after_s=0.0)) as archive:
        files = {archive.write(PAGE).file for _ in range(3)}
    assert len(files) == 3


def test_states_of_articles_do_not_change(opened: Open, wireroom: Wireroom) -> None:
    services = opened(WIREROOM_KEEP_TEXT="30d", WIREROOM_KEEP_PAGES="30d")
    before = wireroom("status", "--json").json["articles"]
    age(services.store, days=31)
    tonight(services)
    let_index_work(services)
    assert wireroom("status", "--json").json["articles"] == before
    assert before["indexed"] == before["total"] == 2
    assert State.INDEXED in before
