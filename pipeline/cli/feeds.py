"""`wireroom feeds …`: the feeds that are watched."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.cli.opening import existing_store, made_store, settings
from pipeline.cli.options import Json, Urls, read_tags
from pipeline.cli.printing import (
    as_json,
    columns,
    counted,
    json_line,
    lasting,
    note,
    one_line,
    rfc3339,
    show,
    xml,
)
from pipeline.cli.wording import FEED
from pipeline.errors import UsageError, WireroomError
from pipeline.model import FeedState

if TYPE_CHECKING:
    from pipeline.feeds.opml import Subscriptions
    from pipeline.store.store import Store
    from pipeline.store.subscriptions import NewFeed, WatchedFeed


FEW = 5
"""Lines of a list that are named as faulty; a file that is no list at all has hundreds."""


def list_feeds(
    failing: Annotated[bool, typer.Option("--failing", help="Only those whose last poll failed.")] = False,
    paused: Annotated[bool, typer.Option("--paused", help="Only those that are paused.")] = False,
    tag: Annotated[str, typer.Option(help="Only those with this tag.")] = "",
    json: Json = False,
) -> None:
    """List the feeds."""
    from pipeline.store import subscriptions

    with existing_store(settings()) as store:
        feeds = subscriptions.list_feeds(store)
    chosen = [
        feed
        for feed in feeds
        if (feed.last_error or not failing)
        and (feed.state == FeedState.PAUSED or not paused)
        and (tag in feed.tags or not tag)
    ]
    if json:
        for feed in chosen:
            json_line(as_json(feed))
    elif chosen:
        heads = ("feed", "address", "tags", "a week", "how it is")
        show(columns([_row(feed, time.time()) for feed in chosen], heads))
    else:
        note("no feed is like that" if feeds else "no feeds yet: run `wireroom add URL`")


def show_feeds(urls: Urls, json: Json = False) -> None:
    """Show all that is known of feeds."""
    from pipeline.store.subscriptions import find_feeds

    with existing_store(settings()) as store:
        feeds = find_feeds(store, urls)
    for place, feed in enumerate(feeds):
        if json:
            json_line(as_json(feed))
        else:
            show(*([""] if place else []), feed.title or feed.url, columns(_facts(feed, time.time())))


def set_feeds(
    urls: Urls,
    tag: Annotated[str, typer.Option(help="Tags to add and take away: +politics,-sport")] = "",
    language: Annotated[str | None, typer.Option(help="Code as en or fr; `none` takes it away.")] = None,
    min_interval: Annotated[
        str | None, typer.Option(help="Shortest time between two polls: 15m, 6h; `none` takes it away.")
    ] = None,
) -> None:
    """Change tags, language or shortest interval of feeds."""
    from pipeline.store.subscriptions import FeedChange, change_feeds

    add, drop = read_tags(tag)
    change = FeedChange(
        add_tags=add, drop_tags=drop, language=_language(language), min_interval_s=_interval(min_interval)
    )
    if change == FeedChange():
        raise UsageError("nothing to change: give --tag, --language or --min-interval")
    _each(urls, lambda store, urls: change_feeds(store, urls, change), "changed")


def pause_feeds(urls: Urls) -> None:
    """Poll feeds no more until they are resumed."""
    from pipeline.store import subscriptions

    _each(urls, subscriptions.pause_feeds, "paused")


def resume_feeds(urls: Urls) -> None:
    """Poll paused or gone feeds again."""
    from pipeline.store import subscriptions

    _each(urls, subscriptions.resume_feeds, "active")


def remove_feeds(urls: Urls) -> None:
    """Forget feeds; their articles stay."""
    from pipeline.store import subscriptions

    _each(urls, subscriptions.remove_feeds, "removed")


def import_feeds(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="OPML, or one address a line.")],
    tag: Annotated[str, typer.Option(help="Tags for all of them, separated by commas.")] = "",
    json: Json = False,
) -> None:
    """Watch all feeds of a list."""
    from pipeline.feeds.opml import parse_subscriptions
    from pipeline.store.subscriptions import add_feeds, tag_feeds

    chosen = settings()
    listed = parse_subscriptions(_read(file), file.name)
    for problem in listed.problems[:FEW]:
        note(problem)
    if len(listed.problems) > FEW:
        note(f"and {len(listed.problems) - FEW:,} more like these")
    tags, _ = read_tags(tag)
    wanted = _new_feeds(listed, tags=tags)
    if not wanted:
        raise WireroomError(f"{file} names no feed")
    with made_store(chosen) as store:
        added = add_feeds(store, wanted, interval_s=chosen.poll_min)
        tag_feeds(store, [feed.url for feed in wanted], tags)
    known = len(wanted) - len(added)
    if json:
        json_line({"added": len(added), "known": known, "problems": len(listed.problems)})
    else:
        skipped = f", {counted(len(listed.problems), 'line')} skipped" if listed.problems else ""
        show(f"{counted(len(added), 'feed')} added, {known:,} known already{skipped}")
        if added:
            note("`wireroom up` polls them")


def _new_feeds(listed: "Subscriptions", *, tags: tuple[str, ...]) -> "list[NewFeed]":
    from pipeline.identity import url_key
    from pipeline.store.subscriptions import NewFeed

    return [
        NewFeed(
            url=feed.url, title=feed.title, site=feed.site, language=feed.language, tags=(*feed.tags, *tags)
        )
        for feed in listed.feeds
        if url_key(feed.url)  # None for hosts that no resolver would take
    ]


def export_feeds() -> None:
    """Write all feeds as OPML."""
    from pipeline.feeds.opml import Subscription, write_opml
    from pipeline.store import subscriptions

    with existing_store(settings()) as store:
        feeds = subscriptions.list_feeds(store)
    listed = [
        Subscription(url=feed.url, title=feed.title, site=feed.site, language=feed.language, tags=feed.tags)
        for feed in feeds
    ]
    xml(write_opml(listed).decode())


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {error.strerror}") from None


def _each(urls: Sequence[str], act: "Callable[[Store, Sequence[str]], tuple[str, ...]]", done: str) -> None:
    """Do something to feeds and say of each what became of it."""
    with existing_store(settings()) as store:
        changed = act(store, urls)
    for url in changed:
        show(f"{done}: {one_line(url)}")
    if not changed:
        note(f"nothing to do: {done} already")


def _language(written: str | None) -> str | None:
    if written is None or written == "none":
        return None if written is None else ""
    code = written.lower()
    if not (code.isascii() and code.isalpha() and 2 <= len(code) <= 3):
        raise UsageError(f"--language {written}: write a code of two or three letters, as en, or none")
    return code


def _interval(written: str | None) -> float | None:
    from pipeline.settings import seconds

    if written is None or written == "none":
        return None if written is None else 0.0
    try:
        given = seconds(written)
    except ValueError as error:
        raise UsageError(f"--min-interval {written}: {error}") from None
    if not isinstance(given, float) or given <= 0:
        raise UsageError(f"--min-interval {written}: write 15m, 6h or none")
    return given


def _row(feed: "WatchedFeed", now: float) -> tuple[str, ...]:
    weekly = "?" if feed.last_success_at is None else f"{feed.entries_per_week:g}"
    title = feed.title or "(no title yet)"
    return (title, feed.url, ", ".join(feed.tags), weekly, _how(feed, now))


def _how(feed: "WatchedFeed", now: float) -> str:
    if feed.state != "active":
        return f"{feed.state} for {lasting(now - feed.state_since)}"
    if feed.last_error:
        return f"failing: {feed.last_error}" + (f", {feed.failures:g} times" if feed.failures > 1 else "")
    if feed.last_polled_at is None:
        return "not polled yet"
    return f"polled {lasting(now - feed.last_polled_at)} ago"


def _facts(feed: "WatchedFeed", now: float) -> list[tuple[str, str]]:
    until = None if feed.next_poll_at is None else feed.next_poll_at - now
    following = "never" if until is None else "now" if until <= 0 else f"in {lasting(until)}"
    least = feed.min_interval_s or 0.0
    rhythm = lasting(max(feed.interval_s, least)) + (f", never below {lasting(least)}" if least else "")
    facts = [
        ("address", feed.url),
        ("site", feed.site or ""),
        ("language", feed.language or ""),
        ("tags", ", ".join(feed.tags)),
        ("state", f"{feed.state} since {rfc3339(feed.state_since)}"),
        ("next poll", f"{following}; every {rhythm}; {feed.why}"),
        ("last poll", rfc3339(feed.last_polled_at) if feed.last_polled_at else "none yet"),
        ("answer", str(feed.last_status or "")),
        ("last success", rfc3339(feed.last_success_at) if feed.last_success_at else ""),
        ("failures", f"{feed.failures:g}: {_error(feed)}" if feed.last_error else ""),
        ("", feed.last_error_detail or "" if feed.last_error else ""),
        ("entries a week", f"{feed.entries_per_week:g}"),
        ("without a link", str(feed.entries_without_link) if feed.entries_without_link else ""),
    ]
    return [(name, value) for name, value in facts if value]


def _error(feed: "WatchedFeed") -> str:
    meaning = FEED.get(feed.last_error or "")
    return f"{feed.last_error}, {meaning}" if meaning else f"{feed.last_error}"
