"""Every answer to a bulk request has its action: nothing is dropped, nothing good is called bad."""

from collections.abc import Callable, Iterator

import pytest

from pipeline.errors import IndexUnavailableError
from pipeline.indexing.elasticsearch_bulk import BulkWriter, Operation, Told, Verdict, put_result
from pipeline.indexing.elasticsearch_client import connect
from pipeline.indexing.index import PutOutcome
from tests.indexing.scripted_elasticsearch import (
    Answer,
    Asked,
    Scripted,
    each,
    items,
    scripted,
    silence,
    whole,
)

PATIENCE_S = 0.5  # two or three tries


@pytest.fixture
def server() -> Iterator[Scripted]:
    with scripted() as running:
        yield running


def operations(count: int, size: int = 10) -> list[Operation]:
    return [
        Operation(f"a{number}", "wireroom-write", 1, b'"' + b"x" * size + b'"') for number in range(count)
    ]


def write(server: Scripted, count: int, *answers: Callable[[Asked], Answer], size: int = 10) -> list[Told]:
    server.answers = list(answers)
    return BulkWriter(connect(server.url), patience_s=PATIENCE_S).write(operations(count, size))


OK = items(201)

ROWS = [
    (200, None, Verdict.DONE, PutOutcome.STORED),
    (201, None, Verdict.DONE, PutOutcome.STORED),
    (409, "version_conflict_engine_exception", Verdict.CONFLICT, PutOutcome.SUPERSEDED),
    (429, "es_rejected_execution_exception", Verdict.PRESSURE, PutOutcome.DEFERRED),
    (429, "circuit_breaking_exception", Verdict.PRESSURE, PutOutcome.DEFERRED),
    (429, "cluster_block_exception", Verdict.BLOCKED, PutOutcome.DEFERRED),
    (403, "cluster_block_exception", Verdict.BLOCKED, PutOutcome.DEFERRED),
    (400, "document_parsing_exception", Verdict.BAD, PutOutcome.REJECTED),
    (400, "strict_dynamic_mapping_exception", Verdict.BAD, PutOutcome.REJECTED),
    (404, "index_not_found_exception", Verdict.MISSING, PutOutcome.DEFERRED),
    (413, "too_large", Verdict.BAD, PutOutcome.REJECTED),
    (503, "unavailable_shards_exception", Verdict.UNSURE, PutOutcome.DEFERRED),
]


@pytest.mark.parametrize(("status", "kind", "expected", "outcome"), ROWS)
def test_each_answer_has_its_action(
    server: Scripted, status: int, kind: str | None, expected: Verdict, outcome: PutOutcome
) -> None:
    told = write(server, 3, each(lambda id: (status, kind, "why") if id == "a1" else (201, None, "")))
    assert [one.verdict for one in told] == [Verdict.DONE, expected, Verdict.DONE]
    assert put_result("a1", told[1], held=False).outcome is outcome
    assert (told[1].detail is None) == (kind is None)
    assert server.asked[0].ids == ("a0", "a1", "a2")
    assert all(
        asked.ids == ("a1",) for asked in server.asked[1:]
    )  # only what may still be taken is sent again


def test_a_conflict_with_the_same_version_is_a_success() -> None:
    assert put_result("a", Told(Verdict.CONFLICT), held=True).outcome is PutOutcome.STORED


@pytest.mark.parametrize("kind", ["es_rejected_execution_exception", "unavailable_shards_exception"])
def test_what_was_rejected_is_sent_again_and_then_taken(server: Scripted, kind: str) -> None:
    busy = each(
        lambda id: (429 if "rejected" in kind else 503, kind, "full") if id == "a1" else (201, None, "")
    )
    told = write(server, 3, busy, busy, OK)
    assert [one.verdict for one in told] == [Verdict.DONE] * 3
    assert [asked.ids for asked in server.asked] == [("a0", "a1", "a2"), ("a1",), ("a1",)]


