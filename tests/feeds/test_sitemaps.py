"""Sitemaps of news, and the indexes that lead to them."""

import gzip
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pipeline.feeds.parsing import UNPACKED_LIMIT, FeedError, parse_feed
from pipeline.model import Entry, FeedKind, ParsedFeed
from pipeline.outcomes import FeedSlug

URL = "https://news.example/maps/news.xml"
NAMESPACES = (
    'xmlns="http://www.sitemaps.org/schemas/sitemap/0.9" '
    'xmlns:news="http://www.google.com/schemas/sitemap-news/0.9" '
    'xmlns:image="http://www.google.com/schemas/sitemap-image/1.1"'
)
FLOOD = """<url><loc>https://news.example/flood?a=1&amp;b=2</loc><lastmod>2026-11-02T12:00:00Z</lastmod>
<news:news><news:publication><news:name>The Example</news:name><news:language>nl</news:language>
</news:publication><news:publication_date>2026-11-02T10:00+01:00</news:publication_date>
<news:title>Flood &amp; storm in Ghent</news:title><news:keywords>weather, Belgium, weather</news:keywords>
</news:news><image:image><image:loc>/flood.jpg</image:loc></image:image></url>"""


def read(body: str | bytes, *, url: str = URL) -> ParsedFeed:
    return parse_feed(body if isinstance(body, bytes) else body.encode(), url=url, headers=())


def urlset(urls: str) -> str:
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<urlset {NAMESPACES}>{urls}</urlset>'


def index(*children: tuple[str, str]) -> str:
    listed = "".join(
        f"<sitemap><loc>{url}</loc>{lastmod and f'<lastmod>{lastmod}</lastmod>'}</sitemap>"
        for url, lastmod in children
    )
    return f'<sitemapindex xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">{listed}</sitemapindex>'


def test_a_sitemap_of_news_is_read_whole() -> None:
    assert read(urlset(FLOOD)) == ParsedFeed(
        kind=FeedKind.SITEMAP,
        title="The Example",
        site="https://news.example/",
        language="nl",
        entries_without_link=0,
        entries=(
            Entry(
                link="https://news.example/flood?a=1&b=2",
                guid=None,
                title="Flood & storm in Ghent",
                summary="",
                content="",
                authors=(),
                tags=("weather", "Belgium"),
                published_text="2026-11-02T10:00+01:00",
                published_at=datetime(2026, 11, 2, 9, tzinfo=UTC).timestamp(),
                language="nl",
                published_by="published",
                updated_at=datetime(2026, 11, 2, 12, tzinfo=UTC).timestamp(),
                media=("https://news.example/flood.jpg",),
            ),
        ),
    )


def test_pages_that_a_sitemap_does_not_call_news_are_no_entries() -> None:
    feed = read(urlset("<url><loc>https://news.example/about</loc></url>" + FLOOD))
    assert [entry.title for entry in feed.entries] == ["Flood & storm in Ghent"]


def test_news_without_a_usable_address_is_counted() -> None:
    feed = read(urlset(FLOOD + "<url><news:news><news:title>Lost</news:title></news:news></url>"))
    assert (len(feed.entries), feed.entries_without_link) == (1, 1)


def test_a_sitemap_without_any_news_says_so() -> None:
    with pytest.raises(FeedError) as caught:
        read(urlset("<url><loc>https://news.example/about</loc></url>"))
    assert caught.value.slug is FeedSlug.NOT_A_FEED
    assert "a sitemap of pages" in caught.value.detail


def test_a_sitemap_of_a_quiet_weekend_is_a_feed() -> None:
    assert read(urlset("")).entries == ()


def test_a_namespace_that_was_never_declared_does_not_cost_the_news() -> None:
    feed = read(f"<urlset>{FLOOD}</urlset>")
    assert feed.entries[0].title == "Flood & storm in Ghent"


def test_a_sitemap_that_ends_too_early_is_read_as_far_as_it_goes() -> None:
    half = "<url><loc>https://news.example/half-an-addr"
    feed = read(urlset(FLOOD + half).removesuffix("</urlset>"))
    assert (len(feed.entries), feed.is_well_formed) == (1, False)


