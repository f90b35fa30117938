"""`wireroom coverage`: by feed and day what was asked, what came of it, and what may have been missed."""

import time
from collections.abc import Iterable, Sequence
from dataclasses import fields
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipeline.cli.opening import existing_store, settings
from pipeline.cli.options import Json
from pipeline.cli.printing import as_json, json_line, lasting, listing, note, rfc3339, show
from pipeline.cli.wording import waits
from pipeline.errors import UsageError

if TYPE_CHECKING:
    from rich.console import RenderableType

    from pipeline.store.children import UnreadSitemap
    from pipeline.store.coverage import Asked, Coverage, FeedDay
    from pipeline.store.frame import FrameChange
    from pipeline.store.sitemaps import SitemapDay, UnwatchedSitemap

DEFAULT_SINCE = "6d"  # with today, a week

OWN = ("feed_id", "kind")  # of records: not told
HEADS = (
    "day", "polled", "failed", "down", "gaps", "entries", "new", "indexed", "partial", "dropped",
    "quarantined", "waiting", "feed",
)  # fmt: skip


def coverage(
    since: Annotated[str, typer.Option(help="First day: 2026-01-31, 2026-01, 30d.")] = DEFAULT_SINCE,
    until: Annotated[str, typer.Option(help="First day left out; by default tomorrow.")] = "",
    tag: Annotated[list[str], typer.Option("--tag", help="Feeds with this tag; may be repeated.")] = [],  # noqa: B006
    outlet: Annotated[list[str], typer.Option(help="Feeds of this domain; may be repeated.")] = [],  # noqa: B006
    json: Json = False,
) -> None:
    """Tell by feed and day (UTC) what was asked, what came of it, what may have been missed."""
    from pipeline.store.coverage import read_coverage, today

    with existing_store(settings()) as store:
        asked = _asked(since, until, today(store), tags=tag, outlets=outlet)
        read = read_coverage(store, asked)
    _refuse_unknown(read)
    is_empty = not (read.changes or read.days)
    if json:
        _print_json(read)
    elif not is_empty:
        show(*_screen(read))
    if is_empty and asked.is_everything:
        note("no feed was watched then; `wireroom add URL` watches one")
    elif is_empty:
        note("no feed that was watched then has that tag or outlet now; `wireroom feeds list` shows the tags")


def _refuse_unknown(read: "Coverage") -> None:
    """Take no typo for a nought. Raises UsageError for a tag or an outlet that no feed has or ever had."""
    for name in read.unknown_tags:
        raise UsageError(f"--tag {name}: no feed has or had it; `wireroom feeds list` shows the tags")
    for name in read.unknown_outlets:
        raise UsageError(f"--outlet {name}: no feed is or was of it; `wireroom feeds list` shows the feeds")


def _asked(since: str, until: str, today: int, *, tags: Sequence[str], outlets: Sequence[str]) -> "Asked":
    from pipeline.store.coverage import Asked
    from pipeline.store.days import DAY_S, day_of

    now = time.time()
    first_day = day_of(_moment("--since", since, now))
    end_day = -day_of(-_moment("--until", until, now)) if until else max(today, int(now // DAY_S)) + 1
    if end_day <= first_day:
        raise UsageError(
            "--until must be after --since; it is the first day left out"
            if until
            else "--since is yet to come"
        )
    domains = tuple(each.lower() for each in outlets)
    return Asked(first_day=first_day, end_day=end_day, tags=tuple(tags), outlets=domains)


def _moment(option: str, written: str, now: float) -> float:
    from pipeline.search.dates import FORMS, read_period

    period = read_period(written, now=now)
    if period is None:
        raise UsageError(f"{option} {written}: write {FORMS}")
    return period.start


def _print_json(read: "Coverage") -> None:
    total = _total(read.days)
    json_line(
        {
            "kind": "range",
            "first_day": read.first_day,
            "last_day": read.last_day,
            "counted_since": read.counted_since,
            "total": {name: value for name, value in _rounded(total).items() if name not in ("day", "feed")},
        }
    )
    told = (
        ("day", read.days),
        ("change", read.changes),
        ("sitemap", read.sitemaps),
        ("unwatched-sitemap", read.unwatched_sitemaps),
        ("unread-sitemap", read.unread_sitemaps),
    )
    for kind, records in told:
        for record in records:
            shown = {name: value for name, value in _rounded(record).items() if name not in OWN}
            json_line({"kind": kind, **shown})


def _rounded(
    record: "FeedDay | FrameChange | SitemapDay | UnwatchedSitemap | UnreadSitemap",
) -> dict[str, Any]:
    told: dict[str, Any] = as_json(record)
    return {**told, "down_s": round(told["down_s"], 1)} if "down_s" in told else told


def _total(days: "Iterable[FeedDay]") -> "FeedDay":
    from pipeline.store.coverage import FeedDay

    days = tuple(days)
    counters = [field.name for field in fields(FeedDay) if field.name not in ("day", "feed")]
    return FeedDay(
        day="", feed=None, **{name: sum(getattr(each, name) for each in days) for name in counters}
    )


def _screen(read: "Coverage") -> "list[RenderableType]":
    from rich.text import Text

    rows = [_row(each.day, each, each.feed or "(found before this was counted)") for each in read.days]
    last = [_row("all", _total(read.days), f"{read.first_day} to {read.last_day}, UTC")]
    parts: list[RenderableType] = [listing([*rows, *last], HEADS, name="feed")]
    if read.counted_since is None or read.counted_since > read.first_day:
        since = read.counted_since or "the next poll"
        parts.append(f"polls, gaps and downtime are counted since {since}; articles from the beginning")
    if read.sitemaps:
        listed = [(each.day, each.listed, each.shown_by_feeds, each.sitemap) for each in read.sitemaps]
        parts += ["", Text("against news sitemaps", style="bold")]
        parts.append(listing(listed, ("day", "listed", "in feeds, too", "sitemap"), name="sitemap"))
    if read.unwatched_sitemaps:
        unwatched = [(each.outlet, each.sitemap) for each in read.unwatched_sitemaps]
        parts += [
            "",
            Text("news sitemaps to compare with, once `wireroom add URL` watches them", style="bold"),
        ]
        parts.append(listing(unwatched, ("outlet", "sitemap"), name="sitemap"))
    if read.unread_sitemaps:
        unread = [
            (waits(each), rfc3339(each.changed_at) if each.changed_at else "", each.sitemap)
            for each in read.unread_sitemaps
        ]
        parts += ["", Text("sitemaps that changed and are not read yet", style="bold")]
        parts.append(listing(unread, ("why", "changed", "sitemap"), name="sitemap"))
    frame = listing([_change(each) for each in read.changes], ("at", "change", "feed", "tags"), name="feed")
    return [*parts, "", Text("the frame", style="bold"), frame]


def _row(day: str, counted: "FeedDay", name: str) -> tuple[str | int, ...]:
    down = lasting(counted.down_s) if counted.down_s else "-"
    gaps = f"{counted.gaps}" + (f" (+{counted.gaps_untold}?)" if counted.gaps_untold else "")
    return (
        day, counted.polls, counted.failed, down, gaps, counted.entries, counted.new, counted.indexed,
        counted.partial, counted.dropped, counted.quarantined, counted.waiting, name,
    )  # fmt: skip


def _change(change: "FrameChange") -> tuple[str, str, str, str]:
    return (rfc3339(change.at), change.change, change.feed, ", ".join(change.tags))
