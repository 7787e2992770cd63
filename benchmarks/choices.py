"""Measures ListAvailableChoices and large groups: in process, and their effect on other callers of the same server.

1. `ListAvailableChoices` in process, compared with a full computation for each module, in the same run.
2. Recomputing a group with thousands of enrollments and hundreds of decisions.
3. The latency of an idle event loop while the same computations run on it, in a thread, and in a compute worker.
4. The latency of another caller's read on a server that computes 20 large lists of choices concurrently.
"""

import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from threading import Event

from benchmarks.large_groups import large_group, member_type
from benchmarks.running import a_server
from domain.days import to_day
from domain.enrollment.group import GroupBasis, replay
from domain.enrollment.recomputing import recomputed
from domain.identity import group_id
from domain.pricing.changes import CostOutcome, Enrolled, cost_change, enrolled_on
from domain.pricing.inquiries import Policy
from domain.pricing.simulating import priced_choices
from server.computing.pool import ComputePool
from tests.support.calls import Family
from tests.support.large_family import LargeFamily
from tests.support.naive_choices import naive_choices

ON = date(2026, 12, 1)
PERSON = 2
ROUNDS = 5
TARGETS_MS = {20: 30.0, 200: 300.0}
MAX_RATIO = 3.0
CONCURRENT = 20
SECONDS = 10.0


def measure() -> None:
    for modules in (20, 200):
        _choices(modules)
    for modules, members in ((20, 200), (200, 20)):
        _recompute(modules, members)
    asyncio.run(_loop_latency())
    _bystander()


def _choices(modules: int) -> None:
    basis = large_group(modules, members=6, enrolled=16, decisions=50)
    state = replay(basis).days
    member = list(basis.facts)[PERSON]
    fast = [_cpu_seconds(lambda: priced_choices(basis, state, member, member_type(PERSON), ON)) for _ in range(ROUNDS)]
    naive = _cpu_seconds(lambda: _naive(basis))
    same = [outcome for _, outcome in priced_choices(basis, state, member, member_type(PERSON), ON)] == _naive(basis)
    best, target = min(fast) * 1000, TARGETS_MS[modules]
    print(
        f"choices, {modules} modules, 6 people: {best:.1f} ms of CPU (median {statistics.median(fast) * 1000:.1f};"
        f" target {target:.0f}: {'met' if best <= target else 'MISSED'}); each module by the whole engine"
        f" {naive * 1000:.0f} ms, {naive * 1000 / best:.0f} x; same costs: {same}",
        flush=True,
    )


def _naive(basis: GroupBasis) -> list[CostOutcome]:
    member = list(basis.facts)[PERSON]
    types = basis.membership_types()
    group = group_id(basis.contract.contract_id, basis.primary_id)
    policy = Policy(basis.contract, group, basis.primary_id, basis.facts)
    before = Enrolled(enrolled_on(replay(basis).days, ON), types)
    return [
        cost_change(policy, before, Enrolled(enrolled_on(tried.days, ON), types), ON)
        for _, tried in naive_choices(basis, member, member_type(PERSON), to_day(ON))
    ]


def _recompute(modules: int, members: int) -> None:
    basis = large_group(modules, members, enrolled=modules, decisions=500)
    state = replay(basis).days
    seconds = min(_cpu_seconds(lambda: recomputed(basis, state)) for _ in range(3))
    changes = sum(len(decision.changes) for decision in basis.decisions)
    kept = sum(len(days.spans) for days in state.values())
    print(
        f"recompute, {modules} modules, {members} members, {len(basis.decisions)} decisions ({changes} changes),"
        f" {kept} periods: {seconds * 1000:.0f} ms of CPU",
        flush=True,
    )


async def _loop_latency() -> None:
    """Measures the lag of the event loop while large lists of choices are computed in three ways."""
    basis = large_group(200, members=6, enrolled=16, decisions=50)
    state = replay(basis).days
    arguments = (basis, state, list(basis.facts)[PERSON], member_type(PERSON), ON)
    pool = ComputePool(workers=1, max_waiting=10)
    pool.start()
    await pool.run("warm", priced_choices, *arguments)

    async def in_place() -> None:
        priced_choices(*arguments)
        await asyncio.sleep(0)

    ways: dict[str, Callable[[], Awaitable[object]]] = {
        "nothing": lambda: asyncio.sleep(0.01),
        "on the loop": in_place,
        "in a thread": lambda: asyncio.to_thread(priced_choices, *arguments),
        "in a worker": lambda: pool.run("me", priced_choices, *arguments),
    }
    for name, way in ways.items():
        late, done = await _late_while(way, SECONDS / 4)
        print(
            f"a callback of the loop while choices are computed {name}: late by {late[len(late) // 2] * 1000:.2f} ms"
            f" (median), {late[int(len(late) * 0.99)] * 1000:.1f} ms (p99); {done / (SECONDS / 4):.0f} computations/s",
            flush=True,
        )
    await pool.close()


async def _late_while(way: Callable[[], Awaitable[object]], seconds: float) -> tuple[list[float], int]:
    late: list[float] = []
    done = 0
    until = time.perf_counter() + seconds

    async def ticks() -> None:
        while time.perf_counter() < until:
            due = time.perf_counter() + 0.002
            await asyncio.sleep(0.002)
            late.append(time.perf_counter() - due)

    ticking = asyncio.create_task(ticks())
    while time.perf_counter() < until:
        await way()
        done += 1
    await ticking
    return sorted(late), done


def _bystander() -> None:
    with a_server() as (_, channel):
        large = LargeFamily(channel, modules=200, people=6, enrolled=16)
        other = Family(channel).set_up()
        other.submit(other.enroll(other.base, "2026-01-01"))
        large.choices()
        alone = _latencies(other, SECONDS / 2)
        stop, asked = Event(), []

        def ask(_: int) -> None:
            while not stop.is_set():
                asked.append(_seconds(large.choices))

        with ThreadPoolExecutor(CONCURRENT) as callers:
            callers.map(ask, range(CONCURRENT))
            time.sleep(1)
            beside = _latencies(other, SECONDS)
            stop.set()
    ratios = {p: beside[int(len(beside) * p)] / alone[int(len(alone) * p)] for p in (0.5, 0.95)}
    verdict = "met" if ratios[0.5] <= MAX_RATIO else "MISSED"
    print(
        f"a read beside {CONCURRENT} x ListAvailableChoices on 200 modules: {beside[len(beside) // 2] * 1000:.2f} ms,"
        f" alone {alone[len(alone) // 2] * 1000:.2f} ms: {ratios[0.5]:.1f} x (target {MAX_RATIO:.0f}: {verdict});"
        f" p95 {ratios[0.95]:.1f} x; {len(asked) / SECONDS:.1f} lists/s",
        flush=True,
    )


def _latencies(family: Family, seconds: float) -> list[float]:
    until = time.perf_counter() + seconds
    latencies = []
    while time.perf_counter() < until:
        latencies.append(_seconds(family.group))
        time.sleep(0.005)
    return sorted(latencies)


def _cpu_seconds(work: Callable[[], object]) -> float:
    """Returns the CPU time of this thread, which doesn't depend on other load on the machine."""
    began = time.thread_time()
    work()
    return time.thread_time() - began


def _seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began
