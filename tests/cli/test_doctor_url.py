"""`wireroom doctor URL`: what is wrong with a feed, in plain words, and what mends it."""

from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler

import pytest
from sqlalchemy import insert, update

from pipeline.cli.judging import (
    judge_dates,
    judge_document,
    judge_identity,
    judge_page,
    judge_request,
    judge_robots,
)
from pipeline.cli.turns import LEFT_ALONE
from pipeline.demo.site import SampleWeb, open_sample_web
from pipeline.feeds.parsing import FeedError
from pipeline.fetching.robots import read_robots
from pipeline.identity import host_of
from pipeline.model import Entry, Exchange, FeedKind, FetchFailure, ParsedFeed
from pipeline.outcomes import FeedSlug, FetchSlug
from pipeline.store.claims import claim_host
from pipeline.store.leases import release_host
from pipeline.store.store import Store
from pipeline.store.subscriptions import NewFeed, add_feeds
from pipeline.store.tables import feed_sitemaps, feeds
from tests.cli.conftest import Wireroom
from tests.cli.newsroom import BRIDGE, FEED, HARBOUR, entry
from tests.stages.loopback import Site, open_site, rss, whole

STEPS = ["discovery", "watched", "fetch", "parse", "identity", "dates", "robots", "page", "text"]


@pytest.fixture(scope="module")
def web() -> Iterator[SampleWeb]:
    with open_sample_web(ports=()) as sample_web:
        yield sample_web


@pytest.fixture
def _loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WIREROOM_ALLOW_ADDRESSES", "127.0.0.0/8")
    monkeypatch.setenv("WIREROOM_HOST_DELAY", "0")


def answer(status: int = 200, *headers: tuple[str, str], body: bytes = b"<p>") -> Exchange:
    return Exchange(
        url="https://courier.example/",
        method="GET",
        request_headers=(),
        status=status,
        reason="",
        headers=headers,
        body=body,
        fetched_at=1_790_000_000.0,
        remote_address=None,
    )


def parsed(*entries: Entry, **changed: object) -> ParsedFeed:
    facts = {"title": "Courier", "site": None, "language": None, "entries_without_link": 0}
    return ParsedFeed(entries=entries, **{**facts, **changed})  # type: ignore[arg-type]


@pytest.mark.usefixtures("_loopback")
def test_a_sound_feed_is_followed_from_its_address_to_a_text(wireroom: Wireroom, web: SampleWeb) -> None:
    ran = wireroom("doctor", web.feeds[0], "--json")
    assert [finding["name"] for finding in ran.lines] == STEPS
    assert [finding["name"] for finding in ran.lines if not finding["ok"]] == []
    assert ran.code == 0
    assert "words from page" in ran.lines[-1]["text"]


@pytest.mark.usefixtures("_loopback")
def test_hosts_are_asked_in_their_turns(wireroom: Wireroom, web: SampleWeb, store: Store) -> None:
    host = host_of(web.feeds[0])
    assert claim_host(store, host, owner="elsewhere:1:fetch:0")
    release_host(store, host, "elsewhere:1:fetch:0", delay_s=3_600.0)
    ran = wireroom("doctor", web.feeds[0], "--json")
    assert (ran.code, ran.json["name"], "to be left alone" in ran.json["text"]) == (1, "discovery", True)


@pytest.mark.usefixtures("_loopback")
def test_a_host_that_says_429_is_asked_once_and_told_of(wireroom: Wireroom) -> None:
    with open_site() as site:
        site.answers["/feed"] = whole(b"", status=429)
        finding = wireroom("doctor", site.url("/feed"), "--json").json
        assert (site.requests, "WIREROOM_HOST_DELAY" in finding["do"]) == (["/feed"], True)


@pytest.mark.usefixtures("_loopback")
def test_an_index_of_sitemaps_is_examined_by_its_newest_and_those_that_are_not_read_yet_are_named(
    wireroom: Wireroom, store: Store
) -> None:
    with open_site() as site:
        one, two = site.url("/news-1.xml"), site.url("/news-2.xml")
        listed = "".join(f"<sitemap><loc>{each}</loc></sitemap>" for each in (one, two))
        page = f"<url><loc>{site.url('/a')}</loc><n:news><n:title>Flood</n:title></n:news></url>"
        space = "http://www.google.com/schemas/sitemap-news/0.9"
        site.answers |= {
            "/index.xml": whole(f"<sitemapindex>{listed}</sitemapindex>".encode(), kind="text/xml"),
            "/news-1.xml": whole(f'<urlset xmlns:n="{space}">{page}</urlset>'.encode(), kind="text/xml"),
        }
        wireroom("add", site.url("/index.xml"))
        sitemaps = [(one, "http-404"), (two, None)]
        with store.write() as connection:
            connection.execute(update(feeds).values(kind=FeedKind.INDEX))
            for url, error in sitemaps:
                row = {"feed_id": 1, "url": url, "depth": 1, "last_error": error}
                connection.execute(insert(feed_sitemaps).values(row))
        told = {line["name"]: line for line in wireroom("doctor", site.url("/index.xml"), "--json").lines}
        unread = [line for line in wireroom("coverage", "--json").lines if line["kind"] == "unread-sitemap"]
    assert told["sitemaps"]["text"].endswith(f"{one} (it answers 404), {two} (waits for its turn)")
    assert (told["sitemaps"]["ok"], told["sitemaps"]["do"]) == (False, f"wireroom doctor {one}")
    assert [(line["sitemap"], line["error"]) for line in unread] == sitemaps
    assert f"waits for its turn           {two}" in wireroom("coverage").out
    assert (
        told["identity"]["text"]
        == "1 different links, 0 with ids; with one entry at a time nobody can tell what was missed"
    )


