"""Batches: what is taken together, in which order, and what happens to items that can't be."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextvars import ContextVar
from uuid import UUID, uuid4

import pytest

from domain.errors import DatabaseUnavailable, Overloaded
from operations.batches import MAX_SIZE, Batches
from storage.postgres import fair_connections


class Doing:
    """Does items when it is allowed to, and records what it did together and alone."""

    def __init__(self, outcome: Callable[[str], str | Exception | None] = str.upper) -> None:
        self.batches: Batches[str, str] = Batches()
        self.together: list[list[str]] = []
        self.alone: list[str] = []
        self.allowed = asyncio.Event()
        self.outcome = outcome
        self.error: Exception | None = None

    def do(self, item: str, about: UUID | None = None, owner: str = "") -> asyncio.Task[str]:
        async def run() -> str:
            fair_connections.connection_owner.set(owner)
            return await self.batches.do(item, about or uuid4(), self._together, self.do_alone, Overloaded)

        return asyncio.create_task(run())

    async def _together(self, items: Sequence[str]) -> Sequence[str | Exception | None]:
        self.together.append(list(items))
        await self.allowed.wait()
        if self.error is not None:
            raise self.error
        return list(map(self.outcome, items))

    async def do_alone(self, item: str) -> str:
        self.alone.append(item)
        return f"{item} alone"


def run(scenario: Callable[[], Awaitable[None]]) -> None:
    async def whole() -> None:
        await scenario()

    asyncio.run(whole())


async def turns(count: int = 20) -> None:
    """Lets the loop do everything that is ready."""
    for _ in range(count):
        await asyncio.sleep(0)


def test_items_of_one_turn_are_done_together_and_the_rest_afterwards() -> None:
    async def scenario() -> None:
        doing = Doing()
        first = [doing.do(f"a{n}") for n in range(3)]
        await turns()
        second = [doing.do(f"b{n}") for n in range(3)]
        await turns()
        third = [doing.do(f"c{n}") for n in range(MAX_SIZE + 1)]
        await turns()
        assert [len(batch) for batch in doing.together] == [3, 3]
        doing.allowed.set()
        assert await asyncio.gather(*first, *second) == ["A0", "A1", "A2", "B0", "B1", "B2"]
        await asyncio.gather(*third)
        assert [len(batch) for batch in doing.together[2:]] == [MAX_SIZE, 1]

    run(scenario)


def test_items_about_the_same_thing_are_done_one_at_a_time_and_in_order() -> None:
    async def scenario() -> None:
        doing, thing = Doing(), uuid4()
        tasks = [doing.do(f"x{n}", thing) for n in range(5)]
        doing.allowed.set()
        assert await asyncio.gather(*tasks) == ["X0", "X1", "X2", "X3", "X4"]
        assert doing.together == [["x0"], ["x1"], ["x2"], ["x3"], ["x4"]]

    run(scenario)


def test_owners_with_many_items_do_not_delay_others() -> None:
    async def scenario() -> None:
        doing = Doing()
        running = [doing.do("running")]
        await turns()
        running.append(doing.do("running too"))
        await turns()
        many = [doing.do(f"many {n}", owner="greedy") for n in range(MAX_SIZE * 3)]
        await turns()
        one = doing.do("one", owner="modest")
        await turns()
        doing.allowed.set()
        assert await one == "ONE"
        assert "one" in doing.together[2]
        await asyncio.gather(*running, *many)

    run(scenario)


def test_a_cancelled_item_that_has_not_been_taken_is_not_done() -> None:
    async def scenario() -> None:
        doing, thing = Doing(), uuid4()
        first, cancelled, last = (doing.do(name, thing) for name in ("first", "cancelled", "last"))
        await turns()
        cancelled.cancel()
        await turns()
        doing.allowed.set()
        assert [await first, await last] == ["FIRST", "LAST"]
        assert doing.together == [["first"], ["last"]]

    run(scenario)


def test_a_batch_ends_when_all_its_callers_have_left() -> None:
    async def scenario() -> None:
        doing = Doing()
        tasks = [doing.do("a"), doing.do("b")]
        await turns()
        for task in tasks:
            task.cancel()
        await turns()
        doing.allowed.set()
        assert await doing.do("c") == "C"
        assert doing.together == [["a", "b"], ["c"]]
        assert doing.alone == []

    run(scenario)


def test_a_batch_is_not_done_in_the_context_of_its_first_caller() -> None:
    caller: ContextVar[str] = ContextVar("caller", default="nobody")
    seen: list[str] = []

    async def scenario() -> None:
        async def together(items: Sequence[str]) -> Sequence[str]:
            seen.append(caller.get())
            return items

        caller.set("the first")
        doing = Doing()
        await doing.batches.do("a", uuid4(), together, doing.do_alone, Overloaded)

    run(scenario)
    assert seen == ["nobody"]


def test_items_that_cannot_be_done_together_are_done_alone_and_errors_concern_one_item() -> None:
    async def scenario() -> None:
        outcomes: dict[str, str | Exception | None] = {"good": "GOOD", "bad": KeyError("bad"), "held": None}
        doing = Doing(outcomes.__getitem__)
        tasks = [doing.do(item) for item in outcomes]
        doing.allowed.set()
        good, bad, held = await asyncio.gather(*tasks, return_exceptions=True)
        assert (good, held, doing.alone) == ("GOOD", "held alone", ["held"])
        assert isinstance(bad, KeyError)

    run(scenario)


@pytest.mark.parametrize(
    ("error", "size", "done_alone"),
    [
        (ValueError(), 3, True),
        (DatabaseUnavailable(), 3, True),
        (DatabaseUnavailable(), 1, False),
        (Overloaded(), 3, False),
    ],
)
def test_a_batch_that_fails_as_a_whole_is_done_one_by_one(error: Exception, size: int, done_alone: bool) -> None:
    async def scenario() -> None:
        doing = Doing()
        doing.error = error
        tasks = [doing.do(f"i{n}") for n in range(size)]
        doing.allowed.set()
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
        expected = [f"i{n} alone" for n in range(size)] if done_alone else [error] * size
        assert outcomes == expected

    run(scenario)


def test_an_item_that_waits_too_long_for_a_batch_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("operations.batches.WAIT_FOR_CONNECTION_SECONDS", 0.01)

    async def scenario() -> None:
        doing = Doing()
        running = [doing.do("a")]
        await turns()
        running.append(doing.do("b"))
        await turns()
        with pytest.raises(Overloaded):
            await doing.do("late")
        doing.allowed.set()
        assert await asyncio.gather(*running) == ["A", "B"]
        assert doing.together == [["a"], ["b"]]

    run(scenario)
