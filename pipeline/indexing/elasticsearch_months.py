"""Name the indices of a generation, and read which there are: one for each month of first sight."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from time import gmtime, strftime
from typing import Any, Final

from elasticsearch import ApiError, NotFoundError

from pipeline.errors import IndexUnavailableError
from pipeline.indexing.elasticsearch_client import Connection, reason
from pipeline.indexing.elasticsearch_source import mapping_file
from pipeline.indexing.elasticsearch_templates import ALIAS, article_mappings, mapping_version

OURS: Final = re.compile(rf"{ALIAS}-(?P<generation>.+)-(?P<month>\d{{4}}-\d{{2}})")
MOST_FIELDS: Final = 100  # as many as the mapping has
AT_REST: Final = {"refresh_interval": "-1", "auto_expand_replicas": False, "number_of_replicas": 0}
"""Of a generation that nobody searches: it is filled faster, and its copies are made when it is exposed."""


@dataclass(frozen=True, slots=True)
class Month:
    """Name one physical index."""

    generation: str
    month: str

    @property
    def index(self) -> str:
        return f"{ALIAS}-{self.generation}-{self.month}"

    @property
    def alias(self) -> str:
        """Name the alias by which it is written."""
        return f"wireroom-write-{self.generation}-{self.month}"


def month_of(at: float) -> str:
    """Tell the month of a time, UTC."""
    return strftime("%Y-%m", gmtime(at))


def read_month(index: str) -> Month | None:
    """Read an index's name; None when it is none of ours."""
    matched = OURS.fullmatch(index)
    return Month(matched["generation"], matched["month"]) if matched else None


def months(connection: Connection) -> tuple[Month, ...]:
    """List all indices of ours."""
    with connection.asking():
        found = connection.client.indices.get_alias(index=f"{ALIAS}-*", expand_wildcards="all")
    return tuple(month for index in sorted(found) if (month := read_month(index)))


def exposed_months(connection: Connection) -> tuple[Month, ...]:
    """List the indices that carry the read alias.

    Raises IndexUnavailableError when somebody else's index has the alias or its name.
    """
    with connection.asking():
        try:
            found = connection.client.indices.get_alias(name=ALIAS)
        except NotFoundError:
            found = {}  # type: ignore[assignment]
            if connection.client.indices.exists(index=ALIAS):
                raise IndexUnavailableError(_taken(connection, f"an index is called {ALIAS}")) from None
    listed = [(index, read_month(index)) for index in sorted(found)]
    foreign = [index for index, month in listed if month is None]
    if foreign:
        raise IndexUnavailableError(
            _taken(connection, f"the alias {ALIAS} leads to {', '.join(foreign)}, too, which is not ours")
        )
    return tuple(month for _, month in listed if month)


def ignored_values(connection: Connection) -> dict[str, int]:
    """Count, by field, the articles with a value that is too long, or of another kind: it is shown, yet
    neither found nor counted by that field."""
    with connection.asking():
        found = connection.client.search(
            index=ALIAS,
            size=0,
            aggs={"fields": {"terms": {"field": "_ignored", "size": MOST_FIELDS}}},
            allow_partial_search_results=False,
        )
    return {each["key"]: each["doc_count"] for each in found["aggregations"]["fields"]["buckets"]}


def create_month(connection: Connection, month: Month, *, exposed: bool) -> None:
    """Make an index with its aliases in one call; nothing when it is there already.

    Mapping and settings are part of the call, so that no template of another can change them.
    """
    settings = dict(mapping_file()["settings"]["index"])
    aliases: dict[str, Any] = {month.alias: {}}
    if exposed:
        aliases[ALIAS] = {}
    else:
        settings |= AT_REST
    with connection.asking():
        try:
            connection.client.indices.create(
                index=month.index,
                aliases=aliases,
                mappings=article_mappings(),
                settings={"index": settings},
                wait_for_active_shards=1,
            )
        except ApiError as error:
            if "resource_already_exists" in reason(error.body):
                return
            if "invalid_alias_name" in reason(error.body) or "invalid_index_name" in reason(error.body):
                raise IndexUnavailableError(_taken(connection, reason(error.body))) from None
            raise


def is_current(connection: Connection, some: Sequence[Month]) -> bool:
    """Tell whether indices have the present mapping and their aliases for writing."""
    with connection.asking():
        found = connection.client.indices.get(
            index=[month.index for month in some],
            filter_path=["*.mappings._meta", "*.aliases"],
        )
    for month in some:
        each = found.get(month.index, {})
        version = each.get("mappings", {}).get("_meta", {}).get("mapping_version")
        if version != mapping_version() or month.alias not in each.get("aliases", {}):
            return False
    return True


def _taken(connection: Connection, how: str) -> str:
    return (
        f"Elasticsearch at {connection.shown}: {how}; Wireroom reads by that name: "
        "delete or rename what is not Wireroom's"
    )
