"""How the sample news web answers: awkward pages as promised, conditional requests, edits, the record."""

import gzip
import time
from collections.abc import Callable, Iterator
from socket import create_server

import pytest

from pipeline.demo.site import SampleWeb, open_sample_web
from tests.demo.conftest import Reply

Get = Callable[..., Reply]

START_UP = 0.5  # seconds, imports aside


@pytest.fixture
def fresh_web() -> Iterator[SampleWeb]:
    with open_sample_web(ports=()) as sample_web:
        yield sample_web


def origin(web: SampleWeb, name: str) -> str:
    return next(f"http://{outlet.host}" for outlet in web.outlets if outlet.name == name)


def test_every_front_page_names_its_feeds(web: SampleWeb, get: Get) -> None:
    for outlet in web.outlets:
        page = get(f"http://{outlet.host}/").body.decode()
        assert all(f'href="{feed}"' in page for feed in outlet.feeds)
        assert page.count('rel="alternate"') == len(outlet.feeds)


def test_pages_look_like_those_of_real_sites(web: SampleWeb, get: Get) -> None:
    page = get(f"{origin(web, 'The Harbor Courier')}/boston/school-bus-electric-cold.html").body.decode()
    for piece in (
        "<nav",
        "cookie-banner",
        "application/ld+json",
        'class="ad"',
        "data-src",
        "newsletter",
        "comment",
    ):
        assert piece in page


def test_pages_that_cannot_be_had_answer_as_expected(web: SampleWeb, get: Get) -> None:
    assert {each.url: get(each.url).status for each in web.expected.partial} == {
        each.url: each.status for each in web.expected.partial
    }


def test_robots_txt_disallows_the_page_marked_robots(web: SampleWeb, get: Get) -> None:
    page = next(each.url for each in web.expected.partial if each.slug == "robots")
    robots = get(f"{origin(web, 'The Northern Ledger')}/robots.txt").body.decode()
    assert "/members/" in page
    assert "Disallow: /members/\n" in robots


def test_a_pdf_is_served_as_one(web: SampleWeb, get: Get) -> None:
    page = next(each.url for each in web.expected.partial if each.slug == "unsupported-type")
    reply = get(page)
    assert reply.headers["Content-Type"] == "application/pdf"
    assert reply.body.startswith(b"%PDF-")


def test_a_gallery_has_no_word_in_its_body(web: SampleWeb, get: Get) -> None:
    page = next(each.url for each in web.expected.partial if each.slug == "extraction-empty")
    body = get(page).body.decode().partition("<body>")[2]
    assert body.count("<img") == 12
    assert all(
        line.strip().startswith("<") and line.strip().endswith(">")
        for line in body.split("\n")
        if line.strip()
    )


def test_a_moved_article_redirects_for_good(web: SampleWeb, get: Get) -> None:
    reply = get(web.expected.moved_from)
    assert (reply.status, reply.headers["Location"]) == (301, web.expected.moved_to)
    assert get(web.expected.moved_to).status == 200


def test_two_addresses_of_one_page_are_told_by_canonical_or_redirect(web: SampleWeb, get: Get) -> None:
    main, other = next(each.urls for each in web.expected.duplicate_pages if each.how == "canonical")
    assert f'<link rel="canonical" href="{main}">' in get(other).body.decode()
    main, other = next(each.urls for each in web.expected.duplicate_pages if each.how == "redirect")
    assert get(other).headers["Location"] == main


def test_a_windows_1252_page_says_so_in_its_meta_element_only(web: SampleWeb, get: Get) -> None:
    reply = get(web.expected.charsets["windows-1252"])
    assert reply.headers["Content-Type"] == "text/html"
    assert b'<meta charset="windows-1252">' in reply.body
    assert "La sœur du quartier" in reply.body.decode("windows-1252")
    assert "1,80 €" in reply.body.decode("windows-1252")


