"""Which text an article gets, and what is said when its page gives none."""

import json

import pytest

from pipeline.extraction.article import Effort, extract, extractor_stamp
from pipeline.model import Extraction, TextSource
from pipeline.outcomes import Partial
from tests.extraction.pages import ENTRY, PARAGRAPHS, article, entry, page

SUMMARY = "The mayor opened the new bridge over the river on Friday, two years late."


def read(html: str, **changed: object) -> Extraction:
    return extract(page(html), [entry(**changed)], effort=Effort.FULL)


def test_a_title_that_looks_like_markup_is_none() -> None:
    said = "&lt;svg onload=alert(1)&gt;Flood in Ghent where 1 &lt; 2"
    read_ = read(f"<!doctype html><title>{said}</title><p>{PARAGRAPHS[0]}", title="")
    assert read_.title == "‹svg onload=alert(1)›Flood in Ghent where 1 < 2"


def test_the_page_gives_the_text() -> None:
    read_ = read(article())
    assert (read_.text_source, read_.partial) == (TextSource.PAGE, None)
    assert [line for line in read_.text.split("\n") if line in PARAGRAPHS] == list(PARAGRAPHS)
    assert "Home" not in read_.text
    assert "©" not in read_.text


def test_every_candidate_keeps_its_score_best_first() -> None:
    candidates = read(article()).candidates
    assert [each.source for each in candidates][0::2] == [TextSource.PAGE, TextSource.FEED_SUMMARY]
    scores = [each.score for each in candidates]
    assert scores == sorted(scores, reverse=True)
    assert all(0 <= score <= 1 for score in scores)


def test_line_breaks_of_the_source_end_no_paragraph() -> None:
    wrapped = tuple(paragraph.replace(" ", "\n") for paragraph in PARAGRAPHS)
    assert PARAGRAPHS[0] in read(article(paragraphs=wrapped)).text.split("\n")


def test_a_feeds_own_full_content_wins_over_a_shorter_page() -> None:
    content = "".join(f"<p>{paragraph}</p>" for paragraph in PARAGRAPHS)
    read_ = read(article(paragraphs=PARAGRAPHS[:2]), content=content)
    assert (read_.text_source, read_.partial) == (TextSource.FEED_CONTENT, None)
    assert read_.text == "\n".join(PARAGRAPHS)


def test_a_page_wins_over_a_feeds_beginning_of_it() -> None:
    content = f"<p>{PARAGRAPHS[0]}</p><p>{PARAGRAPHS[1][:40]} […]</p>"
    assert read(article(), content=content).text_source is TextSource.PAGE


def test_json_ld_wins_where_the_page_shows_a_part_only() -> None:
    claims = {"@type": "NewsArticle", "articleBody": "\n".join(PARAGRAPHS)}
    head = f'<script type="application/ld+json">{json.dumps({"@graph": [claims]})}</script>'
    read_ = read(article(head=head, paragraphs=PARAGRAPHS[:1]))
    assert (read_.text_source, read_.text) == (TextSource.JSON_LD, "\n".join(PARAGRAPHS))


def test_a_long_page_in_another_language_than_its_feed_is_still_its_text() -> None:
    german = tuple(
        f"Der Rat der Stadt beschloss am Abend einstimmig, die {number}. Brücke über den Fluss zu bauen."
        for number in range(2, 14)
    )
    html = f"<html><body><article>{''.join(f'<p>{line}</p>' for line in german)}</article></body></html>"
    assert read(html).text_source is TextSource.PAGE


def test_a_short_page_about_something_else_loses_to_the_feed() -> None:
    other = tuple(
        f"Unrelated wording number {number} concerns gardening tips, soil and seeds." for number in range(3)
    )
    html = f"<html><body><article>{''.join(f'<p>{line}</p>' for line in other)}</article></body></html>"
    read_ = read(html)
    assert read_.text_source is TextSource.FEED_SUMMARY


