"""What `status` says of the disk: how much is free, when it is full, and what to do when it is low."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.cli.status import disk_line
from pipeline.disk import Disk, Room, scarcest_disk
from pipeline.forecast import Forecast, Outlook, outlook
from pipeline.model import State
from pipeline.store.days import day_of
from pipeline.store.disk_days import read_free, record_free
from pipeline.store.status import NO_COUNTS, Parts, PartState, find_problems
from pipeline.store.store import Store
from tests.cli.conftest import Wireroom

GIB = 1024**3
PARTS = Parts(store=PartState.OK, broker=PartState.OK, index=PartState.OK, archive=PartState.OK, documents=0)


def disk(free_gib: float = 10, *, room: Room = Room.AMPLE, forecast: Forecast) -> Outlook:
    return Outlook(place="/srv", free_bytes=int(free_gib * GIB), room=room, forecast=forecast)


@pytest.mark.parametrize(
    ("forecast", "line"),
    [
        (Forecast(None, is_known=False), "10.0 GiB free at /srv; when it is full is known after three days"),
        (Forecast(None), "10.0 GiB free at /srv, and not filling"),
        (Forecast(45.2), "10.0 GiB free at /srv; full in about 45 d"),
    ],
)
def test_the_line_says_what_is_known(forecast: Forecast, line: str) -> None:
    assert disk_line(disk(forecast=forecast)) == line


def problems(found: Outlook) -> Mapping[str, str]:
    told = find_problems(NO_COUNTS, replace(PARTS, outlook=found))
    return {each.slug: each.text for each in told if each.slug != "no-feeds"}


def test_a_disk_that_is_low_or_will_soon_be_full_is_a_problem() -> None:
    free = "10.0 GiB are free at /srv"
    assert problems(disk(forecast=Forecast(8.0))) == {}
    assert problems(disk(forecast=Forecast(3.2))) == {"disk-filling": f"{free}, and none in about 3 days"}
    assert problems(disk(room=Room.LOW, forecast=Forecast(3.2))) == {
        "disk-low": f"{free}, less than WIREROOM_DISK_RESERVE: nothing is fetched until there is more room"
    }
    assert problems(disk(room=Room.NONE, forecast=Forecast(None))) == {
        "disk-low": f"{free}, less than WIREROOM_DISK_RESERVE: everything rests until there is more room"
    }


def test_who_has_a_disk_that_fills_is_told_how_less_is_kept() -> None:
    filling = replace(PARTS, outlook=disk(forecast=Forecast(3.2)))
    [do] = [each.do for each in find_problems(NO_COUNTS, filling) if each.slug == "disk-filling"]
    assert do == "a larger disk, or keep less: WIREROOM_KEEP_PAGES, WIREROOM_KEEP_TEXT"


def test_of_several_disks_the_one_is_told_that_is_full_first() -> None:
    recorded = {
        "/a": [(day, (200 - day) * GIB) for day in range(100, 110)],
        "/b": [(day, (500 - 20 * (day - 100)) * GIB) for day in range(100, 110)],
    }
    disks = [Disk(Path("/a"), 91 * GIB), Disk(Path("/b"), 320 * GIB)]
    told = outlook(disks, recorded, reserve_mib=1_024, today=109)
    assert (told.place, told.forecast.days) == ("/b", pytest.approx(16))
    told = outlook(disks, recorded, reserve_mib=200 * 1_024, today=109)
    assert told.place == "/a"  # it is low


def test_the_least_of_a_day_is_kept(store: Store) -> None:
    for free in (7, 5, 6):
        record_free(store, [Disk(Path("/srv"), free)])
    with store.read() as connection:
        today = day_of(store.read_clock(connection))
    assert read_free(store) == {"/srv": [(today, 5)]}


def test_status_tells_it(store: Store, home: Path, wireroom: Wireroom) -> None:
    told = wireroom("status", "--json").json["disk"]
    assert told["place"] == str(scarcest_disk([home]).folder)
    assert told["free_bytes"] > 0
    assert (told["full_in_days"], told["is_known"]) == (None, False)
    assert "when it is full is known after three days" in wireroom("status").out
    assert wireroom("status", "--json").json["articles"][State.FOUND] == 0


def test_status_names_a_disk_that_is_low(
    store: Store, wireroom: Wireroom, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WIREROOM_DISK_RESERVE", str(10**9))
    ran = wireroom("status", "--check")
    assert ran.code == 1
    assert "everything rests until there is more room" in ran.out
