"""A deadline interrupts a call as `asyncio.timeout` does."""

import asyncio

import pytest

from server.interceptors.deadlines import Deadline

SOON = 0.01


@pytest.mark.parametrize("seconds", [SOON, 0.0, -1.0])
def test_work_that_takes_too_long_raises_a_timeout(seconds: float) -> None:
    async def work() -> int:
        with pytest.raises(TimeoutError), Deadline(seconds):
            await asyncio.sleep(60)
        task = asyncio.current_task()
        return task.cancelling() if task else -1

    assert asyncio.run(work()) == 0


@pytest.mark.parametrize("seconds", [60.0, None])
def test_work_in_time_is_not_interrupted(seconds: float | None) -> None:
    async def work() -> str:
        with Deadline(seconds):
            await asyncio.sleep(0)
        await asyncio.sleep(2 * SOON)
        return "done"

    assert asyncio.run(work()) == "done"


def test_an_error_that_replaces_the_interruption_is_raised_unchanged() -> None:
    async def work() -> int:
        with pytest.raises(ValueError, match="from the database"), Deadline(SOON):
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                raise ValueError("from the database") from None
        task = asyncio.current_task()
        return task.cancelling() if task else -1

    assert asyncio.run(work()) == 0


def test_a_call_that_is_cancelled_by_its_caller_stays_cancelled() -> None:
    async def call() -> None:
        with Deadline(60):
            await asyncio.sleep(60)

    async def work() -> asyncio.Task[None]:
        task = asyncio.create_task(call())
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
        return task

    assert asyncio.run(work()).cancelled()


def test_a_call_that_is_cancelled_while_its_deadline_expires_stays_cancelled() -> None:
    async def call(deadline: Deadline) -> None:
        with deadline:
            await asyncio.sleep(60)

    async def work() -> asyncio.Task[None]:
        deadline = Deadline(60)
        task = asyncio.create_task(call(deadline))
        await asyncio.sleep(0)
        deadline._expire()
        task.cancel()
        await asyncio.wait([task])
        return task

    assert asyncio.run(work()).cancelled()


@pytest.mark.parametrize(("outer", "inner", "expires"), [(60, SOON, "inner"), (SOON, 60, "outer"), (60, 60, "neither")])
def test_nested_time_limits_expire_independently(outer: float, inner: float, expires: str) -> None:
    async def work() -> str:
        try:
            with Deadline(outer):
                try:
                    async with asyncio.timeout(inner):
                        await asyncio.sleep(10 * SOON if expires == "neither" else 60)
                except TimeoutError:
                    return "inner"
        except TimeoutError:
            return "outer"
        return "neither"

    assert asyncio.run(work()) == expires
