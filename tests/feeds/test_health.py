"""When a feed is silent, quiet, slow, short of text or redundant."""

from dataclasses import replace

import pytest

from pipeline.feeds.health import DAY_S, Ailment, Facts, judge, season, text_medians

WELL = Facts(
    is_failing=False,
    is_active=True,
    entries=200,
    silence_s=2 * DAY_S,
    longest_silence_s=4 * DAY_S,
    lags_s=[600.0] * 20,
    text_lengths=[3_000] * 40,
    most_shared=0.2,
)


def ailments(*, season: float = 1.0, **changed: object) -> tuple[Ailment, ...]:
    return judge(replace(WELL, **changed), season=season)  # type: ignore[arg-type]


def test_a_feed_within_its_rhythm_is_well() -> None:
    assert ailments() == ()


def test_a_feed_whose_last_poll_failed_is_failing() -> None:
    assert ailments(is_failing=True) == (Ailment.FAILING,)


def test_a_feed_is_silent_beyond_half_again_its_longest_silence() -> None:
    assert ailments(silence_s=5.9 * DAY_S) == ()
    assert ailments(silence_s=6.1 * DAY_S) == (Ailment.SILENT,)


def test_a_feed_that_never_paused_may_pause_for_a_day_and_a_half() -> None:
    assert ailments(longest_silence_s=3_600.0, silence_s=1.4 * DAY_S) == ()
    assert ailments(longest_silence_s=3_600.0, silence_s=1.6 * DAY_S) == (Ailment.SILENT,)


def test_in_a_quiet_season_a_silence_counts_by_what_the_others_still_bring() -> None:
    assert ailments(silence_s=10 * DAY_S, season=0.5) == (Ailment.QUIET,)
    assert ailments(silence_s=13 * DAY_S, season=0.5) == (Ailment.SILENT,)


@pytest.mark.parametrize("unknown", [{"entries": 4}, {"is_active": False}, {"longest_silence_s": None}])
def test_without_a_rhythm_no_feed_is_silent(unknown: dict[str, object]) -> None:
    assert ailments(silence_s=90 * DAY_S, **unknown) == ()


def test_a_season_is_the_median_of_many_feeds_and_never_above_one() -> None:
    assert season([0.0, 0.4, 0.5, 0.5, 0.6, 3.0]) == 0.5
    assert season([2.0] * 9) == 1.0
    assert season([0.1] * 5) == 1.0  # too few others to tell August by


def test_a_feed_seen_long_after_publication_is_slow() -> None:
    assert ailments(lags_s=[4 * 3_600.0] * 5) == (Ailment.SLOW,)
    assert ailments(lags_s=[4 * 3_600.0] * 4) == ()


def test_texts_that_halved_got_short() -> None:
    assert ailments(text_lengths=[1_400] * 10 + [3_000] * 10) == (Ailment.SHORT,)
    assert ailments(text_lengths=[1_600] * 10 + [3_000] * 10) == ()
    assert text_medians([1_400] * 10 + [3_000] * 9) == (1_400, None)  # too few before


def test_a_feed_whose_articles_another_shows_is_redundant() -> None:
    assert ailments(most_shared=0.9) == (Ailment.REDUNDANT,)
