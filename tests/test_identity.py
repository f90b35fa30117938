"""Which URLs are the same article, which host serves them, which outlet they belong to."""

import json
import re
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.identity import article_id, host_of, outlet_of, suffix_list_version, url_key


@pytest.mark.parametrize(
    "same",
    [
        (
            "http://example.org/a",
            "https://example.org/a",
            "HTTPS://EXAMPLE.org:443/a",
            "http://example.org:80/a",
        ),
        ("https://example.org", "https://example.org/", "https://example.org?", "https://example.org/#top"),
        ("https://example.org./a", "https://example.org/a", "https://user:pass@example.org/a"),
        ("https://bücher.example/", "https://xn--bcher-kva.example/", "https://B%C3%9CCHER.example/"),
        ("https://例え。example/", "https://xn--r8jz45g.example/"),
        ("https://example.org/caf%c3%a9", "https://example.org/café", "https://example.org/caf%C3%A9"),
        ("https://example.org/~me/%7e", "https://example.org/%7Eme/~"),
        ("https://example.org/a/./b/../c", "https://example.org/a/c", "https://example.org/a/%2e%2E/a/c"),
        ("https://example.org/a b", "https://example.org/a%20b", " https://example.org/a b\n"),
        ("https://example.org/a", "https:\\\\example.org\\a"),
        ("https://[::1]:8080/", "https://[0:0:0:0:0:0:0:1]:8080/"),
        ("https://example.org/?a=1&b=2", "https://example.org/?a=1&utm_source=rss&b=2&fbclid=x&"),
    ],
)
def test_these_are_the_same_article(same: tuple[str, ...]) -> None:
    assert len({url_key(url) for url in same}) == 1
    assert None not in {url_key(url) for url in same}


@pytest.mark.parametrize(
    "different",
    [
        (
            "https://example.org/a",
            "https://example.org/a/",
            "https://example.org/A",
            "https://www.example.org/a",
        ),
        ("https://example.org/", "https://example.org/index.html", "https://example.org:8443/"),
        ("https://example.org/?a=1&b=2", "https://example.org/?b=2&a=1", "https://example.org/?a=1"),
        ("https://example.org/?p=1", "https://example.org/?p=2", "https://example.org/?p"),
        ("https://example.org/?q=a+b", "https://example.org/?q=a%2Bb"),
        ("https://example.org/a%2Fb", "https://example.org/a/b"),
        ("https://example.org/#!/story/1", "https://example.org/#!/story/2", "https://example.org/#story"),
        ("https://example.org/?ref=rss", "https://example.org/?source=x", "https://example.org/"),
    ],
)
def test_these_are_different_articles(different: tuple[str, ...]) -> None:
    assert len({url_key(url) for url in different}) == len(different)


@pytest.mark.parametrize(
    "link",
    [
        "https://www.dw.com/en/a-75911520?maca=en-rss-en-all-1573-rdf",
        "https://www.bbc.com/news/articles/c8xy4dl2xwgo?at_medium=RSS&at_campaign=rss",
        "https://www.aljazeera.com/news/2026/2/17/us-judge?traffic_source=rss",
        "https://restofworld.org/2026/morocco-ai-minister/?utm_source=rss&utm_medium=rss&utm_campaign=feeds",
        "https://www.heise.de/news/x-1.html?wt_mc=rss.red.ho.ho.atom.beitrag.beitrag",
        "https://www.lemonde.fr/x_1.html?xtor=RSS-3208",
        "https://example.org/a?GCLID=1&_ga=2&mc_eid=3&igshid=4&__hssc=5",
    ],
)
def test_tracking_parameters_of_real_links_are_dropped(link: str) -> None:
    assert url_key(link) == link.partition("?")[0]


@pytest.mark.parametrize(
    "rubbish",
    [
        "",
        "   ",
        "example.org/a",
        "/a",
        "//example.org/a",
        "javascript:alert(1)",
        "mailto:a@example.org",
        "file:///etc/passwd",
        "ftp://example.org/",
        "http://",
        "https:///",
        "http://?q",
        "http://:80/",
        "http://example.org:99999/",
        "http://example.org:x/",
        "http://example.org:" + "9" * 5000 + "/",
        "http://[::1/",
        "http://[fe80::1%25eth0]/",
        "http://exa mple.org/",
        "http://a..b/",
        "http://../",
        "http://0x7f.1/",
        "http://2130706433/",
        "http://256.1.1.1/",
        "http://%00/",
        "http://" + "a" * 64 + ".org/",
        "http://\ud800.org/",
    ],
)
def test_rubbish_has_no_key(rubbish: str) -> None:
    assert url_key(rubbish) is None


