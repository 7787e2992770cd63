"""Requests to the HTTP endpoint for monitoring."""

import re
import urllib.error
import urllib.request
from pathlib import Path

from tests.conftest import ServerProcess

METRICS = re.compile(r"metrics: (http://\S+)/metrics")
REQUEST_SECONDS = 60


class MonitoredServer(ServerProcess):
    """A server with the endpoint for monitoring. `monitoring` is its URL without a path."""

    def __init__(self, data_dir: Path, *flags: str) -> None:
        super().__init__(data_dir, "--metrics-listen", "127.0.0.1:0", *flags)
        assert self.process.stdout is not None
        found = METRICS.match(self.process.stdout.readline())
        assert found, "the server prints the address of its metrics"
        self.monitoring = found[1]


def asked(url: str, path: str, method: str = "GET") -> tuple[int, str]:
    """Returns status and text of an answer."""
    request = urllib.request.Request(f"{url}{path}", method=method)  # noqa: S310 (our own)
    try:
        with urllib.request.urlopen(request, timeout=REQUEST_SECONDS) as response:  # noqa: S310
            return response.status, response.read().decode().strip()
    except urllib.error.HTTPError as failed:
        with failed:
            return failed.code, failed.read().decode().strip()
