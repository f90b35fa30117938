"""What Wireroom reads in a feed document."""

import io
from datetime import UTC, datetime

import feedparser
import pytest

from pipeline.feeds.parsing import FeedError, parse_feed
from pipeline.model import Entry, ParsedFeed
from pipeline.outcomes import FeedSlug

URL = "https://news.example/feeds/world.xml"
MEDIA = 'xmlns:media="http://search.yahoo.com/mrss/"'
CONTENT = 'xmlns:content="http://purl.org/rss/1.0/modules/content/"'


def rss(items: str, *, channel: str = "", attributes: str = "") -> ParsedFeed:
    document = f'<rss version="2.0" {attributes}><channel>{channel}{items}</channel></rss>'
    return parse_feed(document.encode(), url=URL, headers=())


def atom(entries: str, *, feed: str = "", attributes: str = "") -> ParsedFeed:
    document = f'<feed xmlns="http://www.w3.org/2005/Atom" {attributes}>{feed}{entries}</feed>'
    return parse_feed(document.encode(), url=URL, headers=())


def only(feed: ParsedFeed) -> Entry:
    (entry,) = feed.entries
    return entry


def test_an_rss_entry_is_read_whole() -> None:
    feed = rss(
        """<item><title>Flood in Ghent</title><link>https://news.example/1?utm_source=rss</link>
        <guid isPermaLink="false">n-1</guid><description>&lt;p&gt;Water.&lt;/p&gt;</description>
        <content:encoded>&lt;p&gt;The water rose.&lt;/p&gt;</content:encoded>
        <author>jane@news.example (Jane Doe)</author><category>Weather</category><category>Belgium</category>
        <pubDate>Mon, 02 Nov 2026 10:00:00 +0100</pubDate></item>""",
        channel="<title>World</title><link>https://news.example/</link><language>en-GB</language>",
        attributes=CONTENT,
    )
    assert feed == ParsedFeed(
        title="World",
        site="https://news.example/",
        language="en-GB",
        entries_without_link=0,
        entries=(
            Entry(
                link="https://news.example/1?utm_source=rss",
                guid="n-1",
                title="Flood in Ghent",
                summary="<p>Water.</p>",
                content="<p>The water rose.</p>",
                authors=("Jane Doe",),
                tags=("Weather", "Belgium"),
                published_text="Mon, 02 Nov 2026 10:00:00 +0100",
                published_at=datetime(2026, 11, 2, 9, tzinfo=UTC).timestamp(),
                language="en-GB",
                published_by="published",
            ),
        ),
    )


@pytest.mark.parametrize(
    ("markup", "title"),
    [
        ('<title type="text">Fish &amp; chips</title>', "Fish & chips"),
        ('<title type="html">Fish &amp;amp; &lt;b&gt;chips&lt;/b&gt;</title>', "Fish & chips"),
        (
            '<title type="xhtml"><div xmlns="http://www.w3.org/1999/xhtml">'
            "Fish &amp; <b>chips</b></div></title>",
            "Fish & chips",
        ),
        ("<title><![CDATA[Fish & <b>chips</b><script>x()</script>]]></title>", "Fish & chips"),
    ],
)
def test_titles_of_every_type_are_plain_text(markup: str, title: str) -> None:
    feed = atom(f'<entry>{markup}<link href="https://news.example/1"/></entry>')
    assert only(feed).title == title


@pytest.mark.parametrize(
    ("links", "link"),
    [
        ("<link>https://news.example/1</link>", "https://news.example/1"),
        ("<link>/1?a=1&amp;b=2</link>", "https://news.example/1?a=1&b=2"),
        ('<guid isPermaLink="true">https://news.example/2</guid>', "https://news.example/2"),
        ("<guid>https://news.example/2</guid>", "https://news.example/2"),
        ("<link/><guid>https://news.example/2</guid>", "https://news.example/2"),
        ("<link>javascript:x()</link><guid>https://news.example/2</guid>", "https://news.example/2"),
        (
            "<link>https://news.example/1</link><guid>https://news.example/2</guid>",
            "https://news.example/1",
        ),
    ],
)
def test_the_link_is_the_first_usable_one_or_a_guid_that_is_a_permalink(links: str, link: str) -> None:
    assert only(rss(f"<item>{links}</item>")).link == link


