"""Read the sample news web from its content files: one TOML file an outlet, agency copy beside them."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources.abc import Traversable
from typing import Any

FIRST_NUMBER = (
    1001  # articles are numbered within their outlet; four digits, as in many publishers' addresses
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wording:
    """Hold what an edit can change. `text` is paragraphs apart by blank lines; `## ` starts a subheading."""

    title: str
    summary: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Article:
    """Hold one article: its wording now and after its edit, and how its page and feed entry are served."""

    number: int
    path: str
    feed_path: str  # what the feed links to; differs from `path` where the article has moved
    feed_title: str | None  # HTML, where the feed's title is not the page's
    in_feeds: bool
    wording: Wording
    edited: Wording | None
    credit: str | None  # the agency whose copy this is
    section: str
    authors: tuple[str, ...]
    tags: tuple[str, ...]
    hours_ago: float
    language: str
    charset: str
    charset_in_header: bool  # else only the page's own meta element says it
    gallery_images: int  # more than 0: the page is pictures without a word


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """Hold a feed entry that is no article of its outlet: an advert, a dead link, a second address."""

    feed: str  # the feed's path
    title: str
    summary: str
    link: str | None  # a path, or an address with a scheme of its own
    hours_ago: float
    authors: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Feed:
    """Hold what a feed shows. `kind` names its template; `content` is `none`, `summary` or `full`."""

    path: str
    kind: str
    title: str
    content: str
    section: str | None  # None: all sections
    tracking: str  # query that the feed adds to every link


@dataclass(frozen=True, slots=True, kw_only=True)
class Comment:
    """Hold a reader's comment, as pages show them below the article."""

    by: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlet:
    """Hold one outlet: its facts, what its server answers beside articles, its feeds and its articles."""

    slug: str
    name: str
    country: str  # ISO 3166-1 alpha-2
    language: str  # ISO 639-1
    tagline: str
    utc_offset_hours: int
    sections: tuple[str, ...]
    disallow: tuple[str, ...]  # robots.txt
    gone: tuple[str, ...]  # answered 410
    blocked: tuple[str, ...]  # answered 403, with a bot wall
    redirects: Mapping[str, str]  # 301
    files: Mapping[str, str]  # path → file name in files/
    print_pages: bool  # `?print=1` serves a bare copy of every article
    comments: tuple[Comment, ...]
    feeds: tuple[Feed, ...]
    notices: tuple[Notice, ...]
    articles: tuple[Article, ...]


def read_outlets(root: Traversable) -> tuple[Outlet, ...]:
    """Read all outlets below `root` (a folder such as seeds/sample), ordered by file name."""
    wire = tomllib.loads((root / "wire.toml").read_text(encoding="utf-8"))
    files = sorted((root / "outlets").iterdir(), key=lambda file: file.name)
    return tuple(
        _outlet(file.name.removesuffix(".toml"), tomllib.loads(file.read_text(encoding="utf-8")), wire)
        for file in files
        if file.name.endswith(".toml")
    )


def _outlet(slug: str, toml: Mapping[str, Any], wire: Mapping[str, Any]) -> Outlet:
    facts = toml["outlet"]
    articles = tuple(
        _article(article, facts, wire, number) for number, article in enumerate(toml["article"], FIRST_NUMBER)
    )
    return Outlet(
        slug=slug,
        name=facts["name"],
        country=facts["country"],
        language=facts["language"],
        tagline=facts["tagline"],
        utc_offset_hours=facts["utc_offset_hours"],
        sections=tuple(facts["sections"]),
        disallow=tuple(facts.get("disallow", ())),
        gone=tuple(facts.get("gone", ())),
        blocked=tuple(facts.get("blocked", ())),
        redirects=facts.get("redirects", {}),
        files=facts.get("files", {}),
        print_pages=facts.get("print_pages", False),
        comments=tuple(Comment(**comment) for comment in facts.get("comments", ())),
        feeds=tuple(_feed(feed) for feed in toml["feed"]),
        notices=tuple(_notice(entry) for entry in toml.get("entry", ())),
        articles=articles,
    )


def _article(
    article: Mapping[str, Any], facts: Mapping[str, Any], wire: Mapping[str, Any], number: int
) -> Article:
    path = article.get("path") or facts["path"].format(**article, number=number)
    copy = wire.get(article.get("wire", ""))
    text = article["text"] + (f"\n{copy['text']}" if copy else "")
    return Article(
        number=number,
        path=path,
        feed_path=article.get("feed_path", path),
        feed_title=article.get("feed_title"),
        in_feeds=article.get("in_feeds", True),
        wording=Wording(title=article["title"], summary=article["summary"], text=text),
        edited=Wording(**article["edit"]) if "edit" in article else None,
        credit=copy["credit"] if copy else None,
        section=article["section"],
        authors=tuple(article["authors"]),
        tags=tuple(article["tags"]),
        hours_ago=article["hours_ago"],
        language=article.get("language", facts["language"]),
        charset=article.get("charset", "utf-8"),
        charset_in_header=article.get("charset_in", "header") == "header",
        gallery_images=article.get("gallery_images", 0),
    )


def _feed(feed: Mapping[str, Any]) -> Feed:
    return Feed(
        path=feed["path"],
        kind=feed["kind"],
        title=feed["title"],
        content=feed["content"],
        section=feed.get("section"),
        tracking=feed.get("tracking", ""),
    )


def _notice(entry: Mapping[str, Any]) -> Notice:
    return Notice(
        feed=entry["feed"],
        title=entry["title"],
        summary=entry["summary"],
        link=entry.get("link"),
        hours_ago=entry["hours_ago"],
        authors=tuple(entry.get("authors", ())),
    )
