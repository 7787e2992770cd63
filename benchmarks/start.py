"""Measures the time from the command to the first response: with a new data directory, and with existing data."""

import time
from pathlib import Path
from tempfile import TemporaryDirectory

import grpc

from affilia.catalog.v1 import catalog_service_pb2
from affilia.catalog.v1.catalog_service_pb2_grpc import CatalogServiceStub
from tests.conftest import ServerProcess

ROUNDS = 5


def measure() -> None:
    with TemporaryDirectory() as folder:
        cold = _start(Path(folder))
        warm = sorted(_start(Path(folder)) for _ in range(ROUNDS))
    print(f"new data directory (with initdb and migrations): {cold:.2f} s")
    print(f"existing data: {warm[len(warm) // 2]:.2f} s (median of {ROUNDS}; {warm[0]:.2f} to {warm[-1]:.2f})")


def _start(folder: Path) -> float:
    began = time.perf_counter()
    server = ServerProcess(folder)
    with grpc.insecure_channel(server.address) as channel:
        CatalogServiceStub(channel).ListContracts(catalog_service_pb2.ListContractsRequest())
    seconds = time.perf_counter() - began
    server.stop()
    return seconds
