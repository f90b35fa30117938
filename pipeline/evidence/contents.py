"""What goes into the evidence of an article. Pure, but for the reading of archive and store before it."""

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from pipeline.archive.errors import ArchiveError
from pipeline.archive.finding import Answer
from pipeline.archive.members import Members, take
from pipeline.archive.reading import read
from pipeline.archive.records import mime_of, warcinfo
from pipeline.evidence.revisions import History, difference
from pipeline.model import Page
from pipeline.store.tracing import KeptPage

WARC, README = "records.warc.gz", "README.txt"

CONTENTS = (
    (
        f"data/{WARC}",
        "the requests and answers, copied from the archive: WARC 1.1 (ISO 28500). Web archive\n"
        f"{'':24}players such as pywb or ReplayWeb.page show the page as it was served.",
    ),
    ("data/answers.tsv", "a line an answer: time, address, status, type, place in the archive, digests"),
    ("data/pages/", "the bodies of the answers as files; do not open unknown HTML while on line"),
    (
        "data/revisions/",
        "the title and text of each revision of the page, and what changed from one to the\n"
        f"{'':24}next (diff -u)",
    ),
    ("data/feeds.json", "what each feed said of it, and since when"),
    (
        "data/document.json",
        "the text that stands, with its authors, date, language and the names found in it",
    ),
    ("data/trace.txt", "what Wireroom did with it, step by step. Steps are kept for a limited time"),
    ("data/trace.json", "the same, for programs"),
)
"""What may be in a bag: how a file's name begins, and what it is."""


@dataclass(frozen=True, slots=True)
class Kept:
    """Hold one answer with its records and its page; None: they cannot be read, and `fault` tells why."""

    answer: Answer
    members: Members | None
    page: Page | None
    fault: str | None


def unnamed_pages(answers: Sequence[Answer], pages: Sequence[KeptPage]) -> tuple[Answer, ...]:
    """Give the pages that the store knows and the archive's indexes did not name, as answers."""
    named = {each.position for each in answers}
    return tuple(
        Answer(url=each.url, at=each.fetched_at, status=each.status, mime="unk", position=each.position)
        for each in pages
        if each.position not in named
    )


def take_answers(folder: Path, answers: Sequence[Answer]) -> tuple[Kept, ...]:
    """Take answers out of the archive."""
    taken = []
    for answer in answers:
        try:
            page = read(folder, answer.position)
            whole = replace(answer, mime=mime_of(page.headers))
            taken.append(Kept(whole, take(folder, answer.position), page, None))
        except ArchiveError as error:
            taken.append(Kept(answer, None, None, str(error)))
    return tuple(taken)


def payload(kept: Sequence[Kept], history: History) -> Mapping[str, bytes]:
    """Lay out the files that are made of archive and revisions."""
    files = {"answers.tsv": _table(kept).encode()}
    records = [each.members for each in kept if each.members]
    if records:
        parts = [part for each in records for part in (each.request, each.response) if part]
        files[WARC] = warcinfo(WARC) + b"".join(parts)
    for number, each in enumerate(kept, start=1):
        if each.page and each.page.body:
            files[f"pages/{number}{_suffix(each.answer.mime)}"] = each.page.body
    for revision in history.revisions:
        files[f"revisions/{revision.number}.txt"] = "\n".join(revision.lines).encode()
    for before, after in zip(history.revisions, history.revisions[1:], strict=False):
        name = f"revisions/{before.number}-to-{after.number}.diff"
        files[name] = difference(before, after).encode()
    return files


def readme(
    url: str,
    state: str,
    kept: Sequence[Kept],
    history: History,
    *,
    files: Collection[str],
    packed_at: float,
    version: str,
) -> str:
    """Say in plain words what is in it, the names of whose `files` are given, and how to check it."""
    faults = [*(f"{each.answer.url}: {each.fault}" for each in kept if each.fault), *history.unread]
    sources = "".join(
        f"\n  revision {each.number}: from {_time(each.at)} on, {each.source}" for each in history.revisions
    )
    missing = "".join(f"\n  not to be had: {fault}" for fault in faults)
    return (
        (Path(__file__).parent / README)
        .read_text()
        .format(
            url=url,
            packed=_time(packed_at),
            version=version,
            state=state,
            contents=_listed(files),
            answers=len(kept),
            revisions=len(history.revisions),
            remarks=f"{sources}{missing}" or "\n  Nothing of it is kept.",
        )
    )


def _listed(files: Collection[str]) -> str:
    data = [f"data/{file}" for file in files]
    held = [(name, what) for name, what in CONTENTS if any(file.startswith(name) for file in data)]
    return "\n".join(f"{name:<24}{what}" for name, what in held)


def _table(kept: Sequence[Kept]) -> str:
    heads = ("time", "address", "status", "type", "file", "offset", "length", "digest", "body-sha256", "note")
    lines = [heads, *(_line(each) for each in kept)]
    return "".join("\t".join(str(cell) for cell in line) + "\n" for line in lines)


def _line(kept: Kept) -> Sequence[object]:
    answer, place = kept.answer, kept.answer.position
    body = hashlib.sha256(kept.page.body).hexdigest() if kept.page else ""
    at = _time(kept.page.fetched_at if kept.page else answer.at)
    said = (place.file, place.offset, place.length, place.digest, body, kept.fault or "")
    return at, answer.url, answer.status, answer.mime, *said


def _suffix(mime: str) -> str:
    return {"text/html": ".html", "application/xhtml+xml": ".html", "text/plain": ".txt"}.get(mime, ".bin")


def _time(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
