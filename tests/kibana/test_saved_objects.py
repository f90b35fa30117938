"""Every saved object has the shape that Kibana 8.16 and later imports; no live Kibana is asked."""

import json
from collections import Counter
from collections.abc import Mapping
from typing import Any

import pytest

from kibana.bundle import DASHBOARDS, SEARCHES, VIEWS, export, saved_objects
from kibana.declarations import GRID_COLUMNS, Chart, Dashboard

OBJECTS = saved_objects()
BOARDS = [each for each in OBJECTS if each["type"] == "dashboard"]
STRINGS_OF_JSON = frozenset(
    {
        "panelsJSON",
        "optionsJSON",
        "searchSourceJSON",
        "ignoreParentSettingsJSON",
        "fieldFormatMap",
        "runtimeFieldMap",
        "sourceFilters",
        "fieldAttrs",
    }
)
SHAPES = {
    "index-pattern": (
        {"title", "name", "timeFieldName", "fieldFormatMap", "runtimeFieldMap", "sourceFilters", "fieldAttrs",
         "allowHidden"},
        set(),
    ),
    "search": (
        {"title", "description", "columns", "sort", "grid", "hideChart", "isTextBasedQuery", "timeRestore",
         "kibanaSavedObjectMeta"},
        set(),
    ),
    "dashboard": (
        {"title", "description", "panelsJSON", "optionsJSON", "timeRestore", "timeFrom", "timeTo",
         "refreshInterval", "version", "kibanaSavedObjectMeta"},
        {"controlGroupInput"},
    ),
}  # fmt: skip
"""What each type must have, and what it may have besides."""

ACCESSORS = {
    "lnsMetric": {"layerId", "layerType", "metricAccessor"},
    "lnsDatatable": {"layerId", "layerType", "columns"},
    "lnsTagcloud": {"layerId", "layerType", "tagAccessor", "valueAccessor", "minFontSize", "maxFontSize"},
    "lnsPie": {"shape", "layers"},
    "lnsXY": {"layers", "preferredSeriesType", "legend", "valueLabels"},
}
COLUMN_KINDS = {
    "count": ("number", "ratio"),
    "unique_count": ("number", "ratio"),
    "median": ("number", "ratio"),
    "percentile": ("number", "ratio"),
    "max": ("date", "ratio"),
    "last_value": ("string", "ordinal"),
    "date_histogram": ("date", "interval"),
    "terms": ("string", "ordinal"),
    "filters": ("string", "ordinal"),
}


def panels(board: Mapping[str, Any]) -> list[dict[str, Any]]:
    read = json.loads(board["attributes"]["panelsJSON"])
    assert isinstance(read, list)
    return read


CHARTS = [
    pytest.param(panel, id=f"{board['id']}: {panel['panelIndex']}")
    for board in BOARDS
    for panel in panels(board)
    if panel["type"] == "lens"
]


