"""The cases of `bench.corpora`: each a document, and what its authors expect of whoever reads it."""

import ast
import html
import io
import json
import re
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import feedparser

from pipeline.feeds.cleaning import plain_text
from pipeline.feeds.opml import parse_subscriptions
from pipeline.feeds.parsing import FeedError, parse_feed
from pipeline.model import ParsedFeed

URL = "https://corpus.example/tests/feed.xml"

# Of feedparser's expectations, those about a field that Wireroom keeps, each one comparison with a literal.
_EXPECTED = re.compile(
    r"^(?:not bozo and |bozo and )?(?P<place>feed|entries\[0\])\[u?'(?P<field>\w+)'\] == "
    r"(?P<value>u?'(?:[^'\\]|\\.)*'|u?\"(?:[^\"\\]|\\.)*\")$",
    re.DOTALL,
)
_END = re.compile(rb"</(?:\w+:)?(?:item|entry)\s*>", re.IGNORECASE)
_LINKED = re.compile(rb"<(?:\w+:)?link\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Case:
    """Hold a document of a suite; `read` gives the expectations that are not met."""

    suite: str
    name: str
    expectations: int
    read: Callable[[], Sequence[str]]


def all_cases(corpora: Path) -> list[Case]:
    """Load every case into memory, so that reading one opens nothing."""
    suites = (_feedparser, _feedvalidator, _gofeed, _real_feeds, _json, _hostile_xml, _lists)
    return [case for suite in suites for case in suite(corpora)]


def _records(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def _parsed(body: bytes, headers: Mapping[str, str], *, url: str = URL) -> ParsedFeed | FeedError:
    try:
        return parse_feed(body, url=url, headers=tuple(headers.items()))
    except FeedError as error:
        if error.slug in ("parse-crashed", "too-deep"):
            raise
        return error


def _feedparser(corpora: Path) -> Iterator[Case]:
    folder = corpora / "feedparser"
    with ZipFile(folder / "feedparser-tests.zip") as files:
        for record in _records(folder / "index.jsonl"):
            body, expected = files.read(record["file"]), _EXPECTED.match(record["expect"])
            told = _readable(expected) if expected else None
            url = f"http://127.0.0.1:8097/tests/{record['file']}"
            read = partial(_compare_fields, body, record.get("headers", {}), url, told)
            yield Case("feedparser", record["file"], int(told is not None), read)


def _readable(expected: re.Match[str]) -> tuple[str, str, str] | None:
    place, name = expected["place"], expected["field"]
    kept = {
        "feed": ("title", "link", "language"),
        "entries[0]": ("title", "link", "id", "summary", "description"),
    }
    if name not in kept[place]:
        return None
    return (place, name, str(ast.literal_eval(expected["value"])))


def _compare_fields(
    body: bytes, headers: Mapping[str, str], url: str, told: tuple[str, str, str] | None
) -> list[str]:
    feed = _parsed(body, headers, url=url)
    if told is None:
        return []
    place, name, value = told
    if place != "feed" and isinstance(feed, ParsedFeed) and not feed.entries:
        feed = _parsed(_with_link(body), headers, url=url)
    if isinstance(feed, FeedError):
        return [f"{place}.{name}: refused, {feed.slug}"]
    if place == "feed":
        given = {"title": feed.title, "link": feed.site or "", "language": feed.language or ""}[name]
    elif not feed.entries:
        return [f"{place}.{name}: no entry"]
    else:
        entry = feed.entries[0]
        text = entry.summary or entry.content
        guid = entry.guid or ""
        fields = {"title": entry.title, "link": entry.link, "id": guid, "guid": guid}
        given = {**fields, "summary": text, "description": text}[name]
    # Markup is compared by what a reader sees: Wireroom keeps it as it came, and cleans it where it is read.
    is_address = name in ("link", "id", "guid")
    same = given == value.strip() if is_address else plain_text(given) == plain_text(value)
    return [] if same else [f"{place}.{name}: {given[:80]!r}, expected {value[:80]!r}"]


def _with_link(body: bytes) -> bytes:
    """Give the first entry a link, where none has any: without one there is no article to compare."""
    if _LINKED.search(body):
        return body
    is_atom = b"</entry" in body
    link = b'<link href="https://corpus.example/1"/>' if is_atom else b"<link>https://corpus.example/1</link>"
    return _END.sub(lambda end: link + end.group(), body, count=1)


def _feedvalidator(corpora: Path) -> Iterator[Case]:
    folder = corpora / "feedvalidator"
    with ZipFile(folder / "feedvalidator-testcases.zip") as files:
        for record in _records(folder / "index.jsonl"):
            name, body = record["file"], files.read(record["file"])
            is_valid = record.get("expect_absent") == "Error"
            reading = _list_is_read if name.endswith(".opml") else _feed_is_read
            yield Case("feedvalidator", name, int(is_valid), partial(reading, body, is_valid))


def _feed_is_read(body: bytes, is_valid: bool) -> list[str]:
    feed = _parsed(body, {})
    return [f"valid, but refused: {feed}"] if is_valid and isinstance(feed, FeedError) else []


def _list_is_read(body: bytes, is_valid: bool) -> list[str]:
    listed = parse_subscriptions(body, "list")
    addresses = len(set(re.findall(rb"xmlUrl=[\"'](https?://.*?)[\"']", body)))
    return [f"{len(listed.feeds)} of {addresses} feeds"] if is_valid and len(listed.feeds) < addresses else []


def _gofeed(corpora: Path) -> Iterator[Case]:
    folder = corpora / "gofeed"
    with ZipFile(folder / "gofeed-testdata.zip") as files:
        for record in _records(folder / "pairs.jsonl"):
            expected = json.loads(files.read(record["expected"]))
            read = partial(_compare_items, files.read(record["input"]), expected, record["group"])
            yield Case("gofeed", record["input"], 1, read)


def _compare_items(body: bytes, expected: Mapping[str, Any], group: str) -> list[str]:
    feed = _parsed(body, {})
    items = expected.get("items") or expected.get("entries") or []
    if isinstance(feed, FeedError):
        return [f"refused: {feed}"]
    if len(feed.entries) + feed.entries_without_link != len(items):
        return [f"{len(feed.entries)} + {feed.entries_without_link} entries, expected {len(items)}"]
    if not group.startswith("translator") or len(feed.entries) != len(items):
        return []
    differences = [_item_difference(entry, item) for entry, item in zip(feed.entries, items, strict=True)]
    return ["; ".join(filter(None, differences))] if any(differences) else []


def _item_difference(entry: Any, item: Mapping[str, Any]) -> str:
    published = item.get("publishedParsed") or item.get("updatedParsed")
    at = datetime.fromisoformat(published).timestamp() if published else None
    names = tuple(person.get("name") or person.get("email") for person in item.get("authors") or ())
    pairs = {
        "title": (entry.title, plain_text(item.get("title") or "")),
        "link": (entry.link, item.get("link") or entry.link),
        "guid": (entry.guid or "", item.get("guid") or ""),
        "date": (entry.published_at, at),
        "tags": (set(entry.tags), set(item.get("categories") or ())),
        "authors": (entry.authors, names or entry.authors),
    }
    return "; ".join(
        f"{name}: {ours!r}, expected {theirs!r}" for name, (ours, theirs) in pairs.items() if ours != theirs
    )


def _real_feeds(corpora: Path) -> Iterator[Case]:
    folder = corpora / "cached-feeds"
    with ZipFile(folder / "feeds.zip") as files:
        names = {Path(name).stem: name for name in files.namelist()}
        for record in _records(folder / "manifest.jsonl"):
            body = files.read(names[record["file"]])
            entries = _count(body, record["kind"])
            yield Case("real feeds", record["url"], 1, partial(_accounted_for, body, entries))


def _count(body: bytes, kind: str) -> int:
    if kind == "json":
        return len(json.loads(body)["items"])
    return len(feedparser.parse(io.BytesIO(body), sanitize_html=False, resolve_relative_uris=False).entries)


def _accounted_for(body: bytes, entries: int) -> list[str]:
    feed = _parsed(body, {})
    if isinstance(feed, FeedError):
        return [f"refused: {feed}"]
    found = len(feed.entries) + feed.entries_without_link
    return [f"{found} of {entries} entries"] if found != entries else []


def _json(corpora: Path) -> Iterator[Case]:
    with ZipFile(corpora / "json" / "test_parsing.zip") as files:
        for name in files.namelist():
            if name.endswith(".json"):
                yield Case("json", name, 1, partial(_is_no_feed, files.read(name)))


def _is_no_feed(body: bytes) -> list[str]:
    """None of the cases is a feed: each is refused as such, however deep or broken."""
    try:
        parse_feed(body, url=URL, headers=(("Content-Type", "application/json"),))
    except FeedError as error:
        is_named = error.slug in ("not-a-feed", "empty", "too-deep")
        return [] if is_named else [f"refused as {error.slug}"]
    return ["taken for a feed"]


_SHAPES: Mapping[str, str] = {
    "as it is": "{doctype}{root}",
    "RSS": '{doctype}<rss version="2.0"><channel><item><title>{use}</title><link>https://a.example/1</link></item></channel></rss>',
    "sitemap": "{doctype}<urlset><url><loc>https://a.example/1</loc><news:title>{use}</news:title></url></urlset>",
    "OPML": '{doctype}<opml><body><outline text="{use}" xmlUrl="https://a.example/1"/></body></opml>',
}
_DOCTYPE = re.compile(r"<!DOCTYPE[^\[>]*(?:\[.*?\]\s*)?>", re.DOTALL)
_LONGEST_HARMLESS = 4_096  # characters of all that was read; an expanded bomb has a million


def _hostile_xml(corpora: Path) -> Iterator[Case]:
    with tempfile.TemporaryDirectory() as folder:
        canary = Path(folder) / "simple.xml"
        canary.write_text("<rss version='2.0'><channel><title>the canary sang</title></channel></rss>")
        for path in sorted((corpora / "xml-safety" / "xmltestdata").iterdir()):
            text = path.read_text("utf-8", "replace").replace("/PATH/TO", folder)
            doctype = "".join(_DOCTYPE.findall(text))
            uses = "".join(dict.fromkeys(re.findall(r"&\w+;", text.replace(doctype, ""))))
            for shape, written in _SHAPES.items():
                body = text if shape == "as it is" else written.format(doctype=doctype, use=uses)
                yield Case("hostile XML", f"{path.name} as {shape}", 1, partial(_is_harmless, body.encode()))


def _is_harmless(body: bytes) -> list[str]:
    told = repr(_parsed(body, {})) + repr(parse_subscriptions(body, "list"))
    if "canary sang" in told:
        return ["an external file was read"]
    return [f"{len(told)} characters"] if len(told) > _LONGEST_HARMLESS else []


def _lists(corpora: Path) -> Iterator[Case]:
    folder = corpora / "opml"
    archive = ZipFile(folder / "awesome-rss-feeds.zip")
    for record in _records(folder / "manifest.jsonl"):
        name = record["file"].removeprefix("awesome-rss-feeds.zip!")
        body = (folder / name).read_bytes() if name == record["file"] else archive.read(name)
        addresses = {
            html.unescape(url).strip()
            for url in re.findall(r'xmlUrl="(.*?)"', body.decode("utf-8", "replace"))
        }
        yield Case("OPML", name, 1, partial(_has_feeds, body, addresses))
    for case in json.loads((folder / "miniflux-cases.json").read_text()):
        addresses = {each["FeedURL"] for each in case.get("expected") or ()}
        yield Case(
            "OPML", f"miniflux {case['name']}", 1, partial(_holds_feeds, case["document"].encode(), addresses)
        )
    documents = ZipFile(folder / "listparser-tests.zip")
    for record in _records(folder / "listparser-index.jsonl"):
        told = [each for each in record["evals"] if "feeds" in each and "categories" not in each]
        read = partial(_holds, documents.read(record["file"]), told)
        yield Case("OPML", f"listparser {record['file']}", len(told), read)


def _has_feeds(body: bytes, addresses: set[str]) -> list[str]:
    found = {feed.url for feed in parse_subscriptions(body, "list").feeds}
    return [f"{len(found & addresses)} of {len(addresses)} feeds"] if found != addresses else []


def _holds_feeds(body: bytes, addresses: set[str]) -> list[str]:
    found = {feed.url for feed in parse_subscriptions(body, "list").feeds}
    return [] if addresses <= found else [f"not found: {sorted(addresses - found)}"]


def _holds(body: bytes, expressions: Sequence[str]) -> list[str]:
    feeds = parse_subscriptions(body, "list").feeds
    result = {"feeds": [{"url": feed.url, "title": feed.title, "tags": list(feed.tags)} for feed in feeds]}
    return [expression for expression in expressions if not _is_true(expression, result)]


def _is_true(expression: str, result: Mapping[str, Any]) -> bool:
    try:
        return bool(eval(expression, {"result": result}))
    except (IndexError, KeyError):
        return False