def test_a_shift_jis_page_says_so_in_its_header_only(web: SampleWeb, get: Get) -> None:
    reply = get(web.expected.charsets["shift_jis"])
    assert reply.headers["Content-Type"] == "text/html; charset=shift_jis"
    assert b"charset=" not in reply.body
    assert "三陸の小さな駅に、猫の駅員と新しい朝" in reply.body.decode("shift_jis")


def test_three_outlets_print_the_same_copy_under_titles_of_their_own(web: SampleWeb, get: Get) -> None:
    pages = [get(url).body.decode() for url in web.expected.wire]
    assert all("said Rafael Ibarra of Uruguay, who led the talks for two years." in page for page in pages)
    assert len({page.partition("<title>")[2].partition("</title>")[0] for page in pages}) == 3


def test_a_page_answers_with_and_without_tracking_parameters(web: SampleWeb, get: Get) -> None:
    page = f"{origin(web, 'The Harbor Courier')}/world/seoul-night-trains.html"
    assert get(f"{page}?utm_source=rss&utm_medium=feed").body == get(page).body


def test_every_feed_answers_304_to_its_own_validators(web: SampleWeb, get: Get) -> None:
    for feed in web.feeds:
        first = get(feed)
        assert get(feed, If_None_Match=first.headers["ETag"]).status == 304
        assert get(feed, If_Modified_Since=first.headers["Last-Modified"]).status == 304
        assert (
            get(feed, If_None_Match='"other"', If_Modified_Since=first.headers["Last-Modified"]).status == 200
        )
        assert get(feed, If_Modified_Since="not a date").status == 200


def test_answers_are_compressed_where_accepted(web: SampleWeb, get: Get) -> None:
    plain, small = get(web.feeds[0]), get(web.feeds[0], Accept_Encoding="gzip")
    assert small.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(small.body) == plain.body
    assert small.headers["ETag"] == plain.headers["ETag"]


def test_an_edit_changes_title_text_and_validators(fresh_web: SampleWeb, get: Get) -> None:
    expected, feed = fresh_web.expected.edited, f"{origin(fresh_web, 'The Northern Ledger')}/atom.xml"
    before, before_feed = get(expected.url), get(feed)
    fresh_web.publish_edits()
    after, after_feed = get(expected.url), get(feed)
    assert expected.title_before in before.body.decode()
    assert expected.title_after in after.body.decode()
    assert expected.title_after in after_feed.body.decode()
    assert "somebody had left out the depot" in after_feed.body.decode()
    assert before.headers["ETag"] != after.headers["ETag"]
    assert get(feed, If_None_Match=before_feed.headers["ETag"]).status == 200
    assert before_feed.headers["Last-Modified"] != after_feed.headers["Last-Modified"]


def test_an_edit_leaves_the_other_outlets_as_they_were(fresh_web: SampleWeb, get: Get) -> None:
    others = [feed for feed in fresh_web.feeds if origin(fresh_web, "The Northern Ledger") not in feed]
    before = [get(feed).headers["ETag"] for feed in others]
    fresh_web.publish_edits()
    assert [get(feed).headers["ETag"] for feed in others] == before


def test_requests_are_recorded_in_order(fresh_web: SampleWeb, get: Get) -> None:
    feed = fresh_web.feeds[0]
    etag = get(feed).headers["ETag"]
    get(feed, If_None_Match=etag)
    get(feed, "HEAD")
    get(feed, "POST")
    record = [(each.method, each.url, each.status) for each in fresh_web.requests]
    assert record == [("GET", feed, 200), ("GET", feed, 304), ("HEAD", feed, 200), ("POST", feed, 405)]


def test_a_taken_port_is_replaced_by_a_free_one() -> None:
    with create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with open_sample_web(ports=(port,)) as web:
            assert f"127.0.0.1:{port}" not in {outlet.host for outlet in web.outlets}


def test_it_starts_quickly_and_closes_twice() -> None:
    started = time.monotonic()
    web = open_sample_web(ports=())
    assert time.monotonic() - started < START_UP
    web.close()
    web.close()