@pytest.mark.parametrize(
    "links",
    [
        "",
        "<link>javascript:alert(1)</link>",
        "<link>mailto:desk@news.example</link>",
        '<guid isPermaLink="false">https://news.example/2</guid>',
        "<guid>12345</guid>",
        '<enclosure url="https://news.example/1.mp3" type="audio/mpeg" length="1"/>',
    ],
)
def test_an_entry_without_a_usable_link_is_counted(links: str) -> None:
    feed = rss(f"<item><title>x</title>{links}</item><item><link>https://news.example/1</link></item>")
    assert (len(feed.entries), feed.entries_without_link) == (1, 1)


def test_atom_takes_the_alternate_link_not_the_others() -> None:
    entry = only(
        atom(
            """<entry><link rel="self" href="https://news.example/self"/>
            <link rel="enclosure" href="https://news.example/1.mp3"/>
            <link rel="alternate" type="text/html" href="https://news.example/1"/>
            <link rel="alternate" type="text/html" href="https://news.example/1/print"/></entry>"""
        )
    )
    assert entry.link == "https://news.example/1"


@pytest.mark.parametrize(
    ("base", "link"),
    [
        ("", "https://news.example/feeds/1"),
        ('xml:base="https://other.example/blog/"', "https://other.example/blog/1"),
        ('xml:base="/blog/"', "https://news.example/blog/1"),
    ],
)
def test_relative_links_are_resolved_against_xml_base_and_the_feed(base: str, link: str) -> None:
    assert only(atom('<entry><link href="1"/></entry>', attributes=base)).link == link


def test_entries_that_share_a_link_all_stay() -> None:
    item = "<item><link>https://news.example/1</link></item>"
    assert len(rss(item * 3).entries) == 3


def test_a_guid_stays_as_written() -> None:
    entry = only(rss("<item><guid>/7?x#</guid><link>https://news.example/7</link></item>"))
    assert entry.guid == "/7?x#"


def test_a_content_that_feedparser_copied_is_no_summary() -> None:
    item = """<item><link>https://news.example/1</link>
    <content:encoded>&lt;p&gt;All of it.&lt;/p&gt;</content:encoded></item>"""
    entry = only(rss(item, attributes=CONTENT))
    assert (entry.summary, entry.content) == ("", "<p>All of it.</p>")


@pytest.mark.parametrize("order", [0, 1])
def test_the_caption_of_a_picture_is_not_the_text_of_the_article(order: int) -> None:
    parts = ["<description>Water rose.</description>"]
    parts.insert(
        order,
        '<media:content url="https://news.example/1.jpg"><media:description type="plain">A boat on a street, '
        "photographed on Monday.</media:description></media:content>",
    )
    entry = only(rss(f"<item><link>https://news.example/1</link>{''.join(parts)}</item>", attributes=MEDIA))
    assert (entry.summary, entry.content) == ("Water rose.", "")


def test_a_media_description_is_the_summary_where_there_is_no_other() -> None:
    entry = only(
        atom(
            """<entry><link href="https://video.example/1"/><media:group><media:title>Boats</media:title>
            <media:description>How boats work.</media:description></media:group></entry>""",
            attributes=MEDIA,
        )
    )
    assert entry.summary == "How boats work."


def test_atom_entries_without_an_author_have_the_feeds() -> None:
    feed = atom(
        """<entry><link href="https://news.example/1"/></entry>
        <entry><link href="https://news.example/2"/><author><name>Ada</name></author>
        <author><name>Bob</name></author></entry>""",
        feed="<author><name>The Desk</name></author>",
    )
    assert [entry.authors for entry in feed.entries] == [("The Desk",), ("Ada", "Bob")]


@pytest.mark.parametrize(
    ("written", "authors"),
    [
        ("<author>jane@news.example (Jane Doe)</author>", ("Jane Doe",)),
        ("<author>Jane Doe &lt;jane@news.org&gt;</author>", ("Jane Doe",)),
        ("<author>jane@news.online</author>", ("jane@news.online",)),
        ("<author>Jane Doe (Reuters)</author>", ("Jane Doe (Reuters)",)),
        ("<dc:creator>Jane Doe (mailto:jane@news.org)</dc:creator>", ("Jane Doe",)),
        (
            "<dc:creator>Jane Doe (mailto:jane@news.online)</dc:creator><author>b@news.org (Bob)</author>",
            ("Jane Doe", "Bob"),
        ),
        (
            "<dc:creator>Jane &lt;b&gt;Doe&lt;/b&gt;</dc:creator><dc:creator>Bob</dc:creator>",
            ("Jane Doe", "Bob"),
        ),
    ],
)
def test_authors_are_names_where_there_is_one(written: str, authors: tuple[str, ...]) -> None:
    item = f"<item><link>https://news.example/1</link>{written}</item>"
    assert only(rss(item, attributes='xmlns:dc="http://purl.org/dc/elements/1.1/"')).authors == authors


