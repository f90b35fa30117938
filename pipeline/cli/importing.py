"""`wireroom feeds import` and `export`: lists of feeds, in and out."""

from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.cli.opening import existing_store, made_store, settings
from pipeline.cli.options import Json, read_tags
from pipeline.cli.printing import as_json, counted, json_line, note, show, xml
from pipeline.errors import UsageError, WireroomError

if TYPE_CHECKING:
    from pipeline.feeds.opml import Subscriptions
    from pipeline.store.subscriptions import NewFeed

FEW = 5
"""Lines of a file that are named as faulty where none is a feed: one that is no list has hundreds."""

KNOWN_TOLD = 50
"""Feeds that are named as known already: of a list that is imported again there may be thousands."""

UTF_16 = (BOM_UTF16_LE, BOM_UTF16_BE, b"<\0", b"\0<")
"""How lists in UTF-16 begin."""

_OUTCOMES = ("added", "known", "repeated", "skipped")


@dataclass(frozen=True, slots=True)
class Line:
    """Report what became of one line of a list: added, known, repeated or skipped."""

    outcome: str
    url: str | None
    why: str | None = None


def import_feeds(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="OPML, newsboat's urls, or one URL a line.")],
    tag: Annotated[str, typer.Option(help="Tags for all of them, separated by commas.")] = "",
    json: Json = False,
) -> None:
    """Watch all feeds of a list."""
    from pipeline.feeds.opml import parse_subscriptions
    from pipeline.store.subscriptions import add_feeds, tag_each

    chosen = settings()
    body = _read(file)
    if _is_binary(body):
        raise WireroomError(f"{file} is no list of feeds: it is no text")
    listed = parse_subscriptions(body, file.name)
    tags, _ = read_tags(tag)
    wanted, lines = _new_feeds(listed, tags=tags)
    if not wanted:
        _name(listed.problems[:FEW], more=len(listed.problems) - FEW)
        raise WireroomError(f"{file} names no feed")
    with made_store(chosen) as store:
        added = frozenset(add_feeds(store, wanted, interval_s=chosen.poll_min))
        tagged = len(tag_each(store, [feed for feed in wanted if feed.url not in added]))
    taken = [Line("added" if feed.url in added else "known", feed.url) for feed in wanted]
    _tell([*taken, *lines], tagged=tagged, json=json)


def _is_binary(body: bytes) -> bool:
    """Tell a program, a picture or an archive from a text; only UTF-16 may have two NULs in a row."""
    return b"\0\0" in body and not body.startswith(UTF_16)


def _new_feeds(listed: "Subscriptions", *, tags: tuple[str, ...]) -> "tuple[list[NewFeed], list[Line]]":
    """Choose the feeds of a list, each once whatever spelling it has, and report on the other lines."""
    from pipeline.feeds.headers import split_login
    from pipeline.identity import url_key
    from pipeline.store.subscriptions import NewFeed

    lines = [Line("skipped", None, problem) for problem in listed.problems]
    lines += [Line("repeated", split_login(url)[0]) for url in listed.repeated]
    wanted: dict[str, NewFeed] = {}
    for feed in listed.feeds:
        url, login = split_login(feed.url)
        key, all_tags = url_key(url), tuple(dict.fromkeys((*feed.tags, *tags)))
        if key is None:
            lines.append(Line("skipped", url, f"no host has such a name: {url}"))
        elif known := wanted.get(key):
            lines.append(Line("repeated", url))
            wanted[key] = replace(known, tags=tuple(dict.fromkeys((*known.tags, *all_tags))))
        else:
            wanted[key] = NewFeed(
                url=url,
                title=feed.title,
                site=feed.site,
                language=feed.language,
                tags=all_tags,
                headers=login,
            )
    return list(wanted.values()), lines


def _tell(lines: Sequence[Line], *, tagged: int, json: bool) -> None:
    count = {name: sum(line.outcome == name for line in lines) for name in _OUTCOMES}
    _name([line.why or f"repeated: {line.url}" for line in lines if line.outcome in ("skipped", "repeated")])
    already = [f"known already: {line.url}" for line in lines if line.outcome == "known"]
    _name(already[:KNOWN_TOLD])
    if len(already) > KNOWN_TOLD:
        note(f"and {len(already) - KNOWN_TOLD:,} more that are known already; --json names all")
    if count["added"] < count["skipped"]:  # a few addresses in a file that is hardly a list of feeds
        _name([f"added: {line.url}" for line in lines if line.outcome == "added"])
    if json:
        counts = {"added": count["added"], "known": count["known"], "repeated": count["repeated"]}
        json_line({**counts, "tagged": tagged, "problems": count["skipped"], "lines": as_json(lines)})
        return
    repeated = f", {count['repeated']:,} repeated" if count["repeated"] else ""
    skipped = f", {counted(count['skipped'], 'line')} skipped" if count["skipped"] else ""
    known = f"{count['known']:,} known already" + (f", {tagged:,} of them tagged" if tagged else "")
    show(f"{counted(count['added'], 'feed')} added, {known}{repeated}{skipped}")
    if count["added"]:
        note("`wireroom up` polls them")


def _name(problems: Sequence[str], *, more: int = 0) -> None:
    for problem in problems:
        note(problem)
    if more > 0:
        note(f"and {more:,} more like these")


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
