"""Order and page through hits in Elasticsearch: sort clauses with a unique end, and positions after them."""

from collections.abc import Mapping
from typing import Any, Final

from pipeline.errors import QueryError
from pipeline.search.cursor import REFUSED, Position
from pipeline.search.query import Clock
from pipeline.search.request import SearchRequest, Sort

FIRST_SEEN: Final = "event.created"
PUBLISHED: Final = "published.at"

Clause = dict[str, Any]


def sort_clauses(request: SearchRequest) -> list[Clause]:
    """List what hits are sorted by: equal ranks stand newest first, articles without the date last."""
    tie = {"event.id": {"order": "asc"}}
    if request.sort is Sort.RELEVANCE:
        return [{"_score": {"order": "desc"}}, {FIRST_SEEN: {"order": "desc"}}, tie]
    order = "asc" if request.sort is Sort.OLDEST else "desc"
    seen = {FIRST_SEEN: {"order": order}}
    if request.by is Clock.FIRST_SEEN:
        return [seen, tie]
    return [{PUBLISHED: {"order": order, "missing": "_last"}}, seen, tie]


def page_clauses(request: SearchRequest) -> Clause:
    """Build what a page asks for: one hit more than it shows, which tells whether there is a next page."""
    if not request.size:
        return {"size": 0}
    after = {} if request.position is None else {"search_after": _after(request)}
    return {"size": request.size + 1, "sort": sort_clauses(request), **after}


def _after(request: SearchRequest) -> list[int | float | str]:
    position = list(request.position or ())
    if len(position) != len(sort_clauses(request)) or not isinstance(position[-1], str):
        raise QueryError(REFUSED)
    return position


def next_position(request: SearchRequest, found: list[Mapping[str, Any]]) -> Position | None:
    """Tell where the next page begins; None after the last."""
    return tuple(found[request.size - 1]["sort"]) if 0 < request.size < len(found) else None
