"""When a feed is asked again, and why."""

from dataclasses import replace

import pytest

from pipeline.feeds.schedule import DAY, JITTER, Decision, Limits, Polled, decide, spoken
from pipeline.model import FeedState

MIN, HOUR = 60.0, 3600.0
LIMITS = Limits(shortest=5 * MIN, longest=6 * HOUR)
QUIET = Polled(
    url="https://news.example/feed",
    state=FeedState.ACTIVE,
    interval_s=HOUR,
    failures=0,
    status=304,
    failure=None,
    changed=False,
    new_entries=0,
    retry_after_s=None,
)
NEWS = replace(QUIET, status=200, changed=True, new_entries=3)
FAILED = replace(QUIET, status=503)


def after(polled: Polled) -> Decision:
    return decide(polled, LIMITS)


def test_new_entries_halve_the_interval() -> None:
    decision = after(NEWS)
    assert decision.interval_s == HOUR / 2
    assert decision.why.startswith("3 new entries: asking again in 3")


def test_quiet_polls_lengthen_the_interval() -> None:
    decision = after(QUIET)
    assert decision.interval_s == 1.5 * HOUR
    assert decision.why.startswith("nothing new: asking again in ")


def test_the_interval_stays_between_its_limits() -> None:
    assert after(replace(NEWS, interval_s=0.0)).interval_s == LIMITS.shortest
    assert after(replace(QUIET, interval_s=10 * HOUR)).interval_s == LIMITS.longest


def test_an_edit_without_new_entries_is_quiet_and_says_so() -> None:
    decision = after(replace(QUIET, status=200, changed=True))
    assert decision.interval_s == 1.5 * HOUR
    assert decision.why.startswith("changed, but no new entries: ")


def test_the_jitter_is_the_same_for_a_feed_and_differs_between_feeds() -> None:
    waits = {after(replace(QUIET, url=f"https://news.example/{n}")).wait_s for n in range(100)}
    assert len(waits) == 100
    assert min(waits) >= 1.5 * HOUR
    assert max(waits) <= 1.5 * HOUR * (1 + JITTER)
    assert after(QUIET) == after(QUIET)


def test_failures_back_off_to_a_day_and_keep_the_feeds_rhythm() -> None:
    decisions = [after(replace(FAILED, failures=failures)) for failures in range(8)]
    waits = [decision.wait_s / decisions[0].wait_s for decision in decisions]
    assert waits == pytest.approx([1, 2, 4, 8, 16, 24, 24, 24])
    assert {decision.interval_s for decision in decisions} == {HOUR}
    assert [decision.failures for decision in decisions] == list(range(1, 9))


@pytest.mark.parametrize(
    ("polled", "why"),
    [
        (replace(FAILED, status=503), "failed (http-503): asking again in 6"),
        (replace(FAILED, status=None, failure="dns"), "failed (dns): asking again in 6"),
        (
            replace(FAILED, status=200, failure="not-a-feed", failures=2),
            "failed (not-a-feed, 3 times in a row): ",
        ),
    ],
)
def test_a_failure_is_named(polled: Polled, why: str) -> None:
    assert after(polled).why.startswith(why)


def test_success_ends_the_count_of_failures() -> None:
    assert after(replace(QUIET, failures=5)).failures == 0


def test_a_thousand_failures_are_a_day_apart_still() -> None:
    assert DAY <= after(replace(FAILED, failures=1_000)).wait_s <= DAY * (1 + JITTER)


@pytest.mark.parametrize("status", [200, 304, 429, 503])
def test_retry_after_is_a_floor_on_any_answer(status: int) -> None:
    decision = after(replace(QUIET, status=status, retry_after_s=2 * DAY))
    assert decision.wait_s >= 2 * DAY
    assert "the server asks for it" in decision.why


def test_retry_after_never_shortens_a_wait_and_counts_for_seven_days_at_most() -> None:
    assert after(replace(QUIET, retry_after_s=1.0)) == after(QUIET)
    assert after(replace(FAILED, retry_after_s=365 * DAY)).wait_s <= 7 * DAY * (1 + JITTER)


def test_410_ends_in_gone() -> None:
    decision = after(replace(QUIET, status=410))
    assert decision.state is FeedState.GONE
    assert "410" in decision.why


def test_a_gone_feed_that_answers_again_is_active_again() -> None:
    assert after(replace(NEWS, state=FeedState.GONE)).state is FeedState.ACTIVE
    assert after(replace(FAILED, state=FeedState.GONE)).state is FeedState.GONE


def test_a_feed_paused_while_it_was_asked_stays_paused() -> None:
    assert after(replace(NEWS, state=FeedState.PAUSED)).state is FeedState.PAUSED


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(45, "45 s"), (900, "15 min"), (3 * HOUR, "3 h"), (DAY, "24 h"), (3 * DAY, "3 days")],
)
def test_durations_are_spoken_in_readable_units(seconds: float, words: str) -> None:
    assert spoken(seconds) == words
