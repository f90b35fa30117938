"""Take secrets out of what is shown or logged: passwords of addresses, keys in queries, logins in headers."""

import re
from collections.abc import Iterable
from urllib.parse import unquote, urlsplit

MASK = "***"
SHORTEST = 4
"""A shorter secret is not looked for by itself: it would blacken words."""

_LOGIN = re.compile(r"(?P<before>[a-z][a-z0-9+.-]*://[^\s/:@'\"]*:)[^\s/@'\"]+(?=@)", re.IGNORECASE)
_NAMES = r"(?:x-)?api[_-]?key|(?:access|auth|refresh)[_-]?token|token|authorization|passw(?:or)?d|secret"
_NAMED = re.compile(
    rf"(?P<before>(?<![\w-])(?:(?:{_NAMES})[\"']?\s?[=:]|(?:key|auth|pwd|sig|signature)=)\s?[\"']?)[^\s&'\",;)}}]+",
    re.IGNORECASE,
)
_SCHEME = re.compile(r"(?P<before>\b(?:Basic|Bearer|ApiKey)\s+)[A-Za-z0-9+/=._~-]{6,}")


def mask(text: str, secrets: Iterable[str] = ()) -> str:
    """Hide what looks like a secret, and the secrets that are known, wherever they stand."""
    for secret in secrets:
        if len(secret) >= SHORTEST:
            text = text.replace(secret, MASK)
    for pattern in (_LOGIN, _SCHEME, _NAMED):
        text = pattern.sub(rf"\g<before>{MASK}", text)
    return text


def passwords(urls: Iterable[str]) -> tuple[str, ...]:
    """List the passwords of some addresses, as they are written and as they are meant; longest first."""
    written = [password for url in urls if (password := urlsplit(url).password)]
    return tuple(sorted({*written, *map(unquote, written)}, key=len, reverse=True))
