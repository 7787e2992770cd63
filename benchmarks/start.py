"""Measures the time from the command to the first response: with a new data directory, and with existing data."""

import time
from pathlib import Path
from tempfile import TemporaryDirectory

import grpc

from affilia.catalog.v1 import catalog_service_pb2
from affilia.catalog.v1.catalog_service_pb2_grpc import CatalogServiceStub
from benchmarks.figures import Figure
from tests.conftest import ServerProcess

ROUNDS = 5
MAX_SECONDS = 1.0


def measure() -> list[Figure]:
    with TemporaryDirectory() as folder:
        cold = _start(Path(folder))
        warm = sorted(_start(Path(folder)) for _ in range(ROUNDS))
    spread = f"median of {ROUNDS}, {warm[0]:.2f} to {warm[-1]:.2f} s"
    return [
        Figure(name="start.new_data", value=cold, unit="s", against="with initdb and migrations"),
        Figure(name="start.existing_data", value=warm[len(warm) // 2], unit="s", at_most=MAX_SECONDS, against=spread),
    ]


def _start(folder: Path) -> float:
    began = time.perf_counter()
    server = ServerProcess(folder)
    with grpc.insecure_channel(server.address) as channel:
        CatalogServiceStub(channel).ListContracts(catalog_service_pb2.ListContractsRequest())
    seconds = time.perf_counter() - began
    server.stop()
    return seconds
