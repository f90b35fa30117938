"""How long a host is left alone between two requests."""

import pytest

from pipeline.fetching.pacing import host_delay


@pytest.mark.parametrize(
    ("chosen_s", "crawl_delay_s", "elapsed_s", "delay_s"),
    [
        (5.0, None, 0.2, 5.0),
        (5.0, 30.0, 0.2, 30.0),
        (5.0, 1.0, 0.2, 5.0),
        (5.0, None, 2.0, 10.0),
        (5.0, None, 0.99, 5.0),
        (5.0, None, 29.0, 60.0),
        (0.0, None, 0.9, 0.0),
    ],
    ids=["ours", "its own", "its own is shorter", "slow", "not slow yet", "very slow", "none"],
)
def test_the_longest_reason_counts(
    chosen_s: float, crawl_delay_s: float | None, elapsed_s: float, delay_s: float
) -> None:
    assert host_delay(chosen_s, crawl_delay_s=crawl_delay_s, elapsed_s=elapsed_s) == delay_s
