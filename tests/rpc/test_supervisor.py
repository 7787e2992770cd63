"""The supervisor restarts workers that fail, logs a repeated failure once, and stops workers that resist."""

import asyncio

import pytest
from structlog.testing import capture_logs

from domain.errors import DatabaseUnavailable, ShuttingDown
from server.workers.supervisor import Supervisor, Worker


def test_a_worker_that_fails_is_restarted() -> None:
    async def story() -> int:
        supervisor, starts, restarted = Supervisor(), 0, asyncio.Event()

        async def work() -> None:
            nonlocal starts
            starts += 1
            if starts == 1:
                raise ZeroDivisionError
            restarted.set()
            await asyncio.Event().wait()

        supervisor.start(Worker("work", work, 0.01))
        await restarted.wait()
        await supervisor.stop()
        return starts

    assert asyncio.run(asyncio.wait_for(story(), 30)) == 2


@pytest.mark.parametrize(
    ("error", "event", "level"),
    [(DatabaseUnavailable, "worker_interrupted", "warning"), (ZeroDivisionError, "worker_failed", "error")],
)
def test_a_failure_that_repeats_is_logged_once(error: type[Exception], event: str, level: str) -> None:
    async def story() -> None:
        supervisor, starts, restarted = Supervisor(), 0, asyncio.Event()

        async def work() -> None:
            nonlocal starts
            starts += 1
            if starts == 4:
                restarted.set()
            raise error

        supervisor.start(Worker("work", work, 0.01))
        await restarted.wait()
        await supervisor.stop()

    with capture_logs() as lines:
        asyncio.run(asyncio.wait_for(story(), 30))
    assert [(line["event"], line["log_level"], line["worker"]) for line in lines] == [(event, level, "work")]


def test_a_worker_that_the_shutdown_ends_is_neither_logged_nor_restarted() -> None:
    async def story() -> int:
        supervisor, starts, ended = Supervisor(), 0, asyncio.Event()

        async def work() -> None:
            nonlocal starts
            starts += 1
            ended.set()
            raise ShuttingDown

        supervisor.start(Worker("work", work, 0))
        await ended.wait()
        for _ in range(10):
            await asyncio.sleep(0)
        await supervisor.stop()
        return starts

    with capture_logs() as lines:
        assert asyncio.run(asyncio.wait_for(story(), 30)) == 1
    assert lines == []


def test_workers_that_mistake_the_cancellation_for_a_failure_are_stopped() -> None:
    async def story() -> list[str]:
        cancellations: list[str] = []
        supervisor, begun = Supervisor(), asyncio.Event()

        async def stubborn() -> None:
            begun.set()
            while len(cancellations) < 2:
                try:
                    await asyncio.Event().wait()
                except asyncio.CancelledError:
                    cancellations.append("cancelled")

        async def confused() -> None:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError as cancelled:
                raise ConnectionError from cancelled

        supervisor.start(Worker("confused", confused), Worker("stubborn", stubborn))
        await begun.wait()
        await supervisor.stop()
        return cancellations

    assert asyncio.run(asyncio.wait_for(story(), 30)) == ["cancelled", "cancelled"]


def test_one_worker_can_be_stopped_before_the_others() -> None:
    async def story() -> list[str]:
        stopped: list[str] = []
        supervisor, begun = Supervisor(), asyncio.Event()

        async def work(name: str) -> None:
            begun.set()
            try:
                await asyncio.Event().wait()
            finally:
                stopped.append(name)

        supervisor.start(Worker("first", lambda: work("first")), Worker("second", lambda: work("second")))
        await begun.wait()
        await asyncio.sleep(0)
        await supervisor.stop("second")
        await supervisor.stop()
        return stopped

    assert asyncio.run(asyncio.wait_for(story(), 30)) == ["second", "first"]
