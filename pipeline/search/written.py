"""A search as a person wrote it, so that it can be repeated, compared and cited."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from pipeline.search.query import Clock
from pipeline.search.request import MARKS, SearchRequest, Sort, read_request


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenSearch:
    """Hold the query and the filters as written; dates are not resolved yet."""

    query: str
    since: str | None = None
    until: str | None = None
    by: Clock = Clock.FIRST_SEEN
    language: tuple[str, ...] = ()
    outlet: tuple[str, ...] = ()
    entity: tuple[str, ...] = ()
    tag: tuple[str, ...] = ()
    tz: str = "UTC"


def read_written(
    written: WrittenSearch,
    *,
    now: float,
    sort: Sort = Sort.NEWEST,
    size: int = 0,
    after: str | None = None,
    facets: Sequence[str] = (),
    significant: Sequence[str] = (),
    recent: bool = False,
    marks: tuple[str, str] = MARKS,
) -> SearchRequest:
    """Read a written search; dates are resolved now. Raises QueryError."""
    return read_request(
        written.query, now=now, since=written.since, until=written.until, by=written.by, tz=written.tz,
        language=written.language, outlet=written.outlet, entity=written.entity, tag=written.tag,
        sort=sort, size=size, after=after, facets=facets, significant=significant, recent=recent, marks=marks,
    )  # fmt: skip


def search_digest(written: WrittenSearch) -> str:
    """Digest a search as written, in hex: `7d` is the same search tomorrow."""
    return hashlib.sha256(json.dumps(asdict(written), sort_keys=True).encode()).hexdigest()


def filters_json(written: WrittenSearch) -> dict[str, Any]:
    """Render the filters that were written, and leave out those that were not."""
    return {name: value for name, value in asdict(written).items() if value and name != "query"}
