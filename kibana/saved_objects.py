"""Saved objects, as Kibana imports them: one JSON object a line.

They carry the versions that Kibana wrote before 8.16 (as in pfelk's dashboards of 2024): an import goes into
the same or a newer version, never into an older one, and 8.16 is the oldest that Wireroom serves.
"""

import json
from collections.abc import Iterable, Iterator
from typing import Any

from kibana.declarations import Control, Dashboard, DataView, Listing, Panel, SavedSearch
from kibana.lens import Json, kuery, lens_attributes, reference

CORE_VERSION = "8.8.0"
TYPE_VERSIONS = {"index-pattern": "8.0.0", "search": "10.3.0", "dashboard": "10.2.0"}

PANEL_VERSION = "8.10.2"
"""As in dashboards of 8.10: without it, Kibana 8.x may take a chart's state for an ancient one."""

SEARCH_SOURCE = "kibanaSavedObjectMeta.searchSourceJSON.index"
REFRESH = {"pause": True, "value": 60_000}


def ndjson(objects: Iterable[Json]) -> str:
    """Write saved objects as an export file, with the summary that ends one."""
    lines = list(objects)
    summary = {
        "excludedObjects": [],
        "excludedObjectsCount": 0,
        "exportedCount": len(lines),
        "missingRefCount": 0,
        "missingReferences": [],
    }
    return "".join(_compact(each) + "\n" for each in (*lines, summary))


def data_view(view: DataView) -> Json:
    """Write a data view; its list of fields is Kibana's own to read from the index."""
    formats: dict[str, Any] = {field: {"id": "url", "params": {"type": "a"}} for field in view.links}
    lasting = {"inputFormat": "seconds", "outputFormat": "humanizePrecise", "outputPrecision": 1}
    formats |= {field: {"id": "duration", "params": lasting} for field in view.durations}
    attributes = {
        "title": view.index,
        "name": view.name,
        "timeFieldName": view.time_field,
        "fieldFormatMap": _compact(formats),
        "runtimeFieldMap": "{}",
        "sourceFilters": "[]",
        "fieldAttrs": "{}",
        "allowHidden": False,
    }
    return _object("index-pattern", view.id, attributes, [])


def saved_search(search: SavedSearch) -> Json:
    """Write a saved search."""
    source = {"query": kuery(search.query), "filter": [], "highlightAll": True, "indexRefName": SEARCH_SOURCE}
    attributes = {
        "title": search.title,
        "description": search.description,
        "columns": list(search.columns),
        "sort": [[search.view.time_field, "desc"]],
        "grid": {},
        "hideChart": False,
        "isTextBasedQuery": False,
        "timeRestore": False,
        "kibanaSavedObjectMeta": {"searchSourceJSON": _compact(source)},
    }
    refers = {"type": "index-pattern", "id": search.view.id, "name": SEARCH_SOURCE}
    return _object("search", search.id, attributes, [refers])


def dashboard(board: Dashboard) -> Json:
    """Write a dashboard: charts by value, saved searches by reference."""
    attributes: Json = {
        "title": board.title,
        "description": board.description,
        "panelsJSON": _compact(list(_panels(board))),
        "optionsJSON": _compact({"useMargins": True, "syncColors": True, "hidePanelTitles": False}),
        "timeRestore": True,
        "timeFrom": board.since,
        "timeTo": "now",
        "refreshInterval": REFRESH,
        "version": 1,
        "kibanaSavedObjectMeta": {"searchSourceJSON": _compact({"query": kuery(""), "filter": []})},
    }
    if board.controls:
        attributes["controlGroupInput"] = _controls(board.controls)
    charts = [reference(panel.view, panel.id) for panel in board.panels]
    lists = [
        {"type": "search", "id": each.search.id, "name": f"{each.id}:panel_{each.id}"}
        for each in board.listings
    ]
    chosen = [
        {"type": "index-pattern", "id": each.view.id, "name": f"controlGroup_{each.id}:optionsListDataView"}
        for each in board.controls
    ]
    return _object("dashboard", board.id, attributes, charts + lists + chosen)


def _object(kind: str, id: str, attributes: Json, references: list[Json]) -> Json:
    return {
        "type": kind,
        "id": id,
        "attributes": attributes,
        "references": references,
        "managed": False,
        "coreMigrationVersion": CORE_VERSION,
        "typeMigrationVersion": TYPE_VERSIONS[kind],
    }


def _panels(board: Dashboard) -> Iterator[Json]:
    top = 0
    for row in board.rows:
        left = 0
        for each in row.panels:
            grid = {"x": left, "y": top, "w": each.width, "h": row.height, "i": each.id}
            yield {"gridData": grid, "panelIndex": each.id, "version": PANEL_VERSION} | _shown(each)
            left += each.width
        top += row.height


def _shown(panel: Panel | Listing) -> Json:
    if isinstance(panel, Listing):
        return {
            "type": "search",
            "title": panel.search.title,
            "panelRefName": f"panel_{panel.id}",
            "embeddableConfig": {"enhancements": {}},
        }
    config = {"enhancements": {}, "hidePanelTitles": False, "attributes": lens_attributes(panel)}
    return {"type": "lens", "title": panel.title, "embeddableConfig": config}


def _controls(controls: Iterable[Control]) -> Json:
    heeded = ("ignoreFilters", "ignoreQuery", "ignoreTimerange", "ignoreValidations")
    return {
        "controlStyle": "oneLine",
        "chainingSystem": "HIERARCHICAL",
        "showApplySelections": False,
        "ignoreParentSettingsJSON": _compact(dict.fromkeys(heeded, False)),
        "panelsJSON": _compact({each.id: _control(each, order) for order, each in enumerate(controls)}),
    }


def _control(control: Control, order: int) -> Json:
    chosen = {
        "id": control.id,
        "fieldName": control.field,
        "title": control.title,
        "searchTechnique": "wildcard",
        "selectedOptions": [],
        "enhancements": {},
    }
    shown = {"type": "optionsListControl", "order": order, "grow": True, "width": "medium"}
    return shown | {"explicitInput": chosen}


def _compact(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
