"""What the stages decide, without a network or a store."""

import asyncio
import threading
import time
from collections.abc import Callable
from dataclasses import replace

import pytest

from pipeline.feeds.admission import refusal
from pipeline.model import Entry
from pipeline.outcomes import Reason
from pipeline.stages.fetch import pages_a_turn
from pipeline.stages.retrying import retry_in
from pipeline.stages.shift import ASIDE, Shift, begin_shift, keep_busy, to_the_end

ENTRY = Entry(
    link="https://news.example/2026/a",
    guid=None,
    title="A title",
    summary="",
    content="",
    authors=(),
    tags=(),
    published_text=None,
    published_at=1_000.0,
    language=None,
)


@pytest.mark.parametrize(("retries", "wait"), [(0, 900.0), (1, 3_600.0), (2, 14_400.0), (3, None)])
def test_a_page_is_retried_three_times_ever_later(retries: int, wait: float | None) -> None:
    assert retry_in(retries, first_delay_s=900.0) == wait


def test_a_server_may_ask_for_a_longer_wait_but_not_for_a_shorter_one() -> None:
    assert retry_in(0, first_delay_s=900.0, asked_s=7_200.0) == 7_200.0
    assert retry_in(0, first_delay_s=900.0, asked_s=1.0) == 900.0


@pytest.mark.parametrize(("delay_s", "pages"), [(0, 16), (0.02, 16), (0.5, 4), (5, 1)])
def test_a_turn_holds_as_many_pages_as_fit_with_their_pauses(delay_s: float, pages: int) -> None:
    assert pages_a_turn(delay_s) == pages


def test_an_ordinary_entry_is_an_article() -> None:
    assert refusal(ENTRY, now=2_000.0, max_age_s=None) is None


def test_an_old_entry_is_refused_only_when_a_limit_is_set() -> None:
    assert refusal(ENTRY, now=2_000.0, max_age_s=500.0) is Reason.TOO_OLD
    assert refusal(ENTRY, now=2_000.0, max_age_s=1_500.0) is None


def test_a_bare_link_to_the_front_page_is_no_article() -> None:
    bare = replace(ENTRY, link="https://news.example/")
    assert refusal(bare, now=2_000.0, max_age_s=None) is Reason.NOT_AN_ARTICLE


def test_a_front_page_link_with_a_text_is_an_article() -> None:
    ticker = replace(ENTRY, link="https://news.example/", summary="Trains run again.")
    assert refusal(ticker, now=2_000.0, max_age_s=None) is None


def shift(budget_s: float = 5.0) -> Shift:
    return begin_shift(lambda stage: None, threading.Event(), budget_s=budget_s)


async def test_work_goes_on_until_nothing_is_due() -> None:
    due, done = list(range(10)), []

    async def do(work: int, answered: Callable[[], None]) -> None:
        await asyncio.sleep(0)
        done.append(work)

    left = await keep_busy(shift(), slots=3, claim=lambda free: [due.pop() for _ in due[:free]], do=do)
    assert (left, sorted(done)) == (False, list(range(10)))


async def test_no_more_is_claimed_than_there_are_slots() -> None:
    under_way, most = set(), []

    async def do(work: int, answered: Callable[[], None]) -> None:
        under_way.add(work)
        most.append(len(under_way))
        await asyncio.sleep(0)
        under_way.discard(work)

    due = list(range(20))
    await keep_busy(shift(), slots=4, claim=lambda free: [due.pop() for _ in due[:free]], do=do)
    assert max(most) <= 4


async def test_work_that_has_its_answer_gives_its_slot_to_other_work() -> None:
    due, second_begun = ["second", "first"], asyncio.Event()

    async def do(work: str, answered: Callable[[], None]) -> None:
        if work == "first":
            answered()
            await second_begun.wait()
        second_begun.set()

    async with asyncio.timeout(10):
        await keep_busy(
            shift(), slots=1, claim=lambda free: [due.pop() for _ in due[:free]], do=do, slow_s=60
        )
    assert due == []


async def test_only_half_as_many_as_there_are_slots_are_written_down_beside_those_that_ask() -> None:
    due, under_way, most, all_begun = list(range(20)), set(), [], asyncio.Event()

    async def do(work: int, answered: Callable[[], None]) -> None:
        under_way.add(work)
        most.append(len(under_way))
        if len(under_way) == 4 + 2:
            all_begun.set()
        answered()
        await all_begun.wait()
        under_way.discard(work)

    async with asyncio.timeout(10):
        await keep_busy(
            shift(), slots=4, claim=lambda free: [due.pop() for _ in due[:free]], do=do, slow_s=60
        )
    assert (due, max(most)) == ([], 4 + 2)


