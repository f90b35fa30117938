"""What `up` does about workers that stand still, a store that is lost, and workers that it cannot start."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path

import pytest

from pipeline.services import open_services
from pipeline.settings import read_settings
from pipeline.store.due import waiting
from tests.stages.loopback import Site, open_site
from tests.workers.supervised import make_home, show, supervising, told_in, wait_for_indexed
from workers.broker import socket_path
from workers.pulse import PULSE_S

STOP_S = 15.0
PATIENT_S = 4 * PULSE_S
"""How long a worker may not get on: shorter than in production, longer than between two beats."""


@pytest.fixture
def site() -> Iterator[Site]:
    """Serve a feed that shows one page, to which tests add others."""
    with open_site() as opened:
        show(opened, 1)
        yield opened


@pytest.fixture
def environ(tmp_path: Path, site: Site) -> Mapping[str, str]:
    return make_home(tmp_path / "home", site)


@pytest.fixture
def supervisor(environ: Mapping[str, str]) -> "Iterator[subprocess.Popen[str]]":
    with supervising(environ, no_progress_s=PATIENT_S) as process:
        yield process


def worker_of(environ: Mapping[str, str], name: str) -> int:
    """Find the main process of a worker of this home."""
    home = f"WIREROOM_HOME={environ['WIREROOM_HOME']}".encode()
    socket = socket_path(read_settings(environ))  # a broker writes its title over its environment
    found = []
    for folder in Path("/proc").iterdir():
        try:
            told = (folder / "cmdline").read_bytes() if folder.name.isdigit() else b""
            mine = bool(told) and home in (folder / "environ").read_bytes()
            parent = (folder / "stat").read_text().rpartition(")")[2].split()[1]
        except OSError:  # it ended meanwhile
            continue
        is_worker = mine and f"{name}@%h".encode() in told.split(b"\0")
        if is_worker or (name == "broker" and f"unixsocket:{socket}".encode() in told):
            found.append((int(folder.name), int(parent)))
    pids = {pid for pid, _ in found}
    (main,) = (pid for pid, parent in found if parent not in pids)
    return main


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("name", ["net", "enrich", "broker"])
def test_a_worker_that_is_stopped_is_killed_and_replaced(
    environ: Mapping[str, str], site: Site, supervisor: "subprocess.Popen[str]", name: str
) -> None:
    wait_for_indexed(environ, 1, supervisor)
    before = worker_of(environ, name)
    os.killpg(before, signal.SIGSTOP)
    show(site, 3)
    wait_for_indexed(environ, 3, supervisor)
    assert worker_of(environ, name) != before
    supervisor.send_signal(signal.SIGTERM)
    assert supervisor.wait(STOP_S) == 0
    assert f"{name} gets on no more (" in told_in(environ).read_text()
    with closing(open_services(read_settings(environ))) as services:
        assert waiting(services.store).leases == 0


def test_a_stopped_worker_ends_with_its_killed_supervisor(
    environ: Mapping[str, str], supervisor: "subprocess.Popen[str]"
) -> None:
    wait_for_indexed(environ, 1, supervisor)
    stopped = worker_of(environ, "net")
    os.killpg(stopped, signal.SIGSTOP)
    supervisor.kill()
    supervisor.wait()
    ends_at = time.monotonic() + 10
    while Path(f"/proc/{stopped}/cmdline").exists() and Path(f"/proc/{stopped}/cmdline").read_bytes():
        assert time.monotonic() < ends_at


def test_a_store_that_is_taken_away_ends_it_with_a_line_that_says_so(
    environ: Mapping[str, str], supervisor: "subprocess.Popen[str]"
) -> None:
    wait_for_indexed(environ, 1, supervisor)
    path = Path(environ["WIREROOM_HOME"]) / "wireroom.db"
    path.rename(path.with_name("elsewhere.db"))
    assert supervisor.wait(30) == 1
    assert told_in(environ).read_text().splitlines()[-1] == (
        f"wireroom: the store {path} is gone, or is another file: "
        "put it back, or restore a backup: `wireroom restore FILE`"
    )