@pytest.mark.parametrize(
    ("children", "listed"),
    [
        (
            [("/a.xml", "2026-11-01"), ("/b.xml", "2026-11-02T08:00:00+02:00"), ("/c.xml", "")],
            ["/b.xml", "/a.xml", "/c.xml"],
        ),
        ([("/posts.xml", "2026-11-09"), ("/news.xml", "2026-11-01")], ["/news.xml"]),
        ([("/2026-11.xml", ""), ("/2026-10.xml", "")], ["/2026-11.xml", "/2026-10.xml"]),
        ([("/a.xml", "yesterday"), ("/b.xml", "2026-11-01")], ["/b.xml", "/a.xml"]),
        ([("javascript:x()", "2026-11-09"), ("/a.xml", "2026-11-01")], ["/a.xml"]),
        ([("/a.xml", "2026-11-02"), ("/a.xml", "2026-11-01")], ["/a.xml"]),
        ([("/index.xml", "2026-11-02")], []),
        ([], []),
    ],
)
def test_an_index_lists_its_sitemaps_newest_first_and_only_those_of_news_if_some_are_named_so(
    children: list[tuple[str, str]], listed: list[str]
) -> None:
    feed = read(index(*children), url="https://site.example/index.xml")
    assert [each.url for each in feed.sitemaps] == [f"https://site.example{path}" for path in listed]
    assert (feed.kind, feed.entries) == (FeedKind.INDEX, ())


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (urlset(FLOOD), FeedKind.SITEMAP),
        (urlset(""), FeedKind.SITEMAP),
        (index(), FeedKind.INDEX),
        ('<rss version="2.0"><channel><title>Sitemap of the week</title></channel></rss>', FeedKind.FEED),
        ('{"version": "https://jsonfeed.org/version/1.1", "items": []}', FeedKind.FEED),
    ],
)
def test_what_a_document_is_is_told_by_itself(body: str, kind: FeedKind) -> None:
    assert read(body, url="https://news.example/sitemap.xml").kind is kind


@pytest.mark.parametrize("odd", ["http://383.0.0.4/s.xml", "http://[::1%25eth0]/s.xml", "file:///s.xml"])
def test_an_index_lists_nothing_that_nobody_can_ask_for(odd: str) -> None:
    feed = read(index((odd, "2026-03-01"), ("https://news.example/1.xml", "2026-03-01")))
    assert [each.url for each in feed.sitemaps] == ["https://news.example/1.xml"]


def test_a_sitemap_that_is_a_gzip_file_is_unpacked() -> None:
    assert read(gzip.compress(urlset(FLOOD).encode())) == read(urlset(FLOOD))


@pytest.mark.parametrize(
    ("body", "slug"),
    [
        (gzip.compress(b"<urlset>" + b" " * UNPACKED_LIMIT), FeedSlug.TOO_LARGE),
        (b"\x1f\x8bnothing of the kind", FeedSlug.NOT_A_FEED),
        (gzip.compress(b"", mtime=0), FeedSlug.EMPTY),
    ],
)
def test_a_gzip_file_that_is_too_large_or_broken_is_refused(body: bytes, slug: FeedSlug) -> None:
    with pytest.raises(FeedError) as caught:
        read(body)
    assert caught.value.slug is slug


def test_entities_are_neither_expanded_nor_loaded(tmp_path: Path) -> None:
    (tmp_path / "canary").write_text("the canary sang")
    entities = f'<!ENTITY file SYSTEM "file://{tmp_path}/canary"><!ENTITY a "{"b" * 1_000}">'
    bomb = "".join(f'<!ENTITY a{n} "{f"&a{n - 1 or str()};" * 50}">' for n in range(1, 9))
    hostile = FLOOD.replace("Flood &amp; storm", "Flood &file; &a8;")
    feed = read(f"<!DOCTYPE urlset [{entities}{bomb}]><urlset {NAMESPACES}>{hostile}</urlset>")
    assert "canary" not in repr(feed)
    assert len(repr(feed)) < 1_500
