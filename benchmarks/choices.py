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

from benchmarks.figures import Figure
from benchmarks.large_groups import large_group, member_type
from benchmarks.running import measured_server
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


def measure() -> list[Figure]:
    return [
        *(figure for modules in (20, 200) for figure in _choices(modules)),
        *(_recompute(modules, members) for modules, members in ((20, 200), (200, 20))),
        *asyncio.run(_loop_latency()),
        *_bystander(),
    ]


def _choices(modules: int) -> list[Figure]:
    basis = large_group(modules, members=6, enrolled=16, decisions=50)
    state = replay(basis).days
    member = list(basis.facts)[PERSON]
    fast = [_cpu_seconds(lambda: priced_choices(basis, state, member, member_type(PERSON), ON)) for _ in range(ROUNDS)]
    naive = _cpu_seconds(lambda: _naive(basis))
    if [outcome for _, outcome in priced_choices(basis, state, member, member_type(PERSON), ON)] != _naive(basis):
        raise RuntimeError("The choices differ from those of the whole engine.")
    best, name, unit = min(fast) * 1000, f"choices.{modules}_modules", "ms of CPU"
    whole = naive * 1000
    return [
        Figure(name=f"{name}.best", value=best, unit=unit, at_most=TARGETS_MS[modules], against="6 people"),
        Figure(name=f"{name}.median", value=statistics.median(fast) * 1000, unit=unit),
        Figure(name=f"{name}.whole_engine", value=whole, unit=unit, against="each module by the whole engine"),
        Figure(name=f"{name}.factor", value=whole / best, unit="x", against="each module by the whole engine"),
    ]


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


def _recompute(modules: int, members: int) -> Figure:
    basis = large_group(modules, members, enrolled=modules, decisions=500)
    state = replay(basis).days
    seconds = min(_cpu_seconds(lambda: recomputed(basis, state)) for _ in range(3))
    changes = sum(len(decision.changes) for decision in basis.decisions)
    kept = sum(len(days.spans) for days in state.values())
    name = f"choices.recompute.{modules}_modules_{members}_members"
    against = f"{len(basis.decisions)} decisions ({changes} changes), {kept} periods"
    return Figure(name=name, value=seconds * 1000, unit="ms of CPU", against=against)


async def _loop_latency() -> list[Figure]:
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

    figures = []
    ways: dict[str, Callable[[], Awaitable[object]]] = {
        "nothing": lambda: asyncio.sleep(0.01),
        "on_the_loop": in_place,
        "in_a_thread": lambda: asyncio.to_thread(priced_choices, *arguments),
        "in_a_worker": lambda: pool.run("me", priced_choices, *arguments),
    }
    for name, way in ways.items():
        late, done = await _late_while(way, SECONDS / 4)
        p50, p99 = late[len(late) // 2] * 1000, late[int(len(late) * 0.99)] * 1000
        figures += [
            Figure(
                name=f"choices.loop.{name}.p50", value=p50, unit="ms", against="lag of a callback of the event loop"
            ),
            Figure(
                name=f"choices.loop.{name}.p99", value=p99, unit="ms", against="lag of a callback of the event loop"
            ),
            Figure(name=f"choices.loop.{name}.rate", value=done / (SECONDS / 4), unit="computations/s"),
        ]
    await pool.close()
    return figures


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


def _bystander() -> list[Figure]:
    with measured_server() as server:
        large = LargeFamily(server.channel, modules=200, people=6, enrolled=16)
        other = Family(server.channel).set_up()
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
    name, against = "choices.bystander", f"a read beside {CONCURRENT} lists of choices of 200 modules, and alone"
    p50 = beside[len(beside) // 2] * 1000
    return [
        Figure(
            name=f"{name}.p50_factor", value=ratios[0.5], unit="x", at_most=MAX_RATIO, against=against, client="python"
        ),
        Figure(name=f"{name}.p95_factor", value=ratios[0.95], unit="x", against=against, client="python"),
        Figure(name=f"{name}.p50", value=p50, unit="ms", client="python"),
        Figure(name=f"{name}.lists", value=len(asked) / SECONDS, unit="lists/s", client="python"),
    ]


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
