"""`wireroom add` on the sample news web, served on loopback."""

import gzip
import re
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from threading import Timer
from time import monotonic, time

import pytest
from sqlalchemy import update

from pipeline.cli.add import chosen_places
from pipeline.cli.addresses import addresses
from pipeline.cli.printing import local
from pipeline.demo.site import SampleWeb, open_sample_web
from pipeline.identity import host_of
from pipeline.store.claims import claim_host, rest_of
from pipeline.store.leases import release_host
from pipeline.store.store import Store
from pipeline.store.tables import feeds, hosts
from tests.cli.conftest import Wireroom, on_a_terminal
from tests.stages.loopback import Answer, Site, open_site, redirect, rss, whole


@pytest.fixture(scope="module")
def web() -> Iterator[SampleWeb]:
    with open_sample_web(ports=()) as sample_web:
        yield sample_web


@pytest.fixture(autouse=True)
def _let_loopback_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WIREROOM_ALLOW_ADDRESSES", "127.0.0.0/8")
    monkeypatch.setenv("WIREROOM_HOST_DELAY", "0")


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
    assert wireroom("add", web.feeds[0], "--tag", "mine").out.startswith("watched already, tagged now: ")
    assert wireroom("feeds", "list", "--json").json["tags"] == ["tech", "mine"]
    assert wireroom("add", web.feeds[0], "--tag", "mine").out.startswith("watched already: ")


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


NEWS = """<urlset xmlns:n="http://www.google.com/schemas/sitemap-news/0.9"><url><loc>/flood</loc><n:news>
<n:publication><n:name>The Example</n:name></n:publication><n:title>Flood</n:title></n:news></url></urlset>"""


@pytest.fixture
def site() -> Iterator[Site]:
    """Serve a site without a feed whose robots.txt names an index of sitemaps."""
    with open_site() as opened:
        index = f"<sitemapindex><sitemap><loc>{opened.url('/2026.xml.gz')}</loc></sitemap></sitemapindex>"
        robots = "\n".join(f"Sitemap: {opened.url(path)}" for path in ("/pages.xml", "/news.xml"))
        pages = b"<urlset><url><loc>/about</loc></url></urlset>"
        opened.answers |= {
            "/": whole(b"<!doctype html><title>Home</title><p>Welcome"),
            "/robots.txt": whole(robots.encode(), kind="text/plain"),
            "/pages.xml": whole(pages, kind="text/xml"),
            "/news.xml": whole(index.encode(), kind="text/xml"),
            "/2026.xml.gz": whole(gzip.compress(NEWS.encode()), kind="application/gzip"),
        }
        yield opened


def test_a_site_without_a_feed_is_watched_by_the_news_sitemap_that_its_robots_txt_names(
    wireroom: Wireroom, site: Site
) -> None:
    assert wireroom("add", site.url("/"), "--json").json == {
        "url": site.url("/news.xml"),
        "title": "The Example",
        "entries": 1,
        "added": True,
        "given": site.url("/"),
        "host_pause": None,
    }
    assert site.requests == ["/", "/robots.txt", "/news.xml", "/2026.xml.gz"]


@pytest.mark.parametrize(
    ("given", "watches", "because"),
    [
        ("/", "/news.xml", "it is a web page, and its site's robots.txt names it"),
        ("/named", "/feed.xml", "it is a web page that names it"),
        ("/moved", "/feed.xml", "it has moved there for good"),
    ],
)
def test_why_another_address_is_watched_than_was_given_is_said(
    wireroom: Wireroom, site: Site, given: str, watches: str, because: str
) -> None:
    link = f'<link rel="alternate" type="application/rss+xml" href="{site.url("/feed.xml")}">'
    site.answers |= {
        "/named": whole(f"<!doctype html><title>Home</title>{link}".encode()),
        "/moved": redirect(site.url("/feed.xml"), status=301),
        "/feed.xml": whole(rss(site.url("/a")), kind="application/rss+xml"),
    }
    said = wireroom("add", site.url(given)).err
    assert f"wireroom: given {site.url(given)}, watches {site.url(watches)}: {because}\n" in said


def test_a_feed_that_is_watched_as_given_needs_no_word(wireroom: Wireroom, site: Site) -> None:
    site.answers["/feed.xml"] = whole(rss(site.url("/a")), kind="application/rss+xml")
    assert wireroom("add", site.url("/feed.xml")).err == "wireroom: `wireroom up` polls it\n"


