"""`wireroom show` and `remove`: single articles."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipeline.cli.opening import existing_services, existing_store, settings
from pipeline.cli.options import Json, Targets, Urls
from pipeline.cli.printing import (
    as_json,
    columns,
    counted,
    json_line,
    local,
    note,
    one_line,
    rfc3339,
    show,
)
from pipeline.cli.wording import MEANING
from pipeline.errors import UsageError, WireroomError
from pipeline.model import Label, names

if TYPE_CHECKING:
    from rich.console import RenderableType

    from pipeline.model import Document
    from pipeline.settings import Settings
    from pipeline.store.removal import Removal
    from pipeline.store.store import Store

PUT_BACK = (
    "put the file back, an empty one of its name if it is gone for good, and `wireroom remove` it again"
)
"""An empty file says what a missing one does not: that the archive is not merely elsewhere just now."""

INDEXING_S = 3.0
"""How long a removal may take to put the index right: some ten thousand documents, if so many wait."""


def show_articles(targets: Targets, json: Json = False) -> None:
    """Show articles: text, entities, where they were seen."""

    def tell(store: "Store", target: str, apart: Sequence[str]) -> None:
        document = find_document(store, target)
        if json:
            json_line({**document_json(document), "sightings": _sightings_json(store, document)})
        else:
            show(*apart, *document_screen(document))

    for_each(targets, tell)


def remove_articles(
    urls: Urls,
    reason: Annotated[str, typer.Option(help="Why; `trace` tells it.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go.")] = False,
) -> None:
    """Erase articles for good; their addresses never come back."""
    from pipeline.store.removal import plan_removal

    def would(store: "Store", target: str, _apart: Sequence[str]) -> None:
        show(f"would remove: {_removal_line(plan_removal(store, require_article(store, target)))}")

    reason = given_reason(reason)
    if dry_run:
        for_each(urls, would)
    else:
        erase_each(urls, reason, lambda removal: show(f"removed: {_removal_line(removal)}"))


def erase_each(targets: Sequence[str], reason: str, tell: "Callable[[Removal], None]") -> None:
    """Erase articles and tell of each; of one whose archive does not allow it, and of the index, say what is
    left and what to do."""
    from pipeline.archive.errors import ArchiveError
    from pipeline.removing import erase_article
    from pipeline.store.removal import plan_removal

    chosen = settings()
    indexed: list[str] = []

    def erase(store: "Store", target: str, _apart: Sequence[str]) -> None:
        planned, fault = plan_removal(store, require_article(store, target)), None
        try:
            tell(erase_article(store, chosen.archive_folder, planned.id, reason=reason))
        except ArchiveError as error:  # the store has let go of it all the same
            fault = f"{planned.url} is removed, but not from the archive: {error}; {PUT_BACK}"
        if planned.documents:
            indexed.append(planned.id)
        if fault:
            raise WireroomError(fault)

    try:
        for_each(targets, erase)
    finally:
        if indexed:
            _tell_of_index(chosen, indexed)


def given_reason(reason: str) -> str:
    """Give the reason for what cannot be undone. Raises UsageError when there is none."""
    if not reason.strip():
        raise UsageError("say why with --reason: `trace` and the next editor want to know")
    return reason.strip()


def _tell_of_index(settings: "Settings", removed: Sequence[str]) -> None:
    """Say how long the index still has something of what was removed."""
    note("the index keeps words that nobody finds any more: `wireroom reindex --keep 0` writes them anew")
    if not _is_out_of_index(settings, removed):
        note("they are found until `wireroom up` takes them out of the index: within seconds where it runs")


def _is_out_of_index(settings: "Settings", ids: Sequence[str]) -> bool:
    """Do what the index stage has to do, unless another process is at it; tell whether these are out.

    Only in a home with store and index: elsewhere the index may be another machine's.
    """
    from threading import Event

    from pipeline.settings import EMBEDDED
    from pipeline.stages.index import index
    from pipeline.stages.shift import begin_shift
    from pipeline.store.tracing import trace

    with existing_services(settings) as services:
        if settings.store_url == EMBEDDED and settings.index_folder.is_dir():
            with suppress(WireroomError):  # it does not answer just now: the rows wait
                index(services, begin_shift(lambda _stage: None, Event(), budget_s=INDEXING_S))
        left = [found for id in ids if (found := trace(services.store, id)) and found.stage]
    return not left


def require_article(store: "Store", target: str) -> str:
    """Find an article's id. Raises WireroomError when it was never seen."""
    from pipeline.store.tracing import find_article, is_feed

    if id := find_article(store, target):
        return id
    if is_feed(store, target):
        raise WireroomError(f"{target} is a feed: `wireroom feeds show {target}` tells of it")
    raise never_seen(target)


