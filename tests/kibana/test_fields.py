"""Every field that a dashboard uses is in the shipped mapping, and Kibana can compute with it."""

import ast
import re
from pathlib import Path

import pytest

from kibana.bundle import DASHBOARDS, SEARCHES, VIEWS
from kibana.declarations import (
    Control,
    Dashboard,
    DataView,
    Operation,
    Panel,
    SavedSearch,
    fields_of,
    queries_of,
)
from kibana.news import NEWS_OVERVIEW
from tests.kibana.mappings import AGGREGATABLE, fields

PIPELINE = Path(__file__).parents[2] / "pipeline"
KQL_FIELD = re.compile(r"([\w@.]+)\s*:")
KQL_OUTCOME = re.compile(r"event\.outcome:\s*(?:\(([^)]*)\)|([\w-]+))")

PANELS = [pytest.param(panel, id=f"{board.id}: {panel.id}") for board in DASHBOARDS for panel in board.panels]
CONTROLS = [
    pytest.param(control, id=f"{board.id}: {control.id}")
    for board in DASHBOARDS
    for control in board.controls
]


def queried(query: str) -> set[str]:
    """Name the fields of a KQL query."""
    return set(KQL_FIELD.findall(query))


@pytest.mark.parametrize("panel", PANELS)
def test_a_panel_computes_with_fields_that_can_be_aggregated(panel: Panel) -> None:
    known = fields(panel.view)
    used = set(fields_of(panel))
    assert used <= known.keys()
    assert {name for name in used if known[name].type not in AGGREGATABLE or known[name].nested} == set()


@pytest.mark.parametrize("panel", PANELS)
def test_numbers_are_computed_of_numbers_and_dates(panel: Panel) -> None:
    known = fields(panel.view)
    for metric in panel.metrics:
        if metric.operation in (Operation.MEDIAN, Operation.PERCENTILE_95):
            assert metric.field
            assert known[metric.field].type in ("integer", "long", "float", "double")
        assert metric.is_date == (metric.operation is Operation.MAX)
        if metric.is_date:
            assert known[metric.field or ""].type in ("date", "date_nanos")


@pytest.mark.parametrize("panel", PANELS)
def test_a_panel_asks_for_fields_that_exist(panel: Panel) -> None:
    known = fields(panel.view)
    used = {name for query in queries_of(panel) for name in queried(query)}
    assert used <= known.keys()
    assert {name for name in used if known[name].nested} == set()


@pytest.mark.parametrize("search", SEARCHES, ids=lambda search: search.id)
def test_a_saved_search_shows_and_asks_for_fields_that_exist(search: SavedSearch) -> None:
    known = fields(search.view)
    used = {*search.columns, *queried(search.query)}
    assert used <= known.keys()
    assert {name for name in used if known[name].nested} == set()


@pytest.mark.parametrize("control", CONTROLS)
def test_a_control_lists_values_of_a_keyword(control: Control) -> None:
    field = fields(control.view)[control.field]
    assert (field.type, field.nested) == ("keyword", False)


@pytest.mark.parametrize("board", DASHBOARDS, ids=lambda board: board.id)
def test_facets_show_names_as_they_are_written(board: Dashboard) -> None:
    shown = {name for panel in board.panels for name in fields_of(panel)} | {
        control.field for control in board.controls
    }
    entities = {name for name in shown if name.startswith("entities.")}
    assert entities <= {f"entities.{label}" for label in ("person", "organization", "place", "all")}


@pytest.mark.parametrize("view", VIEWS, ids=lambda view: view.id)
def test_a_data_view_tells_time_and_formats_by_fields_that_exist(view: DataView) -> None:
    known = fields(view)
    assert known[view.time_field].type == "date"
    assert {known[name].type for name in view.links} == {"keyword"}
    assert {known[name].type for name in view.durations} == {"float"}


def test_the_mapping_has_a_nested_field_that_none_of_this_would_pass() -> None:
    known = fields(NEWS_OVERVIEW.panels[0].view)
    assert known["mentions.text"].nested
    assert known["body"].type not in AGGREGATABLE


def test_every_outcome_that_is_asked_for_is_one_that_the_pipeline_records() -> None:
    queries = [query for board in DASHBOARDS for panel in board.panels for query in queries_of(panel)]
    queries += [search.query for search in SEARCHES]
    asked = {
        word
        for query in queries
        for several, one in KQL_OUTCOME.findall(query)
        for word in (several.split(" or ") if several else [one])
    }
    assert asked
    assert asked <= recorded_outcomes()


def recorded_outcomes() -> set[str]:
    """Read from the source which words become the outcome of an event."""
    found: set[str] = set()
    for path in (PIPELINE / "store").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.keyword | ast.Assign) and "outcome" in named(node):
                words = (each.value for each in ast.walk(node.value) if isinstance(each, ast.Constant))
                found |= {word for word in words if isinstance(word, str)}
    return found


def named(node: ast.keyword | ast.Assign) -> set[str]:
    """Name what a keyword argument or an assignment gives a value to."""
    if isinstance(node, ast.keyword):
        return {node.arg or ""}
    return {ast.unparse(target) for target in node.targets}
