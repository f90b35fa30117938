"""What workers log, made harmless: a message may hold an address or an error's text that a stranger wrote."""

import logging

from celery import signals

from pipeline.quoting import harmless


class HarmlessFormatter(logging.Formatter):
    """Write a record as another formatter does, with nothing that a terminal obeys and no line that could
    pass for a record of its own."""

    def __init__(self, inner: logging.Formatter | None) -> None:
        super().__init__()
        self._inner = inner or logging.Formatter()

    def format(self, record: logging.LogRecord) -> str:
        """Write a record; lines but the first are indented."""
        return "\n  ".join(harmless(self._inner.format(record)).splitlines())


def make_logs_harmless() -> None:
    """Let Celery's handlers write through the formatter, once they are set up."""

    def wrap(logger: logging.Logger, **_: object) -> None:
        for handler in logger.handlers:
            handler.setFormatter(HarmlessFormatter(handler.formatter))

    signals.after_setup_logger.connect(wrap, weak=False, dispatch_uid="wireroom.logs")
