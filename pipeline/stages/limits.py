"""Hard limits of a process that reads hostile pages. They end the process: no Python code runs any more."""

import resource
import signal
from collections.abc import Iterator
from contextlib import contextmanager

MEMORY_BYTES = 1536 * 1024 * 1024
"""Private memory of one enriching process; the longest real documents take it to some 300 MB."""


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """End this process by SIGALRM when the block takes longer, even inside C code.

    The signal keeps its default action: a Python handler would wait for the interpreter, which a regular
    expression or a parser in C does not give back.
    """
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)


def limit_memory() -> None:
    """Let this process have no more private memory than `MEMORY_BYTES` (RLIMIT_DATA, setrlimit(2))."""
    _, most = resource.getrlimit(resource.RLIMIT_DATA)
    wanted = MEMORY_BYTES if most == resource.RLIM_INFINITY else min(MEMORY_BYTES, most)
    resource.setrlimit(resource.RLIMIT_DATA, (wanted, most))
