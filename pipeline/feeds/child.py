"""Parse feeds in a child process that may be killed.

128 KiB of blank lines before the root element, or of one letter in an author, keep feedparser's regular
expressions busy for minutes, with the interpreter's lock held; `<item/>` a million times fills the memory.
In a thread nothing can stop that. So a worker keeps one child, which parses one body after the other under
limits of its own and dies of them alone. Run as `python -m pipeline.feeds.child` it is that child.
"""

import resource
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict
from threading import Lock
from types import TracebackType
from typing import Any, BinaryIO, Self, cast

import orjson

from pipeline.feeds.parsing import FeedError, parse_feed, unpacked
from pipeline.model import Entry, FeedHints, FeedKind, ListedSitemap, ParsedFeed
from pipeline.outcomes import FeedSlug

# Seconds of processor time for a body: 2,500 kB of real feed take 0.4, 10 MiB of plain news items 3. Slow
# machines get three times that, and nothing hangs for longer than 10 s.
CPU_SECONDS = 4.0
CPU_SECONDS_PER_MIB = 0.6
WALL_FACTOR = 3  # of the processor time: a machine under load is not a hang
# Bytes of data. The child begins with 20 MiB; 10 MiB of plain news items take 100 MiB. With the worker's own
# 120 MiB the sum stays below 300 MiB.
MEMORY_LIMIT = 128 << 20
LARGE_BODY = 1 << 20  # bytes; a child that parsed more than this is let go, to give back its memory

_TIMEOUT_SIGNALS = (-signal.SIGPROF, -signal.SIGALRM)


class FeedParser:
    """Own the child process. Threads may share one; they take turns, as they would for the interpreter."""

    def __init__(self) -> None:
        self._turn = Lock()
        self._child: subprocess.Popen[bytes] | None = None

    def parse(self, body: bytes, *, url: str, headers: Sequence[tuple[str, str]]) -> ParsedFeed:
        """Do what `parse_feed` does, within limits of time and memory.

        Raises FeedError as `parse_feed`, and with `parse-timeout`, `parse-crashed` or `too-large` (memory).
        """
        with self._turn:
            body = unpacked(
                body
            )  # here, so that time and memory are given by what is read, not by what was sent
            request = orjson.dumps({"url": url, "headers": headers, "length": len(body)}) + b"\n"
            try:
                return _read_answer(self._ask(request, body))
            except EOFError as error:
                raise _death(self._end()) from error
            finally:
                if len(body) > LARGE_BODY:
                    self._end()

    def close(self) -> None:
        """End the child, if there is one; the next `parse` starts another."""
        with self._turn:
            self._end()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _ask(self, *request: bytes) -> BinaryIO:
        if self._child is None or self._child.poll() is not None:
            self._end()
            self._child = _start()
        assert self._child.stdin
        assert self._child.stdout
        with suppress(BrokenPipeError):  # it died; reading tells how
            self._child.stdin.writelines(request)
            self._child.stdin.flush()
        return cast(BinaryIO, self._child.stdout)

    def _end(self) -> int:
        child, self._child = self._child, None
        if child is None:
            return 0
        with suppress(BrokenPipeError):
            child.communicate()  # closes its input, which ends it
        return child.wait()


def _start() -> subprocess.Popen[bytes]:
    # Not a fork: the worker has threads. Its own session: Ctrl-C is the worker's to handle.
    return subprocess.Popen(
        [sys.executable, "-m", "pipeline.feeds.child"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def _death(status: int) -> FeedError:
    if status in _TIMEOUT_SIGNALS:
        return FeedError(FeedSlug.PARSE_TIMEOUT, "parsing took too long and was stopped")
    return FeedError(FeedSlug.PARSE_CRASHED, f"the parser's process ended with status {status}")


def _read_answer(answers: BinaryIO) -> ParsedFeed:
    """Read one answer: a line for the feed, then a line an entry, lest many entries fill the worker's memory.

    Raises EOFError when the child ends before its answer does, and the FeedError that the child met."""
    head = _read_line(answers)
    if "slug" in head:
        raise FeedError(FeedSlug(head["slug"]), head["detail"])
    entries = tuple(_entry(_read_line(answers)) for _ in range(head.pop("entries")))
    typed = {
        "hints": _hints(head["hints"]),
        "kind": FeedKind(head["kind"]),
        "sitemaps": tuple(ListedSitemap(**each) for each in head["sitemaps"]),
    }
    return ParsedFeed(**head | typed, entries=entries)


def _hints(record: dict[str, Any]) -> FeedHints:
    hours, days = frozenset(record["skip_hours"]), frozenset(record["skip_days"])
    return FeedHints(**record | {"skip_hours": hours, "skip_days": days})


def _read_line(answers: BinaryIO) -> dict[str, Any]:
    line = answers.readline()
    if not line.endswith(b"\n"):
        raise EOFError
    record: dict[str, Any] = orjson.loads(line)
    return record


def _entry(record: dict[str, Any]) -> Entry:
    return Entry(**record | {name: tuple(record[name]) for name in ("authors", "tags", "media")})


def _serve(requests: BinaryIO, answers: BinaryIO) -> None:
    while line := requests.readline():
        request = orjson.loads(line)
        body = requests.read(request["length"])
        if len(body) < request["length"]:
            return
        _set_timers(CPU_SECONDS + CPU_SECONDS_PER_MIB * len(body) / (1 << 20))
        for record in _answer(body, url=request["url"], headers=request["headers"]):
            answers.write(orjson.dumps(record) + b"\n")
        answers.flush()
        _set_timers(0)


def _answer(body: bytes, *, url: str, headers: Sequence[tuple[str, str]]) -> Iterator[object]:
    try:
        feed = parse_feed(body, url=url, headers=headers)
    except FeedError as error:
        yield {"slug": error.slug, "detail": error.detail}
    except MemoryError:
        detail = f"reading it takes more than {MEMORY_LIMIT >> 20} MiB of memory"
        yield {"slug": FeedSlug.TOO_LARGE, "detail": detail}
    else:
        yield {
            "title": feed.title,
            "site": feed.site,
            "language": feed.language,
            "entries_without_link": feed.entries_without_link,
            "is_well_formed": feed.is_well_formed,
            "kind": feed.kind,
            "sitemaps": feed.sitemaps,
            "hints": asdict(feed.hints)
            | {
                "skip_hours": sorted(feed.hints.skip_hours),
                "skip_days": sorted(feed.hints.skip_days),
            },
            "entries": len(feed.entries),
        }
        yield from feed.entries


def _set_timers(seconds: float) -> None:
    """Let the system end this process after so much processor time (0: no limit).

    The signals keep their default action, which works inside a regular expression; a handler would wait."""
    signal.setitimer(signal.ITIMER_PROF, seconds)
    signal.setitimer(signal.ITIMER_REAL, seconds * WALL_FACTOR)


def _limit_memory() -> None:
    with suppress(ValueError, OSError):  # the hard limit is lower already, or macOS
        resource.setrlimit(resource.RLIMIT_DATA, (MEMORY_LIMIT, MEMORY_LIMIT))


if __name__ == "__main__":
    _limit_memory()
    _serve(sys.stdin.buffer, sys.stdout.buffer)
