"""Charts as Lens keeps them inside a dashboard (`formBased`, the shape since Kibana 8.6).

The shapes were read in dashboards that Kibana exported, elastic/integrations (nats, 8.10: XY, significant
terms) and pfelk (2024: tables, controls), and in Kibana's own Lens sources (tag cloud, ranking).
"""

from collections.abc import Mapping
from typing import Any

from kibana.declarations import Chart, DataView, Metric, Named, Operation, OverTime, Panel, Split, Top

LAYER = "layer"
"""Each chart has one layer; its name need be unique in its panel only."""

RECORDS = "___records___"
"""What a count counts: the field of no field."""

ROWS_SHOWN = 10

Json = dict[str, Any]


def lens_attributes(panel: Panel) -> Json:
    """Write a chart as the attributes of a by-value Lens panel."""
    columns = _columns(panel)
    return {
        "title": panel.title,
        "description": panel.description,
        "type": "lens",
        "visualizationType": panel.chart.partition(":")[0],
        "references": [reference(panel.view)],
        "state": {
            "datasourceStates": {"formBased": {"layers": {LAYER: _layer(columns)}}},
            "visualization": _visualization(panel),
            "query": kuery(panel.query),
            "filters": [],
            "internalReferences": [],
            "adHocDataViews": {},
        },
    }


def reference(view: DataView, panel_index: str = "") -> Json:
    """Refer to a data view, from a chart or from its dashboard, which repeats it under the panel's name."""
    prefix = f"{panel_index}:" if panel_index else ""
    return {"type": "index-pattern", "id": view.id, "name": f"{prefix}indexpattern-datasource-layer-{LAYER}"}


def kuery(query: str) -> Json:
    """Wrap KQL as Kibana does."""
    return {"language": "kuery", "query": query}


def _layer(columns: Mapping[str, Json]) -> Json:
    return {
        "columns": dict(columns),
        "columnOrder": list(columns),
        "ignoreGlobalFilters": False,
        "incompleteColumns": {},
    }


def _columns(panel: Panel) -> dict[str, Json]:
    """Name the columns `split0`, …, `metric0`, …; Lens wants the buckets before the metrics."""
    splits = {f"split{i}": _split(split, panel.view) for i, split in enumerate(panel.splits)}
    metrics = {f"metric{i}": _metric(metric, panel.view) for i, metric in enumerate(panel.metrics)}
    return splits | metrics


def _metric(metric: Metric, view: DataView) -> Json:
    is_last = metric.operation is Operation.LAST
    params: Json = {"emptyAsNull": True}
    if is_last:
        params = {"sortField": view.time_field, "showArrayValues": False}
    elif metric.operation is Operation.PERCENTILE_95:
        params = {"percentile": 95}
    elif metric.operation is Operation.MAX:
        params = {"emptyAsNull": False}
    column: Json = {
        "label": metric.label,
        "customLabel": True,
        "dataType": "string" if is_last else "date" if metric.is_date else "number",
        "operationType": str(metric.operation),
        "sourceField": metric.field or RECORDS,
        "isBucketed": False,
        "scale": "ordinal" if is_last else "ratio",
        "params": params,
    }
    return column | {"filter": kuery(metric.only)} if metric.only else column


def _split(split: Split, view: DataView) -> Json:
    column: Json = {"label": split.label, "customLabel": True, "isBucketed": True}
    match split:
        case OverTime():
            params: Json = {"interval": "auto", "includeEmptyRows": True, "dropPartials": False}
            kind = ("date", "date_histogram", "interval")
            column["sourceField"] = view.time_field
        case Top(field=field):
            params = _top_params(split)
            kind = ("string", "terms", "ordinal")
            column["sourceField"] = field
        case Named(queries=queries):
            params = {"filters": [{"label": label, "input": kuery(query)} for label, query in queries]}
            kind = ("string", "filters", "ordinal")
    return column | dict(zip(("dataType", "operationType", "scale"), kind, strict=True)) | {"params": params}


def _top_params(top: Top) -> Json:
    ranked = {"type": "significant"} if top.significant else {"type": "column", "columnId": "metric0"}
    return {
        "size": top.size,
        "orderBy": ranked,
        "orderDirection": "desc",
        "otherBucket": top.others,
        "missingBucket": False,
        "parentFormat": {"id": "terms"},
        "include": [],
        "exclude": [],
        "includeIsRegex": False,
        "excludeIsRegex": False,
    }


def _visualization(panel: Panel) -> Json:
    splits = [f"split{i}" for i in range(len(panel.splits))]
    metrics = [f"metric{i}" for i in range(len(panel.metrics))]
    layer: Json = {"layerId": LAYER, "layerType": "data"}
    match panel.chart:
        case Chart.NUMBER:
            return layer | {"metricAccessor": metrics[0]}
        case Chart.TABLE:
            shown = [{"columnId": each, "isTransposed": False} for each in (*splits, *metrics)]
            return layer | {"columns": shown, "paging": {"enabled": True, "size": ROWS_SHOWN}}
        case Chart.CLOUD:
            sizes = {"minFontSize": 14, "maxFontSize": 56, "orientation": "single", "showLabel": False}
            return layer | sizes | {"tagAccessor": splits[0], "valueAccessor": metrics[0]}
        case Chart.DONUT:
            shown_as = {"numberDisplay": "value", "categoryDisplay": "default", "legendDisplay": "default"}
            return {
                "shape": "donut",
                "layers": [layer | shown_as | {"primaryGroups": splits, "metrics": metrics}],
            }
        case Chart.BARS | Chart.LINES | Chart.LYING_BARS:
            return _axes(panel, layer, splits, metrics)


def _axes(panel: Panel, layer: Json, splits: list[str], metrics: list[str]) -> Json:
    series = panel.chart.partition(":")[2]
    drawn = layer | {"seriesType": series, "xAccessor": splits[0], "accessors": metrics}
    if len(splits) > 1:
        drawn["splitAccessor"] = splits[1]
    return {
        "layers": [drawn],
        "preferredSeriesType": series,
        "legend": {"isVisible": len(splits) > 1 or len(metrics) > 1, "position": "right"},
        "valueLabels": "show" if panel.chart is Chart.LYING_BARS else "hide",
        "fittingFunction": "None",
        "axisTitlesVisibilitySettings": {"x": False, "yLeft": False, "yRight": False},
    }
