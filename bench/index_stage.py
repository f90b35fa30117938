"""Measure the writing path of the index stage beside a bare `streaming_bulk` loop on the same Elasticsearch.

Both write the texts of 181 real pages, many times over, into indices of the same mapping, in turn. Wireroom's
side makes each `_source`, writes batches of 500 with an account of every item, and refreshes after each; the
bare side has its sources ready, looks at nothing but the count, and refreshes once, at its end. The indices
are there when the clock starts.

    python -m bench.index_stage [--url http://127.0.0.1:9200] [--documents 4000] [--rounds 3]

Without `--url` it starts a server of its own, as the tests do. Ends with 1 when the ratio is below 0.8.
"""

import argparse
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, nullcontext
from dataclasses import replace
from pathlib import Path
from statistics import fmean
from typing import Any

from elasticsearch import helpers

from bench.search import corpus_texts, documents
from pipeline.indexing.elasticsearch import ElasticsearchGenerations
from pipeline.indexing.elasticsearch_client import Connection, connect
from pipeline.indexing.elasticsearch_source import mapping_file, source
from pipeline.indexing.index import PutOutcome
from pipeline.model import Document

GOAL = 0.8
BATCH = 500  # documents, as the index stage claims them
BARE = "wireroom-bench-bare"
CORPORA = Path(__file__).parents[2] / "shared" / "corpora"


def product(connection: Connection, name: str, written: Sequence[Document]) -> float:
    """Write by the product's path into a generation that is searched; return documents per second."""
    generations = ElasticsearchGenerations(connection, nullcontext)
    index = generations.open(name)
    index.put(written[:: max(1, len(written) // 100)])  # makes the indices of all months
    generations.expose(name)
    written = [replace(document, version=document.version + 1) for document in written]
    began = time.monotonic()
    for start in range(0, len(written), BATCH):
        results = index.put(written[start : start + BATCH])
        index.commit()
        assert all(result.outcome is PutOutcome.STORED for result in results)
    return len(written) / (time.monotonic() - began)


def bare(connection: Connection, sources: Sequence[dict[str, Any]]) -> float:
    """Write ready sources by the client's own helper; return documents per second."""
    mapping, client = mapping_file(), connection.client
    client.indices.delete(index=BARE, ignore_unavailable=True)
    client.indices.create(index=BARE, settings=mapping["settings"], mappings=mapping["mappings"])

    def actions() -> Iterator[dict[str, Any]]:
        for each in sources:
            yield {"_index": BARE, "_id": each["event"]["id"], "_source": each}

    began = time.monotonic()
    count = sum(1 for ok, _ in helpers.streaming_bulk(client, actions(), chunk_size=BATCH) if ok)
    assert count == len(sources)
    client.indices.refresh(index=BARE)
    return count / (time.monotonic() - began)


def measure(connection: Connection, count: int, rounds: int, corpora: Path) -> bool:
    """Print a line a round; tell whether the goal is met. The first round warms both up."""
    written = list(documents(corpus_texts(corpora), count))
    sources = [source(document) for document in written]
    ratios = []
    print("round  wireroom/s  bare/s  ratio")
    for number in range(rounds + 1):
        ours, theirs = product(connection, f"bench{number}", written), bare(connection, sources)
        print(f"{number or 'warm':>5}  {ours:10.0f}  {theirs:6.0f}  {ours / theirs:5.2f}", flush=True)
        ratios += [ours / theirs] if number else []
    print(f" mean  {'':10}  {'':6}  {fmean(ratios):5.2f}")
    return fmean(ratios) >= GOAL


def main() -> int:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(prog="python -m bench.index_stage", description=__doc__.splitlines()[0])
    parser.add_argument("--url", help="an Elasticsearch to use, which searches what is measured afterwards")
    parser.add_argument("--documents", type=int, default=4_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--corpora", type=Path, default=CORPORA)
    arguments = parser.parse_args()
    with ExitStack() as stack:
        url = arguments.url
        if url is None:
            from tests import servers

            url = stack.enter_context(servers.elasticsearch(9)).url
        connection = connect(url)
        client = connection.client
        stack.callback(client.close)
        for index in client.indices.get(index="wireroom-articles-bench*"):
            client.indices.delete(index=index)
        good = measure(connection, arguments.documents, arguments.rounds, arguments.corpora)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