def test_what_a_blog_appends_to_each_feed_entry_is_cut() -> None:
    summary = (
        f"<p>{PARAGRAPHS[0]}</p><p>The post <a href=x>Bridge</a> appeared first on <a href=y>News</a>.</p>"
    )
    assert extract(None, [entry(summary=summary)], effort=Effort.FULL).text == PARAGRAPHS[0]


def test_a_feeds_text_that_was_escaped_twice_is_read_twice() -> None:
    content = "&lt;p&gt;One.&lt;/p&gt;&lt;p&gt;Two &amp;amp; three.&lt;/p&gt;"
    assert (
        extract(None, [entry(content=content, summary="")], effort=Effort.FULL).text == "One.\nTwo & three."
    )


def test_without_any_text_the_title_is_the_text() -> None:
    read_ = extract(None, [entry(summary="")], effort=Effort.FULL)
    assert (read_.text, read_.text_source, read_.partial) == (ENTRY.title, TextSource.TITLE, None)


def test_without_even_a_title_the_address_gives_one() -> None:
    read_ = extract(page(""), [], effort=Effort.FULL)
    assert (read_.title, read_.text) == ("bridge", "bridge")


WALLS = {
    "bot check": """<title>Just a moment...</title><p>Verifying you are human.</p>
        <p>This may take a few seconds.</p>
        <noscript>Enable JavaScript and cookies to continue</noscript><p>Ray ID: 88d2a1</p>""",
    "refusal": """<title>Access Denied</title><h1>Access Denied</h1>You don't have permission to access
        "http://news.example/" on this server.<p>Reference #18.2d3e1702.1715934600.1a2b3c</p>""",
    "script demanded": """<title>News Example</title><div id="root"></div>
        <noscript>You need to enable JavaScript to run this app.</noscript>""",
    "ad blocker": "<title>news.example</title><p>Please enable JS and disable any ad blocker</p>",
    "consent": """<title>News Example</title><h1>Before you continue</h1>
        <p>When you use our sites and apps, we use cookies to provide our sites to you, authenticate users,
        apply security measures, and prevent spam and abuse, and measure your use of our sites.</p>
        <p>If you click "Accept all", we and our 239 partners will also store information on a device (in
        other words, use cookies) and use precise geolocation data and other personal data.</p>""",
    "consent in German": """<title>Bevor Sie fortfahren</title><p>Wir verwenden Cookies und verarbeiten
        gemeinsam mit unseren Partnern personenbezogene Daten.</p>""",
    "paywall": f"""<title>{ENTRY.title}</title><h1>{ENTRY.title}</h1>
        <p>Subscribe to continue reading this article. Already a subscriber? Log in.</p>""",
}


@pytest.mark.parametrize("html", WALLS.values(), ids=WALLS.keys())
def test_a_wall_before_the_article_gives_no_text(html: str) -> None:
    read_ = read(f"<html><body>{html}</body></html>")
    assert (read_.partial, read_.text_source, read_.text) == (
        Partial.BLOCKED,
        TextSource.FEED_SUMMARY,
        SUMMARY,
    )
    assert read_.title == ENTRY.title


def test_an_article_behind_a_cookie_banner_is_an_article() -> None:
    banner = (
        "<div><p>We use cookies. By clicking accept you agree to our cookie policy and partners.</p></div>"
    )
    read_ = read(article(around=banner, paragraphs=PARAGRAPHS[:2]))
    assert (read_.text_source, read_.partial) == (TextSource.PAGE, None)


def test_an_article_about_cookies_is_an_article() -> None:
    line = "Every website must request consent before it stores cookies in a browser, says the law of {}."
    text = "".join(f"<p>{line.format(place)}</p>" for place in ("Ghent", "Lyon", "Turin", "Porto"))
    html = (
        f"<html><title>Cookies</title><article><h1>New cookie law for four cities</h1>{text}</article></html>"
    )
    read_ = read(html, title="New cookie law for four cities", summary="")
    assert (read_.text_source, read_.partial) == (TextSource.PAGE, None)


