"""When a page that could not be had, or gave no text, is asked for again."""

RETRIES = 3
FACTOR = 4.0
"""15 minutes, an hour, four hours: a slow CDN, an outage, a page that was published too early."""


def retry_in(retries: int, *, first_delay_s: float, asked_s: float | None = None) -> float | None:
    """Return the seconds until the next try, or None when there were enough; a server's wish is a floor."""
    if retries >= RETRIES:
        return None
    return max(first_delay_s * FACTOR**retries, asked_s or 0.0)
