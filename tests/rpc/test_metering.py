"""Measuring the CPU time of a call, which changes nothing else about it."""

import asyncio
import time

import pytest

from server.interceptors.metering import MEASURED_EVERY, MEASURED_FIRST, UNKNOWN_COST_SECONDS, CallCosts, Meter, metered


def burn(seconds: float) -> None:
    until = time.thread_time() + seconds
    while time.thread_time() < until:
        pass


def test_only_the_cpu_of_the_call_itself_is_counted() -> None:
    async def call() -> str:
        burn(0.02)
        await asyncio.sleep(0.01)
        time.sleep(0.05)  # noqa: ASYNC251 (as when other processes have the CPU)
        burn(0.02)
        return "done"

    async def other() -> None:
        for _ in range(20):
            burn(0.01)
            await asyncio.sleep(0)

    async def test() -> float:
        meter = Meter()
        beside = asyncio.create_task(other())
        assert await metered(call(), meter) == "done"
        await beside
        return meter.seconds

    assert 0.04 <= asyncio.run(test()) < 0.06


def test_errors_and_cancellation_pass_through() -> None:
    ended = []

    async def failing() -> None:
        await asyncio.sleep(0)
        raise ValueError("as it is")

    async def caught() -> str:
        try:
            async with asyncio.timeout(0.01):
                await asyncio.sleep(60)
        except TimeoutError:
            return "late"
        return "in time"

    async def waiting() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            ended.append(True)

    async def test() -> None:
        with pytest.raises(ValueError, match="as it is"):
            await metered(failing(), Meter())
        assert await metered(caught(), Meter()) == "late"

        async def call() -> None:
            await metered(waiting(), Meter())

        task = asyncio.create_task(call())
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(test())
    assert ended == [True]


def test_only_a_sample_of_many_calls_is_measured() -> None:
    costs = CallCosts()
    due = [costs.is_due("/a") for _ in range(MEASURED_FIRST + 10 * MEASURED_EVERY)]
    assert all(due[:MEASURED_FIRST])
    assert due[MEASURED_FIRST:].count(True) == 10
    assert costs.is_due("/b")


def test_an_unmeasured_call_is_answered_and_records_no_cost() -> None:
    async def call() -> str:
        burn(0.01)
        await asyncio.sleep(0)
        return "done"

    async def test() -> float:
        meter = Meter(is_measuring=False)
        assert await metered(call(), meter) == "done"
        return meter.seconds

    assert asyncio.run(test()) == 0


def test_the_expected_cost_depends_on_method_and_caller() -> None:
    costs = CallCosts()
    assert costs.expected("/a", "ann") == UNKNOWN_COST_SECONDS
    costs.record("/a", "ann", 0.1)
    assert costs.expected("/a", "ann") == costs.expected("/a", "ben") == 0.1
    for _ in range(100):
        costs.record("/a", "ben", 0.001)
    assert costs.expected("/a", "ann") == 0.1
    assert costs.expected("/a", "ben") == pytest.approx(0.001, rel=0.1)
    assert costs.expected("/b", "ann") == UNKNOWN_COST_SECONDS
