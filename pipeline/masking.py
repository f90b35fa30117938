"""Take secrets out of what is shown or logged: passwords of addresses, keys in queries, logins in headers."""

import re
from collections.abc import Iterable
from urllib.parse import unquote, urlsplit

MASK = "***"
SHORTEST = 4
"""A shorter secret is not looked for by itself: it would blacken words."""

_ONE_WORD = r"(?:access|auth|refresh)?token"
_NAMES = rf"(?:[a-z0-9]+[_-])*(?:api[_-]?key|{_ONE_WORD}|authorization|(?:ssl)?passw(?:or)?d|secret)"
_SHORT_NAMES = r"key|auth|pwd|sig|signature"  # of parameters; anywhere else these are words
_PARAMETER = rf"(?P<before>[?&](?:{_NAMES}|{_SHORT_NAMES})=)"

_LOGIN = re.compile(
    r"(?P<before>(?<![a-z0-9+.-])[a-z0-9+.-]+://[^\s/:@'\"]*:)[^\s/@'\"]+(?=@)", re.IGNORECASE
)
_IN_QUERY = re.compile(rf"{_PARAMETER}[^\s&#'\"<>]+", re.IGNORECASE)
_NAMED = re.compile(
    rf"(?P<before>(?<![\w-])(?:(?:{_NAMES})[\"']?\s?[=:]|(?:{_SHORT_NAMES})=)\s?[\"']?)[^\s&'\",;)}}]+",
    re.IGNORECASE,
)
_SCHEME = re.compile(r"(?P<before>\b(?:Basic|Bearer|ApiKey)\s+)[A-Za-z0-9+/=._~-]{6,}")
IN_TEXT = (_LOGIN, _SCHEME, _IN_QUERY, _NAMED)

_WHOLE_LOGIN = re.compile(
    r"(?P<before>^[a-z][a-z0-9+.-]*://(?:[^:/@?#]+:(?!\d{1,5}(?:[/?#]|$))|:)|^[^:/@?#]+:(?!//)).+(?=@)",
    re.IGNORECASE | re.DOTALL,
)
"""Up to the last @, since whoever did not write a password's own as %40 would see the rest of it."""

IN_URL = (_WHOLE_LOGIN, re.compile(rf"{_PARAMETER}[^&#]+", re.IGNORECASE))


def mask(text: str, secrets: Iterable[str] = ()) -> str:
    """Hide what looks like a secret, and the secrets that are known, wherever they stand."""
    for secret in secrets:
        if len(secret) >= SHORTEST:
            text = text.replace(secret, MASK)
    return _without(IN_TEXT, text)


def mask_url(url: str) -> str:
    """Hide what is secret in a URL that stands alone, in one that is none because of its password, too."""
    return _without(IN_URL, url)


def passwords(urls: Iterable[str]) -> tuple[str, ...]:
    """List the passwords of some addresses, as they are written and as they are meant; longest first."""
    written = [password for url in urls if (password := urlsplit(url).password)]
    return tuple(sorted({*written, *map(unquote, written)}, key=len, reverse=True))


def _without(patterns: Iterable[re.Pattern[str]], text: str) -> str:
    for pattern in patterns:
        text = pattern.sub(rf"\g<before>{MASK}", text)
    return text