def never_seen(target: str) -> WireroomError:
    """Say that nothing is known of what a person asked for, or that it is no address."""
    from pipeline.identity import url_key

    if url_key(target):
        return WireroomError(f"{target} was never seen in any feed")
    return WireroomError(f"{target!r} is neither an article's id nor an http(s) URL")


def find_document(store: "Store", target: str) -> "Document":
    """Read the document of an article, or of its twin. Raises WireroomError when there is none."""
    from pipeline.store.enriched import read_document
    from pipeline.store.tracing import standing_for, trace

    id = require_article(store, target)
    standing = standing_for(store, id)
    if document := read_document(store, standing):
        if standing != id:
            note(f"{target} is another address of {document.url}")
        return document
    found = trace(store, standing)
    said = f"{found.state}: {found.reason}" if found and found.reason else "not read yet"
    raise WireroomError(f"{target} has no text here ({said}); `wireroom trace {target}` tells more")


def document_json(document: "Document") -> dict[str, Any]:
    """Render the flat shape that the command line promises."""
    published = document.published
    same = ("id", "url", "title", "outlet", "outlet_name", "language", "text_source", "partial")
    also = ("authors", "tags", "text", "revision", "version")
    return {
        **{name: as_json(getattr(document, name)) for name in same},
        "published_at": rfc3339(published.at) if published else None,
        "published_source": published.source if published else None,
        "published_precision": published.precision if published else None,
        "published_zone": published.zone if published else None,
        "published_clamped": published.is_clamped if published else False,
        "first_seen_at": rfc3339(document.first_seen_at),
        "entities": {str(label): list(names(document.entities, label)) for label in Label},
        "story": None,
        **{name: as_json(getattr(document, name)) for name in also},
        "stamps": as_json(document.stamps),
    }


def _sightings_json(store: "Store", document: "Document") -> list[dict[str, Any]]:
    """Render where an article was seen, with the media that each feed's entry links to."""
    from pipeline.store.enriched import read_sightings

    media = {each.sighting.feed: each.entry.media for each in read_sightings(store, document.id)}
    return [{**as_json(each), "media": list(media.get(each.feed, ()))} for each in document.sightings]


def document_screen(document: "Document") -> "Sequence[RenderableType]":
    """Lay out an article for reading."""
    from rich.text import Text

    published = (
        local(document.published.at) if document.published else f"seen {local(document.first_seen_at)}"
    )
    facts = [document.outlet_name, published, document.language or "?", ", ".join(document.authors)]
    found = [
        (str(label), ", ".join(names(document.entities, label)))
        for label in Label
        if names(document.entities, label)
    ]
    marks = [("tags", ", ".join(document.tags))] if document.tags else []
    source = f"{document.text_source}" + (f" ({MEANING[document.partial]})" if document.partial else "")
    seen = [("text from", source), *(("seen in", each.feed) for each in document.sightings)]
    paragraphs = [line for each in document.text.split("\n") for line in (Text(each), Text(""))]
    return [
        Text(one_line(document.title), "bold"),
        Text(one_line(" · ".join(fact for fact in facts if fact)), "dim"),
        Text(one_line(document.url), "dim"),
        Text(""),
        *paragraphs,
        columns([*found, *marks, *seen, ("id", f"{document.id}, version {document.version}")]),
    ]


def _removal_line(removal: "Removal") -> str:
    parts = [
        counted(removal.documents, "document"),
        f"{removal.entries:,} feed {'entry' if removal.entries == 1 else 'entries'}",
        counted(removal.pages, "archived page"),
    ]
    repeated = f"; with {counted(removal.articles - 1, 'duplicate')}" if removal.articles > 1 else ""
    return f"{one_line(removal.url)}: {', '.join(parts)}{repeated}"


def for_each(targets: Sequence[str], tell: "Callable[[Store, str, Sequence[str]], None]") -> None:
    """Do something for each target; one that cannot be had is said, and the others go on.

    `tell` is given what to print before what it tells, so that it stands apart from what was told before.
    """
    failed = False
    apart: Sequence[str] = ()
    with existing_store(settings()) as store:
        for target in targets:
            try:
                tell(store, target, apart)
                apart = ("",)
            except WireroomError as error:
                note(str(error))
                failed = True
    if failed:
        raise typer.Exit(1)
