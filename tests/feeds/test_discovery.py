"""Where a site's feeds may be."""

import gzip
from pathlib import Path
from zipfile import ZipFile

import pytest

from pipeline.feeds.discovery import COMMON_PATHS, Candidate, feed_links, looks_like_feed, sitemap_links

URL = "https://news.example/world/"


def named(html: str) -> list[Candidate]:
    return [candidate for candidate in feed_links(html.encode(), url=URL) if not candidate.guessed]


def test_declared_feeds_come_first_then_anchors_then_guesses_then_comments() -> None:
    page = """<head><link rel="alternate" type="application/rss+xml" title="Comments" href="/comments/feed/">
    <link rel="alternate" type="application/rss+xml" title="News &amp; more" href="/feed/"></head>
    <body><a href="/about">About</a><a href="/sport.rss">Sport</a></body>"""
    assert feed_links(page.encode(), url=URL) == (
        Candidate(url="https://news.example/feed/", title="News & more"),
        Candidate(url="https://news.example/sport.rss", title="Sport"),
        *(Candidate(url=f"https://news.example{path}", title="", guessed=True) for path in COMMON_PATHS),
        Candidate(url="https://news.example/comments/feed/", title="Comments"),
    )


@pytest.mark.parametrize(
    "link",
    [
        '<link rel="alternate" type="application/rss+xml" href="f">',
        '<LINK REL="ALTERNATE home" TYPE="application/atom+xml; charset=utf-8" HREF=" f ">',
        "<link rel=alternate type=application/feed+json href=f>",
        '<base href="/world/"><link rel="alternate" type="application/rdf+xml" href="f">',
        '<link rel="alternate" type="text/xml" href="/world/f?format=rss">',
    ],
)
def test_declared_feeds_are_found_however_written(link: str) -> None:
    (found,) = named(f"<html><head>{link}</head></html>")
    assert found.url.startswith("https://news.example/world/f")


@pytest.mark.parametrize(
    "link",
    [
        '<link rel="stylesheet" type="text/css" href="/feed.css">',
        '<link rel="alternate" type="application/json" href="/wp-json/wp/v2/posts/1">',
        '<link rel="alternate" hreflang="fr" href="/fr">',
        '<link rel="alternate" type="application/rss+xml" href="javascript:alert(1)">',
        '<link rel="alternate" type="application/rss+xml">',
        '<a href="/feedback">Feedback</a><a href="/atomic-power">Atomic power</a>',
        "<a>RSS</a>",
    ],
)
def test_other_links_are_no_feeds(link: str) -> None:
    assert named(f"<html><head>{link}</head></html>") == []


@pytest.mark.parametrize("body", [b"", b"  ", b"\0\0", b"not html", b"<div>" * 5_000, b"\xff\xfe<\0h\0"])
def test_any_page_gives_the_guesses_at_least(body: bytes) -> None:
    assert len(feed_links(body, url=URL)) == len(COMMON_PATHS)


def test_titles_of_undeclared_utf_8_are_read() -> None:
    (found,) = named('<link rel="alternate" type="application/rss+xml" title="Actualités »" href="/f">')
    assert found.title == "Actualités »"


def test_every_real_feed_looks_like_one(corpora: Path) -> None:
    feeds = ZipFile(corpora / "cached-feeds" / "feeds.zip")
    assert [name for name in feeds.namelist() if not looks_like_feed(feeds.read(name), "text/html")] == []


def test_no_real_page_looks_like_a_feed(corpora: Path) -> None:
    pages = ZipFile(corpora / "article-extraction" / "html.zip")
    names = [name for name in pages.namelist() if name.endswith(".gz")]
    assert len(names) == 181
    assert [name for name in names if looks_like_feed(gzip.decompress(pages.read(name)), "text/html")] == []


@pytest.mark.parametrize(
    ("body", "content_type", "is_feed"),
    [
        (b'{"version": "https://jsonfeed.org/version/1.1", "items": []}', "application/json", True),
        (b'{"error": "not found"}', "application/json", False),
        ('<?xml version="1.0"?><rss version="2.0"/>'.encode("utf-16"), "", True),
        (b"<!-- made by hand -->\n<!DOCTYPE rss [<!ENTITY a 'b'>]><rss>", "text/plain", True),
        (b"<?xml version='1.0'?><sitemapindex>", "text/xml", True),
        (b"", "application/rss+xml", False),
    ],
)
def test_a_feed_is_known_by_its_first_bytes(body: bytes, content_type: str, is_feed: bool) -> None:
    assert looks_like_feed(body, content_type) is is_feed


def test_the_sitemaps_of_a_robots_txt_are_listed_news_first() -> None:
    robots = b"""User-agent: *
    Sitemap: https://news.example/pages.xml
    sitemap: /archive.xml
    Sitemap: https://news.example/news-sitemap.xml
    Sitemap: ftp://news.example/x.xml
    Sitemap: https://news.example/more.xml"""
    assert [candidate.url for candidate in sitemap_links(robots, url=URL)] == [
        "https://news.example/news-sitemap.xml",
        "https://news.example/pages.xml",
        "https://news.example/archive.xml",
    ]


@pytest.mark.parametrize("robots", [b"", b"\xff\xfe\x00", b"<html>not found</html>", b"Sitemap:"])
def test_a_robots_txt_without_sitemaps_lists_none(robots: bytes) -> None:
    assert sitemap_links(robots, url=URL) == ()
