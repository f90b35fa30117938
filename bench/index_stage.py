"""Measure the index stage beside a bare `streaming_bulk` loop on the same Elasticsearch.

Both write the texts of 181 real pages, many times over, into one index each of the same mapping, in turn. The
stage claims articles in a store on SQLite, reads their documents, makes each `_source`, writes batches of 500
with an account of every item and records what became of it; the bare side has its sources ready, looks at
nothing but the count, and refreshes once, at its end.

    python -m bench.index_stage [--documents 4000] [--rounds 3]

Ends with 1 when the ratio is below 0.8.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from statistics import fmean
from threading import Event
from typing import Any

from elasticsearch import helpers

from bench.search import corpus_texts, documents
from pipeline.indexing.elasticsearch_client import Connection, connect
from pipeline.indexing.elasticsearch_source import mapping_file, source
from pipeline.model import Document, State
from pipeline.services import Services, open_services, set_up
from pipeline.settings import read_settings
from pipeline.stages.index import index
from pipeline.stages.shift import begin_shift
from pipeline.store.due import article_counts
from tests import servers
from tests.indexing.desk import SEEN_AT, write

GOAL = 0.8
BATCH = 500  # documents of one request, as the index stage writes them
BARE = "wireroom-bench-bare"
CORPORA = Path(__file__).parents[2] / "shared" / "corpora"


def product(services: Services, written: Sequence[Document]) -> float:
    """Let the index stage write what waits for it; return documents per second."""
    write(services.store, written)
    began = time.monotonic()
    index(services, begin_shift(lambda _stage: None, Event(), budget_s=3_600.0))
    took_s = time.monotonic() - began
    assert not article_counts(services.store)[State.ENRICHED]
    return len(written) / took_s


def bare(connection: Connection, sources: Sequence[dict[str, Any]]) -> float:
    """Write ready sources by the client's own helper; return documents per second."""
    client = connection.client

    def actions() -> Iterator[dict[str, Any]]:
        for each in sources:
            yield {"_index": BARE, "_id": each["event"]["id"], "_source": each}

    began = time.monotonic()
    count = sum(1 for ok, _ in helpers.streaming_bulk(client, actions(), chunk_size=BATCH) if ok)
    assert count == len(sources)
    client.indices.refresh(index=BARE)
    return count / (time.monotonic() - began)


def measure(services: Services, connection: Connection, count: int, rounds: int, corpora: Path) -> bool:
    """Print a line a round; tell whether the goal is met. The first round warms both up."""
    written = list(documents(corpus_texts(corpora), count))
    mapping, ratios = mapping_file(), []
    connection.client.indices.create(index=BARE, settings=mapping["settings"], mappings=mapping["mappings"])
    print("round  wireroom/s  bare/s  ratio")
    for number in range(rounds + 1):
        fresh = [replace(each, id=f"{each.id}-{number}", first_seen_at=SEEN_AT) for each in written]
        sources = [source(document) for document in fresh]
        ours, theirs = product(services, fresh), bare(connection, sources)
        print(f"{number or 'warm':>5}  {ours:10.0f}  {theirs:6.0f}  {ours / theirs:5.2f}", flush=True)
        ratios += [ours / theirs] if number else []
    print(f" mean  {'':10}  {'':6}  {fmean(ratios):5.2f}")
    return fmean(ratios) >= GOAL


def main() -> int:
    """Measure on a server and in a home of their own, and print a table."""
    parser = argparse.ArgumentParser(prog="python -m bench.index_stage", description=__doc__.splitlines()[0])
    parser.add_argument("--documents", type=int, default=4_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--corpora", type=Path, default=CORPORA)
    arguments = parser.parse_args()
    with servers.elasticsearch(9) as server, tempfile.TemporaryDirectory() as home:
        settings = read_settings({"WIREROOM_HOME": home, "WIREROOM_INDEX_URL": server.url})
        set_up(settings)
        connection = connect(server.url)
        with closing(connection.client), closing(open_services(settings)) as services:
            good = measure(services, connection, arguments.documents, arguments.rounds, arguments.corpora)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
