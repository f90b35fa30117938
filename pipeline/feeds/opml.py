"""Read and write lists of feeds: OPML, newsboat's urls file, one address a line."""

import re
import shlex
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from html import unescape
from html.entities import html5
from urllib.parse import unquote
from xml.sax.saxutils import quoteattr

from feedparser.encodings import convert_to_utf8
from lxml import etree

from pipeline.feeds.cleaning import plain_text, printable, usable_link
from pipeline.feeds.discovery import looks_like_feed

_ENTITY = re.compile(r"&(?!(?:amp|lt|gt|quot|apos|#\d{1,7}|#x[\da-fA-F]{1,6});)(\w{2,32};)?")
_PROLOG = re.compile(r"<\?xml\b[^>]*>\s*|<!DOCTYPE[^>\[]*(?:\[.*?\]\s*)?>", re.IGNORECASE | re.DOTALL)
_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
# A start tag reaches to the next tag of an outline, but for stray end tags before that.
_OUTLINE = re.compile(
    r"</outline\s*>|<outline\b(.*?)(?=(?:</[\w:.-]+\s*>\s*)*(?:</?outline\b|\Z))", re.IGNORECASE | re.DOTALL
)
# A value ends at the quote before another attribute or the end of the tag, whatever quotes it holds.
_ATTRIBUTE = re.compile(
    r"([\w:.-]+)\s*=\s*(?:\"(.*?)\"|'(.*?)')(?=\s+[\w:.-]+\s*=\s*[\"']|\s*/?\s*>?\s*\Z)", re.DOTALL
)
_SCHEME_FEED = re.compile(r"feed:(?://)?(?=https?://)|feed(?=://)", re.IGNORECASE)
_LISTS = ("source", "include")  # outlines of these types name another list, not a feed

