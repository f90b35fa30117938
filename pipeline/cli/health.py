"""`wireroom feeds health`: how each feed is, and what ails it."""

import time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipeline.cli.feeds import weekly
from pipeline.cli.opening import existing_store, settings
from pipeline.cli.options import Json
from pipeline.cli.printing import as_json, counted, json_line, lasting, listing, local, note, show
from pipeline.cli.wording import FEED, pause_in_words
from pipeline.feeds.health import Ailment

if TYPE_CHECKING:
    from pipeline.store.health import FeedHealth


def feeds_health(
    failing: Annotated[bool, typer.Option("--failing", help="Only those whose last poll failed.")] = False,
    silent: Annotated[bool, typer.Option("--silent", help="Only those silent against their rhythm.")] = False,
    slow: Annotated[bool, typer.Option("--slow", help="Only those seen long after publication.")] = False,
    json: Json = False,
) -> None:
    """Tell how each feed is: failures, rhythm, lags, texts, and feeds that add nothing."""
    from pipeline.store.health import read_health

    with existing_store(settings()) as store:
        everything = read_health(store)
    asked = ((failing, Ailment.FAILING), (silent, Ailment.SILENT), (slow, Ailment.SLOW))
    wanted = {ailment for is_wanted, ailment in asked if is_wanted}
    chosen = [each for each in everything if not wanted or wanted & set(each.ailments)]
    if json:
        for each in chosen:
            json_line(_shape(each))
    elif chosen:
        now = time.time()
        show(listing([_row(each, now) for each in chosen], HEADS, name="feed"))
        for each in chosen:
            for ailment in each.ailments:
                show(f"{each.feed.url}: {_sentence(ailment, each, now)}")
    else:
        note("no feed is like that" if everything else "no feeds yet: run `wireroom add URL`")


HEADS = ("how it is", "last success", "next poll", "a week", "to found", "to indexed", "304", "bytes", "feed")


def _shape(health: "FeedHealth") -> dict[str, Any]:
    feed = as_json(health.feed)
    known = (
        "url", "title", "tags", "state", "last_success_at", "next_poll_at", "why", "failures", "last_error",
        "entries_per_week",
    )  # fmt: skip
    measured = {name: value for name, value in as_json(health).items() if name != "feed"}
    return {**{name: feed[name] for name in known}, **measured}


def _row(health: "FeedHealth", now: float) -> tuple[Any, ...]:
    feed = health.feed
    how = ", ".join(health.ailments) or ("well" if feed.last_success_at else "not polled yet")
    share = "" if health.share_304 is None else f"{health.share_304:.0%}"
    return (
        how if feed.state == "active" else feed.state,
        f"{lasting(now - feed.last_success_at)} ago" if feed.last_success_at else "never",
        _next(feed.next_poll_at, now),
        weekly(feed),
        _lag(health.lag_found_s),
        _lag(health.lag_indexed_s),
        share,
        health.bytes,
        feed.url,
    )


def _next(at: float | None, now: float) -> str:
    return "never" if at is None else "now" if at <= now else f"in {lasting(at - now)}"


def _lag(seconds: float | None) -> str:
    return "" if seconds is None else lasting(seconds)


def _sentence(ailment: Ailment, health: "FeedHealth", now: float) -> str:
    look = f"`wireroom doctor {health.feed.url}` looks at it"
    match ailment:
        case Ailment.FAILING:
            return f"{_failing(health, now)} → `wireroom doctor {health.feed.url}`"
        case Ailment.SILENT:
            return f"{_silence(health)}: it may be dead; {look}"
        case Ailment.QUIET:
            return f"{_silence(health)}, yet feeds now bring {health.season:.0%} of what they did (median)"
        case Ailment.SLOW:
            return f"seen {_lag(health.lag_found_s)} after publication (median); {health.feed.why}"
        case Ailment.SHORT:
            recent, before = health.text_length or 0, health.text_length_before or 0
            return f"its texts have {recent:,.0f} characters (median), before {before:,.0f}; {look}"
        case Ailment.REDUNDANT:
            other = health.shared_with[0]
            return f"{other.share:.0%} of its articles are in {other.url}, too"


def _failing(health: "FeedHealth", now: float) -> str:
    feed = health.feed
    meaning = FEED.get(feed.last_error or "")
    said = f"{feed.last_error}, {meaning}," if meaning else f"{feed.last_error}"
    since = f" since {local(feed.failing_since)}" if feed.failing_since else ""
    times = counted(feed.failures, "failure") + " in a row" if feed.failures else ""
    again = (
        pause_in_words(feed.host_pause) if feed.host_pause else f"tried again {_next(feed.next_poll_at, now)}"
    )
    return "; ".join(part for part in (f"{said}{since}", times, again) if part)


def _silence(health: "FeedHealth") -> str:
    silence, longest = health.silence_s or 0.0, health.longest_silence_s or 0.0
    return f"silent for {lasting(silence)}, before never longer than {lasting(longest)}"