@pytest.mark.parametrize(
    ("dates", "text", "at"),
    [
        ("<pubDate>Mon, 02 Nov 2026 10:00:00 GMT</pubDate>", "Mon, 02 Nov 2026 10:00:00 GMT", 1793613600.0),
        (
            "<pubDate>Montag, halb acht</pubDate><dc:date>2026-11-02T10:00:00Z</dc:date>",
            "2026-11-02T10:00:00Z",
            1793613600.0,
        ),
        ("<pubDate>Montag, halb acht</pubDate>", "Montag, halb acht", None),
        ("<pubDate>Fri, 01 Jan 2100 00:00:00 GMT</pubDate>", "Fri, 01 Jan 2100 00:00:00 GMT", 4102444800.0),
        ("", None, None),
    ],
)
def test_the_date_is_kept_as_written_and_as_read(dates: str, text: str | None, at: float | None) -> None:
    item = f"<item><link>https://news.example/1</link>{dates}</item>"
    entry = only(rss(item, attributes='xmlns:dc="http://purl.org/dc/elements/1.1/"'))
    assert (entry.published_text, entry.published_at) == (text, at)


def test_a_date_tells_what_said_it_and_when_the_entry_was_edited() -> None:
    dates = "<published>2026-11-02T10:00:00Z</published>"
    feed = atom(
        "".join(
            f'<entry><link href="https://news.example/{number}"/>{written}</entry>'
            for number, written in enumerate(
                (
                    dates + "<updated>2026-11-02T11:00:00Z</updated>",
                    dates + "<updated>2026-11-02T10:00:00Z</updated>",
                    "<updated>2026-11-02T11:00:00Z</updated>",
                    "",
                )
            )
        )
    )
    assert [(entry.published_by, entry.updated_at) for entry in feed.entries] == [
        ("published", 1793617200.0),
        ("published", None),
        ("updated", None),
        (None, None),
    ]


def test_all_pictures_sounds_and_films_of_an_entry_are_kept() -> None:
    item = """<item><link>https://news.example/1</link><media:thumbnail url="/small.jpg"/>
    <media:content url="/1.jpg"/><media:group><media:content url="/2.jpg"/></media:group>
    <enclosure url="/1.mp3" type="audio/mpeg"/><enclosure url="/2.mp3" type="audio/mpeg"/>
    <media:content url="/1.jpg"/><media:content url="javascript:x()"/></item>"""
    assert only(rss(item, attributes=MEDIA)).media == tuple(
        f"https://news.example/{name}" for name in ("1.mp3", "2.mp3", "1.jpg", "2.jpg", "small.jpg")
    )


def test_an_entrys_own_language_wins_over_the_feeds() -> None:
    feed = atom(
        """<entry xml:lang="fr"><title>Crue</title><link href="https://news.example/1"/></entry>
        <entry><title>Flood</title><link href="https://news.example/2"/></entry>""",
        attributes='xml:lang="en"',
    )
    assert [entry.language for entry in feed.entries] == ["fr", "en"]


@pytest.mark.parametrize(
    ("end", "is_well_formed"), [("</item></channel></rss>", True), ("</item><item><title>The ri", False)]
)
def test_a_document_that_ends_too_early_is_read_and_said_to_be_so(end: str, is_well_formed: bool) -> None:
    body = f"<rss version='2.0'><channel><item><link>https://news.example/1</link>{end}"
    feed = parse_feed(body.encode(), url=URL, headers=[("Content-Type", "text/html; charset=utf-8")])
    assert (only(feed).link, feed.is_well_formed) == ("https://news.example/1", is_well_formed)


@pytest.mark.parametrize("kind", ["rdf", "rss-0.91", "bare ampersands", "cut off", "undeclared prefix"])
def test_old_and_broken_documents_still_give_their_entries(kind: str) -> None:
    item = "<item><title>Flood</title><link>https://news.example/1</link></item>"
    documents = {
        "rdf": '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" '
        f'xmlns="http://purl.org/rss/1.0/"><channel/>{item}</rdf:RDF>',
        "rss-0.91": f'<rss version="0.91"><channel>{item}</channel></rss>',
        "bare ampersands": f"<rss version='2.0'><channel><title>A & B &nope;</title>{item}</channel></rss>",
        "cut off": f"<rss version='2.0'><channel>{item}<item><title>Half",
        "undeclared prefix": f"<rss version='2.0'><channel><x:y>z</x:y>{item}</channel></rss>",
    }
    feed = parse_feed(documents[kind].encode(), url=URL, headers=())
    assert feed.entries[0].title == "Flood"
    assert feed.entries[0].link == "https://news.example/1"


