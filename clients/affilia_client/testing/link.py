"""Stands between callers and a server, and does to calls what `Faults` says.

Faults happen on the wire, so that whatever a caller is made of, gRPC's own retries included, meets them as it would
meet real ones. Calls pass as the bytes that they are.
"""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Any, Self

import grpc

from affilia_client.testing.faults import Faults
from affilia_client.testing.wire import Wire

CALLS_AT_ONCE = 512
LONGEST_DEADLINE_SECONDS = 10 * 365 * 24 * 3600
NOT_PASSED_ON = ("grpc-", ":", "user-agent", "te", "content-type")


class FaultyLink:
    """Listens on `address`, a free port of this machine, and passes calls on to the server until it is closed."""

    def __init__(self, server_address: str, faults: Faults | None = None) -> None:
        self.faults = faults or Faults()
        self._server_channel = grpc.insecure_channel(
            server_address, (("grpc.enable_retries", 0), ("grpc.max_receive_message_length", -1))
        )
        self._proxy = grpc.server(
            ThreadPoolExecutor(CALLS_AT_ONCE, "affilia-link"),
            handlers=[_EveryMethod(self._pass_on)],
            options=(("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)),
        )
        port = self._proxy.add_insecure_port("127.0.0.1:0")
        self._proxy.start()
        self._wire = Wire(port)
        self.address = f"127.0.0.1:{self._wire.port}"

    def close(self) -> None:
        """Ends every call and connection."""
        self._wire.close()
        self._proxy.stop(None).wait()
        self._server_channel.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _pass_on(self, path: str, request: bytes, context: grpc.ServicerContext) -> Iterator[bytes]:
        metadata = {name: value for name, value in context.invocation_metadata() if _is_the_callers(name)}
        fault = self.faults.arrived(path, request, {k: str(v) for k, v in metadata.items()})
        if fault:
            time.sleep(fault.delay_seconds)
            if fault.drops:
                self._wire.cut()
                return
            if fault.status:
                context.set_trailing_metadata(fault.trailers)
                context.abort(fault.code, fault.status.message)
        left = context.time_remaining()
        seconds = left if left < LONGEST_DEADLINE_SECONDS else None
        send: Any = self._server_channel.unary_stream(path)
        call = send(request, timeout=seconds, metadata=tuple(metadata.items()))
        context.add_callback(call.cancel)
        try:
            yield from call
        except grpc.RpcError as failed:
            told: Any = failed
            context.set_trailing_metadata(tuple(told.trailing_metadata() or ()))
            context.abort(told.code(), told.details() or "")
        context.set_trailing_metadata(tuple(call.trailing_metadata() or ()))


class _EveryMethod(grpc.GenericRpcHandler):
    """Handles any method of one request, as bytes; on the wire, one response is a stream of one."""

    def __init__(self, handle: Any) -> None:
        self._handle = handle

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> Any:
        path = handler_call_details.method
        return grpc.unary_stream_rpc_method_handler(lambda request, context: self._handle(path, request, context))


def _is_the_callers(name: str) -> bool:
    return not name.startswith(NOT_PASSED_ON[:2]) and name not in NOT_PASSED_ON[2:]
