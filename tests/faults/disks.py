"""F18: the disk is full under the store, the archive, the index and the temporary folder, then it is not."""

import os
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from tests.faults.kills import strike_when_at_work
from tests.faults.topology import EMBEDDED, PRODUCTION
from tests.faults.trial import Fault, Trial
from tests.servers import ServerMissing

SIZE = "384m"
BALLAST = "ballast"
CHUNK = bytes(65_536)


def make_small(trial: Trial) -> None:
    """Put each place on a small disk of its own. Raises ServerMissing without the right to mount."""
    if trial.system.name == PRODUCTION:
        trial.system.servers["store"].end()
    temporary = trial.system.folder / "tmp"
    for each in places(trial).values():
        _mount(trial, each)
    if trial.system.name == PRODUCTION:
        trial.system.servers["store"].start()
    crew = trial.system.crew
    for name, service in crew.services.items():
        crew.services[name] = replace(service, environ={**service.environ, "TMPDIR": str(temporary)})


def places(trial: Trial) -> Mapping[str, Path]:
    """Name what gets a disk of its own, the outer ones first."""
    system = trial.system
    inner = {"archive": system.settings.archive_folder, "temporary": system.folder / "tmp"}
    if system.name == PRODUCTION:
        return {"store": system.servers["store"].folder, **inner}
    return {"store": system.settings.home, **inner, "index": system.settings.index_folder}


def fill(trial: Trial) -> int:
    """Fill one disk while work is under way, and make room again after a while."""
    strike_when_at_work(trial)
    folders = list(places(trial).values())
    ballast = folders[trial.round % len(folders)] / BALLAST
    with ballast.open("wb", buffering=0) as file:
        trial.wait(trial.lasts_s, lambda: _fill_up(file.fileno()))
    ballast.unlink()
    return 1


def _fill_up(descriptor: int) -> bool:
    """Take all the room there is, also what the product has given back meanwhile; never done with it."""
    with suppress(OSError):
        while os.write(descriptor, CHUNK):
            pass
    return False


def _mount(trial: Trial, folder: Path) -> None:
    """Mount a small disk over a folder, with what was in it."""
    if os.geteuid() != 0:
        raise ServerMissing("only root may mount the small disks of F18")
    folder.mkdir(parents=True, exist_ok=True)
    before = folder.with_name(f"{folder.name}-before")
    subprocess.run(["cp", "-a", folder, before], check=True)  # owners too: PostgreSQL is not root
    owner = folder.stat()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "faults", folder], capture_output=True, check=False
    )
    if done.returncode != 0:
        raise ServerMissing(f"small disks cannot be mounted: {done.stderr.decode().strip()}")
    trial.ending.callback(subprocess.run, ["umount", "-l", folder], check=False)
    subprocess.run(["cp", "-a", f"{before}/.", folder], check=True)
    os.chown(folder, owner.st_uid, owner.st_gid)
    os.chmod(folder, owner.st_mode & 0o777)


FAULTS = (
    Fault(
        id="F18",
        what="the disk is full under the store, the archive, the index and the temporary folder, in turn",
        prepare=make_small,
        inflict=fill,
        lasts_s=20.0,
        rounds={EMBEDDED: 12, PRODUCTION: 9},
        articles={EMBEDDED: 500, PRODUCTION: 2000},
    ),
)
