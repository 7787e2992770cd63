"""Measures an import of an enrollment file into a running server: members planned and applied per second, and memory.

Each file is imported by a process of its own, so that its peak memory is that of the import. The first file adds all
members; the second is the next monthly file, in which one family in ten changes the module and one in a hundred ends.
AFFILIA_BENCH_MEMBERS sets the number of members; a quarter of them are subscribers.
"""

import os
import resource
import time
from concurrent.futures import ProcessPoolExecutor
from datetime import date
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory

from affilia_cli.enrollment_file import Mapping, import_834, read_mapping
from affilia_cli.enrollment_file.planning.plan import Plan
from affilia_client import Client
from benchmarks.running import a_server
from tests.support.enrollment_file import a_coverage, a_file, a_member
from tests.support.file_imports import Sponsor

MEMBERS = int(os.environ.get("AFFILIA_BENCH_MEMBERS", "4000"))
CHILDREN = 3
TODAY = date(2026, 6, 15)


def measure() -> None:
    with TemporaryDirectory() as folder, a_server() as (server, _), Client(server.address) as client:
        sponsor = Sponsor(client, Path(folder))
        families = MEMBERS // (1 + CHILDREN)
        first, second = (sponsor.path(content) for content in (_first_file(families), _second_file(families)))
        for name, path in (("all new", first), ("again, nothing to do", first), ("monthly changes", second)):
            with ProcessPoolExecutor(1, get_context("spawn")) as process:
                figures = process.submit(_import, server.address, path, sponsor.mapping_path()).result()
            print(f"{name}: {figures}", flush=True)


def _import(address: str, path: Path, mapping_path: Path) -> str:
    """Imports a file and describes how long it took."""
    mapping: Mapping = read_mapping(mapping_path)
    began = time.perf_counter()
    planned_at: list[float] = []

    def confirm(plan: Plan) -> bool:
        planned_at.append(time.perf_counter())
        return True

    with Client(address) as client:
        report = import_834(
            path, client, mapping, confirm=confirm, max_terminations=0.5, max_days_lost=0.5, today=TODAY
        )
    ended = time.perf_counter()
    members = len(report.members)
    planning, applying = planned_at[0] - began, ended - planned_at[0]
    counts = ", ".join(f"{count} {outcome.value}" for outcome, count in report.counts().items() if count)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return (
        f"{members} members ({counts}); planned and checked {members / planning:.0f}/s, applied"
        f" {members / applying:.0f}/s, peak memory {peak:.0f} MiB"
    )


def _first_file(families: int) -> bytes:
    return a_file(*(loop for number in range(families) for loop in _family(number, "HMO", "021")), action="4")


def _second_file(families: int) -> bytes:
    """Returns a whole file without every hundredth family, in which every tenth family moves to the other module."""
    loops = [
        loop
        for number in range(families)
        if number % 100
        for loop in _family(number, "HMO", "030", "PPO" if number % 10 == 1 else "")
    ]
    return a_file(*loops, action="4", control=2)


def _family(number: int, line: str, maintenance: str, next_line: str = "") -> list[list[str]]:
    """Returns a subscriber and children, who change to another coverage in July if one is given."""
    coverages = [a_coverage(line, maintenance=maintenance, begins="20260101", ends="20260630" if next_line else "")]
    coverages += [a_coverage(next_line, maintenance=maintenance, begins="20260701")] if next_line else []
    place = ("CAMP HILL", "PA", "17011")
    loops = [
        a_member(
            f"S{number}",
            maintenance=maintenance,
            status="FT",
            name=("DOE", f"P{number}"),
            place=place,
            coverages=coverages,
        )
    ]
    for child in range(CHILDREN):
        loops.append(
            a_member(
                f"S{number}",
                maintenance=maintenance,
                relation="19",
                status="",
                name=("DOE", f"C{child}"),
                person=f"{number}{child}",
                born=f"201{child}0601",
                coverages=coverages,
            )
        )
    return loops
