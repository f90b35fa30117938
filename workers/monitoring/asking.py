"""Ask what may never answer, and wait no longer than one wants to."""

import time
from collections.abc import Callable
from threading import Condition, Thread
from typing import Generic, TypeVar

from pipeline.errors import WireroomError

Answer = TypeVar("Answer")

SHARE = 20
"""A count that took a second is given again for twenty: whoever asks takes a twentieth of a core."""


class NoAnswerError(WireroomError):
    """Says that nothing has answered for some seconds, in words for a person."""


class Asking(Generic[Answer]):
    """Ask in a thread of its own, once at a time: what hangs holds one thread, however often it is asked for.

    A server that is frozen, or a disk that is away, keeps no promise of a time limit.
    """

    def __init__(self, ask: Callable[[], Answer], *, fresh_s: float = 0.0) -> None:
        """Remember what to ask; an answer is given again for `fresh_s` at least, and longer if it took long.
        Without, it is asked anew each time: that a part was well a moment ago says nothing of now."""
        self._ask = ask
        self._fresh_s = fresh_s
        self._changed = Condition()
        self._began_at: float | None = None  # of the asking under way, on time.monotonic()
        self._answered_at: float | None = None
        self._took_s = 0.0
        self._answer: Answer | None = None
        self._error: Exception | None = None

    def begin(self) -> None:
        """Ask, unless that is under way, or the last answer is fresh enough."""
        with self._changed:
            if self._began_at is None and not self._is_fresh():
                self._began_at = time.monotonic()
                Thread(target=self._run, daemon=True, name="asking").start()

    def answer(self, until: float) -> Answer:
        """Give the newest answer, waiting for one under way until a moment of time.monotonic().

        Raises NoAnswerError when that has passed, else what asking raised.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._began_at is None, max(0.0, until - time.monotonic()))
            if self._began_at is not None:
                raise NoAnswerError(f"no answer for {time.monotonic() - self._began_at:.0f} s")
            if self._error is not None:
                raise self._error
            if self._answered_at is None:
                raise NoAnswerError("not asked yet")
            return self._answer  # type: ignore[return-value]  # None only where that is the answer

    def last(self) -> "tuple[Answer, float] | None":
        """Give the last answer, however old, and its age in seconds."""
        with self._changed:
            if self._answered_at is None:
                return None
            return self._answer, time.monotonic() - self._answered_at  # type: ignore[return-value]

    def _is_fresh(self) -> bool:
        if self._answered_at is None or self._error is not None or not self._fresh_s:
            return False
        return time.monotonic() - self._answered_at < max(self._fresh_s, SHARE * self._took_s)

    def _run(self) -> None:
        began, answer, error = time.monotonic(), None, None
        try:
            answer = self._ask()
        except Exception as raised:
            error = raised
        with self._changed:
            self._began_at, self._error = None, error
            if error is None:
                self._answer, self._answered_at = answer, time.monotonic()
                self._took_s = self._answered_at - began
            self._changed.notify_all()
