"""What tables say on a screen of 80 columns: all of it, and nothing in pieces."""

from pathlib import Path

import pytest

from pipeline.store.politeness import count_requests
from pipeline.store.store import Store
from pipeline.store.subscriptions import FeedChange, change_feeds
from tests.cli.conftest import on_a_terminal
from tests.cli.newsroom import entry, fetch, poll, publish, quarantine
from tests.cli.test_coverage_commands import asked

LONG = "https://the-long-named-courier.example/section/world/latest-news/feed.xml"
TITLE = "The Long-Named Courier of the Harbour and the Country behind It: World"


@pytest.fixture
def newsroom(store: Store, home: Path) -> Store:
    """Watch two feeds, one with a long name that fails; ask their hosts, and quarantine an article."""
    publish(store, home)
    poll(store, LONG, entry(f"{LONG}?b"), title=TITLE, entries=1_234, wait_s=0.0)
    fetch(store, home)
    quarantine(store)
    poll(store, LONG, error="parse-timeout", entries=None, failures=11.0)
    change_feeds(store, [LONG], FeedChange(add_tags=("politics", "world", "courier")))
    count_requests(store, [asked("the-long-named-courier.example:443", bytes=123_456_789)])
    return store


@pytest.mark.parametrize(
    ("command", "says"),
    [
        ("feeds list", [TITLE, LONG, "tags: politics, world, courier"]),
        ("feeds health", [LONG, "how it is: "]),
        ("hosts", ["the-long-named-courier.example:443", "requests: 1", "bytes: 123,456,789"]),
        ("hosts the-long-named-courier.example", ["bytes: 123,456,789", "conditional: 0%"]),
        ("coverage", [LONG, "polled: 3", "failed: 1", "quarantined: 1", "change: tagged"]),
        ("quarantine list", [f"{LONG}?b", "articles: 1", "detail: signal 11, three times"]),
    ],
)
@pytest.mark.usefixtures("newsroom")
def test_tables_that_do_not_fit_say_each_thing_whole(home: Path, command: str, says: list[str]) -> None:
    lines = on_a_terminal(home, *command.split(), columns=80).splitlines()
    assert max(map(len, lines)) <= 80
    missing = [said for said in says if not any(said in line for line in lines)]
    assert missing == []
