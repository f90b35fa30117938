"""Measure searches through Wireroom's Searcher beside the raw query on the same Elasticsearch, in turn.

The index holds the texts of 181 real pages, many times over, with distinct ids, names and dates in three
months. The raw side sends the very same body and parameters by the same client, and reads nothing of the
answer: what lies between the two is the work of Wireroom. Either side asks in turn, so that a slow moment
meets both.

    python -m bench.search [--url http://127.0.0.1:9200] [--documents 10000] [--rounds 100]

Without `--url` it starts a server of its own, as the tests do. Ends with 1 when a ratio is above 1.25.
"""

import argparse
import json
import random
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, nullcontext
from dataclasses import dataclass
from pathlib import Path
from statistics import median, quantiles
from typing import Any

from pipeline.enrichment.names import name_key
from pipeline.indexing.elasticsearch import ElasticsearchGenerations
from pipeline.indexing.elasticsearch_client import Connection, connect
from pipeline.indexing.elasticsearch_templates import ALIAS, install_templates
from pipeline.model import Document, Entity, Label, Published, Sighting, Stamps, TextSource
from pipeline.search.elasticsearch import open_searcher, search_body, search_options
from pipeline.search.request import SearchRequest, Sort, read_request

GOAL = 1.25  # ratio of medians
GENERATION = "bench"
BATCH = 500  # documents
FIRST_SEEN = 1_767_225_600.0  # 2026-01-01
SPAN_S = 80 * 86_400.0  # three months, so three indices
NOW = FIRST_SEEN + SPAN_S
WARM_UP = 20  # rounds that are not counted

SEARCHES: Mapping[str, Mapping[str, Any]] = {
    "a word": {"text": "government"},
    "three words": {"text": "police officers said"},
    "a phrase": {"text": '"last week"'},
    "a beginning": {"text": "minist*"},
    "a person": {"text": "person:merkel"},
    "newest of a word": {"text": "market", "sort": Sort.NEWEST},
    "recent": {"text": "election", "recent": True},
    "with facets": {"text": "government", "facets": ["person", "place", "outlet", "day"]},
    "everything": {"text": ""},
}


@dataclass(frozen=True, slots=True)
class Times:
    """Hold seconds of each round."""

    sides: tuple[Sequence[float], Sequence[float]]  # ours, raw

    @property
    def ratio(self) -> float:
        """Set the medians against each other."""
        ours, raw = self.sides
        return median(ours) / median(raw)


def corpus_texts(corpora: Path) -> list[str]:
    """Read the marked texts of the 181 pages."""
    truth = json.loads((corpora / "article-extraction" / "ground-truth.json").read_text("utf-8"))
    return [page["articleBody"] for page in truth.values()]


def documents(texts: Sequence[str], count: int) -> Iterator[Document]:
    """Make documents of the texts, over and over, with drawn names; always the same ones."""
    draw = random.Random(1)
    people = [f"{first} {last}" for first in FIRST_NAMES for last in LAST_NAMES]
    for number in range(count):
        text = texts[number % len(texts)]
        seen = FIRST_SEEN + SPAN_S * number / count
        named = [(Label.PERSON, name) for name in draw.sample(people, 3)]
        named.append((Label.PLACE, draw.choice(PLACES)))
        yield Document(
            id=f"bench{number:07}",
            version=1,
            revision=1,
            url=f"https://outlet{number % 40}.example/news/{number}",
            title=f"{text[:80].splitlines()[0]} ({number})",
            text=text,
            authors=(draw.choice(people),),
            tags=("News", draw.choice(("Politics", "Sport", "Business"))),
            language="en",
            outlet=f"outlet{number % 40}.example",
            outlet_name=f"Outlet {number % 40}",
            published=Published(at=seen - 600, source="feed", precision="second"),
            first_seen_at=seen,
            text_source=TextSource.PAGE,
            partial=None,
            entities=tuple(
                Entity(label=label, name=name, key=name_key(name), count=1, first_offset=place)
                for place, (label, name) in enumerate(named)
            ),
            fingerprint=(),
            sightings=(Sighting(feed=f"https://outlet{number % 40}.example/rss", seen_at=seen),),
            stamps=Stamps(extractor="bench", language="bench", model=None, rules=1),
        )


FIRST_NAMES = ("Angela", "Jane", "Max", "Omar", "Rita", "Wei")
LAST_NAMES = ("Khan", "Lopez", "Merkel", "Okafor", "Roe", "Smith")
PLACES = ("Berlin", "Lagos", "Ohio", "Paris", "Tokyo")


def fill(connection: Connection, made: Iterator[Document]) -> None:
    """Write a generation that searches see."""
    install_templates(connection)
    generations = ElasticsearchGenerations(connection, lock=nullcontext)
    index = generations.open(GENERATION)
    while batch := [document for _, document in zip(range(BATCH), made, strict=False)]:
        index.put(batch)
    generations.expose(GENERATION)
    index.commit()


def measure(connection: Connection, request: SearchRequest, rounds: int) -> Times:
    """Ask by either side in turn."""
    searcher = open_searcher(connection)
    body, options = search_body(request), search_options(request)

    def raw() -> None:
        connection.client.search(index=ALIAS, body=body, **options)

    times: tuple[list[float], list[float]] = ([], [])
    sides: Sequence[Callable[[], object]] = (lambda: searcher.search(request), raw)
    for turn in range(WARM_UP + rounds):
        for side in (0, 1) if turn % 2 else (1, 0):
            started = time.perf_counter()
            sides[side]()
            if turn >= WARM_UP:
                times[side].append(time.perf_counter() - started)
    return Times(times)


def report(name: str, times: Times) -> None:
    """Print one line: medians and 95th percentiles in milliseconds, and the ratio of the medians."""
    shown = [
        f"{median(side) * 1000:7.1f} {quantiles(side, n=20)[-1] * 1000:7.1f}"
        for side in (times.ours, times.raw)
    ]
    print(f"{name:18} {shown[0]}  {shown[1]}  {times.ratio:5.2f}", flush=True)


def main() -> int:
    """Run the comparison; 1 when a ratio is above the goal."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--url")
    parser.add_argument("--documents", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--corpora", type=Path, default=Path("../shared/corpora"))
    chosen = parser.parse_args()
    with ExitStack() as stack:
        connection = connect(chosen.url or _own_server(stack))
        stack.callback(connection.client.close)
        fill(connection, documents(corpus_texts(chosen.corpora), chosen.documents))
        print("milliseconds        our p50      p95  raw p50      p95  ratio")
        ratios = []
        for name, options in SEARCHES.items():
            times = measure(connection, read_request(now=NOW, **options), chosen.rounds)
            report(name, times)
            ratios.append(times.ratio)
    return 1 if max(ratios) > GOAL else 0


def _own_server(stack: ExitStack) -> str:
    from tests.servers import elasticsearch

    return stack.enter_context(elasticsearch(9)).url


if __name__ == "__main__":
    sys.exit(main())
