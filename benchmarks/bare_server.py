"""Bare servers: gRPC without interceptors, whose methods parse requests and return fixed responses.

Targets are ratios to grpc.aio as it is, so that they change with our code only. Our acceptor of calls and our settings
of gRPC's core are part of that code: together they make bare calls more than twice as fast. So each ratio is also
printed against a bare server that has both, which is the most that our handlers could reach. `make bench ARGS=bare`
measures both, and a threaded server.
"""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import grpc
import uvloop
from google.protobuf import descriptor_pool, message_factory
from google.protobuf.message import Message

from affilia.eligibility.v1 import eligibility_check_service_pb2
from affilia.enrollment.v1 import change_request_service_pb2, enrollment_query_service_pb2
from affilia.pricing.v1 import cost_provider_service_pb2
from benchmarks import ROOT
from server.call_acceptor import CallAcceptor, can_accept_many
from server.grpc_core import CORE_ENVIRONMENT

REGISTERED = (
    eligibility_check_service_pb2,
    change_request_service_pb2,
    enrollment_query_service_pb2,
    cost_provider_service_pb2,
)
"""The modules of the services that can be called. Importing them registers their messages."""

THREADS = 8


class Kind(StrEnum):
    """How a bare server accepts and handles calls."""

    AS_IS = "bare"
    """grpc.aio as it is. It accepts one call per turn of the event loop."""

    ACCEPTING = "bare, accepting"
    """grpc.aio with our acceptor of calls and settings of gRPC's core, as the product."""

    THREADED = "threaded"
    """gRPC's blocking server, as it is. All calls and the completion queue compete for one interpreter lock."""


@dataclass(frozen=True, slots=True)
class BareServer:
    address: str
    pids: Mapping[str, int]


@contextmanager
def bare_server(responses: Mapping[str, Message], kind: Kind) -> Iterator[BareServer]:
    """Starts a server in another process that returns one response for each method, by full name."""
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.bare_server", kind],
        cwd=ROOT,
        env=_environment(kind),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdin is not None  # noqa: S101 (both are pipes)
        assert process.stdout is not None  # noqa: S101
        sent = {method: response.SerializeToString().hex() for method, response in responses.items()}
        print(json.dumps(sent), file=process.stdin, flush=True)
        yield BareServer(process.stdout.readline().strip(), {"server": process.pid})
    finally:
        process.kill()
        process.communicate()


def _environment(kind: Kind) -> dict[str, str]:
    """Returns the environment of a server: without settings of gRPC's core, or with those of the product."""
    plain = {name: value for name, value in os.environ.items() if name not in CORE_ENVIRONMENT}
    return {**CORE_ENVIRONMENT, **os.environ} if kind is Kind.ACCEPTING else plain


@contextmanager
def bare_servers(responses: Mapping[str, Message]) -> Iterator[dict[Kind, BareServer]]:
    """Starts the two servers that ratios are measured against, by kind."""
    with bare_server(responses, Kind.AS_IS) as as_is, bare_server(responses, Kind.ACCEPTING) as accepting:
        yield {Kind.AS_IS: as_is, Kind.ACCEPTING: accepting}


def _handlers(responses: Mapping[str, str], make: Callable[[Message], Any]) -> dict[str, Any]:
    """Returns a handler for each method, by full name, with the deserializer and serializer of its stub."""
    pool = descriptor_pool.Default()
    handlers: dict[str, Any] = {}
    for method, response in responses.items():
        _, service, name = method.split("/")
        described = pool.FindMethodByName(f"{service}.{name}")
        request_type = message_factory.GetMessageClass(described.input_type)
        response_type = message_factory.GetMessageClass(described.output_type)
        handlers[method] = grpc.unary_unary_rpc_method_handler(
            make(response_type.FromString(bytes.fromhex(response))),
            request_deserializer=request_type.FromString,
            response_serializer=response_type.SerializeToString,
        )
    return handlers


class _Generic(grpc.GenericRpcHandler):
    """Handlers by full method name, as gRPC takes them."""

    def __init__(self, handlers: Mapping[str, Any]) -> None:
        self._handlers = handlers

    def service(self, handler_call_details: Any) -> Any:
        return self._handlers.get(handler_call_details.method)


async def _serve(responses: Mapping[str, str], *, accepting: bool) -> None:
    def answering(response: Message) -> Any:
        async def answer(request: Message, context: Any) -> Message:
            return response

        return answer

    server, handlers = grpc.aio.server(), _handlers(responses, answering)
    if accepting and not can_accept_many():
        raise RuntimeError(f"our acceptor of calls doesn't support grpcio {grpc.__version__}")
    acceptor = CallAcceptor(server, handlers, handlers.get) if accepting else None
    port = server.add_insecure_port("127.0.0.1:0")
    server.add_generic_rpc_handlers([_Generic(handlers)])
    await server.start()
    if acceptor:
        acceptor.start()
    print(f"127.0.0.1:{port}", flush=True)
    await asyncio.Event().wait()


def _serve_on_threads(responses: Mapping[str, str]) -> None:
    def answering(response: Message) -> Any:
        return lambda request, context: response

    server = grpc.server(ThreadPoolExecutor(THREADS))
    server.add_generic_rpc_handlers([_Generic(_handlers(responses, answering))])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    print(f"127.0.0.1:{port}", flush=True)
    server.wait_for_termination()


if __name__ == "__main__":
    kind, given = Kind(sys.argv[1]), json.loads(sys.stdin.readline())
    if kind is Kind.THREADED:
        _serve_on_threads(given)
    else:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_serve(given, accepting=kind is Kind.ACCEPTING))
