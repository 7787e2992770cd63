"""A channel on which every call brings a token: for what speaks through stubs of its own, such as the file door."""

from typing import Any, NamedTuple

import grpc


class _Details(NamedTuple):
    method: str
    timeout: float | None
    metadata: Any
    credentials: Any
    wait_for_ready: Any
    compression: Any


class _Bearing(grpc.UnaryUnaryClientInterceptor):
    def __init__(self, token: str) -> None:
        self._header = ("authorization", f"Bearer {token}")

    def intercept_unary_unary(self, continuation: Any, client_call_details: Any, request: Any) -> Any:
        told = client_call_details
        metadata = [*(told.metadata or ()), self._header]
        details = _Details(told.method, told.timeout, metadata, told.credentials, told.wait_for_ready, told.compression)
        return continuation(details, request)


def bearing(channel: grpc.Channel, token: str) -> grpc.Channel:
    """The channel, with a token where there is one."""
    return grpc.intercept_channel(channel, _Bearing(token)) if token else channel