def layer_of(panel: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    layers = panel["embeddableConfig"]["attributes"]["state"]["datasourceStates"]["formBased"]["layers"]
    ((name, layer),) = layers.items()
    return name, layer


def walk(value: Any) -> list[tuple[str, Any]]:
    """List every key with its value, at any depth."""
    if isinstance(value, Mapping):
        return [pair for key, each in value.items() for pair in ((key, each), *walk(each))]
    return [pair for each in value for pair in walk(each)] if isinstance(value, list) else []


def test_an_export_is_one_object_a_line_and_a_summary() -> None:
    *objects, summary = (json.loads(line) for line in export().splitlines())
    assert tuple(objects) == OBJECTS
    assert summary == {
        "excludedObjects": [],
        "excludedObjectsCount": 0,
        "exportedCount": len(VIEWS) + len(SEARCHES) + len(DASHBOARDS),
        "missingRefCount": 0,
        "missingReferences": [],
    }


def test_ids_are_unique_lower_case_and_ours() -> None:
    ids = [each["id"] for each in OBJECTS]
    assert len(set(ids)) == len(ids)
    assert all(each == each.lower() and each.startswith("wireroom-") for each in ids)


def test_the_data_views_have_the_ids_that_others_refer_to() -> None:
    views = {each["id"]: each["attributes"] for each in OBJECTS if each["type"] == "index-pattern"}
    assert {id: view["title"] for id, view in views.items()} == {
        "wireroom-articles": "wireroom-articles",
        "wireroom-events": "wireroom-events",
    }
    assert {view["timeFieldName"] for view in views.values()} == {"@timestamp"}


@pytest.mark.parametrize("each", OBJECTS, ids=lambda each: each["id"])
def test_an_object_has_the_attributes_and_versions_of_its_type(each: dict[str, Any]) -> None:
    must, may = SHAPES[each["type"]]
    assert each["attributes"].keys() - may == must
    assert each.keys() == {
        "type", "id", "attributes", "references", "managed", "coreMigrationVersion", "typeMigrationVersion"
    }  # fmt: skip
    assert each["coreMigrationVersion"] == "8.8.0"
    newest = {"index-pattern": "8.0.0", "search": "10.3.0", "dashboard": "10.2.0"}
    assert each["typeMigrationVersion"] == newest[each["type"]]


@pytest.mark.parametrize("each", OBJECTS, ids=lambda each: each["id"])
def test_json_inside_is_text_that_parses(each: dict[str, Any]) -> None:
    found = [(key, value) for key, value in walk(each["attributes"]) if key in STRINGS_OF_JSON]
    assert found
    for _, value in found:
        assert isinstance(value, str)
        json.loads(value)


@pytest.mark.parametrize("each", OBJECTS, ids=lambda each: each["id"])
def test_every_reference_leads_into_the_bundle_and_has_a_name_of_its_own(each: dict[str, Any]) -> None:
    there = {(other["type"], other["id"]) for other in OBJECTS}
    assert {(ref["type"], ref["id"]) for ref in each["references"]} <= there
    names = Counter(ref["name"] for ref in each["references"])
    assert set(names.values()) <= {1}


def expected_names(board: Mapping[str, Any]) -> set[str]:
    """Work out which references a dashboard's panels and controls need."""
    needed = set()
    for panel in panels(board):
        if panel["type"] == "search":
            needed.add(f"{panel['panelIndex']}:{panel['panelRefName']}")
        else:
            needed.add(f"{panel['panelIndex']}:indexpattern-datasource-layer-{layer_of(panel)[0]}")
    controls = json.loads(board["attributes"].get("controlGroupInput", {}).get("panelsJSON", "{}"))
    return needed | {f"controlGroup_{id}:optionsListDataView" for id in controls}


@pytest.mark.parametrize("board", BOARDS, ids=lambda board: board["id"])
def test_a_dashboard_refers_to_what_its_panels_use_and_to_nothing_else(board: dict[str, Any]) -> None:
    assert {ref["name"] for ref in board["references"]} == expected_names(board)


@pytest.mark.parametrize(
    "each", [each for each in OBJECTS if each["type"] == "search"], ids=lambda each: each["id"]
)
def test_a_saved_search_uses_its_one_reference(each: dict[str, Any]) -> None:
    source = json.loads(each["attributes"]["kibanaSavedObjectMeta"]["searchSourceJSON"])
    assert [ref["name"] for ref in each["references"]] == [source["indexRefName"]]


@pytest.mark.parametrize("panel", CHARTS)
def test_a_chart_refers_to_its_data_view_by_its_layer(panel: dict[str, Any]) -> None:
    (reference,) = panel["embeddableConfig"]["attributes"]["references"]
    assert reference["name"] == f"indexpattern-datasource-layer-{layer_of(panel)[0]}"


@pytest.mark.parametrize("board", BOARDS, ids=lambda board: board["id"])
def test_panels_fit_the_grid_and_do_not_overlap(board: dict[str, Any]) -> None:
    taken: set[tuple[int, int]] = set()
    for panel in panels(board):
        grid = panel["gridData"]
        assert grid["i"] == panel["panelIndex"]
        assert grid["w"] > 0
        assert grid["h"] > 0
        assert grid["x"] + grid["w"] <= GRID_COLUMNS
        cells = {
            (x, y)
            for x in range(grid["x"], grid["x"] + grid["w"])
            for y in range(grid["y"], grid["y"] + grid["h"])
        }
        assert not cells & taken
        taken |= cells
    height = max(y for _, y in taken) + 1
    assert len(taken) == height * GRID_COLUMNS  # no holes either


@pytest.mark.parametrize("board", DASHBOARDS, ids=lambda board: board.id)
def test_panels_of_a_dashboard_have_ids_titles_and_descriptions(board: Dashboard) -> None:
    ids = [panel.id for panel in board.panels] + [each.id for each in board.listings]
    assert len(set(ids)) == len(ids)
    assert board.description
    assert all(panel.title and panel.description for panel in board.panels)
    assert all(each.search.description for each in board.listings)


@pytest.mark.parametrize("board", BOARDS, ids=lambda board: board["id"])
def test_a_dashboard_opens_on_a_time_range_of_its_own(board: dict[str, Any]) -> None:
    attributes = board["attributes"]
    assert attributes["timeRestore"] is True
    assert attributes["timeFrom"].startswith("now-")
    assert attributes["timeTo"] == "now"


@pytest.mark.parametrize("panel", CHARTS)
def test_a_chart_is_by_value_with_columns_of_the_shape_that_lens_keeps(panel: dict[str, Any]) -> None:
    attributes = panel["embeddableConfig"]["attributes"]
    assert attributes["type"] == "lens"
    assert attributes["state"].keys() == {
        "datasourceStates", "visualization", "query", "filters", "internalReferences", "adHocDataViews"
    }  # fmt: skip
    _, layer = layer_of(panel)
    assert layer["columnOrder"] == list(layer["columns"])
    buckets = [column["isBucketed"] for column in layer["columns"].values()]
    assert buckets == sorted(buckets, reverse=True)  # Lens wants buckets first
    for column in layer["columns"].values():
        assert (column["dataType"], column["scale"]) == COLUMN_KINDS[column["operationType"]]
        if column["operationType"] == "count":
            assert column["sourceField"] == "___records___"
        ranked = column["params"].get("orderBy", {})
        assert ranked.get("columnId", "metric0") in layer["columns"]


@pytest.mark.parametrize("panel", CHARTS)
def test_a_chart_shows_every_column_and_no_other(panel: dict[str, Any]) -> None:
    attributes = panel["embeddableConfig"]["attributes"]
    shown = attributes["state"]["visualization"]
    assert shown.keys() >= ACCESSORS[attributes["visualizationType"]]
    layer_id, layer = layer_of(panel)
    named: list[str] = []
    for key, value in walk(shown):
        if key == "layerId":
            assert value == layer_id
        elif key.lower().endswith("accessor") or key == "columnId":
            named.append(value)
        elif key in ("accessors", "primaryGroups", "metrics"):
            named += value
    assert sorted(named) == sorted(layer["columns"])


def test_every_chart_of_the_vocabulary_is_used() -> None:
    assert {panel.chart for board in DASHBOARDS for panel in board.panels} == set(Chart)