def test_a_document_whose_words_are_quoted_in_the_refusal_is_still_to_blame(server: Scripted) -> None:
    said = "failed to parse field [lag_s] in document with id 'a0'. Preview of field's value: 'an alias [x]'"
    (told,) = write(server, 1, items(400, "document_parsing_exception", said))
    assert told.verdict is Verdict.BAD
    (told,) = write(server, 1, items(400, "illegal_argument_exception", "no write index for alias [x]"))
    assert told.verdict is Verdict.BLOCKED


def test_what_is_blocked_is_not_tried_again_at_once(server: Scripted) -> None:
    (told,) = write(
        server, 1, items(429, "cluster_block_exception", "disk usage exceeded flood-stage watermark")
    )
    assert len(server.asked) == 1
    assert told.detail is not None
    assert "make room" in told.detail


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_a_request_that_was_refused_whole_is_sent_again(server: Scripted, status: int) -> None:
    assert [one.verdict for one in write(server, 2, whole(status), OK)] == [Verdict.DONE] * 2


def test_overload_that_does_not_end_defers_every_document(server: Scripted) -> None:
    told = write(server, 3, whole(429, "es_rejected_execution_exception"))
    assert [put_result("a", one, held=False).outcome for one in told] == [PutOutcome.DEFERRED] * 3
    assert len(server.asked) > 1


def test_a_lost_connection_is_tried_again(server: Scripted) -> None:
    assert [one.verdict for one in write(server, 2, silence, OK)] == [Verdict.DONE] * 2
    assert [asked.ids for asked in server.asked] == [("a0", "a1")] * 2


def test_a_server_that_stays_away_is_an_error(server: Scripted) -> None:
    with pytest.raises(IndexUnavailableError, match="cannot be reached"):
        write(server, 2, silence)


@pytest.mark.parametrize(
    ("status", "said"),
    [(401, "asks for a user"), (403, "does not allow this user enough")],
)
def test_a_user_who_may_not_write_is_an_error(server: Scripted, status: int, said: str) -> None:
    with pytest.raises(IndexUnavailableError, match=said):
        write(server, 2, whole(status, "security_exception"))


def test_a_key_that_may_not_write_this_index_is_an_error(server: Scripted) -> None:
    with pytest.raises(IndexUnavailableError, match="does not allow this user or API key to write"):
        write(server, 2, items(403, "security_exception", "action [indices:data/write/bulk] is unauthorized"))


def test_too_large_a_request_is_split_and_a_document_that_is_too_large_alone_is_refused(
    server: Scripted,
) -> None:
    def least(asked: Asked) -> Answer:
        return whole(413)(asked) if len(asked.ids) > 2 or "a3" in asked.ids else OK(asked)

    told = write(server, 8, least)
    assert [one.verdict for one in told] == [Verdict.BAD if n == 3 else Verdict.DONE for n in range(8)]
    assert max(len(asked.ids) for asked in server.asked[-3:]) <= 2


def test_batches_are_bounded_by_count_and_bytes(server: Scripted) -> None:
    write(server, 1200, OK)
    assert [len(asked.ids) for asked in server.asked] == [500, 500, 200]
    server.asked.clear()
    write(server, 12, OK, size=1_000_000)
    assert [len(asked.ids) for asked in server.asked] == [4, 4, 4]


def test_batches_shrink_under_pressure_and_grow_back(server: Scripted) -> None:
    writer = BulkWriter(connect(server.url), patience_s=PATIENCE_S)
    busy = items(429, "es_rejected_execution_exception")
    server.answers = [busy, OK]
    writer.write(operations(500))
    sizes = [len(asked.ids) for asked in server.asked]
    assert sizes[:2] == [500, 250]
    assert sum(sizes[1:]) == 500
    for _ in range(6):
        writer.write(operations(500))
    assert len(server.asked[-1].ids) == 500