def test_what_leads_to_a_watched_feed_for_now_is_watched_already(wireroom: Wireroom, site: Site) -> None:
    site.answers |= {
        "/short": redirect(site.url("/feed.xml")),
        "/feed.xml": whole(rss(site.url("/a")), kind="application/rss+xml"),
    }
    wireroom("add", site.url("/feed.xml"))
    ran = wireroom("add", site.url("/short"), "--tag", "city")
    assert ran.out.startswith("watched already, tagged now: ")
    assert f"given {site.url('/short')}, watches {site.url('/feed.xml')}: it leads there for now" in ran.err
    (feed,) = wireroom("feeds", "list", "--json").lines
    assert (feed["url"], feed["tags"]) == (site.url("/feed.xml"), ["city"])


def pause(store: Store, site: Site, seconds: float) -> None:
    with store.write() as connection:
        rests = update(hosts).where(hosts.c.host == host_of(site.origin))
        connection.execute(rests.values(next_request_at=store.now() + seconds))
        connection.execute(update(feeds).values(last_status=429))


def test_while_a_host_is_paused_it_is_said_until_when_and_why(
    wireroom: Wireroom, store: Store, site: Site
) -> None:
    site.answers["/feed.xml"] = whole(rss(site.url("/a")), kind="application/rss+xml")
    wireroom("add", site.url("/feed.xml"))
    pause(store, site, 7_200.0)
    until = local(time() + 7_200.0)[:-3]  # to the hour
    ran = wireroom("add", site.url("/other.xml"))
    assert (ran.code, ran.out) == (1, "")
    assert ran.err.startswith(
        f"wireroom: {site.url('/other.xml')}: its host asked to be left alone until {until}"
    )
    assert ran.err.endswith(" (429), and was not asked\n")


def test_of_a_feed_whose_host_turns_away_pages_it_is_said_when_it_is_polled(
    wireroom: Wireroom, store: Store, site: Site
) -> None:
    site.answers["/feed.xml"] = whole(rss(site.url("/a")), kind="application/rss+xml")
    site.answers["/robots.txt"] = whole(b"", status=503, headers={"Retry-After": "7200"})
    link = f'<link rel="alternate" type="application/rss+xml" href="{site.url("/feed.xml")}">'
    site.answers["/"] = whole(f"<!doctype html><title>Home</title>{link}".encode())
    ran = wireroom("add", site.url("/"), "--all")
    assert "added: " in ran.out
    assert f"{site.url('/feed.xml')}: its host asked to be left alone until " in ran.err
    assert "`wireroom up` polls" not in ran.err


def wanting_a_login(answer: Answer) -> Answer:
    def checked(handler: BaseHTTPRequestHandler) -> None:
        knows = handler.headers.get("Authorization") == "Basic ZGVzazpzM2NyZXQ="  # desk:s3cret
        (answer if knows else whole(b"", status=401))(handler)

    return checked


def test_a_login_in_an_address_is_sent_and_kept_as_a_header(wireroom: Wireroom, site: Site) -> None:
    site.answers["/feed"] = wanting_a_login(whole(rss(site.url("/a")), kind="application/rss+xml"))
    ran = wireroom("add", site.url("/feed").replace("http://", "http://desk:s3cret@"), "--json")
    assert ran.json["url"] == site.url("/feed")
    (feed,) = wireroom("feeds", "list", "--json").lines
    assert (feed["url"], feed["header_names"]) == (site.url("/feed"), ["Authorization"])
    refused = wireroom("add", site.url("/feed").replace("http://", "http://desk:wr0ng@"))
    assert (refused.code, "wr0ng" in refused.err) == (1, False)


def test_a_feed_behind_a_login_is_added_and_examined(wireroom: Wireroom, site: Site, tmp_path: Path) -> None:
    site.answers["/feed"] = wanting_a_login(whole(rss(site.url("/a")), kind="application/rss+xml"))
    without = wireroom("add", site.url("/feed"))
    assert (without.code, "answers 401" in without.err) == (1, True)
    assert "--login-from FILE" in wireroom("doctor", site.url("/feed")).out
    (tmp_path / "login").write_text("desk:s3cret\n")
    added = wireroom("add", site.url("/feed"), "--login-from", str(tmp_path / "login"))
    assert added.out.startswith("added: ")
    assert wireroom("feeds", "list", "--json").json["header_names"] == ["Authorization"]
    found = {line["name"]: line["ok"] for line in wireroom("doctor", site.url("/feed"), "--json").lines}
    assert (found["discovery"], found["fetch"]) == (True, True)


