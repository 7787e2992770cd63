"""A program that uses the published stubs alone; tests run it in an environment with nothing else.

    python stubs_program.py 127.0.0.1:50051

Imports every module of the package, makes a call over a blocking and an asynchronous channel, and prints the number of
modules and the versions of gRPC and protobuf.
"""

import asyncio
import importlib
import pkgutil
import sys
from pathlib import Path

import google.protobuf
import grpc

import affilia
from affilia.catalog.v1 import catalog_service_pb2 as messages
from affilia.catalog.v1.catalog_service_pb2_grpc import CatalogServiceStub

REQUEST = messages.ListContractsRequest(page_size=3)


def import_everything() -> int:
    found = [module.name for module in pkgutil.walk_packages(affilia.__path__, "affilia.") if not module.ispkg]
    for name in found:
        importlib.import_module(name)
    return len(found)


def blocking(address: str) -> messages.ListContractsResponse:
    with grpc.insecure_channel(address) as channel:
        return CatalogServiceStub(channel).ListContracts(REQUEST, timeout=60)


async def asynchronous(address: str) -> messages.ListContractsResponse:
    async with grpc.aio.insecure_channel(address) as channel:
        return await CatalogServiceStub(channel).ListContracts(REQUEST, timeout=60)


def main() -> None:
    folder = Path(next(iter(affilia.__path__)))
    assert folder.is_relative_to(sys.prefix), f"not the installed stubs: {folder}"
    modules = import_everything()
    address = sys.argv[1]
    first, second = blocking(address), asyncio.run(asynchronous(address))
    assert len(first.contracts) == len(second.contracts) > 0
    print(f"{modules} modules, grpcio {grpc.__version__}, protobuf {google.protobuf.__version__}")


if __name__ == "__main__":
    main()
