"""Names for gRPC's types, which are generic for type checkers only."""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, TypeAlias

import grpc

if TYPE_CHECKING:
    from grpc.aio import ServicerContext

Context: TypeAlias = "ServicerContext[Any, Any]"
"""A call's context, as servicers receive it beside the request."""

Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"
"""A method of a server: its behavior, and how its messages are serialized."""

Continuation = Callable[[grpc.HandlerCallDetails], Awaitable[Any]]
"""Returns the handler of a call from the next interceptor, or at the end from the service."""
