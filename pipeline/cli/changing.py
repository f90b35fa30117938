"""`wireroom feeds set`: what people decide about feeds."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.cli.opening import existing_store, settings
from pipeline.cli.options import Urls, read_tags
from pipeline.cli.printing import lasting, one_line, show
from pipeline.cli.secrets import NONE, own_headers
from pipeline.errors import UsageError

if TYPE_CHECKING:
    from pipeline.store.subscriptions import FeedChange, WatchedFeed

Tag = Annotated[str, typer.Option(help="Tags to add and take away: +politics,-sport")]
Language = Annotated[str | None, typer.Option(help="Code as en or fr; `none` takes it away.")]
MinInterval = Annotated[
    str | None, typer.Option(help="Shortest time between two polls: 15m, 6h; `none` takes it away.")
]
MaxInterval = Annotated[
    str | None, typer.Option(help="Longest time between two polls: 6h, 2d; `none` takes it away.")
]
HeadersFrom = Annotated[
    str | None,
    typer.Option(metavar="FILE", help="Lines `Name: value` to send for them; `none` takes them away."),
]
LoginFrom = Annotated[
    str | None, typer.Option(metavar="FILE", help="One line `name:password` to log in with.")
]


def set_feeds(
    urls: Urls,
    tag: Tag = "",
    language: Language = None,
    min_interval: MinInterval = None,
    max_interval: MaxInterval = None,
    headers_from: HeadersFrom = None,
    login_from: LoginFrom = None,
) -> None:
    """Change tags, language, intervals or own headers of feeds."""
    from pipeline.store.subscriptions import FeedChange, change_feeds, find_feeds

    add, drop = read_tags(tag)
    change = FeedChange(
        add_tags=add,
        drop_tags=drop,
        language=_language(language),
        min_interval_s=_interval(min_interval, "--min-interval"),
        max_interval_s=_interval(max_interval, "--max-interval"),
        headers=own_headers(headers_from, login_from),
    )
    if change == FeedChange():
        options = "--tag, --language, --min-interval, --max-interval, --headers-from or --login-from"
        raise UsageError(f"nothing to change: give {options}")
    with existing_store(settings()) as store:
        changed = find_feeds(store, change_feeds(store, urls, change))
    for feed in changed:
        show(f"changed: {one_line(feed.url)}: {one_line('; '.join(_settings(feed, change)))}")


def _settings(feed: "WatchedFeed", change: "FeedChange") -> Iterator[str]:
    """Say how that stands now which was to be changed."""
    if change.add_tags or change.drop_tags:
        yield f"tags {', '.join(feed.tags) or 'none'}"
    if change.language is not None:
        yield f"language {feed.language or 'unknown'}"
    if change.min_interval_s is not None:
        yield f"never below {lasting(feed.min_interval_s)}" if feed.min_interval_s else "no shortest interval"
    if change.max_interval_s is not None:
        yield f"never above {lasting(feed.max_interval_s)}" if feed.max_interval_s else "no longest interval"
    if change.headers is not None:
        yield f"own headers {', '.join(feed.header_names) or 'none'}"


def _language(written: str | None) -> str | None:
    if written is None or written == NONE:
        return None if written is None else ""
    code = written.lower()
    if not (code.isascii() and code.isalpha() and 2 <= len(code) <= 3):
        raise UsageError(f"--language {written}: write a code of two or three letters, as en, or none")
    return code


def _interval(written: str | None, option: str) -> float | None:
    from pipeline.settings import seconds

    if written is None or written == NONE:
        return None if written is None else 0.0
    try:
        given = seconds(written)
    except ValueError as error:
        raise UsageError(f"{option} {written}: {error}") from None
    if not isinstance(given, float) or given <= 0:
        raise UsageError(f"{option} {written}: write 15m, 6h or none")
    return given
