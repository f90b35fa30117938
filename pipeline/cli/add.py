"""`wireroom add`: watch a feed, or the feeds of a site."""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.cli.addresses import address
from pipeline.cli.opening import is_store_absent, made_store, make_home, settings
from pipeline.cli.options import Json, Written, read_tags
from pipeline.cli.printing import as_json, can_ask, counted, json_line, note, one_line, show
from pipeline.cli.secrets import own_headers
from pipeline.cli.wording import pause_in_words

if TYPE_CHECKING:
    from pipeline.cli.finding import FoundFeed, NotFound
    from pipeline.feeds.headers import Headers
    from pipeline.settings import Settings
    from pipeline.store.pauses import Pause
    from pipeline.store.subscriptions import NewFeed


@dataclass(frozen=True, slots=True)
class _Asked:
    """Hold an address as a person wrote it, but for the login in it."""

    written: str
    headers: "Headers" = field(repr=False)


@dataclass(frozen=True, slots=True)
class _Told:
    """Hold what is told of a feed that is watched now."""

    feed: "FoundFeed"
    given: str
    is_new: bool
    is_tagged: bool  # was watched, and lacked a tag that it has now
    host_pause: "Pause | None"  # its host asked to be left alone

    @property
    def is_elsewhere(self) -> bool:
        """Tell whether its address is another than the one that was given, however that is spelled."""
        from pipeline.identity import url_key

        return url_key(address(self.given)) != url_key(self.feed.url)


HeadersFrom = Annotated[
    str | None, typer.Option(metavar="FILE", help="Lines `Name: value` to send for them.")
]
LoginFrom = Annotated[
    str | None, typer.Option(metavar="FILE", help="One line `name:password` to log in with.")
]


def add(
    urls: Written,
    tag: Annotated[list[str], typer.Option("--tag", help="Tags for them: a,b; may be repeated.")] = [],  # noqa: B006
    take_all: Annotated[bool, typer.Option("--all", help="All feeds of a site, not just the best.")] = False,
    headers_from: HeadersFrom = None,
    login_from: LoginFrom = None,
    json: Json = False,
) -> None:
    """Watch a feed, or a site whose feeds are discovered."""
    from pipeline.cli.finding import NotFound

    chosen = settings()
    tags, _ = read_tags(",".join(tag))
    make_home(chosen)
    given = own_headers(headers_from, login_from)
    asked = [_asked(url, given) for url in urls]
    answers = asyncio.run(_find_all(chosen, asked, best_only=not take_all and not can_ask()))
    chosen_feeds = [
        (feed, each)
        for each, answer in zip(asked, answers, strict=True)
        for feed in _taken(each, answer, take_all)
    ]
    if chosen_feeds:
        told = _watch(chosen, chosen_feeds, tags)
        for each in told:
            _tell(each, json=json)
        _say_what_is_next(told)
    if any(isinstance(answer, NotFound) for answer in answers):
        raise typer.Exit(1)


def _asked(written: str, given: "Headers | None") -> _Asked:
    from pipeline.feeds.headers import split_login

    address, login = split_login(written)
    return _Asked(address, login if given is None else given)


async def _find_all(
    settings: "Settings", asked: Sequence[_Asked], *, best_only: bool
) -> "list[tuple[FoundFeed, ...] | NotFound]":
    from pipeline.cli.finding import find_feeds, own_origin
    from pipeline.cli.turns import Turns
    from pipeline.feeds.child import FeedParser
    from pipeline.fetching.http import open_http
    from pipeline.services import http_options

    with ExitStack() as stack:
        # Where there is a store, workers may be asking the same hosts.
        store = None if is_store_absent(settings) else stack.enter_context(made_store(settings))
        parser = stack.enter_context(FeedParser())
        async with open_http(http_options(settings), keep_alive_s=0) as http:
            turns = Turns(http, store, settings.host_delay)
            return [
                await find_feeds(
                    turns.with_own(each.headers, origin=own_origin(each.written)),
                    parser,
                    each.written,
                    best_only=best_only,
                )
                for each in asked
            ]


def _new_feed(feed: "FoundFeed", asked: _Asked, tags: tuple[str, ...]) -> "NewFeed":
    from pipeline.cli.finding import own_origin
    from pipeline.feeds.headers import headers_for
    from pipeline.store.subscriptions import NewFeed

    return NewFeed(
        url=feed.url,
        title=feed.title,
        site=feed.site,
        language=feed.language,
        tags=tags,
        headers=headers_for(feed.url, asked.headers, origin=own_origin(asked.written)),
    )


