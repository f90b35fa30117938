"""Search Elasticsearch."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any, Final
from zlib import crc32

from elastic_transport import TransportError
from elasticsearch import ApiError, AuthorizationException, BadRequestError, NotFoundError

from pipeline.errors import IndexAbsentError, IndexUnavailableError, QueryError, WireroomError
from pipeline.indexing.elasticsearch_client import Connection, reason
from pipeline.indexing.elasticsearch_templates import ALIAS
from pipeline.search.elasticsearch_facets import facet_clauses, form_clauses, read_facet, read_forms
from pipeline.search.elasticsearch_hits import SHOWN, highlight_clause, read_hit
from pipeline.search.elasticsearch_pages import next_position, page_clauses
from pipeline.search.elasticsearch_query import request_query
from pipeline.search.elasticsearch_significant import read_significant, significant_clauses, significant_keys
from pipeline.search.elasticsearch_snapshot import KEPT, ElasticsearchSnapshot, exposed_edition
from pipeline.search.request import Hit, Results, SearchRequest, Sort, next_cursor

SEARCH_S: Final = 20  # a search that takes longer ends with an error, on every shard
ANSWER_S: Final = 30.0  # for the answer to come, its way included
WHOLE: Final[Mapping[str, Any]] = {"allow_partial_search_results": False}

Clause = dict[str, Any]
Answer = Mapping[str, Any]


def open_searcher(connection: Connection, generation: str | None = None) -> "ElasticsearchSearcher":
    """Search what is exposed, or one generation; nothing is asked before the first search."""
    return ElasticsearchSearcher(connection, f"{ALIAS}-{generation}-*" if generation else ALIAS)


def search_body(request: SearchRequest) -> Clause:
    """Build the whole body of a search."""
    counted = {**facet_clauses(request), **significant_clauses(request)}
    return {
        "query": request_query(request),
        "track_total_hits": True,
        "timeout": f"{SEARCH_S}s",
        "_source": list(SHOWN),
        **page_clauses(request),
        **highlight_clause(request),
        **({"aggs": counted} if counted else {}),
    }


def search_options(request: SearchRequest) -> dict[str, Any]:
    """Build the parameters beside the body.

    The same search goes to the same copies of the shards, or equal pages might not be equal; where hits are
    ranked, a word weighs alike in the indices of all months.
    """
    copies = f"wireroom-{crc32(repr(request.query).encode('utf-8', 'surrogatepass')):08x}"
    alike = {"search_type": "dfs_query_then_fetch"} if request.sort is Sort.RELEVANCE and request.size else {}
    return {**WHOLE, "preference": copies, **alike}


class ElasticsearchSearcher:
    """Keep the promises of `indexing.index.Searcher` behind the read alias."""

    def __init__(self, connection: Connection, index: str = ALIAS) -> None:
        self._index = index
        self._connection = connection
        self._client = connection.client.options(request_timeout=ANSWER_S)

    def search(self, request: SearchRequest) -> Results:
        started = time.monotonic()
        answer = self._ask(search_body(request), request)
        counted: Answer = answer.get("aggregations", {})
        forms = self._forms(request, counted)
        found = answer["hits"]["hits"]
        position = next_position(request, found)
        ranked = request.sort is Sort.RELEVANCE
        return Results(
            total=answer["hits"]["total"]["value"],
            hits=tuple(read_hit(each, marks=request.marks, ranked=ranked) for each in found[: request.size]),
            next=None if position is None else next_cursor(request, position),
            facets=tuple(read_facet(name, counted, request.zone) for name in request.facets),
            significant=tuple(
                read_significant(name, counted, forms.get(name.value, {})) for name in request.significant
            ),
            took_ms=round((time.monotonic() - started) * 1000),
        )

    def get(self, id: str) -> Hit | None:
        body = {"query": {"term": {"event.id": id}}, "_source": list(SHOWN), "size": 1}
        found = self._ask(body)["hits"]["hits"]
        return read_hit(found[0], marks=("", "")) if found else None

    @contextmanager
    def snapshot(self) -> Iterator[ElasticsearchSnapshot]:
        with self._connection.asking(), _refusing():
            edition = exposed_edition(self._client.indices.get(index=ALIAS).body)
            indices = f"{ALIAS}-{edition.generation}-*"  # by name: the alias may move on in between
            with suppress(AuthorizationException):  # who may only read sees what came half a minute ago
                self._client.indices.refresh(index=indices)
            point = self._client.open_point_in_time(index=indices, keep_alive=KEPT).body["id"]
        opened = ElasticsearchSnapshot(self._ask, point, edition)
        try:
            yield opened
        finally:
            with suppress(ApiError, TransportError):  # it ends by itself
                self._client.close_point_in_time(id=opened.point)

    def _forms(self, request: SearchRequest, counted: Answer) -> dict[str, dict[str, str]]:
        """Ask how the entities are written that stand out, which is known only now."""
        keys = {name.value: significant_keys(name, counted) for name in request.significant}
        clauses = form_clauses(keys)
        if not clauses:
            return {}
        body = {"query": request_query(request), "size": 0, "timeout": f"{SEARCH_S}s", "aggs": clauses}
        answer = self._ask(body, request)["aggregations"]
        return {label: read_forms(label, answer) for label, some in keys.items() if some}

    def _ask(self, body: Clause, request: SearchRequest | None = None) -> Answer:
        """Search, or say in one line why there is no whole answer. A point in time names its own index."""
        whole = WHOLE if request is None else search_options(request)
        index = None if "pit" in body else self._index
        with self._connection.asking(), _refusing():
            answer: Answer = self._client.search(index=index, body=body, **whole).body
        shards = answer["_shards"]
        if answer["timed_out"] or shards["failed"]:
            raise IndexUnavailableError(
                f"the index gives no whole answer: {shards['successful']} of {shards['total']} shards "
                f"answered within {SEARCH_S} s; try again, or search a shorter time"
            )
        return answer


@contextmanager
def _refusing() -> Iterator[None]:
    """Tell what only a search can meet: no index yet, and a query that the server does not take."""
    try:
        yield
    except BadRequestError as error:
        raise _refusal(error.body) from None
    except NotFoundError as error:
        if "search_context_missing" in str(error.body):
            raise IndexUnavailableError("the index forgot the moment that was read; begin again") from None
        raise IndexAbsentError(
            f"there is no index {ALIAS} on the server yet; `wireroom up` makes and fills it"
        ) from None


def _refusal(body: Any) -> WireroomError:
    """Tell a query that is too big for the server, which its writer can mend, from what nobody foresaw. The
    cause stands in the answer of a shard, below an outer "all shards failed"."""
    shards = body["error"].get("failed_shards", ()) if isinstance(body, dict) else ()
    said = "; ".join(dict.fromkeys([reason(body), *(reason({"error": each["reason"]}) for each in shards)]))
    if "nested depth" in said:
        return QueryError("too many levels of parentheses for this index; write it flatter")
    if "lauses" in said or "lauseCount" in said:
        return QueryError("too many words, or too many that begin like one before a *; write more of it")
    return WireroomError(f"the index refuses the search: {said}")
