"""Measures enrollment files (X12 834) against a running server: reading, planning and applying.

For each step, reports members per second, also of the client's CPU time, and its peak memory. Each step runs in
a process of its own, so that its peak is not that of an earlier step. Planning includes reading the file and the book.

The first file adds all members. It is then planned again, when there is nothing to do. The second file is that of the
next month, in which one family in ten changes the module and one in a hundred is missing. AFFILIA_BENCH_MEMBERS sets
the number of members, of whom a quarter are subscribers. With AFFILIA_BENCH_STEPS=read or plan, later steps are left
out, because applying takes most of the time.
"""

import os
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import date
from multiprocessing import get_context
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

from affilia_cli.enrollment_file import import_834, plan_834, read_mapping
from affilia_cli.enrollment_file.reading.parsing import read_file
from affilia_client import Client
from benchmarks.figures import Figure
from benchmarks.running import measured_server
from benchmarks.usage import peak_bytes
from tests.support.enrollment_file import a_coverage, a_file, a_member
from tests.support.file_imports import Sponsor

MEMBERS = int(os.environ.get("AFFILIA_BENCH_MEMBERS", "2000"))
LAST_STEP = os.environ.get("AFFILIA_BENCH_STEPS", "apply")

CHILDREN = 3
TODAY = date(2026, 6, 15)
FIRST_NAMES = [f"NAME{'ABCDEFGHIJ'[n % 10]}{n}" for n in range(500)]
LAST_NAMES = [f"FAMILY{'ABCDEFGHIJ'[n % 10]}{n}" for n in range(5_000)]
SEED = 20_261_129


def measure() -> list[Figure]:
    families = MEMBERS // (1 + CHILDREN)
    with TemporaryDirectory() as folder:
        first, second = Path(folder) / "first.834", Path(folder) / "second.834"
        first.write_bytes(_first_file(families))
        figures = _figures("read", read, first)
        if LAST_STEP == "read":
            return figures
        second.write_bytes(_second_file(families))
        with measured_server() as server, Client(server.address) as client:
            target = (server.address, Sponsor(client, Path(folder)).mapping_path())
            figures += _figures("plan_new", plan, first, *target)
            if LAST_STEP == "plan":
                return figures
            figures += _figures("apply_new", apply, first, *target)
            figures += _figures("plan_again", plan, first, *target)
            figures += _figures("plan_next_month", plan, second, *target)
            return figures + _figures("apply_next_month", apply, second, *target)


@dataclass(frozen=True, slots=True)
class Step:
    """What a step took in its own process."""

    members: int
    details: str
    seconds: float
    cpu_seconds: float
    peak_bytes: int


def read(path: Path) -> Step:
    clock = _Clock()
    file = read_file(path)
    return clock.step(len(file.members), f"{path.stat().st_size / 1_000_000:.1f} MB")


def plan(path: Path, address: str, mapping_path: Path) -> Step:
    """Reads the file and the book and makes the plan, without checking it against limits."""
    clock = _Clock()
    with Client(address) as client:
        planned = plan_834(path, client, read_mapping(mapping_path), today=TODAY)
    counts = ", ".join(f"{count} {kind.value}" for kind, count in planned.counts().items() if count)
    return clock.step(len(planned.members), counts)


def apply(path: Path, address: str, mapping_path: Path) -> Step:
    """Imports the file. The time begins when the plan is made and checked, the peak is that of the whole import."""
    clock = _Clock()

    def confirm(_: object) -> bool:
        clock.restart()
        return True

    with Client(address) as client:
        mapping = read_mapping(mapping_path)
        report = import_834(
            path, client, mapping, confirm=confirm, max_terminations=0.5, max_days_lost=0.5, today=TODAY
        )
    counts = ", ".join(f"{count} {outcome.value}" for outcome, count in report.counts().items() if count)
    return clock.step(len(report.members), counts)


class _Clock:
    """Wall-clock time and CPU time of this process."""

    def __init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        self._began, self._cpu_began = time.perf_counter(), time.process_time()

    def step(self, members: int, details: str) -> Step:
        seconds, cpu_seconds = time.perf_counter() - self._began, time.process_time() - self._cpu_began
        # Unlike this, getrusage() also counts the memory of the process that started this one.
        return Step(members, details, seconds, cpu_seconds, peak_bytes(os.getpid()))


def _figures(name: str, step: Callable[..., Step], *arguments: object) -> list[Figure]:
    with ProcessPoolExecutor(1, get_context("spawn")) as process:
        done = process.submit(step, *arguments).result()
    name, against = f"enrollment_files.{name}", f"{done.members:,} members ({done.details})"
    per_cpu = done.members / done.cpu_seconds
    return [
        Figure(name=f"{name}.rate", value=done.members / done.seconds, unit="members/s", against=against),
        Figure(name=f"{name}.cpu_rate", value=per_cpu, unit="members/s", against="CPU time of the client"),
        Figure(name=f"{name}.peak", value=done.peak_bytes / 2**20, unit="MiB", against="memory of the client"),
    ]


def _first_file(families: int) -> bytes:
    return a_file(*(loop for number in range(families) for loop in _family(number, "021")), action="4")


def _second_file(families: int) -> bytes:
    loops = [
        loop
        for number in range(families)
        if number % 100
        for loop in _family(number, "030", "PPO" if number % 10 == 1 else "")
    ]
    return a_file(*loops, action="4", control=2)


def _family(number: int, maintenance: str, next_line: str = "") -> list[list[str]]:
    """Returns a subscriber and children on HMO, who change to another coverage in July if one is given."""
    draw = Random(SEED + number)
    coverages = [a_coverage("HMO", maintenance=maintenance, begins="20260101", ends="20260630" if next_line else "")]
    coverages += [a_coverage(next_line, maintenance=maintenance, begins="20260701")] if next_line else []

    def loop(relation: str, position: int, years: range) -> list[str]:
        return a_member(
            f"S{number:07}",
            maintenance=maintenance,
            relation=relation,
            status="FT" if relation == "18" else "",
            name=(LAST_NAMES[number % len(LAST_NAMES)], draw.choice(FIRST_NAMES)),
            person=f"{number * (1 + CHILDREN) + position + 1:09}",
            born=f"{draw.choice(years)}{draw.randint(1, 12):02}{draw.randint(1, 28):02}",
            place=("SPRINGFIELD", "IL", f"{62000 + number % 1000}"),
            coverages=coverages,
        )

    children = (loop("19", position, range(2005, 2025)) for position in range(1, 1 + CHILDREN))
    return [loop("18", 0, range(1960, 2000)), *children]
