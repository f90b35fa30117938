"""`wireroom reprocess` as a person runs it."""

from dataclasses import asdict
from pathlib import Path

import pytest

from pipeline.reprocessing.changes import compare
from pipeline.store.enriched import record_document
from pipeline.store.reruns import claim_reruns, record_kept
from pipeline.store.store import Store
from tests.cli.conftest import Wireroom
from tests.cli.newsroom import BRIDGE, HARBOUR, OWNER, document, id_of, publish

OLD = "--where", "extractor=trafilatura 2.3.1"


def test_a_dry_run_counts_and_queues_nothing(wireroom: Wireroom, store: Store, home: Path) -> None:
    publish(store, home)
    assert wireroom("reprocess", *OLD, "--dry-run").out == "2 articles would be read again\n"
    both = wireroom("reprocess", *OLD, "--where", "partial=gone", "--dry-run", "--json")
    assert both.json == {
        "where": ["extractor=trafilatura 2.3.1", "partial=gone"],
        "rate_per_s": None,
        "chosen": 1,
        "queued": 0,
    }
    status = wireroom("reprocess", "status")
    assert (status.code, status.out) == (0, "")
    assert "nothing was reprocessed yet" in status.err


def test_a_run_is_queued_told_of_and_summed_up(wireroom: Wireroom, store: Store, home: Path) -> None:
    publish(store, home)
    queued = wireroom("reprocess", *OLD, "--rate", "120/m")
    assert (queued.code, queued.out) == (0, "2 articles queued\n")
    assert "`wireroom up` or its workers read them" in queued.err
    started = wireroom("reprocess", "status")
    assert "read again: 0 of 2; nothing moves: `wireroom up` runs it" in started.out
    assert wireroom("reprocess", "status", "--json").json["rate_per_s"] == 2.0
    second = wireroom("reprocess", *OLD)
    assert second.code == 1
    assert "a run is under way, 2 left" in second.err
    for claim in claim_reruns(store, owner=OWNER, limit=2):
        if claim.url == HARBOUR:
            record_kept(store, claim, slug="page-missing", detail="it is away")
            continue
        after = document(claim, title="The bridge\x1b[31m")
        changes = asdict(compare(document(claim), after))
        record_document(store, claim, after, aliases=(), detail="", retry_in_s=None, changes=changes)
    ended = wireroom("reprocess", "status", "--wait")
    assert "1 changed, 0 unchanged, 1 failed\n  1 failed: page-missing; what stood before stands" in ended.out
    assert ended.out.endswith(f"changed: title 1\n{BRIDGE}\n  title\n")
    told = wireroom("reprocess", "status", "--json").json
    assert (told["chosen"], told["left"], told["failures"]) == (2, 0, {"page-missing": 1})
    assert [each["id"] for each in told["changes"]["examples"]] == [id_of(BRIDGE)]


def test_a_run_is_stopped(wireroom: Wireroom, store: Store, home: Path) -> None:
    publish(store, home)
    wireroom("reprocess", *OLD)
    assert wireroom("reprocess", "stop").out == "2 articles taken out of the queue\n"
    assert wireroom("reprocess", *OLD).code == 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "say which articles"),
        (("--where", "langauge=en"), "did you mean language"),
        (("--where", "language"), "write a key, a sign and a value"),
        ((*OLD, "--rate", "fast"), "write a number a second or minute, as in 5/s or 30/m"),
        ((*OLD, "--rate", "0/s"), "write a number a second or minute"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(
    wireroom: Wireroom, store: Store, home: Path, words: tuple[str, ...], said: str
) -> None:
    publish(store, home)
    ran = wireroom("reprocess", *words)
    assert (ran.code, ran.out, ran.err.count("\n")) == (2, "", 1)
    assert said in ran.err
