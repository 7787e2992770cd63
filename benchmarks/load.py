"""Generates load with h2load, for a fixed number of calls, and parses its figures."""

import re
import shutil
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory

from google.protobuf.message import Message

PERCENT_99 = 0.99


class H2loadMissing(SystemExit):
    """h2load is not installed (Debian: nghttp2-client)."""


def h2load(
    address: str,
    method: str,
    request: Message,
    *,
    calls: int,
    clients: int = 8,
    at_once: int = 4,
    per_second: float = 0,
) -> tuple[float, float]:
    """Returns calls per second and the 99th percentile of their duration in seconds. `per_second` limits the rate of
    all clients together."""
    program = shutil.which("h2load")
    if program is None:
        raise H2loadMissing("h2load is missing: install Debian's nghttp2-client")
    with TemporaryDirectory() as folder:
        body, log = Path(folder) / "body", Path(folder) / "log"
        content = request.SerializeToString()
        body.write_bytes(b"\0" + len(content).to_bytes(4) + content)
        rate = [f"--rps={per_second / clients:.0f}"] if per_second else []
        done = subprocess.run(
            [
                program, "-n", str(calls), "-c", str(clients), "-m", str(at_once), "-d", str(body), *rate,
                "-H", "content-type: application/grpc", "-H", "te: trailers", f"--log-file={log}",
                f"http://{address}{method}",
            ],
            capture_output=True,
            text=True,
            check=True,
        )  # fmt: skip
        report = re.search(r"finished in [^,]+, ([\d.]+) req/s", done.stdout)
        if report is None or f"{calls} succeeded" not in done.stdout:
            raise RuntimeError(done.stdout)
        seconds = sorted(int(line.split("\t")[2]) / 1e6 for line in log.read_text().splitlines())
    return float(report[1]), seconds[int(len(seconds) * PERCENT_99)]