@pytest.mark.usefixtures("_loopback")
def test_a_login_in_a_sites_address_is_not_given_to_a_feed_elsewhere(wireroom: Wireroom) -> None:
    heard: list[str | None] = []

    def answer(handler: BaseHTTPRequestHandler) -> None:
        heard.append(handler.headers.get("Authorization"))
        whole(rss(), kind="application/rss+xml")(handler)

    with open_site() as site, open_site() as other:
        other.answers["/feed"] = answer
        link = f'<link rel="alternate" type="application/rss+xml" href="{other.url("/feed")}">'
        site.answers["/"] = whole(f"<!doctype html><title>Home</title>{link}".encode())
        wireroom("doctor", site.url("/").replace("http://", "http://desk:s3cret@"))
    assert heard == [None, None]


@pytest.mark.usefixtures("_loopback")
def test_a_site_is_examined_by_its_feed(wireroom: Wireroom, web: SampleWeb) -> None:
    outlet = web.outlets[0]
    ran = wireroom("doctor", f"http://{outlet.host}/", "--json")
    assert ran.lines[0]["text"].startswith(outlet.feeds[0])
    assert [finding["name"] for finding in ran.lines] == STEPS


@pytest.mark.usefixtures("_loopback")
def test_a_paused_feed_is_said_to_be_so_with_the_command_that_resumes_it(
    wireroom: Wireroom, web: SampleWeb, store: Store
) -> None:
    wireroom("add", web.feeds[0])
    wireroom("feeds", "pause", web.feeds[0])
    ran = wireroom("doctor", web.feeds[0])
    assert ran.code == 1
    assert f"it is paused\n  → wireroom feeds resume {web.feeds[0]}\n" in ran.out


def test_a_private_address_names_the_setting_that_lets_it_through(wireroom: Wireroom, web: SampleWeb) -> None:
    ran = wireroom("doctor", web.feeds[0], "--json")
    assert (ran.code, ran.json["name"]) == (1, "discovery")
    assert "WIREROOM_ALLOW_ADDRESSES" in ran.json["text"]


