"""How it stands: all parts and counts, asked for at once, and what a person should do about it."""

import time
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial

from pipeline.errors import StoreFailedError, WireroomError
from pipeline.forecast import Outlook
from pipeline.masking import mask
from pipeline.model import Stage
from pipeline.settings import Settings
from pipeline.store.status import NO_COUNTS, Counts, Parts, PartState, Problem, find_problems, part_problems
from workers.monitoring.asking import Asking
from workers.monitoring.parts import (
    PARTS,
    WRITERS,
    PartAnswer,
    ask_archive,
    ask_broker,
    ask_disks,
    ask_index,
    ask_store,
    count_store,
    needed_by,
    read_outlook,
)

COUNT_EVERY_S = 2.0
"""The store is counted no more often, whoever asks; on a large store less often still."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Hold all that is known. `counts` may be some seconds old while the store is busy, or None."""

    parts: Parts
    said: Mapping[str, str] = field(default_factory=dict)  # what parts that are not well said, by name
    counts: Counts | None = None
    counts_age_s: float = 0.0
    problems: tuple[Problem, ...]


class Lookout:
    """Ask how it stands as often as anybody likes; no part that hangs keeps the others' answers back."""

    def __init__(self, settings: Settings, stages: Collection[Stage] = ()) -> None:
        """Look at what some stages need; at everything, for none."""
        writes = not stages or bool(WRITERS & set(stages))
        asks: dict[str, Callable[[], PartAnswer]] = {
            "store": partial(ask_store, settings),
            "broker": partial(ask_broker, settings),
            "index": partial(ask_index, settings),
            "archive": partial(ask_archive, settings, writes=writes and bool(stages)),
            "disk": partial(ask_disks, settings),
        }
        self._parts = {part: Asking(asks[part]) for part in needed_by(stages)}
        self._counts = Asking(partial(count_store, settings), fresh_s=COUNT_EVERY_S)
        self._outlook = Asking(partial(read_outlook, settings), fresh_s=COUNT_EVERY_S)

    def look_at_parts(self, *, patience_s: float) -> Standing:
        """Ask the parts alone, waiting for so long at most."""
        parts, said = self._ask_parts(time.monotonic() + patience_s)
        return Standing(parts=parts, said=said, problems=tuple(part_problems(parts)))

    def look(self, *, patience_s: float) -> Standing:
        """Ask the parts and count the store, waiting for so long at most."""
        until = time.monotonic() + patience_s
        self._counts.begin()
        self._outlook.begin()
        parts, said = self._ask_parts(until)
        parts = replace(parts, outlook=self._answer_outlook(until))
        try:
            self._counts.answer(until)
        except StoreFailedError as error:  # it can be opened, and not be read
            parts, said = replace(parts, store=PartState.UNREACHABLE), {**said, "store": mask(str(error))}
        except WireroomError as error:
            said = {**said, "counts": mask(str(error))}
        counts, age_s = self._counts.last() or (None, 0.0)
        if counts is None and parts.store is PartState.ABSENT:
            counts = NO_COUNTS
        problems = find_problems(counts, parts) if counts else tuple(part_problems(parts))
        return Standing(parts=parts, said=said, counts=counts, counts_age_s=age_s, problems=problems)

    def _answer_outlook(self, until: float) -> Outlook | None:
        # It needs the store as well as the disks; what fails of them tells so itself.
        with suppress(WireroomError, OSError):
            return self._outlook.answer(until)
        return None

    def _ask_parts(self, until: float) -> tuple[Parts, dict[str, str]]:
        for asking in self._parts.values():
            asking.begin()
        answers = {part: _answer(asking, until) for part, asking in self._parts.items()}
        states = {part: each.state for part, each in answers.items()}
        documents = answers["index"].documents if "index" in answers else None
        said = {part: mask(each.said) for part, each in answers.items() if each.said}
        state = {**dict.fromkeys(PARTS, PartState.OK), **states}
        parts = Parts(
            store=state["store"],
            broker=state["broker"],
            index=state["index"],
            archive=state["archive"],
            disk=state["disk"],
            documents=documents,
        )
        return parts, said


def _answer(asking: Asking[PartAnswer], until: float) -> PartAnswer:
    try:
        return asking.answer(until)
    except Exception as error:  # whatever it is, the part is not well, and the others are told of
        return PartAnswer(PartState.UNREACHABLE, str(error) or type(error).__name__)
