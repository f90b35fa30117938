"""How long a host is left alone between two requests. Pure."""

SLOW_S = 1.0
"""Seconds for an answer from which on a host is slow."""

SLOW_FACTOR = 5.0
"""A slow host rests five times as long as it worked: we take a sixth of its time at most."""

LONGEST_FOR_SLOW_S = 60.0

HOST_PAUSE_S = 300.0
"""After a 429 or 503 that does not say for how long: five minutes outlast most windows of rate limiters."""

LONGEST_PAUSE_S = 7 * 86_400.0
"""A Retry-After, or any other wish, beyond this is a mistake more often than a wish."""

OVERLOADED = frozenset({429, 503})


def host_delay(chosen_s: float, *, crawl_delay_s: float | None, elapsed_s: float = 0.0) -> float:
    """Return the seconds until a host may be asked again.

    The longest of WIREROOM_HOST_DELAY, its Crawl-delay and, where it was slow to answer, a multiple of that.
    """
    slow_s = min(SLOW_FACTOR * elapsed_s, LONGEST_FOR_SLOW_S) if elapsed_s >= SLOW_S else 0.0
    return max(chosen_s, crawl_delay_s or 0.0, slow_s)


def host_pause(status: int | None, retry_after_s: float | None) -> float:
    """Return the seconds for which a whole host is to be left alone after an answer.

    429 and 503 are the host's own words (RFC 6585 §4, RFC 9110 §15.6.4); other answers speak of one address.
    """
    if status not in OVERLOADED:
        return 0.0
    return HOST_PAUSE_S if retry_after_s is None else min(retry_after_s, LONGEST_PAUSE_S)
