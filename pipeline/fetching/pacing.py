"""How long a host is left alone between two requests. Pure."""

SLOW_S = 1.0
"""Seconds for an answer from which on a host is slow."""

SLOW_FACTOR = 5.0
"""A slow host rests five times as long as it worked: we take a sixth of its time at most."""

LONGEST_FOR_SLOW_S = 60.0


def host_delay(chosen_s: float, *, crawl_delay_s: float | None, elapsed_s: float = 0.0) -> float:
    """Return the seconds until a host may be asked again.

    The longest of WIREROOM_HOST_DELAY, its Crawl-delay and, where it was slow to answer, a multiple of that.
    """
    slow_s = min(SLOW_FACTOR * elapsed_s, LONGEST_FOR_SLOW_S) if elapsed_s >= SLOW_S else 0.0
    return max(chosen_s, crawl_delay_s or 0.0, slow_s)
