"""`wireroom hosts`: what hosts were asked and how politely, to send to a publisher who wants to know."""

import time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipeline.cli.addresses import address
from pipeline.cli.opening import existing_store, settings
from pipeline.cli.options import Json
from pipeline.cli.printing import as_json, columns, counted, json_line, listing, local, note, show
from pipeline.errors import WireroomError

if TYPE_CHECKING:
    from rich.console import RenderableType

    from pipeline.store.asked_hosts import AskedHost, HostCounts


def hosts(
    host: Annotated[str, typer.Argument(help="One host, day by day: a name, name:port or an address.")] = "",
    json: Json = False,
) -> None:
    """Show what hosts were asked, and how politely."""
    from pipeline.store.asked_hosts import read_hosts

    with existing_store(settings()) as store:
        found = read_hosts(store, _name(host) if host else None)
    if host and not found:
        raise WireroomError(f"{host} was never asked; `wireroom hosts` lists those that were")
    for each in found if json else ():
        json_line(_as_json(each, by_day=bool(host)))
    if not json and not found:
        note("no host was asked yet: `wireroom up` polls the feeds")
    elif not json:
        show(*(_statements(found) if host else [_table(found)]))
        _note_demo(found)


def _note_demo(found: "tuple[AskedHost, ...]") -> None:
    """Say why the demo's own hosts, known by their address and pause, were asked sooner than any other."""
    from pipeline.cli.demo import CHOSEN

    chosen = CHOSEN["WIREROOM_HOST_DELAY"]
    if any(each.host.startswith("127.0.0.1:") and each.total.delay_s == float(chosen) for each in found):
        note(
            f"127.0.0.1 is this machine: `wireroom demo` asks its own hosts with WIREROOM_HOST_DELAY={chosen}"
            ", and polls their feeds again before they ask for it, as `wireroom feeds poll --force` does"
        )


def _name(written: str) -> str:
    from pipeline.identity import host_of, url_key

    if "://" in written:
        url = address(written)
        if url_key(url) is None:
            raise WireroomError(f"{written} is no http(s) URL")
        return host_of(url)
    name = written.strip().rstrip("/").lower()
    if ":" in name or url_key(f"https://{name}/") is None:
        return name
    return host_of(f"https://{name}/").removesuffix(":443")


def _as_json(host: "AskedHost", *, by_day: bool) -> dict[str, Any]:
    told = {"host": host.host, "first_day": host.first_day, "last_day": host.last_day, **_shape(host.total)}
    told["hints_pending"] = int(host.pending_until is not None)
    if by_day:
        told["days"] = [{"day": day, **_shape(counts)} for day, counts in host.days]
    return told


def _shape(counts: "HostCounts") -> dict[str, Any]:
    share = round(counts.conditional / counts.feed, 4) if counts.feed else None
    return {**as_json(counts), "conditional_share": share, "spacing_kept": counts.is_spaced}


HEADS = (
    "requests", "feeds", "pages", "robots", "conditional", "304", "429", "503", "bytes",
    "hints kept", "pause",
)  # fmt: skip


def _table(found: "tuple[AskedHost, ...]") -> "RenderableType":
    return listing([(*_row(each.total), each.host) for each in found], (*HEADS, "host"), name="host")


def _row(counts: "HostCounts") -> tuple[Any, ...]:
    kept = f"{counts.hints_kept} of {counts.hints}" if counts.hints else "-"
    return (
        counts.requests, counts.feed, counts.page, counts.robots, _share(counts), counts.not_modified,
        counts.limited, counts.unavailable, counts.bytes, kept, _pause(counts),
    )  # fmt: skip


def _share(counts: "HostCounts") -> str:
    return f"{counts.conditional / counts.feed:.0%}" if counts.feed else "-"


def _pause(counts: "HostCounts") -> str:
    shortest = "-" if counts.shortest_gap_s is None else _seconds(counts.shortest_gap_s)
    return shortest if counts.is_spaced else f"{shortest}, less than {counts.delay_s:g} s"


def _seconds(pause_s: float) -> str:
    return f"{pause_s:.1f} s" if pause_s >= 0.1 else f"{pause_s:.2f} s"  # a short pause is not none


def _statements(found: "tuple[AskedHost, ...]") -> "list[RenderableType]":
    parts: list[RenderableType] = []
    for each in found:
        parts += [*([""] if parts else []), each.host, columns(_facts(each))]
        days = [(day, *_row(counts)) for day, counts in each.days]
        parts += ["", listing(days, ("day (UTC)", *HEADS), name="day (UTC)")]
    return parts


def _facts(host: "AskedHost") -> list[tuple[str, str]]:
    total = host.total
    kinds = f"{total.feed:,} for feeds, {total.page:,} for pages, {total.robots:,} for robots.txt"
    return [
        ("from", f"{host.first_day} to {host.last_day}"),
        ("requests", f"{total.requests:,}: {kinds}"),
        ("conditional", f"{_share(total)} of those for feeds; {counted(total.not_modified, 'answer')} 304"),
        ("bytes", f"{total.bytes:,}"),
        ("turned away", f"429: {counted(total.limited, 'time')}, 503: {counted(total.unavailable, 'time')}"),
        ("asked to wait", _waits(host)),
        ("pause", _pause_in_words(total)),
    ]


def _waits(host: "AskedHost") -> str:
    total, until = host.total, host.pending_until
    told = f"{counted(total.hints + (until is not None), 'time')}: {total.hints_kept:,} kept"
    told += f", {total.hints - total.hints_kept:,} not"
    if until is None:
        return told
    running = "still running" if until > time.time() else "over, and nothing asked since"
    return f"{told}, 1 {running} (until {local(until)})"


def _pause_in_words(counts: "HostCounts") -> str:
    if counts.shortest_gap_s is None:
        return "there was one request"
    told = f"never less than {_seconds(counts.shortest_gap_s)} between two requests"
    return told + (f"; to be kept: {counts.delay_s:g} s" if counts.delay_s is not None else "")