def test_a_page_without_an_article_is_empty() -> None:
    html = (
        f"<html><title>{ENTRY.title}</title><nav>Home News</nav><h1>{ENTRY.title}</h1><video></video></html>"
    )
    read_ = read(html)
    assert (read_.partial, read_.text_source) == (Partial.EXTRACTION_EMPTY, TextSource.FEED_SUMMARY)


def test_with_simple_effort_trafilatura_is_left_out() -> None:
    read_ = extract(page(article()), [ENTRY], effort=Effort.SIMPLE)
    assert (read_.text_source, read_.partial) == (TextSource.PAGE_SECOND, None)
    assert PARAGRAPHS[-1] in read_.text


def test_with_the_least_effort_only_the_feed_is_read() -> None:
    read_ = extract(page(article()), [ENTRY], effort=Effort.FEED)
    assert (read_.text_source, read_.partial) == (TextSource.FEED_SUMMARY, Partial.EXTRACTION_CRASHED)


def test_why_there_is_no_page_is_for_the_caller_to_say() -> None:
    assert extract(None, [ENTRY], effort=Effort.FEED).partial is None


HOSTILE = {
    "empty": "",
    "NUL bytes": "\0" * 1_000,
    "not HTML": '{"a": [1, 2]}',
    "a PDF": "%PDF-1.4\n1 0 obj\n<< /Type /Catalog >>",
    "XML with a declaration": '<?xml version="1.0" encoding="utf-8"?><rss/>',
    "40,000 levels": "<div>" * 40_000 + "text",
    "3,000 spans": "<span>" * 3_000 + "text",
    "20,000 paragraphs": "<article>" + "<p>This is one of very many lines.</p>" * 20_000,
    "only opening brackets": "<" * 100_000,
    "50,000 attributes": f"<p {' '.join(f'a{number}=1' for number in range(50_000))}>x</p>",
    "open quotes": '<a href="' * 10_000,
    "endless comment": "<!--" * 10_000,
    "deep JSON-LD": f'<script type="application/ld+json">{"[" * 50_000}</script>',
    "odd JSON-LD": r"""<script type="application/ld+json">{"@type": ["NewsArticle", 1], "headline": "\ud800",
        "author": [5, null, {"name": ["a"]}], "datePublished": 20240517, "articleBody": {}}</script>""",
    "impossible characters": "<p>&#xD800;&#0;&#x110000;</p>",
    "broken addresses": '<base href="http://[::1"><link rel="canonical" href="http://[">',
    "impossible dates": f'<meta name="date" content="{"9" * 999}"><time datetime="2024-13-99T99:99">',
}


@pytest.mark.parametrize("html", HOSTILE.values(), ids=HOSTILE.keys())
@pytest.mark.parametrize("effort", Effort)
def test_hostile_pages_leave_the_feeds_text(html: str, effort: Effort) -> None:
    read_ = extract(page(html), [ENTRY], effort=effort)
    assert (read_.text, read_.title) == (SUMMARY, ENTRY.title)
    assert read_.partial in (Partial.EXTRACTION_EMPTY, Partial.EXTRACTION_CRASHED)


def test_a_hostile_feed_text_is_read_in_no_time() -> None:
    content = f"<p {' '.join(f'a{number}=1' for number in range(50_000))}>{PARAGRAPHS[0]}</p>{'<b>' * 50_000}"
    assert extract(None, [entry(content=content)], effort=Effort.FEED).text == PARAGRAPHS[0]


def test_five_thousand_levels_hide_no_article() -> None:
    html = f"<html><body>{'<div>' * 5_000}{article()}{'</div>' * 5_000}</body></html>"
    assert PARAGRAPHS[-1] in read(html).text


def test_the_stamp_names_what_made_the_text() -> None:
    assert extractor_stamp().startswith("trafilatura-")
