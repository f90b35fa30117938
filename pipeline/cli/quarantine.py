"""`wireroom quarantine …`: what should not have happened, and another try."""

from collections.abc import Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipeline.cli.articles import find_trace, trace_screen
from pipeline.cli.opening import existing_store, settings
from pipeline.cli.options import Json, Targets
from pipeline.cli.printing import as_json, columns, counted, json_line, note, one_line, rfc3339, show
from pipeline.errors import UsageError, WireroomError
from pipeline.outcomes import Cause

if TYPE_CHECKING:
    from pipeline.store.quarantine import Quarantined
    from pipeline.store.store import Store

FEW = 5
"""Articles shown of one cause; `--json` lists them all."""

Chosen = Annotated[list[str], typer.Argument(metavar="[ID|URL…]", show_default=False)]
OfCause = Annotated[Cause | None, typer.Option("--cause", help="All of this cause.")]
All = Annotated[bool, typer.Option("--all", help="All of them.")]
NONE: list[str] = []


def list_quarantine(json: Json = False) -> None:
    """List what is in quarantine by cause, and what helps."""
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
        show(columns([("", rfc3339(each.at), each.url, each.detail or "") for each in articles[:FEW]]))
        if len(articles) > FEW:
            show(f"  and {len(articles) - FEW:,} more; --json lists them all")
    if not listed:
        note("nothing is in quarantine")


def show_quarantine(targets: Targets, json: Json = False) -> None:
    """Show why articles are in quarantine and how they came there."""
    from pipeline.store.quarantine import MEANINGS

    with existing_store(settings()) as store:
        for place, each in enumerate(_named(store, targets)):
            found, meaning = find_trace(store, each.id), MEANINGS[each.cause]
            if json:
                json_line({**as_json(found), "cause": each.cause, "meaning": meaning.text, "do": meaning.do})
            else:
                show(
                    *([""] if place else []),
                    *trace_screen(found),
                    "",
                    f"{each.cause}: {meaning.text}",
                    *([one_line(each.detail)] if each.detail else []),
                    meaning.do,
                )


def replay_quarantine(targets: Chosen = NONE, cause: OfCause = None, every: All = False) -> None:
    """Try articles again from the last step that was done."""
    from pipeline.store.quarantine import replay

    with existing_store(settings()) as store:
        replayed = replay(store, [each.id for each in _chosen(store, targets, cause, every=every)])
    show(f"{counted(len(replayed), 'article')} due again")
    if replayed:
        note("`wireroom up` tries them")


def drop_quarantine(
    reason: Annotated[str, typer.Option(help="Why; `trace` tells it.")],
    targets: Chosen = NONE,
    cause: OfCause = None,
    every: All = False,
) -> None:
    """Give articles up: they are erased as `wireroom remove` does it."""
    from pipeline.archive.reading import erase
    from pipeline.store.removal import remove

    chosen = settings()
    with existing_store(chosen) as store:
        articles = _chosen(store, targets, cause, every=every)
        for each in articles:
            remove(store, each.id, reason=reason, erase=lambda place: erase(chosen.archive_folder, place))
    show(f"{counted(len(articles), 'article')} dropped")


def _chosen(
    store: "Store", targets: Sequence[str], cause: Cause | None, *, every: bool
) -> "Sequence[Quarantined]":
    from pipeline.store.quarantine import list_quarantined

    given: list[Any] = [each for each in (targets, cause, every) if each]
    if len(given) != 1:
        raise UsageError("name articles, or give --cause or --all")
    return _named(store, targets) if targets else list_quarantined(store, cause=cause)


def _named(store: "Store", targets: Sequence[str]) -> "Sequence[Quarantined]":
    from pipeline.cli.articles import require_article
    from pipeline.store.quarantine import list_quarantined

    jailed = {each.id: each for each in list_quarantined(store)}
    ids = {target: require_article(store, target) for target in targets}
    for target, id in ids.items():
        if id not in jailed:
            raise WireroomError(f"{target} is not in quarantine; `wireroom trace {target}` tells where it is")
    return [jailed[id] for id in dict.fromkeys(ids.values())]