def _taken(
    asked: _Asked, answer: "tuple[FoundFeed, ...] | NotFound", take_all: bool
) -> "Sequence[FoundFeed]":
    from pipeline.cli.finding import NotFound

    if isinstance(answer, NotFound):
        note(answer.why)
        return ()
    return answer if take_all else _choose(asked.written, answer)


def _choose(written: str, found: "Sequence[FoundFeed]") -> "Sequence[FoundFeed]":
    if len(found) == 1 or not can_ask():
        return found[:1]
    typer.echo(f"{one_line(written)} has {counted(len(found), 'feed')}:", err=True)
    for number, feed in enumerate(found, start=1):
        typer.echo(f"  {number}  {one_line(feed.title or feed.url)}  {feed.entries:,} entries", err=True)
        typer.echo(f"     {one_line(feed.url)}", err=True)
    while True:
        answer = typer.prompt("Which? Numbers, all or none", default="1", err=True)
        places = chosen_places(answer, len(found))
        if places is not None:
            return [found[place] for place in places]


def chosen_places(answer: str, count: int) -> Sequence[int] | None:
    """Read `1,3`, `all` or `none` as places from 0; None when it is something else."""
    if answer.strip().lower() in ("all", "none"):
        return range(count) if answer.strip().lower() == "all" else ()
    numbers = answer.replace(",", " ").split()
    if not all(number.isdecimal() and 1 <= int(number) <= count for number in numbers):
        return None
    return [int(number) - 1 for number in numbers]


def _watch(
    settings: "Settings", found: "Sequence[tuple[FoundFeed, _Asked]]", tags: tuple[str, ...]
) -> "list[_Told]":
    """Watch feeds, and give their tags and headers to those that were; tell how each is watched now."""
    from pipeline.store.subscriptions import add_feeds, find_feeds, head_feeds, tag_each, watched_as

    with made_store(settings) as store:
        known = watched_as(store, [url for feed, _ in found for url in (feed.url, feed.answered_by)])
        met = [(_as_watched(feed, known), asked) for feed, asked in found]
        new = [_new_feed(feed, asked, tags) for feed, asked in met]
        added = add_feeds(store, new, interval_s=settings.poll_min)
        urls = [feed.url for feed, _ in met]
        tagged = tag_each(store, new)
        head_feeds(store, new)
        pauses = {url: find_feeds(store, [url])[0].host_pause for url in urls}
    return [
        _Told(
            feed,
            asked.written,
            is_new=feed.url in added,
            is_tagged=feed.url in tagged,
            host_pause=pauses[feed.url],
        )
        for feed, asked in met
    ]


def _as_watched(feed: "FoundFeed", known: Mapping[str, str]) -> "FoundFeed":
    """Give a feed the address under which it is watched already, if only one that it leads to for now."""
    if feed.url in known or feed.answered_by not in known:
        return feed
    because = "it leads there for now, and that is watched already"
    return replace(feed, url=known[feed.answered_by], because=because)


def _tell(told: _Told, *, json: bool) -> None:
    feed, said = told.feed, "added" if told.is_new else "watched already"
    said += ", tagged now" if told.is_tagged else ""
    if json:
        shape = {"url": feed.url, "title": feed.title, "entries": feed.entries, "added": told.is_new}
        json_line({**shape, "given": told.given, "host_pause": as_json(told.host_pause)})
    else:
        show(f"{said}: {one_line(feed.title) or '(no title)'}, {feed.entries:,} entries, {feed.url}")
    if told.is_elsewhere:
        note(f"given {told.given}, watches {feed.url}: {feed.because}")
    if not feed.is_well_formed:
        note(f"{feed.url} is not well-formed, read as far as possible: entries may be missing")
    if told.host_pause:
        note(f"{feed.url}: {pause_in_words(told.host_pause)}, and is polled after that")


def _say_what_is_next(told: "Sequence[_Told]") -> None:
    due = [each for each in told if each.is_new and each.host_pause is None]
    if due:
        note("`wireroom up` polls it" if len(due) == 1 else "`wireroom up` polls them")
