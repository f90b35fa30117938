"""What a line of the log is about: bound once, told with every line that is written meanwhile."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, replace


@dataclass(frozen=True, slots=True)
class LogContext:
    """Hold the fields of the lines to come, and secrets that may be in what they say."""

    fields: Mapping[str, str] = field(default_factory=dict)
    secrets: Sequence[str] = field(default=(), repr=False)


# A context's own: each task of an event loop and each thread it hands work to has what was bound for it.
_CONTEXT: ContextVar[LogContext] = ContextVar("wireroom_log", default=LogContext())  # noqa: B039 -- frozen


@contextmanager
def bound(*, secrets: Sequence[str] = (), **fields: str) -> Iterator[None]:
    """Bind fields while the block lasts, beside those that are bound already."""
    before = _CONTEXT.get()
    now = replace(before, fields={**before.fields, **fields}, secrets=(*before.secrets, *secrets))
    token = _CONTEXT.set(now)
    try:
        yield
    finally:
        _CONTEXT.reset(token)


def log_context() -> LogContext:
    """Give what is bound now."""
    return _CONTEXT.get()
