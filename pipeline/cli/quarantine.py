"""`wireroom quarantine …`: what should not have happened, and another try."""

import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipeline.cli.addresses import address
from pipeline.cli.articles import erase_each, given_reason
from pipeline.cli.opening import existing_store, settings
from pipeline.cli.options import Json, Targets
from pipeline.cli.printing import (
    as_json,
    counted,
    is_terminal,
    json_line,
    lasting,
    listing,
    note,
    one_line,
    rfc3339,
    show,
)
from pipeline.cli.trace import find_requests, find_trace, trace_json, trace_screen
from pipeline.errors import UsageError, WireroomError
from pipeline.outcomes import Cause, Reason
from pipeline.quoting import harmless

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.model import ArchivePosition, Page
    from pipeline.store.quarantine import Choice, Quarantined
    from pipeline.store.store import Store

HEADS = ("host", "articles", "last", "detail", "newest")
FEW = 5
"""Hosts shown of one cause; `--json` lists every article."""

LINES = 12
"""Lines of a page that are shown; `--page` prints it whole."""

ALL_ALONE = "--all means every article: give it alone, without addresses and filters"

Chosen = Annotated[list[str], typer.Argument(metavar="[ID|URL…]", parser=address, show_default=False)]
OfCause = Annotated[Cause | None, typer.Option("--cause", help="All of this cause.")]
OfHost = Annotated[str | None, typer.Option("--host", help="All of this host.")]
WithWords = Annotated[
    str | None, typer.Option("--query", help="Words in address, detail or what a feed said: all of them.")
]
OfReason = Annotated[
    Reason | None, typer.Option("--dropped", help="Not from quarantine: what was dropped for this reason.")
]
All = Annotated[bool, typer.Option("--all", help="All of them.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only say which ones.")]
Rate = Annotated[
    float | None, typer.Option("--rate", min=0.001, help="Articles a second at most.", show_default=False)
]
NONE: list[str] = []


def quarantine(context: typer.Context, json: Json = False) -> None:
    """See what should not have happened, by cause and host, and try it again."""
    if context.invoked_subcommand is None:
        list_quarantine(json)


def list_quarantine(json: Json = False) -> None:
    """List what is in quarantine by cause and host, and what helps."""
    from pipeline.store.quarantine import MEANINGS, list_quarantined

    with existing_store(settings()) as store:
        listed = list_quarantined(store)
    if json:
        for each in listed:
            json_line(as_json(each))
        return
    for cause, group in groupby(listed, key=lambda each: each.cause):
        articles, meaning = list(group), MEANINGS[cause]
        show(f"{cause}: {counted(len(articles), 'article')}", f"  {meaning.text}", f"  {meaning.do}")
        if edits := sum(each.is_indexed for each in articles):
            show(f"  of {edits:,} of them an edit was refused: the text before is searched")
        hosts = sorted(_by_host(articles), key=lambda each: -len(each))
        show(listing([_host_row(each) for each in hosts[:FEW]], HEADS, name="newest"))
        if len(hosts) > FEW:
            show(f"  and {counted(len(hosts) - FEW, 'host')} more; --json lists every article")
    if not listed:
        note("nothing is in quarantine")


def show_quarantine(
    targets: Targets,
    page: Annotated[
        bool, typer.Option("--page", help="Print the page alone, whole, as it was served.")
    ] = False,
    json: Json = False,
) -> None:
    """Show why articles are in quarantine, how they came there, and the page as it was served."""
    chosen = settings()
    with existing_store(chosen) as store:
        for place, each in enumerate(_named(store, targets)):
            if page:
                _print_page(*_served(store, chosen.archive_folder, each.id))
            elif json:
                json_line(_shown_json(store, chosen.archive_folder, each))
            else:
                show(*([""] if place else []))
                _show_one(store, chosen.archive_folder, each)


def replay_quarantine(
    targets: Chosen = NONE,
    cause: OfCause = None,
    host: OfHost = None,
    query: WithWords = None,
    dropped: OfReason = None,
    every: All = False,
    rate: Rate = None,
    dry_run: DryRun = False,
) -> None:
    """Try articles again from the last step that was done."""
    from pipeline.store.quarantine import REPLAYABLE, replay

    if dropped is not None and dropped not in REPLAYABLE:
        raise UsageError(f"--dropped {dropped}: what can be tried again is {', '.join(REPLAYABLE)}")
    with existing_store(settings()) as store:
        choice = _choice(cause, host, query, dropped)
        chosen = _chosen(store, targets, choice, every=every, also=REPLAYABLE)
        if dry_run:
            _would("would be due again", chosen)
            return
        replayed = replay(store, [each.id for each in chosen], rate=rate)
    show(f"{counted(len(replayed), 'article')} due again")
    if replayed:
        over = f" over {lasting((len(replayed) - 1) / rate)}" if rate and len(replayed) > 1 else ""
        note(f"`wireroom up` tries them{over}")


def drop_quarantine(
    reason: Annotated[str, typer.Option(help="Why; `trace` tells it.")],
    targets: Chosen = NONE,
    cause: OfCause = None,
    host: OfHost = None,
    query: WithWords = None,
    every: All = False,
    dry_run: DryRun = False,
) -> None:
    """Give articles up: they are erased as `wireroom remove` does it."""
    reason = given_reason(reason)
    with existing_store(settings()) as store:
        choice = _choice(cause, host, query)
        chosen = _chosen(store, targets, choice, every=every)
        articles = [each for each in chosen if not each.is_indexed]
    if kept := len(chosen) - len(articles):
        note(f"not given up: {counted(kept, 'article')} searched in the text before; see `wireroom remove`")
    if dry_run:
        _would("would be dropped", articles)
        return
    dropped: list[str] = []
    try:
        erase_each([each.id for each in articles], reason, lambda removal: dropped.append(removal.id))
    finally:
        show(f"{counted(len(dropped), 'article')} dropped")


