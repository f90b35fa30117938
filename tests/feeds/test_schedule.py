"""When a feed is asked again, and why."""

from dataclasses import replace

import pytest

from pipeline.feeds.hints import Asked
from pipeline.feeds.rhythm import DAY, WEEK, Rhythm, first_rhythm
from pipeline.feeds.schedule import JITTER, Decision, Limits, Polled, decide, spoken
from pipeline.fetching.pacing import HOST_PAUSE_S
from pipeline.model import FeedHints, FeedState

MIN, HOUR = 60.0, 3600.0
NOW = 20_000 * DAY + 12 * HOUR  # noon, UTC
LIMITS = Limits(shortest=5 * MIN, longest=DAY)


def hourly(every: float, *, since: float = 28 * DAY) -> Rhythm:
    """Give the rhythm of a feed that had an entry each `every` seconds up to now."""
    count = int(since / every)
    return first_rhythm([NOW - (number + 0.5) * every for number in range(count)], NOW)


QUIET = Polled(
    url="https://news.example/feed",
    now=NOW,
    interval_s=HOUR,
    elapsed_s=HOUR,
    failures=0,
    failing_since=None,
    last_error=None,
    status=304,
    was_detour=False,
    failure=None,
    changed=False,
    entries=20,
    new_entries=0,
    rhythm=hourly(HOUR),
    asked=Asked(),
)
NEWS = replace(QUIET, status=200, changed=True, new_entries=1)
FAILED = replace(QUIET, status=500)


def after(polled: Polled) -> Decision:
    return decide(polled, LIMITS)


@pytest.mark.parametrize(
    ("every", "minutes"),
    [(5 * MIN, (5, 5)), (HOUR, (14, 16)), (4.1 * HOUR, (27, 34)), (25 * HOUR, (60, 90))],
    ids=["5 min", "hour", "4 hours", "day"],
)
def test_the_interval_follows_the_root_of_the_feeds_rate(every: float, minutes: tuple[float, float]) -> None:
    interval = after(replace(QUIET, rhythm=hourly(every))).interval_s / MIN
    assert minutes[0] <= interval <= minutes[1]


def test_the_interval_stays_between_its_limits() -> None:
    limits = Limits(shortest=30 * MIN, longest=40 * MIN)
    assert decide(replace(QUIET, rhythm=hourly(MIN)), limits).interval_s == 30 * MIN
    assert decide(replace(QUIET, rhythm=hourly(4 * DAY)), limits).interval_s == 40 * MIN


def test_a_document_that_turns_over_is_asked_for_again_in_a_quarter_of_the_time_that_took() -> None:
    decision = after(replace(NEWS, new_entries=20, elapsed_s=40 * MIN))
    assert decision.interval_s == 10 * MIN
    assert decision.why.startswith("20 new entries of 20, which is fast: asking again in 1")


@pytest.mark.parametrize(
    ("polled", "why"),
    [
        (QUIET, "nothing new, about 24 a day of late: asking again in "),
        (NEWS, "1 new entry, about 24 a day of late: "),
        (replace(NEWS, new_entries=0), "changed, but no new entries, about 24 a day of late: "),
        (replace(QUIET, rhythm=hourly(3.5 * DAY)), "nothing new, about 2 a week of late: "),
        (replace(QUIET, rhythm=None), "nothing new: asking again in "),
        (FAILED, "failed (http-500): asking again in "),
        (replace(FAILED, status=None, failure="dns"), "failed (dns): "),
        (replace(FAILED, failing_since=NOW - 3 * HOUR), "failed (http-500), for 3 h now: "),
    ],
)
def test_the_reason_is_told_in_plain_words(polled: Polled, why: str) -> None:
    assert after(polled).why.startswith(why)


def test_the_jitter_is_the_same_for_a_feed_and_differs_between_feeds() -> None:
    decisions = [after(replace(QUIET, url=f"https://news.example/{n}")) for n in range(100)]
    factors = {decision.wait_s / decision.interval_s for decision in decisions}
    assert len(factors) == 100
    assert min(factors) >= 1.0
    assert max(factors) <= 1 + JITTER
    assert after(QUIET) == after(QUIET)


def test_failures_back_off_to_a_day_and_keep_the_feeds_rhythm() -> None:
    decisions = [after(replace(FAILED, status=401, failures=failures)) for failures in range(8)]
    waits = [decision.wait_s / decisions[0].wait_s for decision in decisions]
    assert waits == pytest.approx([1, 2, 4, 8, 16, 24, 24, 24])
    assert {decision.interval_s for decision in decisions} == {HOUR}
    assert [decision.failures for decision in decisions] == list(range(1, 9))


@pytest.mark.parametrize(
    ("status", "failure", "weight"),
    [
        (None, "timeout", 0.5),
        (None, "connect", 0.5),
        (500, None, 0.5),
        (503, None, 0.5),
        (429, None, 0.5),
        (None, "dns", 1.0),
        (404, None, 1.0),
        (403, None, 1.0),
        (200, "not-a-feed", 1.0),
        (None, "refused-address", 2.0),
    ],
)
def test_failures_weigh_by_their_kind(status: int | None, failure: str | None, weight: float) -> None:
    assert after(replace(QUIET, status=status, failure=failure, failures=3.0)).failures == 3.0 + weight


@pytest.mark.parametrize(
    ("failures", "since", "weekly"),
    [(4, 3 * DAY, True), (4, 2 * DAY, False), (3, 3 * DAY, False), (9, 40 * DAY, True)],
)
def test_404_goes_to_weekly_after_five_failures_over_three_days(
    failures: float, since: float, weekly: bool
) -> None:
    decision = after(replace(QUIET, status=404, failures=failures, failing_since=NOW - since))
    assert (decision.wait_s >= WEEK) == weekly
    assert ("once a week will do" in decision.why) == weekly


