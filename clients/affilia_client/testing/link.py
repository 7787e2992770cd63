"""A proxy between callers and a server that applies the faults planned in `Faults`.

Faults happen on the wire, so any client in any process meets them as it would meet real ones, gRPC's own retries
included. Messages are passed on as bytes.
"""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Any, Self

import grpc

from affilia_client.testing.faults import Faults
from affilia_client.testing.tcp_proxy import TcpProxy

MAX_CONCURRENT_CALLS = 512
MAX_DEADLINE_SECONDS = 10 * 365 * 24 * 3600
TRANSPORT_PREFIXES = ("grpc-", ":")
TRANSPORT_HEADERS = ("user-agent", "te", "content-type")
"""Metadata of the caller's own connection, which isn't passed on."""


class FaultyLink:
    """Listens on a free local port, `address`, and passes calls to the server until it is closed."""

    def __init__(self, server_address: str, faults: Faults | None = None) -> None:
        self.faults = faults or Faults()
        self._server_channel = grpc.insecure_channel(
            server_address, (("grpc.enable_retries", 0), ("grpc.max_receive_message_length", -1))
        )
        self._proxy = grpc.server(
            ThreadPoolExecutor(MAX_CONCURRENT_CALLS, "affilia-link"),
            handlers=[_EveryMethod(self._pass_on)],
            options=(("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)),
        )
        port = self._proxy.add_insecure_port("127.0.0.1:0")
        self._proxy.start()
        self._connections = TcpProxy(port)
        self.address = f"127.0.0.1:{self._connections.port}"

    def close(self) -> None:
        """Ends all calls and connections."""
        self._connections.close()
        self._proxy.stop(None).wait()
        self._server_channel.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _pass_on(self, path: str, request: bytes, context: grpc.ServicerContext) -> Iterator[bytes]:
        metadata = {name: value for name, value in context.invocation_metadata() if _is_application_metadata(name)}
        fault = self.faults.record(path, request, {k: str(v) for k, v in metadata.items()})
        if fault:
            time.sleep(fault.delay_seconds)
            if fault.drops:
                self._connections.cut()
                return
            if fault.status:
                context.set_trailing_metadata(fault.trailers)
                context.abort(fault.code, fault.status.message)
        left = context.time_remaining()
        seconds = left if left < MAX_DEADLINE_SECONDS else None
        send: Any = self._server_channel.unary_stream(path)
        call = send(request, timeout=seconds, metadata=tuple(metadata.items()))
        context.add_callback(call.cancel)
        try:
            yield from call
        except grpc.RpcError as failed:
            error: Any = failed
            context.set_trailing_metadata(tuple(error.trailing_metadata() or ()))
            context.abort(error.code(), error.details() or "")
        context.set_trailing_metadata(tuple(call.trailing_metadata() or ()))


class _EveryMethod(grpc.GenericRpcHandler):
    """Handles every method with one request, as bytes. On the wire, a single response is a stream of one."""

    def __init__(self, handle: Any) -> None:
        self._handle = handle

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> Any:
        path = handler_call_details.method
        return grpc.unary_stream_rpc_method_handler(lambda request, context: self._handle(path, request, context))


def _is_application_metadata(name: str) -> bool:
    return not name.startswith(TRANSPORT_PREFIXES) and name not in TRANSPORT_HEADERS
