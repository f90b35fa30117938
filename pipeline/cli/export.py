"""`wireroom search --all` and `--from-manifest`: every hit as rows, and the manifest that cites them."""

import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from io import TextIOWrapper
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from pipeline.cli.feed_tags import note_feed_tags
from pipeline.cli.opening import existing_store, searcher, settings
from pipeline.cli.printing import counted, json_line, note, one_line
from pipeline.errors import UsageError

if TYPE_CHECKING:
    from pipeline.indexing.index import Snapshot
    from pipeline.search.manifest import Difference, Member
    from pipeline.search.request import Hit
    from pipeline.search.written import WrittenSearch
    from pipeline.settings import Settings

IDS_ASKED = 500
"""Documents of a manifest that are looked up at a time."""


@dataclass(frozen=True, slots=True)
class Rows:
    """Say how hits are printed."""

    form: str  # jsonl or csv
    columns: tuple[str, ...]


def read_rows(form: str, fields: str, *, json: bool) -> Rows:
    """Read how hits are to be printed. Raises UsageError."""
    from pipeline.search.columns import read_columns

    if json and form != "jsonl":
        raise UsageError(f"--json does not go with --format {form}; leave one of them out")
    return Rows(form, read_columns(fields))


def export(written: "WrittenSearch", rows: Rows, *, sort: str | None, manifest: Path | None) -> None:
    """Print every hit, and write the manifest once all are printed."""
    from pipeline.search.manifest import asked_json
    from pipeline.search.request import Sort
    from pipeline.search.written import read_written

    if sort == Sort.RELEVANCE:
        raise UsageError("--sort relevance does not go with --all: rows stand by date, newest or oldest")
    request = read_written(written, now=time.time(), sort=Sort(sort or Sort.NEWEST))
    chosen = settings()
    with searcher(chosen).snapshot() as snapshot:
        if manifest is None:
            total = sum(1 for _ in print_rows(rows, snapshot.scan(request)))
        else:
            head = asked_json(written, request) | _made_of(snapshot, chosen)
            total = _export_cited(rows, snapshot.scan(request), manifest, head)
    note(counted(total, "article") + (f"; {manifest} cites them" if manifest else ""))
    if not total:
        note_feed_tags(request)


def _export_cited(rows: Rows, hits: "Iterable[Hit]", manifest: Path, head: dict[str, Any]) -> int:
    from pipeline.search.manifest import ManifestWriter

    with ManifestWriter(manifest, head) as kept:
        for hit in print_rows(rows, hits):
            kept.add(hit.id, hit.version)
    return kept.total


def export_again(manifest: Path, rows: Rows) -> None:
    """Print the documents of a manifest, in its order, when the index holds just these versions; else name
    the differences and exit 1."""
    from pipeline.search.manifest import read_members

    members = read_members(manifest)
    size = counted(len(members), "article")
    with searcher(settings()).snapshot() as snapshot:
        differing = 0
        for difference in _differences(snapshot, members):
            note(_difference_line(difference))
            differing += 1
        if differing:
            note(f"{differing:,} of {size} in {manifest} differ; no rows are printed")
            raise typer.Exit(1)
        for _ in print_rows(rows, _hits(snapshot, members)):
            pass
    note(f"{size}, all as in {manifest}")


def print_rows(rows: Rows, hits: "Iterable[Hit]") -> "Iterator[Hit]":
    """Print hits one by one and give each when it is printed; at the end all are flushed, so that what comes
    after knows that the reader has not left. Always in UTF-8."""
    from pipeline.search.columns import csv_head, csv_row, select_columns
    from pipeline.search.render import hit_json

    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8", errors="replace")
    if rows.form == "csv":
        sys.stdout.write(csv_head(rows.columns))
    for hit in hits:
        if rows.form == "csv":
            sys.stdout.write(csv_row(hit_json(hit), rows.columns, clean=one_line))
        else:
            json_line(select_columns(hit_json(hit), rows.columns))
        yield hit
    sys.stdout.flush()


def _made_of(snapshot: "Snapshot", settings: "Settings") -> dict[str, Any]:
    """Tell when, by which versions, and from which feeds an export was made."""
    from dataclasses import asdict
    from importlib.metadata import version

    from pipeline.search.render import moment
    from pipeline.store.subscriptions import list_feeds

    with existing_store(settings) as store:
        feeds = list_feeds(store)
    return {
        "made_at": moment(time.time()),
        "wireroom": version("wireroom"),
        "index": asdict(snapshot.edition),
        "feeds": [{"url": feed.url, "tags": feed.tags, "state": feed.state} for feed in feeds],
    }


def _differences(snapshot: "Snapshot", members: "Sequence[Member]") -> "Iterator[Difference]":
    from pipeline.search.manifest import differences

    for batch in _batches(members):
        versions = {hit.id: hit.version for hit in _held(snapshot, batch)}
        yield from differences(batch, versions)


def _hits(snapshot: "Snapshot", members: "Sequence[Member]") -> "Iterator[Hit]":
    for batch in _batches(members):
        hits = {hit.id: hit for hit in _held(snapshot, batch)}
        yield from (hits[id] for id, _ in batch)


def _held(snapshot: "Snapshot", batch: "Sequence[Member]") -> "Iterator[Hit]":
    from dataclasses import replace

    from pipeline.search.query import Ids
    from pipeline.search.written import WrittenSearch, read_written

    everything = read_written(WrittenSearch(query=""), now=0.0)
    return snapshot.scan(replace(everything, query=Ids(tuple(id for id, _ in batch))))


def _batches(members: "Iterable[Member]") -> "Iterator[list[Member]]":
    left = iter(members)
    while batch := list(islice(left, IDS_ASKED)):
        yield batch


def _difference_line(difference: "Difference") -> str:
    if difference.now is None:
        return f"{difference.id}: removed, was version {difference.was}"
    return f"{difference.id}: version {difference.now}, was {difference.was}"