def _by_host(articles: "Sequence[Quarantined]") -> "Iterator[list[Quarantined]]":
    return (list(group) for _, group in groupby(articles, key=lambda each: each.host))


def _host_row(articles: "Sequence[Quarantined]") -> tuple[Any, ...]:
    """Tell of a host's articles: how many, since when, the commonest detail, the newest of them."""
    [(detail, times)] = Counter(each.detail or "" for each in articles).most_common(1)
    said = detail if times == len(articles) else f"{detail} ({times} of them)"
    newest = max(articles, key=lambda each: each.at)
    return articles[0].host, len(articles), rfc3339(newest.at), said, newest.url


def _would(what: str, articles: "Sequence[Quarantined]") -> None:
    show(f"{counted(len(articles), 'article')} {what}")
    rows = [(each.cause, each.url, each.detail or "") for each in articles]
    show(listing(rows, ("cause", "article", "detail"), name="article"))


def _choice(
    cause: Cause | None, host: str | None, query: str | None, dropped: Reason | None = None
) -> "Choice":
    """Say which articles the options mean. Raises UsageError for one that is there and empty, as from a
    variable that is not set: it would mean all of them."""
    from pipeline.store.quarantine import Choice

    for name, value in (("--host", host), ("--query", query)):
        if value is not None and not value.strip():
            raise UsageError(f"{name} is empty: leave it out, or say what it is")
    if cause and dropped:
        raise UsageError("--cause is why something is in quarantine, --dropped why it is not: give one")
    return Choice(cause=cause, dropped=dropped, host=host, words=tuple((query or "").split()))


def _chosen(
    store: "Store", targets: Sequence[str], choice: Any, *, every: bool, also: Sequence[Reason] = ()
) -> "Sequence[Quarantined]":
    from pipeline.store.quarantine import Choice, list_quarantined

    given: list[Any] = [each for each in (targets, choice != Choice(), every) if each]
    if len(given) > 1:
        raise UsageError("give addresses or filters, not both" if targets and not every else ALL_ALONE)
    if not given:
        raise UsageError("name articles, or say which ones by --cause, --host or --query, or give --all")
    return _named(store, targets, also=also) if targets else list_quarantined(store, choice)


def _named(store: "Store", targets: Sequence[str], *, also: Sequence[Reason] = ()) -> "Sequence[Quarantined]":
    from pipeline.cli.articles import require_article
    from pipeline.store.quarantine import Choice, list_quarantined

    choices = (Choice(), *(Choice(dropped=reason) for reason in also))
    jailed = {each.id: each for choice in choices for each in list_quarantined(store, choice)}
    ids = {target: require_article(store, target) for target in targets}
    for target, id in ids.items():
        if id not in jailed:
            raise WireroomError(f"{target} is not in quarantine; `wireroom trace {target}` tells where it is")
    return [jailed[id] for id in dict.fromkeys(ids.values())]


def _show_one(store: "Store", folder: "Path", each: "Quarantined") -> None:
    from pipeline.store.quarantine import MEANINGS

    meaning = MEANINGS[each.cause]
    found = find_trace(store, each.id)
    show(*trace_screen(found, find_requests(folder, found)), "", f"{each.cause}: {meaning.text}")
    show(*([one_line(each.detail)] if each.detail else []), meaning.do, "")
    try:
        page, position = _served(store, folder, each.id)
    except WireroomError as error:
        show(str(error))
        return
    show(f"the page as it was served at {rfc3339(page.fetched_at)} ({position.digest}):")
    show(f"  HTTP {page.status} from {page.url}, {len(page.body):,} bytes")
    show(*(f"  {name}: {value}" for name, value in page.headers))
    lines = [line.strip() for line in _body((page, position)).splitlines() if line.strip()]
    show("", *(f"  {one_line(line)[:200]}" for line in lines[:LINES]))
    if len(lines) > LINES:
        show(f"  … {counted(len(lines) - LINES, 'line')} more: wireroom quarantine show --page {each.id}")


def _shown_json(store: "Store", folder: "Path", each: "Quarantined") -> dict[str, Any]:
    from pipeline.store.quarantine import MEANINGS

    meaning = MEANINGS[each.cause]
    found = find_trace(store, each.id)
    told = {**trace_json(found, find_requests(folder, found)), "cause": each.cause, "meaning": meaning.text}
    try:
        page, position = _served(store, folder, each.id)
    except WireroomError:
        return {**told, "do": meaning.do, "page": None}
    served = {**as_json(page), "digest": position.digest, "body": _body((page, position))}
    return {**told, "do": meaning.do, "page": served}


def _served(store: "Store", folder: "Path", id: str) -> "tuple[Page, ArchivePosition]":
    """Read an article's newest page. Raises WireroomError when there is none, or it cannot be read."""
    from pipeline.archive.reading import read
    from pipeline.store.tracing import read_pages

    pages = read_pages(store, id)
    if not pages:
        raise WireroomError("no page of it was ever had")
    return read(folder, pages[-1].position), pages[-1].position


def _print_page(page: "Page", position: "ArchivePosition") -> None:
    """Print a page: the bytes that were served, or on a terminal its text without what it would obey."""
    if is_terminal():
        show(*map(harmless, _body((page, position)).splitlines()))
    else:
        sys.stdout.buffer.write(page.body)


def _body(served: "tuple[Page, ArchivePosition]") -> str:
    from pipeline.extraction.charset import decode

    return decode(served[0].body, served[0].headers)
