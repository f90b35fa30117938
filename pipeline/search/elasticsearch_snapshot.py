"""Read one generation in Elasticsearch as it was at one moment: a point in time, paged by `search_after`."""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from pipeline.errors import WireroomError
from pipeline.indexing.index import Edition
from pipeline.search.elasticsearch_hits import SHOWN, read_hit
from pipeline.search.elasticsearch_pages import sort_clauses
from pipeline.search.elasticsearch_query import request_query
from pipeline.search.request import Hit, SearchRequest

KEPT: Final = "10m"  # between two pages: as long as a slow reader of the rows may take for a thousand
SCAN_PAGE: Final = 1_000  # hits read at a time, without their texts 1 MB; the server's limit is 10,000
INDEX: Final = re.compile(r"wireroom-articles-(?P<generation>.+)-\d{4}-\d{2}")

Clause = dict[str, Any]
Answer = Mapping[str, Any]


class ElasticsearchSnapshot:
    """Keep the promises of `indexing.index.Snapshot`. `ask` names no index: a point in time has its own."""

    def __init__(self, ask: Callable[[Clause], Answer], point: str, edition: Edition) -> None:
        self._ask = ask
        self.point = point  # the id to go on with: any answer may name another
        self.edition = edition

    def scan(self, request: SearchRequest) -> Iterator[Hit]:
        body: Clause = {
            "query": request_query(request),
            "track_total_hits": False,
            "size": SCAN_PAGE,
            "sort": sort_clauses(request),
            "_source": list(SHOWN),
        }
        found: list[Mapping[str, Any]] = []
        while not found or len(found) == SCAN_PAGE:
            after = {"search_after": found[-1]["sort"]} if found else {}
            answer = self._ask({**body, **after, "pit": {"id": self.point, "keep_alive": KEPT}})
            self.point = answer["pit_id"]
            found = answer["hits"]["hits"]
            if not found:
                return
            for each in found:
                yield read_hit(each, marks=("", ""))


def exposed_edition(indices: Mapping[str, Any]) -> Edition:
    """Read out of the indices behind the read alias which generation they are. Raises WireroomError when they
    are none, or those of several."""
    names = {name: INDEX.fullmatch(name) for name in indices}
    generations = {match["generation"] for match in names.values() if match}
    if len(generations) != 1 or None in names.values():
        found = ", ".join(sorted(names)) or "nothing"
        raise WireroomError(f"the alias wireroom-articles stands for {found}, not for one generation of ours")
    metas = [index.get("mappings", {}).get("_meta", {}) for index in indices.values()]
    return Edition("elasticsearch", generations.pop(), min(meta.get("mapping_version", 0) for meta in metas))