@given(
    st.one_of(
        st.text(),
        st.text(alphabet="ht p:s/\\?#&=%41aZ.é[]@:;!'\"<>|{}~2eE0\t\ud800").map(
            "http://example.org/".__add__
        ),
        st.text(alphabet="aB.é。%41-_:@[]0x").map("https://".__add__),
    )
)
def test_a_key_is_its_own_key_and_nothing_raises(text: str) -> None:
    key = url_key(text)
    if key is not None:
        assert url_key(key) == key
        assert key.isascii()
        assert re.fullmatch(r"https://[^\s/@]+/\S*", key)


def test_keys_agree_with_the_url_standard(corpora: Path) -> None:
    """Compare with the WHATWG test cases: input and parsed form have one key, and keys are fixed points."""
    cases = [
        case
        for case in json.loads((corpora / "urls" / "urltestdata.json").read_text())
        if isinstance(case, dict)
    ]
    urls = [url for case in cases for url in (case["input"], case.get("href")) if url]
    keys = [key for url in urls if (key := url_key(url))]
    assert [key for key in keys if url_key(key) != key] == []
    web = [case for case in cases if re.match("https?://", case["input"], re.IGNORECASE) and "href" in case]
    assert len(web) == 149
    # The standard reads 0x7f.1 as an address, allows hosts of punctuation, and encodes ' in queries.
    known = re.compile(r"0x|0[0-9]|%30%78|Ｘ|^https?://[0-9.]+/?$|^http://\W+/?$|'")
    apart = [case["input"] for case in web if url_key(case["input"]) != url_key(case["href"])]
    assert [text for text in apart if not known.search(text)] == []


def test_the_links_of_200_real_feeds_have_stable_keys(corpora: Path) -> None:
    links: set[str] = set()
    with zipfile.ZipFile(corpora / "cached-feeds" / "feeds.zip") as feeds:
        for name in feeds.namelist():
            text = feeds.read(name).decode("utf-8", "replace")
            links.update(re.findall(r"https?://[^\s<>\"']+", text)[:200])
    keys = {url_key(link) for link in links} - {None}
    assert len(keys) > 10_000
    assert all(url_key(key) == key for key in keys if key)


def test_an_article_has_an_id_of_32_hexadecimal_digits() -> None:
    assert article_id("https://example.org/a") == "b5b10dd0429e69ac7cfaf0a20b6901c1"
    assert re.fullmatch("[0-9a-f]{32}", article_id(""))


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://Example.org/a", "example.org:443"),
        ("http://example.org/a", "example.org:80"),
        ("http://example.org.:8080/a", "example.org:8080"),
        ("http://[::1]:8000/", "[::1]:8000"),
        ("https://bücher.example/", "xn--bcher-kva.example:443"),
    ],
)
def test_a_host_is_named_with_its_port(url: str, host: str) -> None:
    assert host_of(url) == host


@pytest.mark.parametrize(
    ("url", "outlet"),
    [
        ("https://www.bbc.co.uk/news", "bbc.co.uk"),
        ("https://edition.cnn.com/x", "cnn.com"),
        ("https://someone.blogspot.com/x", "someone.blogspot.com"),
        ("https://www.gov.uk/news", "www.gov.uk"),
        ("https://github.io/", "github.io"),
        ("http://127.0.0.1:8001/x", "127.0.0.1:8001"),
        ("http://[::1]/x", "[::1]:80"),
        ("http://localhost:8001/x", "localhost:8001"),
        ("https://www.食狮.公司.cn/", "xn--85x722f.xn--55qx5d.cn"),
    ],
)
def test_an_outlet_is_a_registrable_domain_or_an_address(url: str, outlet: str) -> None:
    assert outlet_of(url) == outlet


def test_outlets_agree_with_the_public_suffix_list(corpora: Path) -> None:
    cases = json.loads((corpora / "urls" / "psl_cases.json").read_text())
    checked = [case for case in cases if case["registrable"]]
    assert len(checked) > 40
    for case in checked:
        expected = (url_key(f"https://{case['registrable']}/") or "").removeprefix("https://").rstrip("/")
        assert outlet_of(f"https://{case['domain']}/") == expected


@pytest.mark.parametrize("rubbish", ["", "javascript:alert(1)", "http://"])
def test_rubbish_has_neither_host_nor_outlet(rubbish: str) -> None:
    with pytest.raises(ValueError, match="not an http"):
        host_of(rubbish)
    with pytest.raises(ValueError, match="not an http"):
        outlet_of(rubbish)


def test_the_suffix_list_is_stamped_with_a_date() -> None:
    assert re.search(r"\d{8}$", suffix_list_version())


def test_a_key_is_short_enough_for_an_index_and_still_tells_long_urls_apart() -> None:
    first, second = (url_key("https://news.example/?q=" + "a" * 5_000 + end) for end in "xy")
    assert first is not None
    assert len(first) <= 1_000
    assert first != second
    assert url_key(first) == first


@pytest.mark.parametrize("padding", range(3))
def test_a_long_key_is_never_cut_inside_an_escape(padding: int) -> None:
    key = url_key("https://news.example/" + "a" * padding + "é" * 1_000)
    assert key is not None
    assert url_key(key) == key