# OPML separates categories by commas and their levels by slashes; a tag's own are written as in URLs.
_CATEGORY_ESCAPES = str.maketrans({"%": "%25", ",": "%2C", "/": "%2F"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscription:
    """Hold one feed of a list."""

    url: str
    title: str = ""
    site: str | None = None
    tags: tuple[str, ...] = ()
    language: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscriptions:
    """Hold a list's feeds, each once and in its order, a line for each thing that could not be read, and the
    addresses that stood there already."""

    feeds: tuple[Subscription, ...]
    problems: tuple[str, ...]
    repeated: tuple[str, ...] = ()


def parse_subscriptions(body: bytes, name: str) -> Subscriptions:
    """Read OPML (1.0 to 2.0, well-formed or not) or a file with one address a line; `name` is for problems.

    The titles of nested outlines become tags, outermost first. A feed that stands in several places is
    listed once with the tags of all. Raises nothing: what cannot be read is in `problems`.
    """
    if looks_like_feed(body, ""):
        return Subscriptions(feeds=(), problems=(f"{name}: a feed itself, no list of them: add its address",))
    text = _PROLOG.sub("", printable(convert_to_utf8({}, body, {}).decode("utf-8", "replace")))
    problems: list[str] = []
    read = _outlines if text.lstrip().startswith("<") else _lines
    feeds: dict[str, Subscription] = {}
    repeated: list[str] = []
    for feed in read(text, problems):
        known = feeds.get(feed.url)
        repeated += [feed.url] if known else []
        feeds[feed.url] = _merged(known, feed) if known else feed
    if not feeds and not problems:
        problems.append("no feed in it")
    return Subscriptions(
        feeds=tuple(feeds.values()),
        problems=tuple(f"{name}: {printable(each)}" for each in problems),
        repeated=tuple(repeated),
    )


def write_opml(feeds: Iterable[Subscription]) -> bytes:
    """Write OPML 2.0 that other readers import: feeds grouped by their first tag, the others as categories.

    `parse_subscriptions` gives back the same subscriptions, group by group.
    """
    root = etree.Element("opml", version="2.0")
    etree.SubElement(etree.SubElement(root, "head"), "title").text = "Wireroom subscriptions"
    body = etree.SubElement(root, "body")
    groups: dict[str, etree._Element] = {}
    for feed in feeds:
        group, *others = map(printable, feed.tags or ("",))
        if group and group not in groups:
            groups[group] = etree.SubElement(body, "outline", text=group, title=group)
        etree.SubElement(groups.get(group, body), "outline", _attributes(feed, others))
    return etree.tostring(root, encoding="utf-8", xml_declaration=True, pretty_print=True)


def _attributes(feed: Subscription, categories: list[str]) -> dict[str, str]:
    title = printable(feed.title) or feed.url
    written = {
        "type": "rss",
        "text": title,
        "title": title,
        "xmlUrl": feed.url,
        "htmlUrl": feed.site,
        "language": feed.language,
        "category": ",".join(tag.translate(_CATEGORY_ESCAPES) for tag in categories),
    }
    return {name: value for name, value in written.items() if value}


def _merged(known: Subscription, again: Subscription) -> Subscription:
    return replace(
        known,
        title=known.title or again.title,
        site=known.site or again.site,
        language=known.language or again.language,
        tags=tuple(dict.fromkeys(known.tags + again.tags)),
    )


def _outlines(text: str, problems: list[str]) -> Iterator[Subscription]:
    # Entities are resolved here and doctypes removed, so nothing is ever expanded. The new root
    # lets two lists in one file pass.
    text = _ENTITY.sub(_resolved, text)
    try:
        root = etree.fromstring(f"<lists>{text}</lists>".encode(), _parser(recover=False))
    except etree.XMLSyntaxError as error:
        problems.append(f"not well-formed XML, read as far as possible ({error.msg})")
        outlines = "".join(map(_mended, _OUTLINE.finditer(_COMMENT.sub("", text))))
        root = etree.fromstring(f"<lists>{outlines}</lists>".encode(), _parser(recover=True))
    yield from _walk(root, problems)


def _parser(*, recover: bool) -> etree.XMLParser:
    return etree.XMLParser(recover=recover, resolve_entities=False, no_network=True, load_dtd=False)


def _resolved(entity: re.Match[str]) -> str:
    name = entity.group(1) or ""
    return html5.get(name) or f"&amp;{name}"


def _mended(outline: re.Match[str]) -> str:
    """Write a start tag anew: its attributes' values may hold bare quotes and tags."""
    if outline.group(1) is None:
        return "</outline>"
    tag = outline.group(1).rstrip()
    attributes = {name: unescape(double or single) for name, double, single in _ATTRIBUTE.findall(tag)}
    written = " ".join(f"{name}={quoteattr(value)}" for name, value in attributes.items())
    return f"<outline {written}{'/' if tag.endswith('/>') else ''}>"


def _walk(root: etree._Element, problems: list[str]) -> Iterator[Subscription]:
    tags: list[str] = []
    for event, element in etree.iterwalk(root, events=("start", "end")):
        if not isinstance(element.tag, str) or etree.QName(element).localname.lower() != "outline":
            continue
        attributes = {name.lower(): value.strip() for name, value in element.attrib.items()}
        title = plain_text(attributes.get("text", "")) or plain_text(attributes.get("title", ""))
        address = attributes.get("xmlurl")
        if address is None:  # a group: its title is a tag of all that it holds
            tags = [*tags, title] if event == "start" else tags[:-1]
        if event == "start" and (feed := _outline(attributes, title, tags, problems)):
            yield feed


def _outline(
    attributes: dict[str, str], title: str, tags: list[str], problems: list[str]
) -> Subscription | None:
    address = attributes.get("xmlurl", "")
    if attributes.get("type", "").lower() in _LISTS:
        problems.append(f"another list, not followed: {address or attributes.get('url', '')}")
        return None
    url = _feed_url(address)
    if url is None:
        if address:
            problems.append(f"not an http(s) address: {address[:200]}")
        return None
    language = attributes.get("language", "")
    categories = _categories(attributes.get("category", ""))
    return Subscription(
        url=url,
        title="" if title == url else title,
        site=usable_link(attributes.get("htmlurl", ""), base=""),
        tags=tuple(filter(None, dict.fromkeys([*tags, *categories]))),
        language=None if language.lower() == "unknown" else plain_text(language) or None,
    )


def _categories(written: str) -> list[str]:
    names = [name for path in written.split(",") for name in path.split("/")]
    return [plain_text(unquote(name)) for name in names]


def _lines(text: str, problems: list[str]) -> Iterator[Subscription]:
    for number, line in enumerate(text.splitlines(), start=1):
        address, *labels = _words(line)
        url = _feed_url(address)
        if url:
            titles = [label[1:] for label in labels if label.startswith("~")]  # newsboat: "~title"
            tags = [label.lstrip("!") for label in labels if not label.startswith("~")]
            tags = [plain_text(tag) for tag in tags]
            yield Subscription(url=url, title=plain_text("".join(titles[:1])), tags=tuple(filter(None, tags)))
        elif address:
            problems.append(f"line {number}: not an http(s) address: {line.strip()[:200]}")


def _words(line: str) -> list[str]:
    try:
        return shlex.split(line, comments=line.lstrip().startswith("#")) or [""]
    except ValueError:  # a quote without its twin
        return line.split() or [""]


def _feed_url(address: str) -> str | None:
    """Return an http(s) address; feed:https://… and feed://… are other readers' spelling of it."""
    address = _SCHEME_FEED.sub(lambda found: "" if ":" in found.group() else "http", address.strip(), count=1)
    return usable_link(address, base="")
