"""The conditions of `reprocess --where`: a key, a sign, a value. Pure; several must all hold."""

import difflib
import operator
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from pipeline.errors import UsageError
from pipeline.model import Document, Stamps, TextSource
from pipeline.outcomes import Cause, Partial, Reason
from pipeline.reprocessing.changes import NONE
from pipeline.search.dates import FORMS, Period, read_period
from pipeline.search.values import LANGUAGE_CODE, is_language

CURRENT = "current"
"""Stands for the stamp that this version would write."""

FORM = re.compile(r"\s*([A-Za-z_]+)\s*(!=|<=|>=|=|<|>)\s*(.*?)\s*", re.DOTALL)

Value = str | int | float | None
Holds = Callable[[Document], bool]
StampsNow = Callable[[str | None], Stamps]
"""Gives the stamps that an article of a language would get now."""

STAMPS: dict[str, Callable[[Stamps], Value]] = {
    "extractor": lambda stamps: stamps.extractor,
    "detector": lambda stamps: stamps.language,
    "model": lambda stamps: stamps.model,
    "rules": lambda stamps: stamps.rules,
}
WORDS: dict[str, Callable[[Document], str | None]] = {
    "language": lambda document: document.language,
    "outlet": lambda document: document.outlet,
    "text_source": lambda document: document.text_source,
    "partial": lambda document: document.partial,
    "reason": lambda document: document.partial,  # why it holds only what its feed said
}
TIMES: dict[str, Callable[[Document], float | None]] = {
    "first_seen": lambda document: document.first_seen_at,
    "published": lambda document: document.published.at if document.published else None,
}
FEED = "feed"
ALL_STAMPS = "stamps"
KEYS = (*STAMPS, ALL_STAMPS, *WORDS, *TIMES, FEED)
SLUGS = {"text_source": TextSource, "partial": Partial, "reason": Partial}
ORDERS: dict[str, Callable[[float, float], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


@dataclass(frozen=True, slots=True)
class Condition:
    """Hold a condition as it was written, and how it is asked of an article's document."""

    written: str
    holds: Holds


def read_where(written: Sequence[str], *, now: float, stamps: StampsNow) -> tuple[Condition, ...]:
    """Read the conditions; `now` (seconds since the epoch) is what `7d` counts back from.

    Raises UsageError, one line with the fix.
    """
    return tuple(Condition(each.strip(), _read(each, now, stamps)) for each in written)


def _read(written: str, now: float, stamps: StampsNow) -> Holds:
    form = FORM.fullmatch(written)
    if form is None or not form[3]:
        raise UsageError(
            f"--where {written!r}: write a key, a sign and a value, as in language=en or extractor!=current"
        )
    key, sign, value = form[1].lower(), form[2], form[3]
    if key in TIMES:
        return _time(key, sign, value, now)
    if key == "rules" and value != CURRENT:
        return _number(sign, value)
    if key not in KEYS:
        near = difflib.get_close_matches(key, KEYS, n=1)
        fix = f"did you mean {near[0]}?" if near else f"the keys are {', '.join(KEYS)}"
        raise UsageError(f"--where {written!r}: there is no key {key}; {fix}")
    if sign not in ("=", "!="):
        raise UsageError(
            f"--where {written!r}: {key} takes = and !=; rules, first_seen and published have an order"
        )
    is_so = _is(key, value, stamps)
    return is_so if sign == "=" else lambda document: not is_so(document)


def _is(key: str, value: str, stamps: StampsNow) -> Holds:
    if key == ALL_STAMPS:
        if value != CURRENT:
            raise UsageError(f"stamps={value}: stamps takes {CURRENT} alone; name one of {', '.join(STAMPS)}")
        return lambda document: document.stamps == stamps(document.language)
    if key in STAMPS:
        read = STAMPS[key]
        if value == CURRENT:
            return lambda document: read(document.stamps) == read(stamps(document.language))
        return partial(_equals, lambda document: read(document.stamps), None if value == NONE else value)
    if key == FEED:
        return lambda document: any(each.feed == value for each in document.sightings)
    _check_word(key, value.lower())
    return partial(_equals, WORDS[key], None if value.lower() == NONE else value.lower())


def _equals(read: Callable[[Document], Value], wanted: Value, document: Document) -> bool:
    return read(document) == wanted


def _check_word(key: str, value: str) -> None:
    if key == "language" and value != NONE and not is_language(value):
        raise UsageError(f"{key}={value}: {key} is {LANGUAGE_CODE}, or {NONE}")
    if key not in SLUGS or value in (NONE, *SLUGS[key]):
        return
    if value in tuple(Cause):
        raise UsageError(
            f"{key}={value}: these are in quarantine; `wireroom quarantine replay --cause {value}`"
        )
    if value in tuple(Reason):
        raise UsageError(f"{key}={value}: what was dropped has no document to make again")
    raise UsageError(f"{key}={value}: there is {', '.join((NONE, *SLUGS[key]))}")


def _number(sign: str, value: str) -> Holds:
    if not re.fullmatch(r"\d{1,9}", value):
        raise UsageError(f"rules{sign}{value}: rules takes a number, or {CURRENT}")
    wanted = int(value)
    compare = {**ORDERS, "=": operator.eq, "!=": operator.ne}[sign]
    return lambda document: compare(document.stamps.rules, wanted)


def _time(key: str, sign: str, value: str, now: float) -> Holds:
    read = TIMES[key]
    if value.lower() == NONE and sign in ("=", "!="):
        return lambda document: (read(document) is None) == (sign == "=")
    period = read_period(value, now=now)
    if period is None:
        raise UsageError(f"{key}{sign}{value}: write {FORMS}")
    if period.relative and sign in ("=", "!="):
        raise UsageError(f"{key}{sign}{value}: {value} is a moment; write {key}>={value} or {key}<{value}")

    def holds(document: Document) -> bool:
        at = read(document)
        return at is not None and _is_at(at, sign, period)

    return holds


def _is_at(at: float, sign: str, period: Period) -> bool:
    """Compare a time with a span; after 2026 is from 2027 on, and up to 2026 takes its last second in."""
    match sign:
        case "<":
            return at < period.start
        case ">=":
            return at >= period.start
        case "<=":
            return at < period.end or at == period.start
        case ">":
            return at >= period.end and at != period.start
    return (period.start <= at < period.end) == (sign == "=")
