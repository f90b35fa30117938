"""The words in which dashboards are written: data views, panels in rows, saved searches, controls."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

GRID_COLUMNS = 48
"""Width of a Kibana dashboard; widths of panels are counted in these."""


class Chart(StrEnum):
    """Name the charts of Lens that are used, as Lens names them."""

    NUMBER = "lnsMetric"
    BARS = "lnsXY:bar_stacked"
    LINES = "lnsXY:line"
    LYING_BARS = "lnsXY:bar_horizontal"
    DONUT = "lnsPie"
    TABLE = "lnsDatatable"
    CLOUD = "lnsTagcloud"


class Operation(StrEnum):
    """Name what Lens computes for a metric, as Lens names it."""

    COUNT = "count"
    UNIQUE = "unique_count"
    MEDIAN = "median"
    PERCENTILE_95 = "percentile"
    MAX = "max"
    LAST = "last_value"


@dataclass(frozen=True, slots=True, kw_only=True)
class DataView:
    """Name an alias or data stream that Kibana reads, under an id that never changes."""

    id: str
    index: str
    name: str
    time_field: str
    links: tuple[str, ...] = ()  # fields shown as links
    durations: tuple[str, ...] = ()  # fields in seconds, shown as `3 min`


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """Say what is computed; `only` is KQL that narrows this metric alone."""

    label: str
    operation: Operation = Operation.COUNT
    field: str | None = None
    only: str = ""
    is_date: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class OverTime:
    """Split by the data view's time, in steps that fit the range."""

    label: str = "time"


@dataclass(frozen=True, slots=True, kw_only=True)
class Top:
    """Split by a field's most frequent values, or by those that stand out against all that is indexed."""

    label: str
    field: str
    size: int = 10
    significant: bool = False
    others: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """Split by questions in KQL, each under its name; one document may answer to several."""

    label: str
    queries: tuple[tuple[str, str], ...]


Split = OverTime | Top | Named


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """Declare a chart. The first split is its axis, rows or tags; a second one colours its parts."""

    id: str
    title: str
    description: str
    chart: Chart
    view: DataView
    width: int
    metrics: tuple[Metric, ...] = (Metric(label="articles"),)
    splits: tuple[Split, ...] = ()
    query: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedSearch:
    """Declare a list of documents, which Discover opens too; newest first."""

    id: str
    title: str
    description: str
    view: DataView
    columns: tuple[str, ...]
    query: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """Put a saved search on a dashboard."""

    id: str
    search: SavedSearch
    width: int = GRID_COLUMNS


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """Put panels side by side, all of one height (a unit is some 20 pixels)."""

    height: int
    panels: tuple[Panel | Listing, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Control:
    """Declare a list from which the reader chooses values of a field."""

    id: str
    title: str
    field: str
    view: DataView


@dataclass(frozen=True, slots=True, kw_only=True)
class Dashboard:
    """Declare a dashboard; `since` is how far back it looks when it is opened, as Kibana writes it."""

    id: str
    title: str
    description: str
    since: str
    rows: tuple[Row, ...]
    controls: tuple[Control, ...] = ()

    @property
    def panels(self) -> tuple[Panel, ...]:
        """List the charts, in reading order."""
        return tuple(each for row in self.rows for each in row.panels if isinstance(each, Panel))

    @property
    def listings(self) -> tuple[Listing, ...]:
        """List the saved searches that are shown, in reading order."""
        return tuple(each for row in self.rows for each in row.panels if isinstance(each, Listing))


def fields_of(panel: Panel) -> Iterator[str]:
    """Yield the fields that a chart computes with, those of its queries left out."""
    for split in panel.splits:
        if isinstance(split, OverTime):
            yield panel.view.time_field
        elif isinstance(split, Top):
            yield split.field
    for metric in panel.metrics:
        if metric.field:
            yield metric.field


def queries_of(panel: Panel) -> Iterator[str]:
    """Yield the KQL of a chart, of its metrics and of its splits."""
    named = (query for split in panel.splits if isinstance(split, Named) for _, query in split.queries)
    yield from (each for each in (panel.query, *(metric.only for metric in panel.metrics), *named) if each)
