"""What an answer means for an article."""

import pytest

from pipeline.fetching.classify import failure_meaning, page_problem, retry_after
from pipeline.model import Exchange, FetchFailure
from pipeline.outcomes import FetchSlug, Partial, Reason

HTML = ("Content-Type", "text/html; charset=utf-8")
FETCHED_AT = 784_111_777.0  # Sun, 06 Nov 1994 08:49:37 GMT


@pytest.mark.parametrize(
    ("status", "problem"),
    [
        (200, None),
        (203, None),
        (401, Partial.BLOCKED),
        (402, Partial.BLOCKED),
        (403, Partial.BLOCKED),
        (429, Partial.BLOCKED),
        (451, Partial.BLOCKED),
        (999, Partial.BLOCKED),
        (404, Partial.GONE),
        (410, Partial.GONE),
        (304, Partial.FETCH_FAILED),
        (302, Partial.FETCH_FAILED),
        (400, Partial.FETCH_FAILED),
        (500, Partial.FETCH_FAILED),
        (503, Partial.FETCH_FAILED),
    ],
)
def test_the_status_decides_first(status: int, problem: Partial | None) -> None:
    assert page_problem(answer(status, HTML, body=b"<p>text"), is_first=False) == problem


@pytest.mark.parametrize(("status", "problem"), [(404, Partial.FETCH_FAILED), (410, Partial.GONE)])
def test_a_first_404_may_pass_and_410_does_not(status: int, problem: Partial) -> None:
    assert page_problem(answer(status, HTML, body=b"<p>text"), is_first=True) == problem


@pytest.mark.parametrize(
    ("content_type", "body", "problem"),
    [
        ("text/html", b"<html>", None),
        ("TEXT/HTML;charset=x", b"<html>", None),
        ("application/xhtml+xml", b"<?xml version='1.0'?><html/>", None),
        ("text/plain", b"Plain words.", None),
        ("text/plain", b"\x00\x01\x02", Partial.UNSUPPORTED_TYPE),
        ("text/plain; charset=utf-16", "\ufeffwords".encode("utf-16-le"), None),
        (None, b"\n <!doctype html>", None),
        (None, b"\xef\xbb\xbf<html>", None),
        (None, "\ufeff<html>".encode("utf-16-be"), None),
        (None, b"", None),
        (None, b"just words", Partial.UNSUPPORTED_TYPE),
        ("application/octet-stream", b"<html>", None),
        ("text/html", b"%PDF-1.7", Partial.UNSUPPORTED_TYPE),
        ("application/pdf", b"%PDF-1.7", Partial.UNSUPPORTED_TYPE),
        ("application/pdf", b"<html>", Partial.UNSUPPORTED_TYPE),
        ("text/html", b"\x89PNG\r\n", Partial.UNSUPPORTED_TYPE),
        ("image/jpeg", b"\xff\xd8\xff", Partial.UNSUPPORTED_TYPE),
        ("video/mp4", b"....ftyp", Partial.UNSUPPORTED_TYPE),
        ("application/json", b"{}", Partial.UNSUPPORTED_TYPE),
    ],
)
def test_what_is_no_text_page_is_unsupported(
    content_type: str | None, body: bytes, problem: Partial | None
) -> None:
    headers = [("Content-Type", content_type)] if content_type else []
    assert page_problem(answer(200, *headers, body=body), is_first=False) == problem


@pytest.mark.parametrize(
    "wall",
    [
        (503, ("cf-mitigated", "challenge"), b""),
        (202, ("x-amzn-waf-action", "challenge"), b""),
        (405, ("x-amzn-waf-action", "captcha"), b""),
        (200, ("X-Vercel-Mitigated", "challenge"), b""),
        (200, HTML, b"<html><head><title>Just a moment...</title>"),
        (200, HTML, b"<TITLE data-x=1>\n Access Denied </TITLE>"),
        (200, HTML, b"<title>Before you continue to YouTube</title>"),
    ],
)
def test_a_bot_wall_blocks_whatever_its_status(wall: tuple[int, tuple[str, str], bytes]) -> None:
    status, header, body = wall
    assert page_problem(answer(status, header, body=body), is_first=False) == Partial.BLOCKED


def test_a_consent_page_blocks() -> None:
    page = answer(200, HTML, body=b"<p>We value your privacy", url="https://consent.example.com/?next=x")
    assert page_problem(page, is_first=False) == Partial.BLOCKED


@pytest.mark.parametrize("title", ["Access denied to the summit, reporters say", "Just a moment in history"])
def test_a_headline_with_a_walls_words_is_no_wall(title: str) -> None:
    assert page_problem(answer(200, HTML, body=f"<title>{title}</title>".encode()), is_first=False) is None


@pytest.mark.parametrize(
    ("slug", "meaning"),
    [
        (FetchSlug.REFUSED_ADDRESS, Reason.REFUSED_ADDRESS),
        (FetchSlug.TOO_LARGE, Partial.TOO_LARGE),
        (FetchSlug.TIMEOUT, Partial.FETCH_FAILED),
        (FetchSlug.DNS, Partial.FETCH_FAILED),
        (FetchSlug.TOO_MANY_REDIRECTS, Partial.FETCH_FAILED),
    ],
)
def test_a_failure_leaves_the_article_to_its_feed_unless_the_address_was_refused(
    slug: FetchSlug, meaning: Partial | Reason
) -> None:
    assert failure_meaning(FetchFailure(url="http://x/", slug=slug, detail="")) == meaning


@pytest.mark.parametrize(
    ("value", "date", "seconds"),
    [
        ("120", None, 120.0),
        (" 0 ", None, 0.0),
        ("99999999999999999999", None, 31 * 86_400.0),
        ("Sun, 06 Nov 1994 08:50:37 GMT", None, 60.0),
        ("Sun, 06 Nov 1994 08:50:37 GMT", "Sun, 06 Nov 1994 08:50:07 GMT", 30.0),
        ("Sunday, 06-Nov-94 08:50:37 GMT", None, 60.0),
        ("Sun Nov  6 08:50:37 1994", None, 60.0),
        ("Sun, 06 Nov 1994 08:00:00 GMT", None, 0.0),
        ("Sun, 06 Nov 2994 08:00:00 GMT", None, 31 * 86_400.0),
        ("-5", None, None),
        ("1.5", None, None),
        ("²", None, None),
        ("soon", None, None),
        ("", None, None),
        (None, None, None),
    ],
)
def test_retry_after_is_read_in_both_forms(
    value: str | None, date: str | None, seconds: float | None
) -> None:
    headers = [(name, text) for name, text in (("Retry-After", value), ("Date", date)) if text is not None]
    assert retry_after(answer(503, *headers)) == seconds


def answer(
    status: int, *headers: tuple[str, str], body: bytes = b"", url: str = "https://example.org/a"
) -> Exchange:
    return Exchange(
        url=url,
        method="GET",
        request_headers=(),
        status=status,
        reason="",
        headers=headers,
        body=body,
        fetched_at=FETCHED_AT,
        remote_address=None,
    )
