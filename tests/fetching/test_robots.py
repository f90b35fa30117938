"""What robots.txt lets us fetch (RFC 9309)."""

import pytest

from pipeline.fetching.robots import read_robots

RULES = b"""
# Examples of RFC 9309 section 5
User-Agent: *
Disallow: *.gif$
Disallow: /example/
Allow: /publications/

User-Agent: otherbot
Disallow: /

User-Agent: Wireroom
Allow: /example/page.html
Allow: /example/allowed.gif
Disallow: /example/
Crawl-delay: 2.5
"""


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("/", True),
        ("/example/page.html", True),
        ("/example/allowed.gif", True),
        ("/example/", False),
        ("/example/other.html", False),
        ("/picture.gif", True),
        ("/example/page.html?q=1", True),
        ("/%65xample/other.html", False),
    ],
)
def test_the_group_that_names_us_decides_by_its_longest_rule(path: str, allowed: bool) -> None:
    assert read_robots(RULES, 200).allows("https://example.org" + path) is allowed


def test_without_a_group_of_ours_the_group_for_all_decides() -> None:
    robots = read_robots(b"User-agent: *\nDisallow: /private\n", 200)
    assert robots.allows("https://example.org/news")
    assert not robots.allows("https://example.org/private/x")


@pytest.mark.parametrize("status", [301, 400, 401, 403, 404, 410, 451])
def test_without_a_file_everything_is_allowed(status: int) -> None:
    assert read_robots(b"User-agent: *\nDisallow: /\n", status).allows("https://example.org/")


@pytest.mark.parametrize("status", [None, 429, 500, 503, 599])
def test_while_the_host_cannot_be_asked_nothing_is_allowed(status: int | None) -> None:
    assert not read_robots(b"", status).allows("https://example.org/")


@pytest.mark.parametrize(
    "body", [b"", b"<!DOCTYPE html><p>not found", b"\x00\xff\xfe" * 1000, b"Disallow: /\n"]
)
def test_a_file_without_a_usable_group_allows_everything(body: bytes) -> None:
    assert read_robots(body, 200).allows("https://example.org/x")


def test_a_byte_order_mark_hides_no_group() -> None:
    assert not read_robots(b"\xef\xbb\xbfUser-agent: *\nDisallow: /\n", 200).allows("https://example.org/x")


def test_what_stands_behind_500_kibibytes_is_not_read() -> None:
    padding = b"# padding\n" * 51_200
    assert len(padding) == 500 * 1024
    assert read_robots(padding + b"User-agent: *\nDisallow: /\n", 200).allows("https://example.org/x")


@pytest.mark.parametrize(
    ("line", "seconds"),
    [("2.5", 2.5), ("0", 0.0), ("-1", None), ("nan", None), ("inf", None), ("soon", None), ("1e9", 3600.0)],
)
def test_the_crawl_delay_is_a_sane_number_of_seconds(line: str, seconds: float | None) -> None:
    robots = read_robots(f"User-agent: Wireroom\nCrawl-delay: {line}\n".encode(), 200)
    assert robots.crawl_delay == seconds


def test_many_wildcards_cost_no_time() -> None:
    robots = read_robots(b"User-agent: *\nDisallow: /" + b"*a" * 5000 + b"b\n", 200)
    assert robots.allows("https://example.org/" + "a" * 5000)
