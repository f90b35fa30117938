"""The flow, whole: four stages, each fed by the one before, each a claim on the store.

                 a tick every second or so
                             │
    feeds ──► poll ──► found ──► fetch ──► fetched ──► enrich ──► enriched ──► index ──► search
                │                  │                      │                      │
                └────────┬─────────┴───────────┬──────────┴───────────┬──────────┘
                         ▼                     ▼                      ▼
                the store (SQL): every feed, article, document, attempt, outcome
                       └─ the archive (WARC): every answer as it was served

A ring names a stage and nothing else: "there is work for you". Whoever hears it claims due rows from the
store under a lease, works, and ends in one transaction: results, next state, event, freed lease. So a ring
may be lost or doubled, a worker may die at any moment, and the store still says what is to be done.

`indexed`, `dropped` and `quarantined` are the ends. A page that cannot be had is no end: its article is
indexed from what its feed said, marked `partial`, and the page is asked for again later.
"""

from collections.abc import Callable
from typing import assert_never

from pipeline.disk import each_disk, rests
from pipeline.model import Stage
from pipeline.services import Services, disk_folders
from pipeline.stages.shift import Shift
from pipeline.store.disk_days import record_free
from pipeline.store.due import due_stages
from pipeline.store.events import trim
from pipeline.store.leases import sweep


def run_stage(stage: Stage, services: Services, shift: Shift) -> None:
    """Do a stage's due work until none is left or the shift is over; ring again when some is left. It rests
    while the disk has no room for it: the rows wait, and the ticks go on ringing."""
    if rests(stage, services.disk.look()):
        return
    is_some_left = _work(stage)(services, shift)
    if stage is Stage.INDEX:
        from pipeline.stages.ship import ship_events

        ship_events(services, shift)
    if is_some_left and not shift.stopping.is_set():
        shift.ring(stage)


def tick(services: Services, ring: Callable[[Stage], None]) -> None:
    """Free what the dead held, then ring for every stage that has due work: so a lost ring is mended."""
    if expired := sweep(services.store):
        services.meters.leases_expired.inc(expired)
    for stage in due_stages(services.store, ships_events=services.ships_events):
        ring(stage)


def tidy(services: Services, *, is_over: Callable[[], bool] = lambda: False) -> None:
    """Close the archive files of workers that are gone, write down how full the disks are, erase what came
    into the archive after its article was removed, trim events, and once a night remove what is kept no
    longer. May be killed, or stopped as soon as `is_over` says so."""
    from pipeline.archive.warc import heal  # not every process that ticks or works needs the archive
    from pipeline.keeping import keep_tonight
    from pipeline.removing import erase_late

    folder, keep_s = services.settings.archive_folder, services.settings.keep_events
    heal(folder)
    record_free(services.store, each_disk(disk_folders(services.settings)))
    erase_late(services.store, folder, is_over=is_over)  # events tell what was removed
    while keep_s is not None and not is_over() and trim(services.store, keep_s=keep_s):
        pass
    keep_tonight(services, is_over=is_over)


def _work(stage: Stage) -> Callable[[Services, Shift], bool]:
    # Imported one by one: a process that only fetches must not carry the libraries that enrich.
    match stage:
        case Stage.POLL:
            from pipeline.stages.poll import poll

            return poll
        case Stage.FETCH:
            from pipeline.stages.fetch import fetch

            return fetch
        case Stage.ENRICH:
            from pipeline.stages.enrich import enrich

            return enrich
        case Stage.INDEX:
            from pipeline.stages.index import index

            return index
        case _:
            assert_never(stage)
