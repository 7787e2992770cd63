"""Measures reading of enrollment files (X12 834): members per second of CPU time, and peak memory of the process."""

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

from affilia_cli.enrollment_file.reading.parsing import read_file
from tests.support.enrollment_file import a_coverage, a_file, a_member

MEMBERS = (10_000, 100_000)
FAMILY = 3
RELATIONS = ("18", "01", "19")
LINES, PLANS = ("HLT", "DEN", "VIS"), ("GOLD", "SILVER", "BRONZE")
FIRST_NAMES = [f"NAME{'ABCDEFGHIJ'[n % 10]}{n}" for n in range(500)]
LAST_NAMES = [f"FAMILY{'ABCDEFGHIJ'[n % 10]}{n}" for n in range(5_000)]
SEED = 20_261_129


def measure() -> None:
    """Each file is read by a process of its own, so that its peak memory is that of reading it."""
    with TemporaryDirectory() as folder:
        for members in MEMBERS:
            path = Path(folder) / f"{members}.834"
            path.write_bytes(a_file(*_members(members), action="4"))
            subprocess.run([sys.executable, "-m", __name__, str(path)], check=True)


def parse(path: Path) -> None:
    """Reads a file and prints the result."""
    began = time.process_time()
    file = read_file(path)
    seconds = time.process_time() - began
    count, megabytes = len(file.members), path.stat().st_size / 1_000_000
    size = f"{count:,} members ({megabytes:.0f} MB)"
    print(f"parse: {size}: {count / seconds:,.0f} members/s, {_peak_megabytes()} MB in total")


def _peak_megabytes() -> int:
    # Unlike this, getrusage() also counts the memory of the process that started this one.
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith("VmHWM:"))) // 1024


def _members(count: int) -> Iterator[list[str]]:
    draw = Random(SEED)
    for n in range(count):
        relation = RELATIONS[n % FAMILY]
        yield a_member(
            f"S{n // FAMILY:07}",
            maintenance="030",
            relation=relation,
            status="FT" if relation == "18" else "",
            name=(LAST_NAMES[n // FAMILY % len(LAST_NAMES)], draw.choice(FIRST_NAMES)),
            person=f"{n:09}",
            born=f"{draw.randint(1950, 2020)}{draw.randint(1, 12):02}{draw.randint(1, 28):02}",
            place=("SPRINGFIELD", "IL", f"{62000 + draw.randint(0, 999)}"),
            coverages=[
                a_coverage(line, maintenance="030", plan=draw.choice(PLANS), level="FAM", begins="20260101")
                for line in LINES[: draw.randint(1, len(LINES))]
            ],
        )


if __name__ == "__main__":
    parse(Path(sys.argv[1]))
