"""`wireroom feeds …`: the feeds that are watched."""

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.cli.opening import existing_store, settings
from pipeline.cli.options import Json, Urls
from pipeline.cli.printing import (
    as_json,
    columns,
    json_line,
    lasting,
    listing,
    note,
    one_line,
    rfc3339,
    show,
)
from pipeline.cli.wording import FEED, pause_in_words
from pipeline.model import FeedState

if TYPE_CHECKING:
    from pipeline.store.store import Store
    from pipeline.store.subscriptions import WatchedFeed


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
        if (feed.is_failing or not failing)
        and (feed.state == FeedState.PAUSED or not paused)
        and (tag in feed.tags or not tag)
    ]
    if json:
        for feed in chosen:
            json_line(as_json(feed))
    elif chosen:
        heads = ("feed", "address", "tags", "a week", "how it is")
        show(listing([_row(feed, time.time()) for feed in chosen], heads, name="feed"))
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


def pause_feeds(urls: Urls) -> None:
    """Poll feeds no more until they are resumed."""
    from pipeline.store import subscriptions

    each_feed(urls, subscriptions.pause_feeds, "paused")


def resume_feeds(urls: Urls) -> None:
    """Poll paused or gone feeds again."""
    from pipeline.store import subscriptions

    each_feed(urls, subscriptions.resume_feeds, "active")


def remove_feeds(urls: Urls) -> None:
    """Forget feeds; their articles stay."""
    from pipeline.store import subscriptions

    each_feed(urls, subscriptions.remove_feeds, "removed")


def each_feed(
    urls: Sequence[str], act: "Callable[[Store, Sequence[str]], tuple[str, ...]]", done: str
) -> None:
    """Do something to feeds and say of each what became of it."""
    with existing_store(settings()) as store:
        changed = act(store, urls)
    for url in changed:
        show(f"{done}: {one_line(url)}")
    if not changed:
        note(f"nothing to do: {done} already")


def _row(feed: "WatchedFeed", now: float) -> tuple[str, ...]:
    title = feed.title or "(no title yet)"
    return (title, feed.url, ", ".join(feed.tags), weekly(feed), _how(feed, now))


def weekly(feed: "WatchedFeed") -> str:
    """Say how many entries a feed brings a week; `?` before a week of them is known."""
    return "?" if feed.entries_per_week is None else f"{feed.entries_per_week:.1f}".removesuffix(".0")


def _how(feed: "WatchedFeed", now: float) -> str:
    if feed.state != "active":
        return f"{feed.state} for {lasting(now - feed.state_since)}"
    waits = f"; {pause_in_words(feed.host_pause)}" if feed.host_pause else ""
    if feed.last_error:
        times = f", {feed.failures} times" if feed.failures > 1 else ""
        return f"failing: {feed.last_error}{times}{waits}"
    if feed.last_polled_at is None:
        return f"not polled yet{waits}"
    return f"polled {lasting(now - feed.last_polled_at)} ago{waits}"


def _facts(feed: "WatchedFeed", now: float) -> list[tuple[str, str]]:
    until = None if feed.next_poll_at is None else feed.next_poll_at - now
    following = "never" if until is None else "now" if until <= 0 else f"in {lasting(until)}"
    least = feed.min_interval_s or 0.0
    most = feed.max_interval_s
    rhythm = lasting(max(feed.interval_s, least)) + (f", never below {lasting(least)}" if least else "")
    rhythm += f", never above {lasting(most)}" if most else ""
    # What the schedule said before the host asked for more is no longer so.
    why = pause_in_words(feed.host_pause) if feed.host_pause else feed.why
    facts = [
        ("address", feed.url),
        ("site", feed.site or ""),
        ("language", feed.language or ""),
        ("tags", ", ".join(feed.tags)),
        ("own headers", ", ".join(feed.header_names)),
        ("state", f"{feed.state} since {rfc3339(feed.state_since)}"),
        ("next poll", f"{following}; {why}" if feed.host_pause else f"{following}; every {rhythm}; {why}"),
        ("last poll", rfc3339(feed.last_polled_at) if feed.last_polled_at else "none yet"),
        ("answer", str(feed.last_status or "")),
        ("last success", rfc3339(feed.last_success_at) if feed.last_success_at else ""),
        ("failures", f"{feed.failures}: {_error(feed)}" if feed.last_error else ""),
        ("", feed.last_error_detail or "" if feed.last_error else ""),
        ("entries a week", weekly(feed)),
        ("without a link", str(feed.entries_without_link) if feed.entries_without_link else ""),
    ]
    return [(name, value) for name, value in facts if value]


def _error(feed: "WatchedFeed") -> str:
    meaning = FEED.get(feed.last_error or "")
    return f"{feed.last_error}, {meaning}" if meaning else f"{feed.last_error}"
