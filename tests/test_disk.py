"""Room on the disk: who rests before it is full, and that it is told once."""

import logging
import shutil
from contextlib import ExitStack, closing
from pathlib import Path
from threading import Event

import pytest

from pipeline.disk import MIB, Disk, DiskWatch, Room, rests, room, told
from pipeline.flow import run_stage
from pipeline.model import Stage, State
from pipeline.services import disk_folders, open_services, set_up
from pipeline.settings import read_settings
from pipeline.stages.shift import begin_shift
from pipeline.store.due import article_counts
from pipeline.store.subscriptions import NewFeed, add_feeds
from tests.stages.loopback import open_site, rss, whole

PAGE = b"<!doctype html><title>Harbour</title><article><p>The ferries have returned.</p></article>"


@pytest.mark.parametrize(
    ("free_mib", "left"),
    [(2_000, Room.AMPLE), (1_000, Room.AMPLE), (999, Room.LOW), (250, Room.LOW), (249, Room.NONE)],
)
def test_room_is_judged_by_what_is_to_stay_free(free_mib: int, left: Room) -> None:
    assert room(free_mib * MIB, 1_000) is left


def test_without_a_reserve_there_is_always_room() -> None:
    assert room(0, 0) is Room.AMPLE


@pytest.mark.parametrize(
    ("left", "resting"),
    [(Room.AMPLE, set()), (Room.LOW, {Stage.FETCH}), (Room.NONE, set(Stage))],
)
def test_fetch_rests_first_and_then_everything(left: Room, resting: set[Stage]) -> None:
    assert {stage for stage in Stage if rests(stage, left)} == resting


def test_the_line_says_where_how_much_and_what_rests() -> None:
    disk = Disk(Path("/srv/wireroom"), 700 * MIB)
    assert told(disk, Room.LOW, 1_024) == (
        "700 MiB are free at /srv/wireroom, 1,024 are to stay free: "
        "nothing is fetched until there is more room"
    )


def test_it_is_told_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    watch = DiskWatch([tmp_path / "not" / "there" / "yet"], reserve_mib=10**9)
    assert [watch.look() for _ in range(3)] == [Room.NONE] * 3
    [record] = caplog.records
    assert record.levelno == logging.WARNING
    assert f"are free at {tmp_path}, " in record.getMessage()


def test_the_folders_of_store_archive_and_home_are_watched(tmp_path: Path) -> None:
    chosen = {
        "WIREROOM_HOME": str(tmp_path / "home"),
        "WIREROOM_ARCHIVE_URL": "file:///srv/archive",
        "WIREROOM_STORE_URL": "sqlite:////srv/store/w.db",
    }
    assert disk_folders(read_settings(chosen)) == (
        tmp_path / "home",
        Path("/srv/archive"),
        Path("/srv/store"),
    )


def test_pages_wait_while_the_disk_is_low_and_come_when_there_is_room(tmp_path: Path) -> None:
    free_mib = shutil.disk_usage(tmp_path).free // MIB
    states = []
    with ExitStack() as stack:
        site = stack.enter_context(open_site())
        site.answers |= {"/a": whole(PAGE), "/feed": whole(rss(site.url("/a")), kind="application/rss+xml")}
        for reserve_mib in (
            free_mib * 2,
            0,
        ):  # low, since more than a quarter of it is there; then of no matter
            settings = read_settings(
                {
                    "WIREROOM_HOME": str(tmp_path),
                    "WIREROOM_ALLOW_ADDRESSES": "127.0.0.0/8",
                    "WIREROOM_HOST_DELAY": "0",
                    "WIREROOM_DISK_RESERVE": str(reserve_mib),
                }
            )
            set_up(settings)
            with closing(open_services(settings)) as services:
                add_feeds(services.store, [NewFeed(url=site.url("/feed"))], interval_s=900)
                for stage in (Stage.POLL, Stage.FETCH):
                    run_stage(stage, services, begin_shift(lambda _: None, Event(), budget_s=30.0))
                states.append({state: n for state, n in article_counts(services.store).items() if n})
    assert states == [{State.FOUND: 1}, {State.FETCHED: 1}]
    assert "/a" in site.requests
