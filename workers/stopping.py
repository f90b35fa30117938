"""A stop flag that a worker shares with the children it forks."""

import mmap
import time

CHECK_S = 0.05
"""How late a wait notices the stop."""


class StopFlag:
    """Tell all of a worker's processes to stop: one shared byte, and no lock.

    multiprocessing.Event has locks, and a process that is killed takes them with it: after `kill -9` of a
    child that waited for the event, `set` hangs for ever, and the worker can no longer be stopped.
    """

    def __init__(self) -> None:
        """Begin unset; processes forked from here on share the flag."""
        self._byte = mmap.mmap(-1, 1)

    def set(self) -> None:
        """Ask all to stop."""
        self._byte[0] = 1

    def is_set(self) -> bool:
        """Tell whether a stop was asked for."""
        return self._byte[0] == 1

    def wait(self, timeout: float) -> bool:
        """Wait until a stop is asked for, at most so many seconds; True when it was."""
        ends_at = time.monotonic() + timeout
        while not self.is_set() and (left_s := ends_at - time.monotonic()) > 0:
            time.sleep(min(left_s, CHECK_S))
        return self.is_set()