def test_a_login_for_a_site_is_not_given_to_a_feed_elsewhere(
    wireroom: Wireroom, site: Site, tmp_path: Path
) -> None:
    with open_site() as other:
        other.answers["/feed"] = wanting_a_login(whole(rss(site.url("/a")), kind="application/rss+xml"))
        link = f'<link rel="alternate" type="application/rss+xml" href="{other.url("/feed")}">'
        site.answers["/"] = whole(f"<!doctype html><title>Home</title>{link}".encode())
        (tmp_path / "login").write_text("desk:s3cret\n")
        ran = wireroom("add", site.url("/"), "--login-from", str(tmp_path / "login"), "--json")
        assert other.requests == ["/feed"]
        assert ran.json["url"] == site.url("/news.xml")


def test_a_sitemap_of_pages_is_no_feed(wireroom: Wireroom, site: Site) -> None:
    ran = wireroom("add", site.url("/pages.xml"))
    assert (ran.code, "a sitemap of pages that it does not call news" in ran.err) == (1, True)


def test_hosts_are_asked_with_a_pause_also_where_no_worker_is(
    wireroom: Wireroom, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WIREROOM_HOST_DELAY", "0.3")
    began = monotonic()
    wireroom("add", site.url("/"))
    assert monotonic() - began > 3 * 0.3
    assert len(site.requests) == 4


def test_a_host_whose_turn_a_worker_has_is_asked_when_it_is_over(
    wireroom: Wireroom, store: Store, site: Site
) -> None:
    host = host_of(site.origin)
    assert claim_host(store, host, owner="elsewhere:1:fetch:0")
    release = Timer(0.5, release_host, (store, host, "elsewhere:1:fetch:0"), {"delay_s": 0.0})
    release.start()
    began = monotonic()
    assert wireroom("add", site.url("/news.xml")).code == 0
    assert monotonic() - began > 0.4
    release.join()


def test_a_host_that_asks_for_a_long_pause_is_asked_nothing_more(
    wireroom: Wireroom, store: Store, site: Site
) -> None:
    links = "".join(f'<link rel="alternate" type="application/rss+xml" href="/{n}">' for n in range(3))
    site.answers["/"] = whole(f"<!doctype html><title>Home</title>{links}".encode())
    site.answers["/0"] = whole(b"", status=429, headers={"Retry-After": "3600"})
    ran = wireroom("add", site.url("/"))
    assert (ran.code, site.requests) == (1, ["/", "/0"])
    assert 3500 < rest_of(store, host_of(site.origin)) <= 3600


def test_without_a_store_a_long_pause_is_kept_as_well(wireroom: Wireroom, site: Site) -> None:
    site.answers["/"] = whole(b"", status=503)
    wireroom("add", site.url("/"), site.url("/news.xml"))
    assert site.requests == ["/"]


def test_the_crawl_delay_of_a_host_is_kept(wireroom: Wireroom, store: Store, site: Site) -> None:
    assert claim_host(store, host_of(site.origin), owner="elsewhere:1:fetch:0")
    with store.write() as connection:
        connection.execute(update(hosts).values(crawl_delay_s=50.0))
    release_host(store, host_of(site.origin), "elsewhere:1:fetch:0", delay_s=0.0)
    assert 40 < rest_of(store, host_of(site.origin)) <= 50


def test_on_a_terminal_feeds_are_shown_with_titles_and_counts_and_asked_for(
    wireroom: Wireroom, home: Path, web: SampleWeb
) -> None:
    site, feeds = site_with_feeds(web, 2)
    shown = on_a_terminal(home, "add", site, typed="2")
    added = wireroom("feeds", "list", "--json").json
    assert added["url"] == feeds[1]
    for number, feed in enumerate(feeds, start=1):
        assert re.search(rf"  {number}  \S.*\d entries\s+{re.escape(feed)}", shown)


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
        ("feed://news.example/rss", ("http://news.example/rss", "https://news.example/rss")),
        ("feed:https://news.example/rss", ("https://news.example/rss",)),
        ("mailto:a@b.example", ()),
        ("news", ()),
        ("", ()),
    ],
)
def test_bare_hosts_are_tried_as_https_first(written: str, meant: tuple[str, ...]) -> None:
    assert addresses(written) == meant
