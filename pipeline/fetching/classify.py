"""What an answer means for an article's page, and for its host. Decides only; nothing is fetched here."""

import math
import re
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

from pipeline.fetching.pacing import host_delay, host_pause
from pipeline.model import Exchange, FetchFailure, header
from pipeline.outcomes import FetchSlug, Partial, Reason

HOPS = 5  # redirects that are followed; news sites need no more (the Fetch standard has 20)
# 429 and LinkedIn's 999 turn robots away like a wall; 451 is a legal block (RFC 7725).
_BLOCKING_STATUSES = frozenset({401, 402, 403, 407, 429, 451, 999})
_NOT_FOUND, _GONE = 404, 410
# Set on a challenge whatever its status, as Cloudflare, AWS WAF and Vercel document.
_WALL_HEADERS = (
    ("cf-mitigated", frozenset({"challenge"})),
    ("x-amzn-waf-action", frozenset({"challenge", "captcha"})),
    ("x-vercel-mitigated", frozenset({"challenge", "deny"})),
)
# The whole titles of walls that answer 200: no headline is just these words.
_WALL_TITLE = re.compile(
    rb"<title[^>]*>\s*(?:just a moment\.{3}|attention required! \| cloudflare|access denied|security check"
    rb"|pardon our interruption|are you a robot\?|robot or human\?|human verification|ddos-guard"
    rb"|verify(?:ing)? (?:that )?you are (?:a )?human|before you continue(?: to [^<]{1,40})?)\s*</title>",
    re.IGNORECASE,
)
# Hosts that publishers send a reader to until cookies are accepted.
_CONSENT_HOSTS = ("consent.", "guce.", "myprivacy.", "privacygate.", "cmp-consent-tool.")
_HEAD = 16 * 1024  # bytes in which a page's title stands, and its kind shows
_PAGE_TYPES = frozenset({"text/html", "application/xhtml+xml", "text/plain", "application/xml", "text/xml"})
_UNSURE_TYPES = frozenset({"", "application/octet-stream", "binary/octet-stream", "application/x-download"})
_BINARY_MAGIC = re.compile(  # documents, images, sound, archives, fonts
    rb"%PDF-|\x89PNG|\xff\xd8\xff|GIF8|RIFF|ID3|OggS|\x1aE\xdf\xa3|PK\x03\x04|\x1f\x8b|BZh|Rar!|\xd0\xcf\x11\xe0|wOF"
)
_BYTE_ORDER_MARKS = (b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")
_LONGEST_WAIT = 31 * 86_400.0  # seconds; a later Retry-After is a mistake


def page_problem(exchange: Exchange, *, is_first: bool) -> Partial | None:
    """Say why the last answer of a request chain holds no usable page, or return None when it does.

    The first 404 is a failure that may pass: feeds show articles before every edge of a CDN has them.
    """
    if _is_wall(exchange) or exchange.status in _BLOCKING_STATUSES:
        return Partial.BLOCKED
    if exchange.status == _GONE or (exchange.status == _NOT_FOUND and not is_first):
        return Partial.GONE
    if not 200 <= exchange.status < 300:
        return Partial.FETCH_FAILED
    return None if _is_page(exchange) else Partial.UNSUPPORTED_TYPE


def failure_meaning(failure: FetchFailure) -> Partial | Reason:
    """Say what becomes of an article whose page gave no answer: refused addresses are dropped."""
    if failure.slug == FetchSlug.REFUSED_ADDRESS:
        return Reason.REFUSED_ADDRESS
    return Partial.TOO_LARGE if failure.slug == FetchSlug.TOO_LARGE else Partial.FETCH_FAILED


def retry_after(exchange: Exchange) -> float | None:
    """Return the seconds that the server asks to wait (Retry-After, RFC 9110 §10.2.3), or None.

    A date is taken relative to the answer's own Date, so that neither clock has to be right.
    """
    value = (header(exchange.headers, "Retry-After") or "").strip()
    if value.isascii() and value.isdigit():
        return min(float(value), _LONGEST_WAIT)
    until = http_date(value)
    if until is None:
        return None
    sent = http_date(header(exchange.headers, "Date") or "")
    return min(max(0.0, until - (exchange.fetched_at if sent is None else sent)), _LONGEST_WAIT)


def rest_after(answer: Exchange | FetchFailure, chosen_s: float) -> float:
    """Return for how many seconds a host is left alone after an answer: it was slow, or asks for a pause."""
    delay_s = host_delay(chosen_s, crawl_delay_s=None, elapsed_s=answer.elapsed_s)
    if isinstance(answer, FetchFailure):
        return delay_s
    return max(delay_s, host_pause(answer.status, retry_after(answer)))


def http_date(date: str) -> float | None:
    """Read a date as HTTP writes it, in seconds since the epoch; None for what is none (RFC 9110 §5.6.7)."""
    try:
        timestamp = parsedate_to_datetime(date).timestamp()
    except (ValueError, OverflowError, OSError):
        return None
    return timestamp if math.isfinite(timestamp) else None


def _is_wall(exchange: Exchange) -> bool:
    for name, values in _WALL_HEADERS:
        if (header(exchange.headers, name) or "").strip().lower() in values:
            return True
    if (urlsplit(exchange.url).hostname or "").startswith(_CONSENT_HOSTS):
        return True
    return _WALL_TITLE.search(exchange.body[:_HEAD]) is not None


def _is_page(exchange: Exchange) -> bool:
    head = exchange.body[:_HEAD]
    essence = (header(exchange.headers, "Content-Type") or "").partition(";")[0].strip().lower()
    if _BINARY_MAGIC.match(head):
        return False
    if essence in _UNSURE_TYPES:
        return not head or head.lstrip(b"\xef\xbb\xbf\xff\xfe \t\r\n\x00").startswith(b"<")
    if essence == "text/plain":
        return head.startswith(_BYTE_ORDER_MARKS) or b"\x00" not in head
    return essence in _PAGE_TYPES
