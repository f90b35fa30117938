"""`wireroom feeds poll` and `wireroom feeds moves`: when and where feeds are asked."""

from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.cli.addresses import address
from pipeline.cli.opening import existing_store, settings
from pipeline.cli.options import Json, Urls
from pipeline.cli.printing import as_json, columns, json_line, lasting, note, one_line, rfc3339, show
from pipeline.cli.wording import pause_in_words

if TYPE_CHECKING:
    from pipeline.store.moves import Move


def poll_feeds(
    urls: Urls,
    force: Annotated[
        bool, typer.Option("--force", help="Ask though its publisher asked to be left alone.")
    ] = False,
) -> None:
    """Poll feeds now instead of when they are due, or as soon as their publishers let them be asked."""
    from pipeline.store import subscriptions

    with existing_store(settings()) as store:
        due = subscriptions.poll_feeds(store, urls, force=force)
    for feed in due:
        if feed.host_pause:
            asked = pause_in_words(feed.host_pause)
            show(f"{asked}; --force does not change that: {one_line(feed.url)}")
        elif feed.at <= feed.now:
            show(f"due now: {one_line(feed.url)}")
        else:
            wait = lasting(feed.at - feed.now)
            show(f"due in {wait}, as its publisher asks (--force does not wait): {one_line(feed.url)}")
    note("`wireroom up` polls it" if len(due) == 1 else "`wireroom up` polls them")


def show_moves(
    undo: Annotated[
        list[str] | None,
        typer.Option(metavar="URL", parser=address, help="Give the feed at this address its old one back."),
    ] = None,
    json: Json = False,
) -> None:
    """List the feeds whose address was rewritten after permanent redirects, or undo that."""
    from pipeline.store.moves import list_moves, undo_moves

    with existing_store(settings()) as store:
        if undo:
            for url in undo_moves(store, undo):
                show(f"back at: {one_line(url)}")
            return
        moves = list_moves(store)
    if json:
        for move in moves:
            json_line(as_json(move))
    elif moves:
        show(columns([_row(move) for move in moves], ("moved", "from", "to", "")))
    else:
        note("no feed has moved")


def _row(move: "Move") -> tuple[str, ...]:
    undone = f"undone {rfc3339(move.undone_at)}" if move.undone_at else ""
    return (rfc3339(move.at), move.old_url, move.new_url, undone)
