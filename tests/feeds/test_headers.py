"""Headers of a feed's own: how they are written, and who gets them."""

import pytest

from pipeline.feeds.headers import (
    HeadersError,
    headers_for,
    read_headers,
    read_login,
    split_login,
    without,
)
from pipeline.model import Exchange

KEY = (("X-Api-Key", "s3cret"),)


def test_headers_are_read_line_by_line() -> None:
    text = "# for the desk\nX-Api-Key: s3cret\r\n\n Cookie : a=b; c=d \n"
    assert read_headers(text) == (("X-Api-Key", "s3cret"), ("Cookie", "a=b; c=d"))


def test_a_login_is_read_as_basic_authentication() -> None:
    assert read_login("Aladdin:open sesame\n") == (("Authorization", "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="),)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "# nothing",
        "no colon s3cret",
        ": s3cret",
        "X Key: s3cret",
        "X-Key:",
        "X-Key: s3cr\xe9t",
        "X-Key: s3cret\x00",
        "Host: s3cret",
        "user-agent: s3cret",
        "If-None-Match: s3cret",
        "Proxy-Authorization: s3cret",
        "X-Key: " + "s3cret" * 1_000,
        "X-Key: s3cret\n" * 17,
    ],
)
def test_what_is_no_header_or_not_theirs_to_send_is_refused_without_a_word_of_it(text: str) -> None:
    with pytest.raises(HeadersError) as refused:
        read_headers(text)
    assert "s3cr" not in str(refused.value)


@pytest.mark.parametrize("text", ["", "s3cret", ":s3cret", "a:s3cret\nb:s3cret", "a:s3\x1bcret"])
def test_what_is_no_login_is_refused_without_a_word_of_it(text: str) -> None:
    with pytest.raises(HeadersError) as refused:
        read_login(text)
    assert "s3cret" not in str(refused.value)


@pytest.mark.parametrize(
    ("asked", "given"),
    [
        ("https://news.example/feed", KEY),
        ("https://NEWS.example:443/elsewhere", KEY),
        ("http://news.example/feed", ()),
        ("http://news.example:443/feed", ()),
        ("https://news.example:8443/feed", ()),
        ("https://www.news.example/feed", ()),
        ("https://evil.example/?https://news.example/feed", ()),
        ("https://news.example@evil.example/feed", ()),
    ],
)
def test_they_go_to_the_feeds_own_origin_alone(asked: str, given: object) -> None:
    assert headers_for(asked, KEY, origin="https://news.example:443") == given


def test_nothing_that_is_kept_of_a_request_has_them() -> None:
    exchange = Exchange(
        url="https://news.example/feed",
        method="GET",
        request_headers=(("Accept", "*/*"), ("x-api-key", "s3cret")),
        status=200,
        reason="OK",
        headers=(),
        body=b"",
        fetched_at=0.0,
        remote_address=None,
    )
    assert without(exchange, KEY).request_headers == (("Accept", "*/*"),)


@pytest.mark.parametrize(
    ("written", "address", "headers"),
    [
        ("https://news.example/feed?a=b@c", "https://news.example/feed?a=b@c", ()),
        (
            "https://Aladdin:open%20sesame@news.example/feed",
            "https://news.example/feed",
            (("Authorization", "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="),),
        ),
        ("HTTP://key@news.example/", "HTTP://news.example/", (("Authorization", "Basic a2V5Og=="),)),
        ("https://@news.example/", "https://news.example/", ()),
        (
            "https://a@b:s3cret@news.example/",
            "https://news.example/",
            (("Authorization", "Basic YUBiOnMzY3JldA=="),),
        ),
    ],
)
def test_a_login_in_an_address_becomes_a_header(written: str, address: str, headers: object) -> None:
    assert split_login(written) == (address, headers)
