"""`wireroom add` on the sample news web, served on loopback."""

from collections.abc import Iterator

import pytest

from pipeline.cli.add import chosen_places
from pipeline.cli.finding import addresses
from pipeline.demo.site import SampleWeb, open_sample_web
from tests.cli.conftest import Wireroom


@pytest.fixture(scope="module")
def web() -> Iterator[SampleWeb]:
    with open_sample_web(ports=()) as sample_web:
        yield sample_web


@pytest.fixture(autouse=True)
def _let_loopback_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WIREROOM_ALLOW_ADDRESSES", "127.0.0.0/8")


def site_with_feeds(web: SampleWeb, count: int) -> tuple[str, tuple[str, ...]]:
    """Give the front page of an outlet that has so many feeds, and the feeds."""
    outlet = next(outlet for outlet in web.outlets if len(outlet.feeds) == count)
    return f"http://{outlet.host}/", outlet.feeds


def test_a_feed_is_added_with_its_tags(wireroom: Wireroom, web: SampleWeb) -> None:
    ran = wireroom("add", web.feeds[0], "--tag", "tech,news", "--tag", "space", "--json")
    assert ran.json["added"] is True
    assert ran.json["entries"] > 0
    [feed] = wireroom("feeds", "list", "--json").lines
    assert (feed["url"], feed["title"], feed["tags"]) == (
        web.feeds[0],
        ran.json["title"],
        ["tech", "news", "space"],
    )


def test_adding_twice_changes_nothing_and_says_so(wireroom: Wireroom, web: SampleWeb) -> None:
    wireroom("add", web.feeds[0])
    before = wireroom("feeds", "list", "--json").lines
    again = wireroom("add", web.feeds[0])
    assert (again.code, again.out.startswith("watched already: ")) == (0, True)
    assert wireroom("feeds", "list", "--json").lines == before


def test_a_feed_that_is_watched_already_gets_the_tags(wireroom: Wireroom, web: SampleWeb) -> None:
    wireroom("add", web.feeds[0], "--tag", "tech")
    assert wireroom("add", web.feeds[0], "--tag", "mine").out.startswith("watched already: ")
    assert wireroom("feeds", "list", "--json").json["tags"] == ["tech", "mine"]


def test_a_feed_that_is_not_well_formed_is_added_and_said_to_be_so(
    wireroom: Wireroom, web: SampleWeb
) -> None:
    said = {feed: wireroom("add", feed) for feed in web.feeds}
    assert all(ran.out.startswith("added: ") for ran in said.values())
    assert (
        sum(f"{feed} is not well-formed" in ran.err for feed, ran in said.items()) == 1
    )  # as the web is made


def test_of_a_site_the_best_feed_is_taken_where_nobody_can_be_asked(
    wireroom: Wireroom, web: SampleWeb
) -> None:
    site, feeds = site_with_feeds(web, 2)
    assert wireroom("add", site, "--json").json["url"] == feeds[0]


def test_all_feeds_of_a_site_are_taken_on_demand(wireroom: Wireroom, web: SampleWeb) -> None:
    site, feeds = site_with_feeds(web, 2)
    added = [line["url"] for line in wireroom("add", site, "--all", "--json").lines]
    assert set(added) >= set(feeds)


def test_a_bare_host_is_enough(wireroom: Wireroom, web: SampleWeb) -> None:
    site, feeds = site_with_feeds(web, 1)
    ran = wireroom("add", site.removeprefix("http://").rstrip("/"), "--json")
    assert ran.json["url"] == feeds[0]


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("news", "news is no http(s) URL"),
        ("", "wireroom: an empty address is no http(s) URL"),
        ("two words.example", "two words.example is no http(s) URL"),
        ("ftp://news.example/", "ftp://news.example/ is no http(s) URL"),
        ("http://[::1", "http://[::1 is no http(s) URL"),
        ("http://127.0.0.1:9/", "http://127.0.0.1:9/: its host does not take connections"),
        ("http://10.0.0.1/", "http://10.0.0.1/: its address is private or unusual"),
        ("http://10.0.0.1/", "WIREROOM_ALLOW_ADDRESSES can let it through"),
    ],
)
def test_what_cannot_be_a_feed_is_named_and_nothing_is_stored(
    wireroom: Wireroom, written: str, said: str
) -> None:
    ran = wireroom("add", written)
    assert (ran.code, ran.out, ran.err.count("\n")) == (1, "", 1)
    assert said in ran.err
    assert wireroom("feeds", "list").code == 1


def test_a_page_that_is_missing_is_named(wireroom: Wireroom, web: SampleWeb) -> None:
    site, _ = site_with_feeds(web, 1)
    assert wireroom("add", site + "nowhere").err == f"wireroom: {site}nowhere answers 404 Not Found\n"


def test_one_bad_address_does_not_keep_the_others_out(wireroom: Wireroom, web: SampleWeb) -> None:
    ran = wireroom("add", "news", web.feeds[0], "--json")
    assert (ran.code, ran.json["added"]) == (1, True)


@pytest.mark.parametrize(
    ("answer", "places"),
    [("1", [0]), ("3, 1", [2, 0]), ("all", [0, 1, 2]), ("none", []), ("4", None), ("0", None), ("x", None)],
)
def test_answers_are_read_as_places(answer: str, places: list[int] | None) -> None:
    chosen = chosen_places(answer, 3)
    assert (None if chosen is None else list(chosen)) == places


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("https://news.example/feed", ("https://news.example/feed",)),
        ("news.example", ("https://news.example", "http://news.example")),
        ("localhost:8080/rss", ("https://localhost:8080/rss", "http://localhost:8080/rss")),
        ("mailto:a@b.example", ()),
        ("news", ()),
        ("", ()),
    ],
)
def test_bare_hosts_are_tried_as_https_first(written: str, meant: tuple[str, ...]) -> None:
    assert addresses(written) == meant
