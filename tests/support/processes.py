"""A server with several processes, and channels to each of them."""

import re
import subprocess
import urllib.request
from pathlib import Path

import grpc

from affilia.catalog.v1.catalog_service_pb2 import ListContractsRequest
from affilia.catalog.v1.catalog_service_pb2_grpc import CatalogServiceStub
from tests.conftest import ServerProcess
from tests.support.channels import connected_to

METRICS = re.compile(r"metrics: (http://\S+)")
PROBED = "CatalogService/ListContracts"
MAX_CONNECTIONS = 200


class SeveralProcesses(ServerProcess):
    """Runs a server with two processes, or as many as a flag says."""

    def __init__(self, data_dir: Path, *flags: str, processes: int = 2) -> None:
        super().__init__(data_dir, "--processes", str(processes), "--metrics-listen", "127.0.0.1:0", *flags)
        assert self.process.stdout is not None
        lines = [self.process.stdout.readline() for _ in range(processes + 1)]
        self.metrics, *self.metrics_of_processes = (found[1] for line in lines if (found := METRICS.match(line)))

    @property
    def children(self) -> list[int]:
        """The process ids of the running server processes."""
        listed = subprocess.run(
            ["ps", "-A", "-o", "pid=,ppid=,args="], capture_output=True, text=True, check=True
        ).stdout.splitlines()
        rows = [line.split(None, 2) for line in listed]
        return [int(pid) for pid, parent, *args in rows if int(parent) == self.process.pid and "program" in args[0]]

    def logged(self, event: str) -> int:
        """Returns how often an event is in the log."""
        return self.log.read_text().count(f'"event": "{event}"')

    def channels(self) -> list[grpc.Channel]:
        """Returns a channel to each process. Call it before a process is restarted: its metrics then have another
        port."""
        found: dict[str, grpc.Channel] = {}
        for _ in range(MAX_CONNECTIONS):
            before = {url: _probes(url) for url in self.metrics_of_processes}
            channel = connected_to(self.address)
            CatalogServiceStub(channel).ListContracts(ListContractsRequest())
            (url,) = (url for url, count in before.items() if _probes(url) > count)
            if found.setdefault(url, channel) is not channel:
                channel.close()
            if len(found) == len(self.metrics_of_processes):
                return [found[url] for url in self.metrics_of_processes]
        raise AssertionError(f"{MAX_CONNECTIONS} connections reached only {len(found)} processes")


def value_of(url: str, metric: str, labels: str = "") -> float:
    """Returns the sum of a metric's values whose labels contain a text."""
    with urllib.request.urlopen(url, timeout=60) as response:  # noqa: S310 (of this machine)
        lines = response.read().decode().splitlines()
    return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(metric) and labels in line)


def _probes(url: str) -> float:
    return value_of(url, "affilia_calls_total", PROBED)
