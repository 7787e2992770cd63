"""A capacity is shared fairly: no owner takes all of it, or has to wait for one that holds more."""

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from psycopg_pool import PoolTimeout

from domain.errors import Overloaded
from storage.postgres.fair_connections import FairConnections, connection_owner
from storage.sharing.shared_capacity import THE_SERVER, SharedCapacity

LONG = 60.0


def run(test: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(test())


async def settled() -> None:
    """Lets every task run until it has to wait."""
    for _ in range(20):
        await asyncio.sleep(0)


def test_one_owner_takes_at_most_three_quarters() -> None:
    queue = SharedCapacity(20)
    assert [queue.take_now("ann", 1) for _ in range(20)].count(True) == 15
    assert [queue.take_now("ben", 1) for _ in range(20)].count(True) > 0


def test_the_server_can_take_everything() -> None:
    queue = SharedCapacity(4)
    assert all(queue.take_now(THE_SERVER, 1) for _ in range(4))
    assert not queue.take_now(THE_SERVER, 1)


def test_a_new_owner_gets_the_last_unit() -> None:
    queue = SharedCapacity(3)
    assert queue.take_now("ann", 1)
    assert queue.take_now("ann", 1)
    assert not queue.take_now("ann", 1)
    assert queue.take_now("ben", 1)


def test_a_new_owner_is_served_before_those_that_hold_units() -> None:
    async def test() -> None:
        queue, order = SharedCapacity(2), []

        async def one(owner: str) -> None:
            async with queue.holding(owner, 1, LONG):
                order.append(owner)
                await asyncio.sleep(0.001)

        await asyncio.gather(*(one("ann") for _ in range(6)), one("ben"))
        assert order.index("ben") <= 1
        assert Counter(order) == {"ann": 6, "ben": 1}

    run(test)


def test_busy_owners_take_turns() -> None:
    async def test() -> None:
        queue, order = SharedCapacity(1), []

        async def one(owner: str) -> None:
            async with queue.holding(owner, 1, LONG):
                order.append(owner)
                await asyncio.sleep(0)

        assert queue.take_now("cy", 1)
        tasks = [asyncio.create_task(one(owner)) for owner in ("ann",) * 30 + ("ben",) * 10]
        await settled()
        queue.release("cy", 1)
        await asyncio.gather(*tasks)
        assert Counter(order[:20]) == {"ann": 10, "ben": 10}
        assert Counter(order) == {"ann": 30, "ben": 10}

    run(test)


def test_an_owner_with_large_requests_gets_fewer_of_them() -> None:
    async def test() -> None:
        queue, order = SharedCapacity(8), []

        async def one(owner: str, units: int) -> None:
            async with queue.holding(owner, units, LONG):
                order.append(owner)
                await asyncio.sleep(0)

        assert queue.take_now("cy", 8)
        tasks = [asyncio.create_task(one("ann", 6)) for _ in range(30)]
        tasks += [asyncio.create_task(one("ben", 2)) for _ in range(30)]
        await settled()
        queue.release("cy", 8)
        await asyncio.gather(*tasks)
        had = Counter(order[:20])
        assert 2 * had["ann"] <= had["ben"] <= 4 * had["ann"]

    run(test)


def test_a_large_request_is_not_overtaken() -> None:
    async def test() -> None:
        queue = SharedCapacity(4)
        assert queue.take_now("ann", 2)
        large = asyncio.create_task(queue.take("ben", 4, LONG))
        await settled()
        small = asyncio.create_task(queue.take("cy", 1, LONG))
        await settled()
        assert not small.done()
        queue.release("ann", 2)
        await settled()
        assert large.done()
        queue.release("ben", 4)
        await small

    run(test)


def test_a_request_that_timed_out_leaves_nothing_behind() -> None:
    async def test() -> None:
        queue = SharedCapacity(1)
        assert queue.take_now("ann", 1)
        with pytest.raises(TimeoutError):
            await queue.take("ben", 1, 0.01)
        assert queue.waiting == 0
        queue.release("ann", 1)
        assert queue.used == 0
        assert queue.take_now("ben", 1)

    run(test)


def test_a_larger_capacity_grants_waiting_requests() -> None:
    async def test() -> None:
        queue = SharedCapacity(1)
        assert queue.take_now("ann", 1)
        waiting = asyncio.create_task(queue.take("ben", 1, LONG))
        await settled()
        queue.resize(2)
        await waiting
        queue.resize(1)
        assert not queue.take_now("cy", 1)

    run(test)


def test_the_expected_wait_does_not_include_requests_of_other_owners() -> None:
    async def test() -> None:
        queue = SharedCapacity(1)
        assert queue.take_now("ann", 1)
        tasks = [asyncio.create_task(queue.take("ann", 1, LONG)) for _ in range(50)]
        await settled()
        assert queue.units_before("ann") == 50
        assert queue.units_before("ben") == 0
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    run(test)


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["ann", "ben", "cy", THE_SERVER]),
        st.integers(1, 5),
        st.sampled_from(["keep", "leave", "cancel"]),
    ),
    max_size=40,
)


@given(capacity=st.integers(5, 12), steps=STEPS)
def test_all_units_are_released(capacity: int, steps: list[tuple[str, int, str]]) -> None:
    async def test() -> None:
        queue, peak = SharedCapacity(capacity), 0

        async def one(owner: str, units: int) -> None:
            nonlocal peak
            async with queue.holding(owner, units, LONG):
                peak = max(peak, queue.used)
                for _ in range(units):
                    await asyncio.sleep(0)

        tasks = []
        for owner, units, then in steps:
            tasks.append(asyncio.create_task(one(owner, units)))
            if then == "leave":
                await asyncio.sleep(0)
            if then == "cancel":
                tasks[len(tasks) // 2].cancel()
        ends = await asyncio.gather(*tasks, return_exceptions=True)
        assert all(end is None or isinstance(end, asyncio.CancelledError) for end in ends)
        assert (queue.used, queue.waiting) == (0, 0)
        assert peak <= capacity

    run(test)


def test_a_caller_with_its_share_of_connections_is_rejected_while_others_are_served() -> None:
    async def test() -> None:
        connections = FairConnections(4)
        let_go = asyncio.Event()

        async def hold() -> None:
            async with connections.turn(LONG):
                await let_go.wait()

        connection_owner.set("ann")
        held = [asyncio.create_task(hold()) for _ in range(3)]
        await settled()
        with pytest.raises(Overloaded):
            async with connections.turn(0.01):
                pass
        connection_owner.set("ben")
        async with connections.turn(0.01) as left:
            assert 0 <= left <= 0.01
            connection_owner.set("cy")
            with pytest.raises(PoolTimeout):
                async with connections.turn(0.01):
                    pass
        let_go.set()
        await asyncio.gather(*held)

    run(test)
