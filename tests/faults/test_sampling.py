"""What each process uses, and whether it grows."""

import os
import socket

import pytest

from tests.faults.sampling import Sample, growth, slope, take


def test_a_line_is_fitted() -> None:
    assert slope([0.0, 1.0, 2.0, 3.0], [5.0, 7.0, 9.0, 11.0]) == pytest.approx(2.0)
    assert slope([0.0, 1.0, 2.0], [5.0, 5.0, 5.0]) == 0.0


def test_the_first_minute_counts_not() -> None:
    samples = [
        Sample(at=at, rss=100.0 if at < 60 else 200.0 + at / 60, pss=50.0, files=9, connections=2)
        for at in (0.0, 30.0, 60.0, 120.0, 180.0)
    ]
    grown = growth("net", 7, samples)
    assert grown is not None
    assert (grown.rss_an_hour, grown.pss_an_hour) == (pytest.approx(60.0), 0.0)
    assert (grown.lived_s, grown.files, grown.connections) == (180.0, (9, 9), (2, 2))


def test_a_process_that_was_seen_for_a_moment_tells_nothing() -> None:
    assert growth("net", 7, [Sample(at=0.0, rss=1.0, pss=1.0, files=1, connections=1)]) is None


def test_open_files_and_connections_are_counted() -> None:
    before = take(os.getpid(), 0.0)
    with socket.socket(), open(__file__):
        after = take(os.getpid(), 0.0)
    assert before is not None
    assert after is not None
    assert (after.files - before.files, after.connections - before.connections) == (2, 1)


def test_a_process_that_is_gone_has_no_sample() -> None:
    assert take(2**22 + 1, 0.0) is None
