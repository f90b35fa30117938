"""`wireroom demo`: the whole of it, offline, in half a minute."""

import fcntl
import shutil
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING

from pipeline.cli.opening import made_store, make_home, settings
from pipeline.cli.printing import columns, counted, show
from pipeline.cli.progress import showing_progress
from pipeline.cli.wording import MEANING
from pipeline.errors import AlreadyRunningError, WireroomError
from pipeline.model import FeedState, State

if TYPE_CHECKING:
    from rich.console import RenderableType

    from pipeline.demo.site import SampleWeb
    from pipeline.settings import Settings
    from pipeline.store.status import Funnel
    from pipeline.store.store import Store
    from workers.supervisor import Progress

FOLDER = "demo"

CHOSEN = {
    "WIREROOM_ALLOW_ADDRESSES": "127.0.0.0/8",  # where the sample web is
    "WIREROOM_HOST_DELAY": "0.02",  # our own server needs no manners
    "WIREROOM_RETRY_DELAY": "6h",  # missing pages stay missing: their retries are shown, not waited for
    "WIREROOM_CONCURRENCY": "2",
}

TIMEOUT_S = 120.0
"""A run takes some ten seconds; on a machine that takes twelve times that, the demo says so and ends."""


@dataclass(frozen=True, slots=True)
class Example:
    """Hold a search to show: what it shows, and its words."""

    what: str
    query: str
    facets: tuple[str, ...] = ()
    size: int = 3


EXAMPLES = (
    Example("Words", "cable repair ship"),
    Example("A phrase", '"submarine cable"'),
    Example("An entity, and who and where else", "person:lindqvist", ("person", "organization", "place")),
)


def demo() -> None:
    """See it all, offline: feeds, workers, searches."""
    from rich.text import Text

    from pipeline.demo.site import open_sample_web
    from pipeline.settings import read_settings

    began_at = time.monotonic()
    chosen = settings()
    make_home(chosen)
    home = chosen.home / FOLDER
    with _holding(chosen.home / "demo.lock"), open_sample_web() as web:
        _wipe(home)
        sample = read_settings({"WIREROOM_HOME": str(home), **CHOSEN})
        make_home(sample)
        _name_outlets(home, web)
        with made_store(sample) as store:
            _add(store, web, sample)
            _run(store, web, sample)
            _show_edit(store, web)
            _show_funnel(store)
    for example in EXAMPLES:
        _show_search(sample, example)
    seconds = time.monotonic() - began_at
    show(
        "", Text(f"Done in {seconds:.0f} s. Try next:", "bold"), *next_lines(sample.home, back_to=chosen.home)
    )


@contextmanager
def _holding(lock: Path) -> Iterator[None]:
    with lock.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise AlreadyRunningError("another `wireroom demo` runs: wait for it") from None
        yield


def _wipe(home: Path) -> None:
    """Begin anew; a folder that no demo made is left alone."""
    if home.exists() and any(home.iterdir()) and not (home / "outlets.toml").exists():
        raise WireroomError(f"{home} holds something that is not the demo's: move it away")
    shutil.rmtree(home, ignore_errors=True)


def _name_outlets(home: Path, web: "SampleWeb") -> None:
    from json import dumps  # its strings are TOML's too

    tables = (
        f"[{dumps(outlet.host)}]\nname = {dumps(outlet.name, ensure_ascii=False)}\n"
        f"country = {dumps(outlet.country)}\n"
        for outlet in web.outlets
    )
    (home / "outlets.toml").write_text("\n".join(tables), "utf-8")


def _add(store: "Store", web: "SampleWeb", settings: "Settings") -> None:
    from pipeline.store.subscriptions import NewFeed, add_feeds

    show(f"A news web of {counted(len(web.outlets), 'outlet')} is served here: no network is needed.")
    added = add_feeds(store, [NewFeed(url=feed) for feed in web.feeds], interval_s=settings.poll_min)
    show(f"{counted(len(added), 'feed')} added. Polling, fetching, reading and indexing …")


def _run(store: "Store", web: "SampleWeb", settings: "Settings") -> None:
    """Run until everything is indexed; an article is edited meanwhile, and its feed polled again."""
    from pipeline.store.status import read_counts
    from workers.supervisor import Ending, supervise

    with showing_progress(plain=True) as show_progress:
        edit = _Edit(store, web)

        def report(progress: "Progress") -> None:
            show_progress(progress)
            if not progress.found:
                edit.publish_when_indexed()

        ending = supervise(settings, until_idle=True, timeout_s=TIMEOUT_S, report=report)
        edit.publish_when_indexed()
        if ending is Ending.IDLE and read_counts(store).due.now:  # the edit came as the run ended
            ending = supervise(settings, until_idle=True, timeout_s=TIMEOUT_S, report=show_progress)
    if ending is Ending.STOPPED:
        raise KeyboardInterrupt
    if ending is Ending.TIMED_OUT:
        raise WireroomError(f"not done after {TIMEOUT_S:.0f} s; {settings.log_folder} may say why")


