"""What workers log: a line a record, with what it is about; no secret is in it, and nothing that a stranger
wrote is live. As text for a person, or as JSON for a machine that collects the logs of containers."""

import json
import logging
import re
import sys
from collections.abc import Mapping, Sequence
from copy import copy
from datetime import UTC, datetime

from celery import signals

from pipeline.log_context import log_context
from pipeline.masking import mask, passwords
from pipeline.quoting import harmless
from pipeline.settings import Settings
from pipeline.stages.steps import STEPS_LOG

FIELDS = ("stage", "host", "feed", "article", "url", "outcome", "slug", "detail", "error", "path")
"""What a record may say beside its message, by `extra` or bound."""

PLAIN = "[%(asctime)s: %(levelname)s] %(message)s"
_BARE = re.compile(r'[^\s"=]+')


class TextFormatter(logging.Formatter):
    """Write a record as another formatter does, with its fields behind the message, nothing that a terminal
    obeys, and no line that could pass for a record of its own."""

    def __init__(self, inner: logging.Formatter | None, secrets: Sequence[str] = ()) -> None:
        super().__init__()
        self._inner = inner or logging.Formatter()
        self._secrets = secrets

    def format(self, record: logging.LogRecord) -> str:
        """Write a record; lines but the first are indented."""
        told = copy(record)
        fields = "".join(f" {name}={_quoted(value)}" for name, value in fields_of(record).items())
        told.msg, told.args = record.getMessage() + fields, None
        text = mask(self._inner.format(told), (*log_context().secrets, *self._secrets))
        return "\n  ".join(harmless(text).splitlines())


class JsonFormatter(logging.Formatter):
    """Write a record as one line of JSON in ASCII: what a terminal would obey is written as an escape."""

    def __init__(self, secrets: Sequence[str] = ()) -> None:
        super().__init__()
        self._secrets = secrets

    def format(self, record: logging.LogRecord) -> str:
        """Write a record; the traceback is a field of it."""
        said = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "process": record.processName or "",
            "message": record.getMessage(),
            **fields_of(record),
        }
        if record.exc_info:
            said["traceback"] = self.formatException(record.exc_info)
        secrets = (*log_context().secrets, *self._secrets)
        return json.dumps({name: mask(value, secrets) for name, value in said.items()}).replace(
            "\x7f", "\\u007f"
        )


def fields_of(record: logging.LogRecord) -> Mapping[str, str]:
    """Give what a record is about: what is bound, and what it says itself."""
    own = {name: str(record.__dict__[name]) for name in FIELDS if record.__dict__.get(name) is not None}
    return {**log_context().fields, **own}


def set_up_worker_logs(settings: Settings) -> None:
    """Let Celery's handlers write so, once they are set up."""

    def wrap(logger: logging.Logger, **_: object) -> None:
        for handler in logger.handlers:
            handler.setFormatter(_formatter(settings, handler.formatter))

    _set_levels(settings)
    signals.after_setup_logger.connect(wrap, weak=False, dispatch_uid="wireroom.logs")
    signals.after_setup_task_logger.connect(wrap, weak=False, dispatch_uid="wireroom.task_logs")


def set_up_logs(settings: Settings) -> None:
    """Let a process that is no Celery worker write so on stderr, unless something else is set up."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_formatter(settings, logging.Formatter(PLAIN)))
    logging.basicConfig(handlers=[handler])
    _set_levels(settings)


def known_secrets(settings: Settings) -> tuple[str, ...]:
    """List what must be in no line, wherever it comes from."""
    urls = (settings.store_url, settings.broker_url, settings.index_url, settings.kibana_url, settings.proxy)
    keys = (settings.index_api_key, settings.kibana_api_key)
    return (*passwords(urls), *(key for key in keys if key))


def _formatter(settings: Settings, inner: logging.Formatter | None) -> logging.Formatter:
    secrets = known_secrets(settings)
    return JsonFormatter(secrets) if settings.log_format == "json" else TextFormatter(inner, secrets)


def _set_levels(settings: Settings) -> None:
    # Each attempt would be a line, the last with a traceback; what comes of them is told by the stages.
    logging.getLogger("elastic_transport").setLevel(logging.CRITICAL)
    # By its own level, so that steps are told whatever `--loglevel` says of the rest.
    logging.getLogger(STEPS_LOG).setLevel(logging.INFO if settings.log_steps else logging.WARNING)


def _quoted(value: str) -> str:
    return value if _BARE.fullmatch(value) else json.dumps(value, ensure_ascii=False)
