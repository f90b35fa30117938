"""What a host's robots.txt lets Wireroom fetch (RFC 9309)."""

import math
from dataclasses import dataclass
from typing import Any

from protego import Protego

PRODUCT_TOKEN = "Wireroom"  # noqa: S105 -- the name that robots.txt files call us by (RFC 9309 §2.2.1)
_BODY_LIMIT = 500 * 1024  # bytes that are read, the rest is ignored (RFC 9309 §2.5)
_LONGEST_DELAY = 3600.0  # seconds; a typing error must not silence a host for years
_TOO_MANY_REQUESTS = 429  # says nothing of what may be fetched, so it is read like a server error


@dataclass(frozen=True, slots=True)
class Robots:
    """Answer for one host. Without rules, `otherwise` decides for every URL."""

    rules: Any  # a Protego, which has no types; None when there was no file to read
    otherwise: bool
    crawl_delay: float | None  # seconds between requests, as the host asks

    def allows(self, url: str) -> bool:
        """Say whether Wireroom may fetch a URL of this host."""
        return self.otherwise if self.rules is None else bool(self.rules.can_fetch(url, PRODUCT_TOKEN))


def read_robots(body: bytes, status: int | None) -> Robots:
    """Read the final answer to a request for /robots.txt; a status of None means that there was no answer.

    Without a file (4xx, too many redirects) everything is allowed (RFC 9309 §2.3.1.3); while the host cannot
    be asked (5xx, 429, no answer) nothing is (§2.3.1.4).
    """
    if status is None or status >= 500 or status == _TOO_MANY_REQUESTS:
        return Robots(None, False, None)
    if not 200 <= status < 300:
        return Robots(None, True, None)
    rules = Protego.parse(body[:_BODY_LIMIT].decode("utf-8-sig", "replace"))
    return Robots(rules, True, _usable_delay(rules.crawl_delay(PRODUCT_TOKEN)))


def _usable_delay(seconds: float | None) -> float | None:
    if seconds is None or not math.isfinite(seconds) or seconds < 0:
        return None
    return min(seconds, _LONGEST_DELAY)
