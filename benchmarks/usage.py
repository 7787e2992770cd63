"""CPU time and memory of processes, read from /proc."""

import os
from collections.abc import Iterator
from pathlib import Path

PROC = Path("/proc")
TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pid: int) -> float:
    """Returns the CPU time that a process and all its descendants have used, including those that have ended."""
    stats = dict(_stats())
    children: dict[int, list[int]] = {}
    for process, (parent, _) in stats.items():
        children.setdefault(parent, []).append(process)
    ticks, waiting = 0, [pid]
    while waiting:
        process = waiting.pop()
        ticks += stats[process][1]
        waiting += children.get(process, ())
    return ticks / TICKS_PER_SECOND


def _stats() -> Iterator[tuple[int, tuple[int, int]]]:
    """Yields each process with its parent and its ticks of CPU time, with those of children that it has waited for."""
    for folder in PROC.iterdir():
        if folder.name.isdigit():
            try:
                # The name of the program comes before the last parenthesis, and can contain anything.
                fields = (folder / "stat").read_text().rpartition(")")[2].split()
            except (FileNotFoundError, ProcessLookupError):
                continue  # it has ended since
            yield int(folder.name), (int(fields[1]), sum(map(int, fields[11:15])))


def resident_bytes(pid: int) -> int:
    """Returns the resident memory of a process, without its descendants."""
    return _memory(pid, "VmRSS")


def peak_bytes(pid: int) -> int:
    """Returns the maximum resident memory that a process has had."""
    return _memory(pid, "VmHWM")


def _memory(pid: int, field: str) -> int:
    return int((PROC / str(pid) / "status").read_text().split(f"{field}:")[1].split()[0]) * 1024
