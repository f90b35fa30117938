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
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from pathlib import Path
from threading import Event
from typing import Any

from sqlalchemy import select

from bench.extraction import corpus_pages
from bench.native_reindex import native_documents_per_s
from pipeline.extraction.article import Effort, extract
from pipeline.model import Document, Entity, Label, Sighting, Stage, Stamps, State, TextSource
from pipeline.outcomes import Reason
from pipeline.search.request import read_request
from pipeline.services import Services, open_searcher, open_services, set_up
from pipeline.settings import Settings, read_settings
from pipeline.stages.index import index
from pipeline.stages.shift import begin_shift
from pipeline.store.generations import live_generation
from pipeline.store.tables import articles
from tests.indexing.desk import edit, take_away, write

CHANGES_PER_S = 50.0
PROBES_PER_S = 20.0
BATCH = 1_000
KILL_AFTER_S = (2.0, 30.0)  # its start takes a second or two; a batch some seconds
SHOWN = 10  # differences that are named
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


@dataclass(frozen=True, slots=True)
class Load:
    """Count, shared by all processes, what went on beside the rebuild."""

    changes: Any
    probes: Any  # all, failed, empty


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
            edit(services.store, id, title=f"Edited at {time.time():.3f}")
        else:
            take_away(services.store, id)
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
    held = {each.id: each.version for each in services.generations.listed(name)}
    with services.store.read() as connection:
        columns = (articles.c.id, articles.c.version)
        query = select(*columns).where(articles.c.state == State.INDEXED)
        due = {row[0]: row[1] for row in connection.execute(query)}
        gone = select(articles.c.id).where(articles.c.reason == Reason.REMOVED)
        removed = set(connection.execute(gone).scalars())
    services.close()
    stale = {id: version for id, version in due.items() if id in held and held[id] != version}
    for id, version in sorted(stale.items())[:SHOWN]:
        sys.stderr.write(f"{id}: the index holds version {held[id]}, the store {version}\n")
    return len(due), len(due.keys() - held.keys()), len(stale), len(removed & held.keys())


def measure(settings: Settings, *, number: int, kills: int, corpora: Path) -> Outcome:
    """Fill an index, then rebuild it under load; then undisturbed, beside the native way, proof included."""
    pages = texts(corpora)
    fill(settings, pages, number)
    with under_load(settings, pages, number) as load:
        proof, killed, builder_s = build(settings, kills, random.Random(11))
    total, lost, stale, risen = count_differences(settings)
    per_s = proof["written"] / proof["took_s"] if not killed else number / builder_s
    quiet, _, _ = build(settings, 0, random.Random(13))
    quiet_per_s, native = quiet["written"] / quiet["took_s"], native_documents_per_s(settings)
    return Outcome(
        documents=total,
        lost=lost,
        stale=stale,
        resurrected=risen,
        changes=load.changes.value,
        probes=load.probes[0],
        failed_probes=load.probes[1],
        empty_probes=load.probes[2],
        kills=killed,
        proof_ok=proof["ok"],
        pause_s=proof["pause_s"],
        builder_s=round(builder_s, 1),
        written=proof["written"],
        documents_per_s=round(per_s, 1),
        quiet_per_s=round(quiet_per_s, 1),
        native_per_s=native and round(native, 1),
        ratio_to_native=native and round(quiet_per_s / native, 2),
    )


def fill(settings: Settings, pages: Sequence[tuple[str, str]], number: int) -> None:
    """Write so many articles and index them."""
    set_up(settings)
    with closing(open_services(settings)) as services:
        for first in range(0, number, BATCH):
            write(services.store, documents_of(pages, first, min(BATCH, number - first)))
        index_all(services)
    sys.stderr.write(f"{number:,} documents are indexed\n")


@contextmanager
def under_load(settings: Settings, pages: Sequence[tuple[str, str]], number: int) -> Iterator[Load]:
    """Change, index and search in processes of their own until the block ends; then index what is left."""
    context = get_context("spawn")
    stop, drained = context.Event(), context.Event()
    load = Load(context.Value("i", 0), context.Array("i", 3))
    desks = [
        context.Process(target=change_until, args=(settings, stop, pages, number, load.changes)),
        context.Process(target=probe_until, args=(settings, stop, load.probes)),
    ]
    worker = context.Process(target=index_until, args=(settings, drained))
    for process in (worker, *desks):
        process.start()
    try:
        yield load
    finally:
        stop.set()
        for process in desks:
            process.join()
        drained.set()
        worker.join()
    with closing(open_services(settings)) as services:
        index_all(services)


def index_all(services: Services) -> None:
    """Let the index stage work until nothing waits for it, however long that takes: what it has put off, or a
    worker gave back, falls due some seconds later."""
    while _waits(services):
        index(services, begin_shift(lambda _stage: None, Event(), budget_s=36_000.0))
        time.sleep(0.1)


def _waits(services: Services) -> bool:
    with services.store.read() as connection:
        waiting = select(articles.c.id).where(articles.c.stage == Stage.INDEX).limit(1)
        return connection.execute(waiting).first() is not None


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
