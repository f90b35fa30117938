"""What titles, authors, tags, links and HTML become."""

import pytest

from pipeline.feeds.cleaning import HTML_LIMIT, TEXT_LIMIT, bounded_html, plain_text, usable_link

BASE = "https://news.example/feeds/world.xml"


@pytest.mark.parametrize(
    ("written", "text"),
    [
        ("How <i>The Pitt</i>’s AI Drama", "How The Pitt’s AI Drama"),
        ("<p>First.</p><p>Second.</p>", "First. Second."),
        ("  Storm\n\tin   Ghent ", "Storm in Ghent"),
        ("Hello <script>alert(1)</script>world", "Hello world"),
        ('<img src="a>b" onerror="alert(1)">Flood', "Flood"),
        ("<!-- old -->New", "New"),
        ("<svg><script>alert(1)</script></svg>Chart", "Chart"),
    ],
)
def test_tags_go_and_scripts_go_with_their_content(written: str, text: str) -> None:
    assert plain_text(written) == text


@pytest.mark.parametrize(
    ("written", "text"),
    [
        ("Tom &amp; Jerry", "Tom & Jerry"),
        ("R&amp;amp;D", "R&amp;D"),
        ("<b>R&amp;amp;D</b>", "R&amp;D"),
        ("Caf&eacute;&nbsp;noir", "Café noir"),
    ],
)
def test_entities_are_unescaped_once(written: str, text: str) -> None:
    assert plain_text(written) == text


@pytest.mark.parametrize("written", ["1 < 2 and 3 > 2", "I <3 Ghent", "AT&T", "50% <- 40%"])
def test_text_that_is_no_markup_stays(written: str) -> None:
    assert plain_text(written) == written


@pytest.mark.parametrize(
    ("written", "text"),
    [
        ("#include </etc/shadow>", "#include ‹/etc/shadow›"),
        ("vector<int> explained", "vector‹int› explained"),
        ("The &lt;canvas&gt; element", "The ‹canvas› element"),
        ("<img src=x onerror=alert(1) ", "‹img src=x onerror=alert(1)"),
    ],
)
def test_what_only_looks_like_a_tag_is_kept_harmless(written: str, text: str) -> None:
    assert plain_text(written) == text


@pytest.mark.parametrize(
    ("written", "text"),
    [
        ("\x1b[31mRed\x07", "[31mRed"),
        ("Red&#27;[2J", "Red[2J"),
        ("a\x00b\ud83dc\ufeffd", "abcd"),
        ("Donau\u00addampf", "Donaudampf"),
        ("<scr\x00ipt>alert(1)</scr\x00ipt>x", "x"),
    ],
)
def test_control_characters_and_lone_surrogates_are_removed(written: str, text: str) -> None:
    assert plain_text(written) == text


def test_text_is_bounded() -> None:
    assert plain_text("word " * 1_000_000) == ("word " * 200).strip()
    assert len(plain_text("x" * 1_000_000)) == TEXT_LIMIT


def test_html_stays_as_written_but_for_its_length_and_unfit_characters() -> None:
    assert bounded_html("<p onclick='x()'>One\n\x00Two\ud800</p>") == "<p onclick='x()'>One\nTwo</p>"
    assert len(bounded_html("x" * (HTML_LIMIT + 1))) == HTML_LIMIT


@pytest.mark.parametrize(
    "link",
    [
        "https://news.example/a?utm_source=rss&id=1#top",
        "HTTP://News.Example:80/a/../b?",
        "https://news.example/with space/ü",
        "https://news.example/?",
    ],
)
def test_an_absolute_link_stays_byte_for_byte(link: str) -> None:
    assert usable_link(link, base=BASE) == link


@pytest.mark.parametrize(
    ("link", "absolute"),
    [
        ("/a/1", "https://news.example/a/1"),
        ("1.html", "https://news.example/feeds/1.html"),
        ("//cdn.example/1", "https://cdn.example/1"),
        ("?id=7", "https://news.example/feeds/world.xml?id=7"),
        ("\n https://news.example/a\tb \x1f", "https://news.example/ab"),
    ],
)
def test_a_relative_or_padded_link_is_made_usable(link: str, absolute: str) -> None:
    assert usable_link(link, base=BASE) == absolute


@pytest.mark.parametrize(
    "link",
    [
        "",
        "javascript:alert(1)",
        "\x01java\nscript:alert(1)",
        "data:text/html,<script>",
        "mailto:desk@news.example",
        "ftp://news.example/a",
        "file:///etc/passwd",
        "urn:uuid:1225c695",
        "http://",
        "https:///a",
        "http://[::1/a",
        "https://news.example:99999/",
        "https://news.example/" + "a" * 9_000,
    ],
)
def test_a_link_that_is_not_http_with_a_host_is_none(link: str) -> None:
    assert usable_link(link, base=BASE) is None