class _Edit:
    """Publish the edit of an article, once, when its first wording is in the index."""

    def __init__(self, store: "Store", web: "SampleWeb") -> None:
        self._store = store
        self._web = web
        self._is_published = False

    def publish_when_indexed(self) -> None:
        """Publish, and make the feeds due, so that it is noticed now and not in a quarter of an hour."""
        from pipeline.store.subscriptions import list_feeds, poll_feeds
        from pipeline.store.tracing import trace

        article = trace(self._store, self._web.expected.edited.url)
        if self._is_published or article is None or article.state is not State.INDEXED:
            return
        self._web.publish_edits()
        self._is_published = True
        active = [feed.url for feed in list_feeds(self._store) if feed.state is FeedState.ACTIVE]
        poll_feeds(self._store, active, force=True)  # the sample web is our own


def _show_edit(store: "Store", web: "SampleWeb") -> None:
    from pipeline.cli.articles import find_document

    document = find_document(store, web.expected.edited.url)
    show(f"Edited meanwhile and noticed: “{document.title}”, revision {document.revision}.")


def _show_funnel(store: "Store") -> None:
    from pipeline.store.status import read_funnel

    show("", *funnel_screen(read_funnel(store)))


def funnel_screen(funnel: "Funnel") -> "list[RenderableType]":
    """Lay out what became of every entry; the numbers of each step add up."""
    from rich.text import Text

    seen_again = funnel.sightings - funnel.articles
    entries = [
        (funnel.entries, "entries in all feeds", ""),
        (-funnel.without_link, "without a link", "no article can be made of them; they are counted"),
        (-funnel.repeated, "repeated in the same feed", ""),
        (-seen_again, "seen in another feed already", "one article, several sightings"),
    ]
    ends = [
        (funnel.articles, "articles", ""),
        (funnel.whole, "indexed with their page's text", ""),
        *_slug_rows("indexed from the feed", funnel.partial),
        *_slug_rows("dropped", funnel.dropped),
        *_slug_rows("quarantined", funnel.quarantined),
        (funnel.waiting, "under way", ""),
    ]
    rows = [row for row in (*entries, *ends) if row[0]]
    return [Text("What became of every entry", "bold"), columns(rows), Text(_sums(funnel), "dim")]


def _sums(funnel: "Funnel") -> str:
    seen_again = funnel.sightings - funnel.articles
    taken = "".join(
        f" - {number:,}" for number in (funnel.without_link, funnel.repeated, seen_again) if number
    )
    indexed = funnel.whole + sum(funnel.partial.values())
    dropped, quarantined = sum(funnel.dropped.values()), sum(funnel.quarantined.values())
    ends = f"{indexed:,} indexed + {dropped:,} dropped + {quarantined:,} quarantined"
    left = f" + {funnel.waiting:,} under way" if funnel.waiting else ""
    return f"{funnel.entries:,}{taken} = {funnel.articles:,} = {ends}{left}"


def _slug_rows(what: str, slugs: Mapping[str, int]) -> list[tuple[int, str, str]]:
    return [(count, f"{what}: {slug}", MEANING.get(slug, "")) for slug, count in slugs.items()]


def _show_search(settings: "Settings", example: Example) -> None:
    from rich.text import Text

    from pipeline.cli.search import COLOURED, results_screen
    from pipeline.search.request import read_request
    from pipeline.services import open_searcher

    request = read_request(
        example.query, now=time.time(), size=example.size, facets=example.facets, marks=COLOURED
    )
    results = open_searcher(settings).search(request)
    facets = f" --facets {','.join(example.facets)}" if example.facets else ""
    show(
        "",
        Text(example.what, "bold underline"),
        Text(f"$ wireroom search '{example.query}' --size {example.size}{facets}", "green"),
        *results_screen(results, request),
    )


def next_lines(home: Path, *, back_to: Path) -> "list[RenderableType]":
    """Lay out commands that work when pasted one by one; the demo's home is left before real news come in."""
    from rich.text import Text

    activate = Path(sys.prefix) / "bin" / "activate"
    is_hidden = shutil.which("wireroom") is None and activate.exists()
    looks = (
        ("wireroom status", "# how it stands"),
        ("wireroom search 'language:fr' --sort newest", "# another search"),
        ("wireroom feeds list", "# the feeds"),
    )
    real = ("wireroom add https://your.favourite.site", "# real news, in a home of your own")
    return [
        *([Text(f". {quote(str(activate))}", "green")] if is_hidden else []),
        Text(f"export WIREROOM_HOME={quote(str(home))}", "green"),
        columns([(Text(command, "green"), what) for command, what in looks]),
        Text(f"export WIREROOM_HOME={quote(str(back_to))}", "green"),
        columns([(Text(real[0], "green"), real[1])]),
    ]
