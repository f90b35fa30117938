"""The flag by which a worker tells its forked children to stop."""

import multiprocessing

import pytest

from workers.stopping import StopFlag

ignore_forks_with_threads = pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")


@ignore_forks_with_threads
def test_a_forked_process_sees_the_flag() -> None:
    flag = StopFlag()
    child = multiprocessing.get_context("fork").Process(target=flag.wait, args=(60.0,))
    child.start()
    flag.set()
    child.join(5.0)
    assert child.exitcode == 0


@ignore_forks_with_threads
def test_a_child_that_is_killed_while_it_waits_takes_nothing_with_it() -> None:
    flag = StopFlag()
    child = multiprocessing.get_context("fork").Process(target=flag.wait, args=(60.0,))
    child.start()
    child.kill()
    child.join()
    flag.set()
    assert flag.is_set()


def test_a_wait_ends_without_a_stop() -> None:
    assert StopFlag().wait(0.01) is False
