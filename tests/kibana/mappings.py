"""The fields that the shipped mappings have, as Kibana would see them."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kibana.declarations import DataView
from kibana.views import ARTICLES, EVENTS

FOLDER = Path(__file__).parents[2] / "pipeline" / "indexing"
FILES = {ARTICLES: "elasticsearch_mapping.json", EVENTS: "elasticsearch_events.json"}

AGGREGATABLE = frozenset({"keyword", "date", "date_nanos", "integer", "long", "float", "double", "boolean"})


@dataclass(frozen=True, slots=True)
class Field:
    type: str
    nested: bool


def fields(view: DataView) -> dict[str, Field]:
    """List the fields of the mapping behind a data view, multi-fields included, by their full names."""
    mapping = json.loads((FOLDER / FILES[view]).read_text())
    return dict(_walk(mapping["mappings"]["properties"], "", nested=False))


def _walk(properties: Mapping[str, Any], prefix: str, *, nested: bool) -> Iterator[tuple[str, Field]]:
    for name, each in properties.items():
        inside = nested or each.get("type") == "nested"
        yield from _walk(each.get("properties", {}), f"{prefix}{name}.", nested=inside)
        yield from _walk(each.get("fields", {}), f"{prefix}{name}.", nested=inside)
        if "properties" not in each:
            yield f"{prefix}{name}", Field(each["type"], inside)
