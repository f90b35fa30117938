"""Metrics, health and readiness of `wireroom up`, asked while it works on the sample news web."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from pipeline.demo.site import SampleWeb, open_sample_web
from pipeline.metrics.contract import CONTRACT, Kind
from pipeline.model import Stage
from tests.servers import free_port
from tests.workers.asking_http import Labels, get, samples, summed
from tests.workers.test_up import environ_of, processes_of, run, start_up, watch

PAGE = Path(__file__).parents[2] / "docs" / "metrics.md"
STOP_S = 20.0
SUFFIXES = {Kind.HISTOGRAM: ("_bucket", "_sum", "_count"), Kind.COUNTER: ("",), Kind.GAUGE: ("",)}
LABELS = {f"{each.exposed}{suffix}": set(each.labels) for each in CONTRACT for suffix in SUFFIXES[each.kind]}


@pytest.fixture
def web() -> Iterator[SampleWeb]:
    with open_sample_web(ports=()) as opened:
        yield opened


@pytest.fixture
def environ(tmp_path: Path) -> Mapping[str, str]:
    return {**environ_of(tmp_path / "home"), "WIREROOM_METRICS_ADDRESS": str(free_port())}


def ask(environ: Mapping[str, str], path: str) -> tuple[int, str]:
    return get(f"http://127.0.0.1:{environ['WIREROOM_METRICS_ADDRESS']}{path}")


def scrape(environ: Mapping[str, str]) -> dict[str, dict[Labels, float]]:
    status, exposed = ask(environ, "/metrics")
    assert status == 200
    return samples(exposed)


def wait_for_address(environ: Mapping[str, str], process: "subprocess.Popen[str]") -> None:
    """Ask until somebody answers; the run must live on."""
    while True:
        try:
            ask(environ, "/healthz")
        except OSError:
            assert process.poll() is None, "the run ended first"
            continue
        return


def rest(environ: Mapping[str, str], process: "subprocess.Popen[str]") -> dict[str, dict[Labels, float]]:
    """Ask until all articles have ended; what is counted never shrinks meanwhile."""
    before: dict[Labels, float] = {}
    while True:
        assert process.poll() is None, "the run ended first"
        said = scrape(environ)
        steps = said.get("wireroom_steps_total", {})
        assert all(steps[labels] >= value for labels, value in before.items())
        before = steps
        states = summed(said.get("wireroom_articles", {}), "state")
        left = sum(states.get(state, 0) for state in ("found", "fetched", "enriched"))
        if states.get("indexed") and not left and not sum(said["wireroom_backlog"].values()):
            return said


def test_what_is_told_during_a_run_is_the_contract_and_adds_up(
    environ: Mapping[str, str], web: SampleWeb, tmp_path: Path
) -> None:
    watch(environ, web, tmp_path)
    process = start_up(environ)
    wait_for_address(environ, process)
    said = rest(environ, process)
    status = json.loads(run(environ, "status", "--json").stdout)
    ready, health = ask(environ, "/readyz"), ask(environ, "/healthz")
    process.send_signal(signal.SIGINT)
    assert process.wait(STOP_S) == 0

    assert said.keys() <= LABELS.keys()
    for name, values in said.items():
        assert {name for labels in values for name, _ in labels} - {"le"} <= LABELS[name]

    articles = said["wireroom_articles"]
    total = status["articles"].pop("total")
    assert summed(articles, "state") == status["articles"]
    assert sum(articles.values()) == total == web.expected.articles
    by_slug = {labels: value for labels, value in articles.items() if dict(labels)["slug"]}
    assert summed(by_slug, "slug") == {**status["partial"], **status["dropped"], **status["quarantined"]}
    assert summed(said["wireroom_backlog"], "stage") == dict.fromkeys(Stage, 0)
    assert said["wireroom_index_documents"] == said["wireroom_index_documents_expected"]
    assert summed(said["wireroom_feeds"], "state") == {"active": len(web.feeds), "paused": 0, "gone": 0}
    assert said.get("wireroom_problem", {}) == {}
    assert set(summed(said["wireroom_part_up"], "part").values()) == {1.0}

    steps = said["wireroom_steps_total"]
    found = sum(value for labels, value in steps.items() if ("outcome", "found") in labels)
    assert found == total
    told = PAGE.read_text().partition("Outcomes of steps:")[2]
    assert all(f"`{outcome}`" in told for outcome in summed(steps, "outcome"))
    assert sum(said["wireroom_found_to_indexed_seconds_count"].values()) == status["articles"]["indexed"]
    assert set(summed(said["wireroom_stage_seconds_count"], "stage")) == set(Stage)
    assert summed(said["wireroom_processes"], "process") == pytest.approx(
        {"main": 1, "net": 1, "enrich": 1, "enrich-child": 2, "broker": 1, "other": 1}
    )
    assert json.loads(ready[1])["parts"] == dict.fromkeys([*status["parts"], "disk"], "ok")
    assert (ready[0], health[0]) == (200, 200)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells who a process's parent is in /proc")
def test_a_killed_child_takes_no_count_with_it_and_leaves_no_file(
    environ: Mapping[str, str], web: SampleWeb, tmp_path: Path
) -> None:
    watch(environ, web, tmp_path)
    process = start_up(environ)
    wait_for_address(environ, process)
    said = rest(environ, process)
    enriched = sum(
        value for labels, value in said["wireroom_steps_total"].items() if ("stage", "enrich") in labels
    )
    files = {path.name for path in (Path(environ["WIREROOM_HOME"]) / "run" / "metrics").iterdir()}
    before = {pid for pid, words in processes_of(environ).items() if "enrich" in words}
    for pid in sorted(before)[1:]:  # the first is their parent
        os.kill(pid, signal.SIGKILL)
    while len({pid for pid, words in processes_of(environ).items() if "enrich" in words}) < len(before):
        assert process.poll() is None
    assert run(environ, "feeds", "poll", web.feeds[0], "--force").returncode == 0
    again = rest(environ, process)
    process.send_signal(signal.SIGINT)
    assert process.wait(STOP_S) == 0
    assert enriched >= web.expected.articles
    assert summed(again["wireroom_steps_total"], "stage")["enrich"] >= enriched
    assert {path.name for path in (Path(environ["WIREROOM_HOME"]) / "run" / "metrics").iterdir()} <= files | {
        "histogram_up-main.db",
        "counter_up-main.db",
    }


def test_an_address_that_is_taken_is_one_line(environ: Mapping[str, str], tmp_path: Path) -> None:
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", int(environ["WIREROOM_METRICS_ADDRESS"])))
        taken.listen()
        ran = run(environ, "up", "--until-idle")
    assert ran.returncode == 1
    assert ran.stderr.splitlines()[-1].startswith("wireroom: metrics cannot be served on 127.0.0.1, port ")


def test_without_the_setting_nothing_is_served_or_kept(
    environ: Mapping[str, str], web: SampleWeb, tmp_path: Path
) -> None:
    watch(environ, web, tmp_path)
    silent = {**environ, "WIREROOM_METRICS_ADDRESS": ""}
    assert start_up(silent, "--until-idle", "--timeout", "120").wait() == 0
    assert not (Path(environ["WIREROOM_HOME"]) / "run" / "metrics").exists()
