"""Tests of the compute pool, with real worker processes."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import date
from pathlib import Path
from uuid import UUID, uuid4

import pytest
import uvloop

from domain.errors import ContractUnknown, DomainError, Overloaded, PriceMissing, RequestMalformed, ShuttingDown
from domain.errors import FieldViolation as Fault
from server.computing.pool import ComputationFailed, ComputePool
from server.computing.wire import MAX_CONTRACTS, pack_result, unpack_result
from tests.support import jobs
from tests.support.builders import a_contract

SECONDS = 120


@asynccontextmanager
async def a_pool(workers: int = 1, max_waiting: int = 100) -> AsyncIterator[ComputePool]:
    pool = ComputePool(workers, max_waiting)
    pool.start()
    try:
        async with asyncio.timeout(SECONDS):
            yield pool
    finally:
        await pool.close()


def in_pool(test: Callable[[ComputePool], Awaitable[None]], workers: int = 1, max_waiting: int = 100) -> None:
    async def run() -> None:
        async with a_pool(workers, max_waiting) as pool:
            await test(pool)

    # On the loop that serves, which treats closed pipes differently from asyncio's own.
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(run())


async def until(condition: Callable[[], bool]) -> None:
    while not condition():  # noqa: ASYNC110 (there is no event for it)
        await asyncio.sleep(0.01)


def test_results_and_domain_errors_reach_the_caller() -> None:
    async def test(pool: ComputePool) -> None:
        assert await pool.run("me", jobs.add, 1, 2) == 3
        unknown = uuid4()
        with pytest.raises(ContractUnknown) as raised:
            await pool.run("me", jobs.refuse, unknown)
        assert (raised.value.message, raised.value.facts) == (
            f"There is no contract {unknown}.",
            {"contract_id": str(unknown)},
        )
        assert await pool.run("me", jobs.print_something) == "done"
        assert await pool.run("me", jobs.add, 3, 4) == 7

    in_pool(test)


@pytest.mark.parametrize("job", [jobs.break_down, jobs.unpicklable, jobs.die])
def test_a_job_with_a_defect_does_not_affect_others(job: Callable[[], object]) -> None:
    async def test(pool: ComputePool) -> None:
        with pytest.raises(ComputationFailed) as failed:
            await pool.run("me", job)
        assert "quote" not in str(failed.value)
        assert await pool.run("me", jobs.add, 1, 2) == 3
        assert (pool.running, pool.waiting) == (0, 0)

    in_pool(test)


def test_an_argument_that_cannot_be_sent_fails_only_its_call() -> None:
    async def test(pool: ComputePool) -> None:
        with pytest.raises(ComputationFailed):
            await pool.run("me", jobs.add, lambda: 1, 2)  # type: ignore[arg-type]
        assert await pool.run("me", jobs.add, 1, 2) == 3

    in_pool(test)


def test_a_job_whose_worker_is_killed_is_run_again(tmp_path: Path) -> None:
    async def test(pool: ComputePool) -> None:
        first = await pool.run("me", jobs.worker_id)
        second = await pool.run("me", jobs.die_once, str(tmp_path / "died"))
        assert second != first
        assert await pool.run("me", jobs.worker_id) == second

    in_pool(test)


def test_an_idle_worker_that_dies_is_restarted() -> None:
    async def test(pool: ComputePool) -> None:
        for _ in range(5):
            worker = await pool.run("me", jobs.worker_id)
            os.kill(worker, signal.SIGKILL)
            assert await pool.run("me", jobs.worker_id) != worker

    in_pool(test)


def test_a_call_that_ends_leaves_no_worker_busy() -> None:
    async def test(pool: ComputePool) -> None:
        first = await pool.run("me", jobs.worker_id)
        running = asyncio.create_task(pool.run("me", jobs.sleep, 3600))
        queued = asyncio.create_task(pool.run("me", jobs.sleep, 3600))
        await until(lambda: pool.running == 1 and pool.waiting == 1)
        for call in (queued, running):
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call
        assert pool.waiting == 0
        assert await pool.run("me", jobs.worker_id) != first

    in_pool(test)


def test_a_job_that_ends_soon_after_its_call_keeps_its_worker() -> None:
    async def test(pool: ComputePool) -> None:
        first = await pool.run("me", jobs.worker_id)
        call = asyncio.create_task(pool.run("me", jobs.sleep, 0.05))
        await until(lambda: pool.running == 1)
        call.cancel()
        assert await pool.run("me", jobs.worker_id) == first

    in_pool(test)


def test_jobs_beyond_the_queue_limit_are_rejected() -> None:
    async def test(pool: ComputePool) -> None:
        calls = [asyncio.create_task(pool.run("me", jobs.sleep, 3600))]
        await until(lambda: pool.running == 1)
        calls += [asyncio.create_task(pool.run("me", jobs.sleep, 3600)) for _ in range(2)]
        await until(lambda: pool.waiting == 2)
        with pytest.raises(Overloaded):
            await pool.run("you", jobs.add, 1, 2)
        for call in calls:
            call.cancel()
        await until(lambda: pool.waiting == 0)
        assert await pool.run("you", jobs.add, 1, 2) == 3

    in_pool(test, max_waiting=2)


def test_a_subject_with_many_jobs_lets_others_have_their_turn(tmp_path: Path) -> None:
    async def test(pool: ComputePool) -> None:
        first = asyncio.create_task(pool.run("many", jobs.wait_for_file, str(tmp_path / "all are queued")))
        await until(lambda: pool.running == 1)
        many = [asyncio.create_task(pool.run("many", jobs.done_at, "many")) for _ in range(10)]
        await until(lambda: pool.waiting == 10)
        one = asyncio.create_task(pool.run("one", jobs.done_at, "one"))
        await until(lambda: pool.waiting == 11)
        (tmp_path / "all are queued").touch()
        await first
        done = sorted(await asyncio.gather(*many, one), key=lambda each: each[1])
        assert [name for name, _ in done].index("one") <= 1

    in_pool(test)


def test_workers_work_concurrently(tmp_path: Path) -> None:
    async def test(pool: ComputePool) -> None:
        ids = await asyncio.gather(*(pool.run("me", jobs.meet, str(tmp_path), 2) for _ in range(2)))
        assert len(set(ids)) == 2

    in_pool(test, workers=2)


def test_a_worker_caches_contracts_and_what_it_derived_from_them() -> None:
    async def test(pool: ComputePool) -> None:
        contract = a_contract()
        first, *identities = await pool.run("me", jobs.known_contract, contract)
        assert first == contract
        again, *same = await pool.run("me", jobs.known_contract, contract)
        assert again == contract and same == identities
        for n in range(MAX_CONTRACTS + 1):
            other = a_contract(name=f"contract {n}")
            assert (await pool.run("me", jobs.known_contract, other))[0] == other
        # Dropped in between, and sent again.
        assert (await pool.run("me", jobs.known_contract, contract))[0] == contract

    in_pool(test)


def test_a_worker_does_not_get_the_secrets_of_the_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AFFILIA_TOKEN_SECRET", "secret")

    async def test(pool: ComputePool) -> None:
        assert not [name for name in await pool.run("me", jobs.environment) if name.startswith("AFFILIA")]

    in_pool(test)


def test_closing_ends_workers_during_their_jobs() -> None:
    async def run() -> None:
        async with a_pool() as pool:
            worker = await pool.run("me", jobs.worker_id)
            call = asyncio.create_task(pool.run("me", jobs.sleep, 3600))
            await until(lambda: pool.running == 1)
            queued = asyncio.create_task(pool.run("me", jobs.add, 1, 2))
            await until(lambda: pool.waiting == 1)
        with pytest.raises(ProcessLookupError):
            os.kill(worker, 0)
        for waiting in (call, queued):
            with pytest.raises(ShuttingDown):
                await waiting

    asyncio.run(run())


@pytest.mark.parametrize(
    "error",
    [
        ContractUnknown(UUID(int=1)),
        PriceMissing("no row", "CHILD", UUID(int=1), 3, date(2026, 1, 1)),
        RequestMalformed([Fault("a", "is missing")]),
    ],
)
def test_errors_survive_the_trip_between_processes(error: DomainError) -> None:
    copied = unpack_result(pack_result(error))
    assert type(copied) is type(error)
    assert str(copied) == str(error)
    assert vars(copied) == vars(error)
