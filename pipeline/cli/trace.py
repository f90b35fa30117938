"""`wireroom trace`: what happened to an address."""

import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from pipeline.cli.articles import for_each, never_seen, require_article
from pipeline.cli.opening import settings
from pipeline.cli.options import Json, Urls
from pipeline.cli.printing import as_json, columns, counted, json_line, lasting, note, one_line, rfc3339, show
from pipeline.cli.wording import MEANING, step_in_words
from pipeline.outcomes import Reason

if TYPE_CHECKING:
    from pathlib import Path

    from rich.console import RenderableType

    from pipeline.archive.finding import Answer
    from pipeline.store.store import Store
    from pipeline.store.tracing import Trace

NEAREST = 3
"""Known addresses shown beside one that is not."""

NAMES = 8
"""Entities of a kind that are shown; `--json` has all."""


def trace_articles(urls: Urls, json: Json = False) -> None:
    """Tell what happened to articles: who showed them, what was asked, what was read, step by step."""
    from pipeline.identity import url_key
    from pipeline.store.tracing import find_article, is_feed

    folder = settings().archive_folder

    def tell(store: "Store", target: str, apart: Sequence[str]) -> None:
        if url_key(target) and not find_article(store, target) and not is_feed(store, target):
            _tell_of_nothing(store, target, apart, json=json)
            raise never_seen(target)
        found = find_trace(store, target)
        answers = find_requests(folder, found)
        if json:
            json_line(trace_json(found, answers))
        else:
            show(*apart, *trace_screen(found, answers))

    for_each(urls, tell)


def find_trace(store: "Store", target: str) -> "Trace":
    """Trace an article. Raises WireroomError when it was never seen."""
    from pipeline.store.tracing import trace

    found = trace(store, require_article(store, target))
    assert found is not None
    return found


def find_requests(folder: "Path", found: "Trace") -> "tuple[Answer, ...]":
    """Find every request for an article's addresses that got an answer."""
    from pipeline.archive.errors import ArchiveError
    from pipeline.archive.finding import find_answers

    try:
        return find_answers(folder, {found.url, *(page.url for page in found.pages)})
    except ArchiveError as error:
        note(f"requests are not to be had: {error}")
        return ()


def trace_json(found: "Trace", answers: "Sequence[Answer]") -> dict[str, Any]:
    """Render a trace in the shape that the command line promises, and all that is known beside it."""
    told = as_json(found)
    requests = [
        {"url": each.url, "at": rfc3339(each.at), "status": each.status, "mime": each.mime}
        | as_json(each.position)
        for each in answers
    ]
    return {**told, "requests": requests}


def trace_screen(found: "Trace", answers: "Sequence[Answer]") -> "Sequence[RenderableType]":
    """Tell an article's story."""
    from rich.text import Text

    rows = []
    before = None
    for step in found.steps:
        when = rfc3339(step.at) if before is None else f"+{lasting(step.at - before)}"
        words = step_in_words(step.stage, step.outcome)
        why = MEANING.get(step.slug or "", step.slug)
        said = ": ".join(each for each in (why if why != words else None, step.detail) if each)
        rows.append((Text(when, "dim"), Text(words), said))
        before = step.at
    told: list[RenderableType] = [columns(rows)] if rows else [Text("its steps were trimmed by age", "dim")]
    return [
        Text(one_line(found.url), "bold"),
        Text(f"id {found.id}", "dim"),
        columns([(Text(what, "dim"), said) for what, said in _facts(found, answers)]),
        *told,
        Text(standing_line(found)),
    ]


def _facts(found: "Trace", answers: "Sequence[Answer]") -> Iterator[tuple[str, str]]:
    """Tell what is known beside the steps, which are trimmed by age."""
    for shown in found.shown:
        said = f"{shown.title!r}" if shown.title else "removed: nothing is kept of it"
        published = f", published {rfc3339(shown.published_at)}" if shown.published_at else ""
        yield "shown by", f"{shown.feed} since {rfc3339(shown.seen_at)}: {said}{published}"
    for each in found.addresses:
        if each.how != "link":
            yield "also", f"{each.key.partition('://')[2]} ({each.how})"  # a key has one scheme for both
    for url in found.duplicates:
        yield "duplicate", f"{url} is another address of it"
    for answer in answers:
        place = f"{answer.position.file}:{answer.position.offset}"
        yield "asked", f"{rfc3339(answer.at)} {answer.url}: HTTP {answer.status}, {answer.mime}, in {place}"
    archived = {answer.position for answer in answers}
    for page in found.pages:
        if page.position not in archived:
            place = f"{page.position.file}:{page.position.offset}, which is not here"
            yield "asked", f"{rfc3339(page.fetched_at)} {page.url}: HTTP {page.status}, in {place}"
    yield from _standing(found)
    for held in found.index:
        name = f"{held.generation} ({held.state})"
        gone = found.reason == Reason.REMOVED  # after a restore index may have deleted it long ago
        yield "index", f"{name} is to delete it" if gone else f"{name} holds version {held.version}"


def _standing(found: "Trace") -> Iterator[tuple[str, str]]:
    stands = found.document
    if stands is None:
        return
    versions = f"revision {stands.revision}, version {stands.version}"
    yield "text", f"{versions}: {stands.words:,} words from {stands.text_source}, sha256 {stands.sha256}"
    yield "language", stands.language or "unknown"
    for label, all_names in stands.entities.items():
        if all_names:
            more = f" and {len(all_names) - NAMES:,} more" if len(all_names) > NAMES else ""
            yield label, ", ".join(all_names[:NAMES]) + more
    stamps = stands.stamps
    yield "read by", ", ".join(each for each in (stamps.extractor, stamps.language, stamps.model) if each)


def standing_line(found: "Trace") -> str:
    """Say in a sentence where an article is and what comes next."""
    slug = found.reason or found.partial
    meaning = MEANING.get(slug or "", "")
    is_refused = found.state == "indexed" and found.reason
    edit = "; its newest edit was refused, the text before is searched" if is_refused else ""
    why = f" ({meaning if meaning.startswith(slug) else f'{slug}: {meaning}'})" if slug else ""
    twin = f", see {found.duplicate_of}" if found.duplicate_of else ""
    following = ""
    if found.stage and found.due_at is not None:
        wait = found.due_at - time.time()
        following = f"; next: {found.stage}" + (f" in {lasting(wait)}" if wait > 0 else ", due now")
    return f"now {found.state}{edit}{why}{twin}{following}"


def _tell_of_nothing(store: "Store", target: str, apart: Sequence[str], *, json: bool) -> None:
    """Tell of an address that no feed showed: what is like it, and which feeds its site has here."""
    from pipeline.store.tracing import feeds_near, nearest

    near, feeds = nearest(store, target, number=NEAREST), feeds_near(store, target)
    if json:
        unknown: dict[str, Any] = {"url": target, "id": None, "state": None, "reason": None, "steps": []}
        json_line({**unknown, "nearest": as_json(near), "feeds": list(feeds)})
        return
    watched = f"{counted(len(feeds), 'feed')} of its site" if feeds else "no feed of its site is watched"
    show(*apart, target, f"in no feed; {watched}")
    rows = [("", "feed", url) for url in feeds[:NEAREST]]
    show(columns([*rows, *(("", str(each.state), each.url) for each in near)]))