async def test_a_shift_that_is_over_claims_nothing_and_says_that_work_may_be_left() -> None:
    async def do(work: int, answered: Callable[[], None]) -> None:
        raise AssertionError(work)

    assert await keep_busy(shift(budget_s=0.0), slots=1, claim=lambda free: [1], do=do) is True


async def test_slow_work_does_not_keep_what_is_due_waiting_when_the_shift_is_over() -> None:
    shift_is_over, last = asyncio.Event(), asyncio.Event()
    short = shift(budget_s=0.2)
    due = ["slow", "wait", "last"]

    async def do(work: str, answered: Callable[[], None]) -> None:
        if work == "wait":  # until the shift is over
            while not short.over():
                await asyncio.sleep(0)
            shift_is_over.set()
        elif work == "last":
            last.set()
        else:
            await last.wait()

    def claim(free: int) -> list[str]:
        ready = due[:1] if due != ["last"] or shift_is_over.is_set() else []
        return [due.pop(0) for _ in ready]

    async with asyncio.timeout(10):
        await keep_busy(short, slots=2, claim=claim, do=do)
    assert due == []


async def test_slow_work_gives_its_slot_to_others_but_not_without_end() -> None:
    due, under_way, most, all_begun = list(range(20)), set(), [], asyncio.Event()

    async def do(work: int, answered: Callable[[], None]) -> None:
        under_way.add(work)
        most.append(len(under_way))
        if len(under_way) == 1 + ASIDE:
            all_begun.set()
        await all_begun.wait()
        under_way.discard(work)

    async with asyncio.timeout(10):
        await keep_busy(
            shift(), slots=1, claim=lambda free: [due.pop() for _ in due[:free]], do=do, slow_s=0.0
        )
    assert (due, max(most)) == ([], 1 + ASIDE)


async def test_a_shift_that_only_waits_lets_the_next_one_begin_and_goes_on_meanwhile() -> None:
    handed_over, went_on, waited = threading.Event(), threading.Event(), []

    def hand_over() -> None:  # as over a broker that is slow to answer
        handed_over.set()
        waited.append(went_on.wait(10))

    short = begin_shift(lambda stage: None, threading.Event(), budget_s=0.2, hand_over=hand_over)
    due = ["slow"]

    async def do(_: str, answered: Callable[[], None]) -> None:
        await asyncio.to_thread(handed_over.wait, 10)
        went_on.set()

    await keep_busy(short, slots=2, claim=lambda free: [due.pop()] if due else [], do=do, overtime_s=0.0)
    assert waited == [True]


async def test_what_is_being_recorded_when_work_is_cancelled_is_recorded() -> None:
    begun, may_end = threading.Event(), threading.Event()

    def record() -> str:
        begun.set()
        may_end.wait(10)
        return "recorded"

    work = asyncio.ensure_future(to_the_end(record))
    await asyncio.to_thread(begun.wait, 10)
    work.cancel()
    may_end.set()
    assert await work == "recorded"


async def test_a_stop_cancels_what_is_under_way() -> None:
    stopping, cancelled, due = threading.Event(), [], ["work"]
    running = Shift(ends_at=time.monotonic() + 60, ring=lambda stage: None, stopping=stopping)

    async def do(work: str, answered: Callable[[], None]) -> None:
        stopping.set()
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.append(work)

    await keep_busy(running, slots=1, claim=lambda free: [due.pop()] if due else [], do=do)
    assert cancelled == ["work"]


async def test_what_was_claimed_while_a_stop_came_begins_and_can_give_its_claim_back() -> None:
    stopping, given_back, batches = threading.Event(), [], [["first"], ["second", "third"]]
    claims, has_answer = iter(batches), threading.Event()
    running = Shift(ends_at=time.monotonic() + 60, ring=lambda stage: None, stopping=stopping)

    def claim(free: int) -> list[str]:
        claimed = next(claims)
        if claimed != batches[0]:
            stopping.set()
            has_answer.wait(10)
        return claimed

    async def do(work: str, answered: Callable[[], None]) -> None:
        try:
            if work == "first":
                await asyncio.to_thread(stopping.wait, 10)
                answered()
                has_answer.set()
            await asyncio.Event().wait()
        finally:
            given_back.append(work)

    await keep_busy(running, slots=8, claim=claim, do=do)
    assert given_back == ["first", "second", "third"]