def test_a_host_that_does_not_answer_names_what_to_look_at(
    wireroom: Wireroom, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WIREROOM_ALLOW_ADDRESSES", "127.0.0.0/8")
    monkeypatch.setenv("WIREROOM_HOST_DELAY", "0")
    finding = wireroom("doctor", "http://127.0.0.1:9/feed", "--json").json
    assert (finding["name"], finding["ok"]) == ("discovery", False)
    assert "WIREROOM_PROXY" in finding["do"]


def test_what_is_no_address_gets_one_line(wireroom: Wireroom) -> None:
    ran = wireroom("doctor", "not an address")
    assert (ran.code, ran.out.splitlines()[0]) == (1, "✗ discovery  not an address is no http(s) URL")


SITE = "`wireroom add https://courier.example/`"


@pytest.mark.parametrize(
    ("status", "watched", "mends"),
    [
        (302, None, "the publisher must mend its redirects"),
        (401, None, "`wireroom add https://courier.example/ --login-from FILE`"),
        (401, FEED, f"`wireroom feeds set {FEED} --login-from FILE`"),
        (403, None, "WIREROOM_USER_AGENT_URL"),
        (404, None, SITE),
        (410, None, SITE),
        (410, FEED, f"`wireroom feeds remove {FEED}`"),
        (429, None, "WIREROOM_HOST_DELAY"),
        (429, FEED, f"`wireroom feeds set {FEED} --min-interval 6h`"),
        (500, None, "try again later"),
        (500, FEED, "its polls go on"),
    ],
)
def test_a_status_that_is_no_answer_comes_with_what_mends_it_as_it_is_watched_or_not(
    status: int, watched: str | None, mends: str
) -> None:
    finding = judge_request(answer(status), watched=watched)
    assert not finding.ok
    assert mends in finding.do


@pytest.mark.parametrize(
    ("slug", "url", "detail", "mends"),
    [
        (FetchSlug.REFUSED_ADDRESS, FEED, "10.0.0.1 is not public: private", "WIREROOM_ALLOW_ADDRESSES"),
        (
            FetchSlug.REFUSED_ADDRESS,
            "ftp://x",
            "not an http or https address",
            "the feed's whole address",
        ),
        (FetchSlug.CONNECT, FEED, "no connection: connection refused", "if it must go through a proxy"),
        (FetchSlug.CONNECT, FEED, "the proxy takes no connection", "check WIREROOM_PROXY"),
        (LEFT_ALONE, FEED, "its host asked to be left alone until tomorrow", "wait until then"),
        (FetchSlug.TOO_LARGE, FEED, "over 10 bytes", "the publisher must mend it"),
    ],
)
def test_a_request_without_an_answer_comes_with_what_mends_just_that(
    slug: str, url: str, detail: str, mends: str
) -> None:
    assert mends in judge_request(FetchFailure(url=url, slug=slug, detail=detail)).do


@pytest.fixture
def page_for_feed(_loopback: None, store: Store) -> Iterator[Site]:
    """Watch /feed, which is a web page by now that names the feed /news."""
    with open_site() as site:
        link = f'<link rel="alternate" type="application/rss+xml" href="{site.url("/news")}">'
        site.answers |= {
            "/feed": whole(f"<!doctype html><title>Home</title>{link}".encode()),
            "/news": whole(rss(site.url("/a")), kind="application/rss+xml"),
        }
        add_feeds(store, [NewFeed(url=site.url("/feed"))], interval_s=900.0)
        yield site


def test_a_watched_feed_that_became_a_web_page_is_said_to_be_one_with_what_to_do(
    wireroom: Wireroom, store: Store, page_for_feed: Site
) -> None:
    old, new = page_for_feed.url("/feed"), page_for_feed.url("/news")
    with store.write() as connection:
        connection.execute(update(feeds).values(last_success_at=1_790_000_000.0))
    named = wireroom("doctor", old, "--json").json
    page_for_feed.answers["/feed"] = whole(b"<!doctype html><title>Home</title>")
    del page_for_feed.answers["/news"]
    alone = wireroom("doctor", old, "--json").json
    for told in (alone, named):
        assert (told["ok"], told["text"]) == (False, f"{old} is watched as a feed, and is a web page now")
        assert f"`wireroom feeds remove {old}` ends its polls" in told["do"]
    assert f"`wireroom add {new}`" in named["do"]
    assert "wait whether it comes back" in alone["do"]


def test_a_web_page_that_was_never_a_feed_is_not_said_to_have_become_a_page(
    wireroom: Wireroom, page_for_feed: Site
) -> None:
    url = page_for_feed.url("/feed")
    told = wireroom("doctor", url, "--json").json
    assert told["text"] == f"{url} is watched as a feed, and is a web page"


def test_a_feed_that_is_watched_already_is_not_proposed_again(
    wireroom: Wireroom, page_for_feed: Site
) -> None:
    old, new = page_for_feed.url("/feed"), page_for_feed.url("/news")
    wireroom("add", new)
    told = wireroom("doctor", old, "--json").json
    assert "wireroom add" not in told["do"]
    assert told["do"].endswith(f" is watched already: `wireroom feeds remove {old}` ends its polls")


def test_a_host_without_an_address_is_not_the_publishers_fault_alone() -> None:
    failed = FetchFailure(url="https://x.example/", slug=FetchSlug.DNS, detail="Name does not resolve")
    assert judge_request(failed).text == "its host has no address (Name does not resolve)"


def test_a_feed_without_validators_is_told_to_cost_more() -> None:
    assert "without validators" in judge_request(answer()).text
    assert "with ETag" in judge_request(answer(200, ("ETag", '"1"'))).text


def test_what_is_no_feed_is_said_to_be_none() -> None:
    none = judge_document(FeedError(FeedSlug.NOT_A_FEED, "a web page"), FEED)
    assert (none.text, SITE in none.do) == ("a web page", True)
    assert not judge_document(parsed(), FEED).ok
    assert not judge_document(parsed(entry(BRIDGE), is_well_formed=False), FEED).ok
    assert judge_document(parsed(entry(BRIDGE)), FEED).text == "“Courier”, 1 entry"


def test_entries_without_links_and_with_the_same_link_are_counted() -> None:
    finding = judge_identity(parsed(entry(BRIDGE), entry(BRIDGE), entry(HARBOUR), entries_without_link=2))
    assert finding.text == ("2 different links, 3 with ids; 2 without a usable link, 1 that repeat a link")
    assert not finding.ok
    assert "nobody can tell what was missed" in judge_identity(parsed(entry(BRIDGE))).text


def test_dates_that_are_missing_or_in_the_future_are_told() -> None:
    now = 1_790_000_000.0
    assert judge_dates(parsed(entry(BRIDGE)), now=now).text == "no entry has a date"
    future = parsed(entry(BRIDGE, published_at=now - 60), entry(HARBOUR, published_at=now + 86_400))
    assert judge_dates(future, now=now).text.endswith("; 1 lie in the future")
    assert judge_dates(parsed(entry(BRIDGE, published_at=now - 60)), now=now).ok


def test_robots_and_walls_name_the_mark_that_articles_get() -> None:
    robots = read_robots(b"User-agent: *\nDisallow: /", 200)
    assert judge_robots(robots, BRIDGE).do.endswith("marked robots")
    assert judge_robots(read_robots(b"", None), BRIDGE).do.startswith("try again later")
    assert judge_page(answer(402)).do.endswith("marked blocked")