def test_what_failed_for_a_month_is_asked_weekly_and_never_given_up() -> None:
    decision = after(replace(FAILED, failures=1_000, failing_since=NOW - 31 * DAY))
    assert WEEK <= decision.wait_s <= WEEK * (1 + JITTER)
    assert decision.state is FeedState.ACTIVE
    assert after(replace(FAILED, failures=1_000)).wait_s <= DAY * (1 + JITTER)


@pytest.mark.parametrize(
    ("status", "last_error", "failures", "error"),
    [
        (304, "timeout", 0.0, None),
        (304, "dns", 0.0, None),
        (304, "http-503", 0.0, None),
        (304, "stage-crashed", 0.0, None),
        (304, "not-a-feed", 5.0, "not-a-feed"),
        (304, "parse-timeout", 5.0, "parse-timeout"),
        (200, "not-a-feed", 0.0, None),
    ],
)
def test_a_304_heals_network_failures_but_never_parse_failures(
    status: int, last_error: str, failures: float, error: str | None
) -> None:
    decision = after(replace(QUIET, status=status, failures=5.0, last_error=last_error))
    assert (decision.failures, decision.error) == (failures, error)


@pytest.mark.parametrize(
    ("asked", "least", "why"),
    [
        (Asked(fresh_s=6 * HOUR), 6 * HOUR, ", and its answer is fresh for 6 h (Cache-Control, Expires): "),
        (Asked(hints=FeedHints(ttl_s=4 * HOUR)), 4 * HOUR, ", and its ttl asks for 4 h: "),
        (Asked(hints=FeedHints(update_period_s=DAY)), DAY, "its next update comes in 24 h (sy:updatePeriod)"),
        (
            Asked(hints=FeedHints(update_period_s=DAY, update_base=NOW - 400 * DAY + 2 * HOUR)),
            2 * HOUR,
            "its next update comes in 2 h (sy:updatePeriod)",
        ),
        (Asked(retry_after_s=2 * DAY), 2 * DAY, ", and Retry-After asks for 2 days: "),
        (Asked(fresh_s=365 * DAY), WEEK, "fresh for 7 days"),
        (Asked(hints=FeedHints(ttl_s=365 * DAY)), WEEK, "ttl asks for 7 days"),
        (Asked(fresh_s=2 * HOUR, hints=FeedHints(ttl_s=5 * HOUR)), 5 * HOUR, "ttl asks for 5 h"),
    ],
)
def test_what_a_publisher_asks_is_a_floor_of_seven_days_at_most(asked: Asked, least: float, why: str) -> None:
    decision = after(replace(QUIET, asked=asked))
    assert least <= decision.wait_s <= min(least * (1 + JITTER), WEEK)
    assert decision.asked_s == least
    assert why in decision.why


def test_a_wish_never_shortens_a_wait() -> None:
    asked = Asked(fresh_s=1.0, retry_after_s=1.0, hints=FeedHints(ttl_s=60.0))
    decision = after(replace(QUIET, asked=asked))
    assert (decision.wait_s, decision.why) == (after(QUIET).wait_s, after(QUIET).why)


@pytest.mark.parametrize("status", [200, 304, 404, 429, 500, 503])
def test_retry_after_is_a_floor_on_any_answer(status: int) -> None:
    decision = after(replace(QUIET, status=status, asked=Asked(retry_after_s=2 * DAY)))
    assert decision.wait_s >= 2 * DAY
    assert "Retry-After asks for 2 days" in decision.why


@pytest.mark.parametrize(
    ("hints", "wait"),
    [
        (FeedHints(skip_hours=frozenset({12, 13, 14})), 3 * HOUR),
        (FeedHints(skip_days=frozenset({int(NOW // DAY + 3) % 7})), 12 * HOUR),
    ],
)
def test_a_poll_is_put_off_past_hours_and_days_of_rest(hints: FeedHints, wait: float) -> None:
    decision = after(replace(QUIET, asked=Asked(hints=hints)))
    assert wait <= decision.wait_s < wait + 15 * MIN
    assert ", and it rests until then (skipHours, skipDays): " in decision.why


@pytest.mark.parametrize(
    ("status", "retry_after_s", "pause_s"),
    [
        (429, None, HOST_PAUSE_S),
        (503, None, HOST_PAUSE_S),
        (429, 20.0, 20.0),
        (503, 365 * DAY, WEEK),
        (500, 600.0, 0.0),
        (200, 600.0, 0.0),
    ],
)
def test_429_and_503_pause_the_host(status: int, retry_after_s: float | None, pause_s: float) -> None:
    decision = after(replace(QUIET, status=status, asked=Asked(retry_after_s=retry_after_s)))
    assert decision.host_pause_s == pause_s


def test_410_ends_in_gone() -> None:
    decision = after(replace(QUIET, status=410))
    assert decision.state is FeedState.GONE
    assert "410" in decision.why


def test_410_behind_a_detour_is_an_ordinary_failure() -> None:
    decision = after(replace(QUIET, status=410, failure="http-410", was_detour=True))
    assert (decision.state, decision.error) == (FeedState.ACTIVE, "http-410")
    assert decision.wait_s < DAY


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(45, "45 s"), (900, "15 min"), (3 * HOUR, "3 h"), (DAY, "24 h"), (3 * DAY, "3 days")],
)
def test_durations_are_spoken_in_readable_units(seconds: float, words: str) -> None:
    assert spoken(seconds) == words
