"""Runs pgbench, which comes with PostgreSQL's packages, and returns its figures as those of a load."""

import re
import shutil
import subprocess
from pathlib import Path

import psycopg

from benchmarks.load import Durations, LoadFailed, Outcome
from benchmarks.usage import cpu_seconds

INSTALLED = sorted(Path("/usr/lib/postgresql").glob("*/bin/pgbench"))


def program() -> str | None:
    """Returns the path of pgbench, or None if it isn't installed."""
    return shutil.which("pgbench") or (str(INSTALLED[-1]) if INSTALLED else None)


def run(url: str, script: Path, postmaster: int, *, clients: int, seconds: int) -> Outcome:
    """Runs one transaction script with prepared statements. Durations are averages, because pgbench has no others.

    Raises LoadFailed if pgbench failed.
    """
    pgbench, server = program(), psycopg.conninfo.conninfo_to_dict(url)
    if pgbench is None:
        raise LoadFailed("pgbench is not installed")
    before = cpu_seconds(postmaster)
    done = subprocess.run(
        [
            pgbench, "--no-vacuum", "--protocol=prepared", f"--client={clients}", "--jobs=2", f"--time={seconds}",
            f"--file={script}", "--host", str(server["host"]), "--username", str(server["user"]), str(server["dbname"]),
        ],
        capture_output=True,
        text=True,
        check=False,
    )  # fmt: skip
    used = cpu_seconds(postmaster) - before
    report = re.search(r"actually processed: (\d+).*latency average = ([\d.]+) ms.*tps = ([\d.]+)", done.stdout, re.S)
    if done.returncode or report is None:
        raise LoadFailed(done.stdout + done.stderr)
    calls, average, rate = int(report[1]), float(report[2]) / 1e3, float(report[3])
    return Outcome(
        client="pgbench",
        rate=rate,
        sent_rate=rate,
        calls=calls,
        statuses={"OK": Durations(calls, average, average, average, "")},
        lag_p99_seconds=0.0,
        lag_max_seconds=0.0,
        client_cpu_us=0.0,
        response_bytes=0.0,
        cpu_us={"postgres": used / calls * 1e6},
    )
