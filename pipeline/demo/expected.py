"""Read what the sample news web is expected to hold: the oracle of end-to-end tests, counted by hand."""

import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources.abc import Traversable
from typing import Any

from pipeline.demo.rendering import Site

Url = Callable[[Sequence[str]], str]  # from an outlet's slug and a path to an absolute address


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpectedFeed:
    """Say how many entries a feed shows and how many of them have no usable link."""

    url: str
    entries: int
    entries_without_link: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpectedPartial:
    """Name a page that cannot be had, the slug of `outcomes.Partial` it ends with, and its HTTP status."""

    url: str
    slug: str
    status: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpectedDuplicate:
    """Name two addresses of one page; one of them ends as a duplicate of the other."""

    urls: tuple[str, ...]
    how: str  # canonical | redirect


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpectedEdit:
    """Name the article that `publish_edits` changes, with its title before and after."""

    url: str
    title_before: str
    title_after: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """Hold the facts of the sample news web; all addresses are absolute, with the live ports."""

    entries: int
    entries_without_link: int
    links: int  # distinct, as the feeds write them
    articles: int  # distinct once utm_* parameters are taken away
    duplicates: int
    indexed: int
    indexed_whole: int
    languages: Mapping[str, int]  # of the indexed articles, by ISO 639-1 code
    feeds: tuple[ExpectedFeed, ...]
    partial: tuple[ExpectedPartial, ...]
    duplicate_pages: tuple[ExpectedDuplicate, ...]
    moved_from: str
    moved_to: str
    edited: ExpectedEdit
    script_in_title: str
    wire: tuple[str, ...]
    story: tuple[str, ...]
    charsets: Mapping[str, str]  # charset → page


def read_expected(root: Traversable, sites: Sequence[Site]) -> Expected:
    """Read expected.toml below `root` for the outlets served at `sites`."""
    toml = tomllib.loads((root / "expected.toml").read_text(encoding="utf-8"))
    origins = {site.outlet.slug: site.origin for site in sites}

    def url(page: Sequence[str]) -> str:
        return origins[page[0]] + page[1]

    return _expected(toml, url)


def _expected(toml: Mapping[str, Any], url: Url) -> Expected:
    return Expected(
        entries=toml["entries"],
        entries_without_link=toml["entries_without_link"],
        links=toml["links"],
        articles=toml["articles"],
        duplicates=toml["duplicates"],
        indexed=toml["indexed"],
        indexed_whole=toml["indexed_whole"],
        languages=toml["languages"],
        feeds=tuple(_expected_feed(feed, url) for feed in toml["feeds"]),
        partial=tuple(_expected_partial(each, url) for each in toml["partial"]),
        duplicate_pages=tuple(_expected_duplicate(each, url) for each in toml["duplicate"]),
        moved_from=url(toml["moved"]["from"]),
        moved_to=url(toml["moved"]["to"]),
        edited=_expected_edit(toml["edited"], url),
        script_in_title=url(toml["script_in_title"]["page"]),
        wire=tuple(map(url, toml["wire"]["pages"])),
        story=tuple(map(url, toml["story"]["pages"])),
        charsets={name: url(page) for name, page in toml["charsets"].items()},
    )


def _expected_feed(feed: Mapping[str, Any], url: Url) -> ExpectedFeed:
    return ExpectedFeed(
        url=url((feed["outlet"], feed["path"])),
        entries=feed["entries"],
        entries_without_link=feed.get("entries_without_link", 0),
    )


def _expected_partial(each: Mapping[str, Any], url: Url) -> ExpectedPartial:
    return ExpectedPartial(url=url(each["page"]), slug=each["slug"], status=each["status"])


def _expected_duplicate(each: Mapping[str, Any], url: Url) -> ExpectedDuplicate:
    return ExpectedDuplicate(urls=tuple(map(url, each["pages"])), how=each["how"])


def _expected_edit(edit: Mapping[str, Any], url: Url) -> ExpectedEdit:
    return ExpectedEdit(
        url=url(edit["page"]), title_before=edit["title_before"], title_after=edit["title_after"]
    )
