"""Measures enrollment files (X12 834) against a running server: reading, planning and applying.

For each step, prints members per second, the CPU time of the client, and the client's peak memory. Each step runs in a
process of its own, so that its peak is not that of an earlier step. Planning includes reading the file and the book.

The first file adds all members. It is then planned again, when there is nothing to do. The second file is that of the
next month, in which one family in ten changes the module and one in a hundred is missing. AFFILIA_BENCH_MEMBERS sets
the number of members, of whom a quarter are subscribers. With AFFILIA_BENCH_STEPS=read or plan, later steps are left
out, because applying takes most of the time.
"""

import os
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from datetime import date
from multiprocessing import get_context
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

from affilia_cli.enrollment_file import import_834, plan_834, read_mapping
from affilia_cli.enrollment_file.reading.parsing import read_file
from affilia_client import Client
from benchmarks.running import a_server
from tests.support.enrollment_file import a_coverage, a_file, a_member
from tests.support.file_imports import Sponsor

MEMBERS = int(os.environ.get("AFFILIA_BENCH_MEMBERS", "2000"))
LAST_STEP = os.environ.get("AFFILIA_BENCH_STEPS", "apply")

CHILDREN = 3
TODAY = date(2026, 6, 15)
FIRST_NAMES = [f"NAME{'ABCDEFGHIJ'[n % 10]}{n}" for n in range(500)]
LAST_NAMES = [f"FAMILY{'ABCDEFGHIJ'[n % 10]}{n}" for n in range(5_000)]
SEED = 20_261_129


def measure() -> None:
    families = MEMBERS // (1 + CHILDREN)
    with TemporaryDirectory() as folder:
        first, second = Path(folder) / "first.834", Path(folder) / "second.834"
        first.write_bytes(_first_file(families))
        _print("read", read, first)
        if LAST_STEP == "read":
            return
        second.write_bytes(_second_file(families))
        with a_server() as (server, _), Client(server.address) as client:
            target = (server.address, Sponsor(client, Path(folder)).mapping_path())
            _print("plan, all new", plan, first, *target)
            if LAST_STEP == "plan":
                return
            _print("apply, all new", apply, first, *target)
            _print("plan again, nothing to do", plan, first, *target)
            _print("plan the next month", plan, second, *target)
            _print("apply the next month", apply, second, *target)


def read(path: Path) -> str:
    clock = _Clock()
    file = read_file(path)
    return clock.figures(len(file.members), f"{path.stat().st_size / 1_000_000:.1f} MB")


def plan(path: Path, address: str, mapping_path: Path) -> str:
    """Reads the file and the book and makes the plan, without checking it against limits."""
    clock = _Clock()
    with Client(address) as client:
        planned = plan_834(path, client, read_mapping(mapping_path), today=TODAY)
    counts = ", ".join(f"{count} {kind.value}" for kind, count in planned.counts().items() if count)
    return clock.figures(len(planned.members), counts)


def apply(path: Path, address: str, mapping_path: Path) -> str:
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
    return clock.figures(len(report.members), counts)


class _Clock:
    """Wall-clock time and CPU time of this process."""

    def __init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        self._began, self._cpu_began = time.perf_counter(), time.process_time()

    def figures(self, members: int, details: str) -> str:
        seconds, cpu_seconds = time.perf_counter() - self._began, time.process_time() - self._cpu_began
        return (
            f"{members:,} members ({details}) in {seconds:.1f} s: {members / seconds:,.0f}/s"
            f" ({members / cpu_seconds:,.0f} per second of CPU time); peak {_peak_mib()} MiB"
        )


def _print(name: str, step: Callable[..., str], *arguments: object) -> None:
    with ProcessPoolExecutor(1, get_context("spawn")) as process:
        print(f"{name}: {process.submit(step, *arguments).result()}", flush=True)


def _peak_mib() -> int:
    # Unlike this, getrusage() also counts the memory of the process that started this one.
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith("VmHWM:"))) // 1024


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
