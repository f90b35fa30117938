"""The rebuild that comes by itself: when, by WIREROOM_REINDEX_SCHEDULE, and how it is started."""

import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime

from celery.schedules import crontab

from pipeline.errors import SettingsError
from pipeline.settings import Settings
from workers.environment import child_environ

REINDEX = "wireroom.reindex"
COMMAND = "from pipeline.cli import main; main()"


def _now() -> datetime:
    return datetime.now(UTC)


def reindex_schedule(settings: Settings, *, now: Callable[[], datetime] = _now) -> crontab | None:
    """Read when the index is to be rebuilt, in UTC; None: never. Raises SettingsError."""
    if not settings.reindex_schedule:
        return None
    minute, hour, day, month, weekday = settings.reindex_schedule.split()
    try:
        return crontab(
            minute=minute, hour=hour, day_of_month=day, month_of_year=month, day_of_week=weekday, nowfun=now
        )
    except ValueError as error:
        raise SettingsError(f"WIREROOM_REINDEX_SCHEDULE={settings.reindex_schedule}: {error}") from None


class Calendar:
    """Tell when a schedule falls due, for `up`, which has no beat."""

    def __init__(self, schedule: crontab | None) -> None:
        """Count from now on: what fell due while nothing ran is not made up for."""
        self._schedule = schedule
        self._last: datetime | None = schedule.now() if schedule else None

    def is_due(self) -> bool:
        """Tell whether it has fallen due since it last had."""
        if self._schedule is None or self._last is None or not self._schedule.is_due(self._last)[0]:
            return False
        self._last = self._schedule.now()
        return True


def start_reindex(
    settings: Settings, *, preexec: Callable[[], None] | None = None
) -> "subprocess.Popen[bytes]":
    """Start `wireroom reindex`, which takes longer than any task may; the store lets one run at a time."""
    log = settings.home / "log" / "reindex.log"
    log.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with log.open("ab") as output:
        return subprocess.Popen(  # noqa: S603 -- our own interpreter
            [sys.executable, "-c", COMMAND, "reindex"],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=child_environ(settings),
            start_new_session=True,
            preexec_fn=preexec,
        )
