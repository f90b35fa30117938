"""docs/kibana.md tells of every panel what it shows and with which fields."""

import re
from pathlib import Path

import pytest

from kibana.bundle import DASHBOARDS, SEARCHES
from kibana.declarations import Chart, Dashboard, Operation, Panel, fields_of, queries_of
from tests.kibana.test_fields import queried

PAGE = Path(__file__).parents[2] / "docs" / "kibana.md"

CHARTS = {
    Chart.NUMBER: "number",
    Chart.BARS: "bars",
    Chart.LINES: "lines",
    Chart.LYING_BARS: "lying bars",
    Chart.DONUT: "donut",
    Chart.TABLE: "table",
    Chart.CLOUD: "cloud",
}


def row(panel: Panel) -> str:
    """Write a panel as its row of the table."""
    used = dict.fromkeys(
        [*fields_of(panel), *(name for query in queries_of(panel) for name in sorted(queried(query)))]
    )
    if any(metric.operation is Operation.COUNT for metric in panel.metrics):
        used = {"(count)": None} | used
    return f"| {panel.title} | {CHARTS[panel.chart]} | {', '.join(_cell(name) for name in used)} |"


def _cell(name: str) -> str:
    return name if name == "(count)" else f"`{name}`"


def section(title: str) -> list[str]:
    """Give the rows of the table below a heading."""
    parts = re.split(r"^#+ (.+)$", PAGE.read_text(), flags=re.MULTILINE)
    text = parts[parts.index(title) + 1]
    return [line for line in text.splitlines() if line.startswith("| ")][1:]


@pytest.mark.parametrize("board", DASHBOARDS, ids=lambda board: board.id)
def test_every_panel_of_a_dashboard_is_told_with_its_fields(board: Dashboard) -> None:
    listings = [f"| {each.search.title} | list | see saved searches |" for each in board.listings]
    controls = ", ".join(f"`{control.field}`" for control in board.controls)
    expected = [f"| (controls) | lists to choose from | {controls} |", *map(row, board.panels), *listings]
    assert section(board.title.removeprefix("Wireroom: ")) == expected


def test_every_saved_search_is_told_with_its_columns() -> None:
    assert section("Saved searches") == [
        f"| {search.title} | {f'`{search.query}`' if search.query else 'all'} | "
        f"{', '.join(f'`{name}`' for name in search.columns)} |"
        for search in SEARCHES
    ]
