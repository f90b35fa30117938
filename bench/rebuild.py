"""Rebuild an index of real pages while articles are written, edited and removed and a prober searches.

What is counted at the end is asked of the store and of the exposed generation, not of the proof: documents
lost, stale, or risen after their removal; searches that failed or found nothing where there is something.
With --kills the builder is killed so often, at random moments, and started again.

    python -m bench.rebuild [--documents 50000] [--kills 0] [--store-url URL] [--index-url URL] [--json FILE]
"""

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from sqlalchemy import insert, select, update

from bench.extraction import corpus_pages
from bench.native_reindex import native_documents_per_s
from pipeline.extraction.article import Effort, extract
from pipeline.model import Document, Entity, Label, Sighting, Stage, Stamps, State, TextSource
from pipeline.outcomes import Reason
from pipeline.search.request import read_request
from pipeline.services import open_searcher, open_services, set_up
from pipeline.settings import Settings, read_settings
from pipeline.stages.index import index
from pipeline.stages.shift import begin_shift
from pipeline.store.codec import pack_document
from pipeline.store.enriched import read_document
from pipeline.store.generations import live_generation
from pipeline.store.removal import remove
from pipeline.store.store import Store
from pipeline.store.tables import articles, documents

CHANGES_PER_S = 50.0
PROBES_PER_S = 20.0
BATCH = 1_000
KILL_AFTER_S = (2.0, 30.0)  # its start takes a second or two; a batch some seconds
NEWS_AT = 1_772_600_000.0
QUERIES = ("the", "people said", "new york", "title:the", '"of the"', "person:archive", "language:en")
COMMAND = [sys.executable, "-c", "from pipeline.cli import main; main()", "reindex", "--json"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """Hold what a run ended with."""

    documents: int
    lost: int
    stale: int
    resurrected: int
    changes: int
    probes: int
    failed_probes: int
    empty_probes: int
    kills: int
    proof_ok: bool
    pause_s: float
    builder_s: float
    written: int
    documents_per_s: float
    quiet_per_s: float
    native_per_s: float | None
    ratio_to_native: float | None


def texts(corpora: Path) -> list[tuple[str, str]]:
    """Extract title and text of the 181 real pages."""
    found = []
    for each in corpus_pages(corpora):
        extraction = extract(each.page, (), effort=Effort.FULL, now=NEWS_AT)
        found.append((extraction.title or "", extraction.text))
    return found


def documents_of(pages: Sequence[tuple[str, str]], first: int, number: int) -> Iterator[Document]:
    """Multiply the pages; every document has an id, an address and a number in its title of its own."""
    for place in range(first, first + number):
        title, text = pages[place % len(pages)]
        id = f"{place * 0x9E3779B97F4A7C15 % 2**64:016x}"
        yield Document(
            id=id,
            version=1,
            revision=1,
            url=f"https://outlet{place % 97}.example/{place}",
            title=f"{title} {place}",
            text=text,
            authors=(),
            tags=(),
            language="en",
            outlet=f"outlet{place % 97}.example",
            outlet_name=f"Outlet {place % 97}",
            published=None,
            first_seen_at=NEWS_AT + place,
            text_source=TextSource.PAGE,
            partial=None,
            entities=(
                Entity(label=Label.PERSON, name="Ada Archive", key="ada archive", count=1, first_offset=0),
            ),
            fingerprint=(),
            sightings=(Sighting(feed=f"https://outlet{place % 97}.example/rss", seen_at=NEWS_AT),),
            stamps=Stamps(extractor="bench", language="bench", model=None, rules=1),
        )


def write(store: Store, written: Sequence[Document]) -> None:
    """Bring new articles as far as enrich does."""
    with store.write() as connection:
        now = store.read_clock(connection)
        connection.execute(insert(articles), [_article_row(each, now) for each in written])
        connection.execute(insert(documents), [_document_row(each) for each in written])


def _article_row(document: Document, now: float) -> dict[str, Any]:
    return {
        "id": document.id,
        "url": document.url,
        "host": "outlet.example:443",
        "state": State.ENRICHED,
        "stage": Stage.INDEX,
        "due_at": now,
        "revision": 1,
        "version": document.version,
        "news_at": document.first_seen_at,
        "first_seen_at": document.first_seen_at,
        "month": "2026-03",
    }


def _document_row(document: Document) -> dict[str, Any]:
    packed, digest = pack_document(document)
    return {
        "article_id": document.id,
        "version": document.version,
        "revision": document.revision,
        "sha256": digest,
        "document": packed,
        "extractor": "bench",
        "model": None,
        "rules": 1,
    }


def edit(store: Store, id: str) -> bool:
    """Write the next version of an article's document; False when it is removed, or held just now."""
    standing = read_document(store, id)
    if standing is None:
        return False
    edited = replace(standing, version=standing.version + 1, title=f"{standing.title} again")
    with store.write() as connection:
        free = (articles.c.lease_owner.is_(None), articles.c.state != State.DROPPED)
        mine = (articles.c.id == id, articles.c.version == standing.version)
        values = {"version": edited.version, "stage": Stage.INDEX, "due_at": store.now()}
        if connection.execute(update(articles).where(*mine, *free).values(**values)).rowcount != 1:
            return False
        row = _document_row(edited)
        connection.execute(update(documents).where(documents.c.article_id == id).values(**row))
    return True


def index_until(settings: Settings, stop: Any) -> None:
    """Work as an index worker does: a shift, then the next."""
    services = open_services(settings)
    while not stop.is_set():
        index(services, begin_shift(lambda _stage: None, stop))
        stop.wait(0.2)
    services.close()


def change_until(
    settings: Settings, stop: Any, pages: Sequence[tuple[str, str]], first: int, done: Any
) -> None:
    """Write, edit and remove articles at a steady pace: two of ten are new, five edited, three removed."""
    services, chance, next_at = open_services(settings), random.Random(7), time.monotonic()
    with services.store.read() as connection:
        ids = list(connection.execute(select(articles.c.id)).scalars())
    while not stop.is_set():
        kind, id = chance.random(), chance.choice(ids)
        if kind < 0.2:
            (fresh,) = documents_of(pages, first, 1)
            write(services.store, [fresh])
            ids.append(fresh.id)
            first += 1
        elif kind < 0.7:
            edit(services.store, id)
        else:
            remove(services.store, id, reason="bench", erase=lambda _position: None)
        with done.get_lock():
            done.value += 1
        next_at += 1 / CHANGES_PER_S
        stop.wait(max(0.0, next_at - time.monotonic()))
    services.close()


def probe_until(settings: Settings, stop: Any, counts: Any) -> None:
    """Search at a steady pace; count all, the failed, and those that found nothing."""
    searcher, next_at = open_searcher(settings), time.monotonic()
    while not stop.is_set():
        for query in QUERIES:
            try:
                total = searcher.search(read_request(query, now=time.time(), size=10)).total
                counts[2] += total == 0
            except Exception as error:
                counts[1] += 1
                sys.stderr.write(f"probe failed: {type(error).__name__}: {error}\n")
            counts[0] += 1
            next_at += 1 / PROBES_PER_S
            stop.wait(max(0.0, next_at - time.monotonic()))


def build(settings: Settings, kills: int, chance: random.Random) -> tuple[dict[str, Any], int, float]:
    """Run `wireroom reindex` to its end, killing it at random moments; give proof, kills and seconds."""
    environ = {**os.environ, **settings.as_environ()}
    began, killed = time.monotonic(), 0
    while True:
        process = subprocess.Popen(
            COMMAND, env=environ, stdout=subprocess.PIPE, text=True, start_new_session=True
        )
        if killed < kills:
            try:
                process.wait(chance.uniform(*KILL_AFTER_S))
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
                killed += 1
                continue
        written, _ = process.communicate()
        return json.loads(written), killed, time.monotonic() - began


def count_differences(settings: Settings) -> tuple[int, int, int, int]:
    """Ask the store and the exposed generation: documents, lost, stale, risen."""
    services = open_services(settings)
    name = services.generations.exposed()
    assert name is not None
    assert name == live_generation(services.store)
    held = {each.id: each.version for each in services.generations.held(name, hashed=False)}
    with services.store.read() as connection:
        columns = (articles.c.id, articles.c.version)
        query = select(*columns).where(articles.c.state == State.INDEXED)
        due = {row[0]: row[1] for row in connection.execute(query)}
        gone = select(articles.c.id).where(articles.c.reason == Reason.REMOVED)
        removed = set(connection.execute(gone).scalars())
    services.close()
    stale = sum(held[id] != version for id, version in due.items() if id in held)
    return len(due), len(due.keys() - held.keys()), stale, len(removed & held.keys())


def measure(settings: Settings, *, number: int, kills: int, corpora: Path) -> Outcome:
    """Fill an index, then rebuild it under load."""
    pages = texts(corpora)
    set_up(settings)
    services = open_services(settings)
    for first in range(0, number, BATCH):
        write(services.store, list(documents_of(pages, first, min(BATCH, number - first))))
    context = get_context("spawn")
    stop, drained = context.Event(), context.Event()
    index(services, begin_shift(lambda _stage: None, drained, budget_s=36_000.0))
    sys.stderr.write(f"{number:,} documents are indexed\n")
    changes, probes = context.Value("i", 0), context.Array("i", 3)
    load = [
        context.Process(target=change_until, args=(settings, stop, pages, number, changes)),
        context.Process(target=probe_until, args=(settings, stop, probes)),
    ]
    worker = context.Process(target=index_until, args=(settings, drained))
    for process in (worker, *load):
        process.start()
    proof, killed, builder_s = build(settings, kills, random.Random(11))
    stop.set()
    for process in load:
        process.join()
    drained.set()
    worker.join()
    index(services, begin_shift(lambda _stage: None, context.Event(), budget_s=600.0))
    services.close()
    total, lost, stale, risen = count_differences(settings)
    per_s = proof["written"] / proof["took_s"] if not killed else number / builder_s
    # Beside the native one, which nothing disturbs either: the whole of a rebuild, proof included.
    quiet, _, _ = build(settings, 0, random.Random(13))
    native = native_documents_per_s(settings)
    return Outcome(
        documents=total,
        lost=lost,
        stale=stale,
        resurrected=risen,
        changes=changes.value,
        probes=probes[0],
        failed_probes=probes[1],
        empty_probes=probes[2],
        kills=killed,
        proof_ok=proof["ok"],
        pause_s=proof["pause_s"],
        builder_s=round(builder_s, 1),
        written=proof["written"],
        documents_per_s=round(per_s, 1),
        quiet_per_s=round(quiet["written"] / quiet["took_s"], 1),
        native_per_s=native and round(native, 1),
        ratio_to_native=native and round(quiet["written"] / quiet["took_s"] / native, 2),
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--documents", type=int, default=50_000)
    parser.add_argument("--kills", type=int, default=0)
    parser.add_argument("--store-url", default="")
    parser.add_argument("--index-url", default="")
    parser.add_argument("--corpora", type=Path, default=Path("../shared/corpora"))
    parser.add_argument("--json", type=Path)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="wireroom-rebuild-") as home:
        environ = {"WIREROOM_HOME": home, "WIREROOM_STORE_URL": chosen.store_url}
        settings = read_settings({**environ, "WIREROOM_INDEX_URL": chosen.index_url})
        outcome = measure(settings, number=chosen.documents, kills=chosen.kills, corpora=chosen.corpora)
    for name, value in asdict(outcome).items():
        sys.stdout.write(f"{name:16} {value}\n")
    if chosen.json:
        chosen.json.write_text(json.dumps(asdict(outcome), indent=1))


if __name__ == "__main__":
    main()