@pytest.mark.parametrize("reference", ["&#xD83D;&#xDE00;", "&#99999999999;", "&#x110000;"])
def test_a_reference_to_no_character_does_not_cost_the_feed(reference: str) -> None:
    item = f"<item><title>Smile {reference}!</title><link>https://news.example/1</link></item>"
    assert only(rss(item)).title == "Smile !"


@pytest.mark.parametrize(
    ("encoding", "declared", "header"),
    [
        ("windows-1252", "windows-1252", ""),
        ("shift_jis", "Shift_JIS", ""),
        ("utf-16", "utf-16", ""),
        ("koi8-r", None, "text/xml; charset=koi8-r"),
        ("utf-8", "utf-8", "text/xml"),
    ],
)
def test_the_charset_comes_from_header_or_declaration(
    encoding: str, declared: str | None, header: str
) -> None:
    title = {"windows-1252": "“Café”", "shift_jis": "洪水", "koi8-r": "Наводнение"}.get(encoding, "Über 洪水")
    declaration = f'<?xml version="1.0" encoding="{declared}"?>' if declared else '<?xml version="1.0"?>'
    item = f"<item><title>{title}</title><link>https://news.example/1</link></item>"
    document = f'{declaration}<rss version="2.0"><channel>{item}</channel></rss>'
    feed = parse_feed(document.encode(encoding), url=URL, headers=(("Content-Type", header),))
    assert only(feed).title == title


@pytest.mark.parametrize(
    ("body", "slug"),
    [
        (b"", FeedSlug.EMPTY),
        (b" \r\n\t\xef\xbb\xbf", FeedSlug.EMPTY),
        (b"<!doctype html><html><head><title>News</title></head><body>Hi</body></html>", FeedSlug.NOT_A_FEED),
        (b"Service temporarily unavailable", FeedSlug.NOT_A_FEED),
        (b'{"error": "rate limit"}', FeedSlug.NOT_A_FEED),
        (b'<opml version="2.0"><body/></opml>', FeedSlug.NOT_A_FEED),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", FeedSlug.NOT_A_FEED),
        (b'{"items":' + b"[" * 100_000, FeedSlug.TOO_DEEP),
    ],
)
def test_what_is_no_feed_says_so(body: bytes, slug: FeedSlug) -> None:
    with pytest.raises(FeedError) as caught:
        parse_feed(body, url=URL, headers=(("Content-Type", "text/xml"),))
    assert caught.value.slug is slug
    assert "\n" not in str(caught.value)


def test_a_feed_without_entries_is_a_feed() -> None:
    assert rss("", channel="<title>Quiet</title>").entries == ()


def test_five_thousand_levels_do_no_harm() -> None:
    deep = "<a>" * 5_000 + "</a>" * 5_000
    assert only(rss(f"{deep}<item><link>https://news.example/1</link>{deep}</item>")).title == ""


@pytest.mark.parametrize(
    "element",
    [
        '<title_detail x="1"/>',
        "<published_parsed>now</published_parsed>",
        "<summary_detail>text</summary_detail>",
        "<guidislink>yes</guidislink>",
        '<author_detail x="1"/>',
        "<authors>text</authors>",
        '<tags x="1"/>',
    ],
)
def test_elements_named_like_feedparsers_own_keys_do_no_harm(element: str) -> None:
    entry = only(rss(f"<item><link>https://news.example/1</link>{element}</item>"))
    assert (entry.link, entry.title, entry.published_at) == ("https://news.example/1", "", None)


def test_every_entry_that_feedparser_finds_is_accounted_for() -> None:
    items = "<item/><item><link>https://news.example/1</link></item><item><link>ftp://x/</link><item/></item>"
    document = f'<rss version="2.0"><channel>{items}</channel></rss>'.encode()
    feed = parse_feed(document, url=URL, headers=())
    assert len(feed.entries) + feed.entries_without_link == len(
        feedparser.parse(io.BytesIO(document)).entries
    )
