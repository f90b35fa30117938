"""Headers of a feed's own: what a publisher asks its subscribers to send. They are secrets.

They come from a file or an address, go to the feed's own origin alone, and are neither shown nor archived.
"""

import base64
import re
from collections.abc import Iterator
from dataclasses import replace
from urllib.parse import unquote

from pipeline.errors import WireroomError
from pipeline.identity import origin_of
from pipeline.model import Exchange

Headers = tuple[tuple[str, str], ...]

HEADERS_LIMIT = 16  # of one feed; publishers ask for one or two
VALUE_LIMIT = 4_096  # characters; servers take 8 KiB for all

_LOGIN = re.compile(r"\s*(?:https?:)?[/\\]{2,}([^/\\?#]*)@", re.IGNORECASE)
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # a token, RFC 9110 §5.6.2
_VALUE = re.compile(r"[\x21-\x7e](?:[\t\x20-\x7e]*[\x21-\x7e])?")
# What a request is made of, and what would make us another reader than we say we are.
_WIREROOMS_OWN = frozenset(
    {"accept", "accept-encoding", "connection", "content-length", "expect", "host", "if-modified-since"}
    | {"if-none-match", "keep-alive", "range", "referer", "te", "trailer", "transfer-encoding", "upgrade"}
    | {"user-agent"}
)


class HeadersError(WireroomError):
    """Say which line of a file is no header, without saying what is in it."""


def read_headers(text: str) -> Headers:
    """Read `Name: value` lines; empty ones and those that begin with # are left out. Raises HeadersError."""
    headers = tuple(_headers(text))
    if not headers or len(headers) > HEADERS_LIMIT:
        raise HeadersError(f"write 1 to {HEADERS_LIMIT} lines `Name: value` into it")
    return headers


def read_login(text: str) -> Headers:
    """Read one line `name:password` as HTTP Basic authentication (RFC 7617). Raises HeadersError."""
    login = text.strip("\r\n")
    name, colon, _ = login.partition(":")
    if not name or not colon or "\n" in login or not login.isprintable() or len(login) > VALUE_LIMIT // 2:
        raise HeadersError("write one line `name:password` into it")
    return (("Authorization", f"Basic {base64.b64encode(login.encode()).decode()}"),)


def split_login(url: str) -> tuple[str, Headers]:
    """Take the userinfo out of an address, as `https://name:password@host/` has it, and give it as a header.

    Addresses are shown and logged (RFC 3986 §7.5 advises against userinfo); headers are not.
    """
    found = _LOGIN.match(url)
    if found is None:
        return url, ()
    address = url[: found.start(1)] + url[found.end() :]
    name, _, password = found[1].partition(":")
    try:
        return address, read_login(f"{unquote(name)}:{unquote(password)}")
    except HeadersError:  # nothing that a server could take
        return address, ()


def headers_for(url: str, headers: Headers, *, origin: str | None) -> Headers:
    """Give a feed's headers for a request to the origin that they are for, and none for any other: what was
    given for https is not sent in clear."""
    return headers if origin_of(url) == origin else ()


def without(exchange: Exchange, headers: Headers) -> Exchange:
    """Forget that a request carried a feed's own headers, as everything that is kept of it must."""
    names = {name.lower() for name, _ in headers}
    kept = tuple(sent for sent in exchange.request_headers if sent[0].lower() not in names)
    return replace(exchange, request_headers=kept)


def _headers(text: str) -> Iterator[tuple[str, str]]:
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        name, _, value = line.partition(":")
        name, value = name.strip(), value.strip()
        if not _NAME.fullmatch(name) or not _VALUE.fullmatch(value) or len(value) > VALUE_LIMIT:
            raise HeadersError(f"line {number} is no header: write `Name: value` in ASCII")
        if name.lower() in _WIREROOMS_OWN or name.lower().startswith("proxy-"):
            raise HeadersError(f"line {number}: {name} is Wireroom's to send")
        yield name, value
