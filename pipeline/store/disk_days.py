"""How much was free of each disk, by day: what a forecast is made from."""

from collections.abc import Mapping, Sequence

from sqlalchemy import delete, select

from pipeline.disk import Disk
from pipeline.store.days import day_of
from pipeline.store.duty_tables import disk_days
from pipeline.store.store import Store, insert_adding

KEPT_DAYS = 60


def record_free(store: Store, disks: Sequence[Disk]) -> None:
    """Write down how much is free; of a day the least is kept, and sixty days in all."""
    with store.write() as connection:
        day = day_of(store.read_clock(connection))
        rows = [{"place": str(each.folder), "day": day, "free_bytes": each.free_bytes} for each in disks]
        ordered = sorted(rows, key=lambda row: str(row["place"]))
        insert_adding(connection, disk_days, ordered, least=("free_bytes",))
        connection.execute(delete(disk_days).where(disk_days.c.day < day - KEPT_DAYS))


def read_free(store: Store) -> Mapping[str, Sequence[tuple[int, int]]]:
    """Read by place the days and the bytes that were free at the least, the oldest first."""
    found: dict[str, list[tuple[int, int]]] = {}
    with store.read() as connection:
        for row in connection.execute(select(disk_days).order_by(disk_days.c.place, disk_days.c.day)):
            found.setdefault(row.place, []).append((row.day, row.free_bytes))
    return found
