"""What a search for a tag says that found nothing, where feeds have that tag: publishers' are meant there."""

import shlex
from collections.abc import Iterable, Iterator, Set
from contextlib import suppress
from typing import TYPE_CHECKING

from pipeline.cli.opening import existing_store, is_store_absent, settings
from pipeline.cli.printing import counted, note
from pipeline.errors import WireroomError

if TYPE_CHECKING:
    from pipeline.search.request import SearchRequest
    from pipeline.store.subscriptions import WatchedFeed


def note_feed_tags(request: "SearchRequest") -> None:
    """Say which tags of a search without hits are tags of feeds, and how the articles of these are found."""
    from pipeline.store.subscriptions import list_feeds

    asked = _asked_tags(request)
    if not asked or is_store_absent(settings()):
        return
    # The search is answered: a store that cannot be read for a hint makes no error of it.
    with suppress(WireroomError), existing_store(settings()) as store:
        for hint in _hints(asked, list_feeds(store)):
            note(hint)


def _asked_tags(request: "SearchRequest") -> frozenset[str]:
    from pipeline.search.query import And, Name, NameField, wanted

    leaves = wanted(And((request.query, *request.filters)))
    return frozenset(
        leaf.text.casefold() for leaf in leaves if isinstance(leaf, Name) and leaf.field is NameField.TAG
    )


def _hints(asked: Set[str], feeds: "Iterable[WatchedFeed]") -> Iterator[str]:
    tagged: dict[str, list[str]] = {}
    for feed in feeds:
        for tag in feed.tags:
            if tag.casefold() in asked:
                tagged.setdefault(tag, []).append(feed.url)
    for tag, urls in tagged.items():
        listed = f"; `wireroom feeds list --tag {shlex.quote(tag)}` names them" if len(urls) > 1 else ""
        yield (
            f"“{tag}” is a tag of {counted(len(urls), 'feed')}, and a search looks for tags of publishers:"
            f" what a feed showed is found by feed:{urls[0]}{listed}"
        )
