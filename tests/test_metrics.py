"""The metrics' names and labels: what the page says is what there is, and alarms ask for nothing else."""

import re
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from pipeline.metrics.contract import CONTRACT, Kind, Metric, Place
from pipeline.metrics.meters import Meters, slug_label
from pipeline.model import Stage
from pipeline.store.events import Happening
from tests.test_docs import OPERATING, ROOT, first_cells, rows

PAGE = ROOT / "docs" / "metrics.md"
ALERTS = ROOT / "deploy" / "alerts.yml"
SECTIONS = {
    Place.STORE: "From the store",
    Place.WORKER: "From the processes at work",
    Place.MACHINE: "From the machine",
}
EXPOSED = {metric.exposed: metric for metric in CONTRACT}
WIDE_LABELS = {"feed", "host", "url", "article", "outlet"}


def alerts() -> list[dict[str, Any]]:
    loaded = YAML(typ="safe", pure=True).load(ALERTS)
    return [rule for group in loaded["groups"] for rule in group["rules"]]


def metric_of(name: str) -> Metric:
    """Find what a query asks for: a histogram goes by three names."""
    known = [EXPOSED.get(name), EXPOSED.get(re.sub(r"_(bucket|sum|count)$", "", name))]
    return next(metric for metric in known if metric is not None)


@pytest.mark.parametrize(("place", "heading"), SECTIONS.items())
def test_every_metric_is_told_with_its_kind_and_labels_and_no_other(place: Place, heading: str) -> None:
    told = {
        row[0].strip("| `"): (row[1], tuple(re.findall(r"`(\w+)`", row[2]))) for row in rows(PAGE, heading)
    }
    assert told == {each.exposed: (each.kind, each.labels) for each in CONTRACT if each.place is place}


def test_names_are_ours_and_used_once() -> None:
    names = [metric.name for metric in CONTRACT]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"wireroom_[a-z_]+[a-z]", name) for name in names)
    timed = [metric.name for metric in CONTRACT if metric.kind is Kind.HISTOGRAM]
    assert all(name.endswith("_seconds") for name in timed)


def test_no_label_grows_with_what_is_watched() -> None:
    assert {label for metric in CONTRACT for label in metric.labels} & WIDE_LABELS == set()


@pytest.mark.parametrize("rule", alerts(), ids=lambda rule: rule["alert"])
def test_an_alarm_asks_for_metrics_and_labels_that_there_are(rule: dict[str, Any]) -> None:
    asked = re.findall(r"(wireroom_\w+)(?:\{([^}]*)\})?", rule["expr"])
    assert asked or rule["expr"].startswith("up{")
    for name, chosen in asked:
        labels = set(re.findall(r"(\w+)\s*(?:=~|!=|!~|=)", chosen))
        assert labels <= set(metric_of(name).labels), name
    shown = set(re.findall(r"\$labels\.(\w+)", rule["annotations"]["summary"]))
    known = {label for name, _ in asked for label in metric_of(name).labels} | {"instance"}
    assert shown <= known


def test_every_alarm_is_explained_and_no_other() -> None:
    section = OPERATING.read_text().partition("### Alarms")[2].partition("\n## ")[0]
    told = re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE)
    assert told == [rule["alert"] for rule in alerts()]


def test_an_alarm_that_names_problems_names_those_of_status() -> None:
    named = re.findall(r'wireroom_problem\{slug=~"([^"]+)"', ALERTS.read_text())
    assert {slug for each in named for slug in each.split("|")} <= set(first_cells(OPERATING, "Problems"))


@pytest.mark.parametrize(
    ("slug", "label"),
    [
        (None, ""),
        ("robots", "robots"),
        ("duplicate", "duplicate"),
        ("http-404", "http-4xx"),
        ("http-999", "http-9xx"),
        ("http-4040", "other"),
        ("what a server wrote", "other"),
    ],
)
def test_a_slug_that_a_server_can_choose_makes_no_label_of_its_own(slug: str | None, label: str) -> None:
    assert slug_label(slug) == label


def test_steps_are_counted_by_stage_outcome_and_slug() -> None:
    meters = Meters()
    indexed = Happening(stage=Stage.INDEX, outcome="indexed", article_id="a")
    failed = Happening(stage=Stage.POLL, outcome="failed", slug="http-500", feed_id=1)
    meters.count_steps([indexed, indexed, failed])
    (family,) = meters.steps.collect()
    counted = {tuple(each.labels.values()): each.value for each in family.samples if "_total" in each.name}
    assert counted == {("index", "indexed", ""): 2.0, ("poll", "failed", "http-5xx"): 1.0}


def test_the_page_tells_the_outcomes_that_steps_have() -> None:
    source = "".join(path.read_text() for path in Path(ROOT / "pipeline" / "store").glob("*.py"))
    written = set(re.findall(r'outcome="([a-z-]+)"', source))
    told = set(re.findall(r"`([a-z-]+)`", PAGE.read_text().partition("Outcomes of steps:")[2]))
    assert written <= told
