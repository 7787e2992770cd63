"""Names for gRPC's types, which are generic for type checkers only."""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, TypeAlias

import grpc

if TYPE_CHECKING:
    from grpc.aio import ServicerContext

Context: TypeAlias = "ServicerContext[Any, Any]"
"""What a servicer is told about the call beside its request."""

Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"
"""A method as the server knows it: its behaviour, and how its messages become bytes."""

Continuation = Callable[[grpc.HandlerCallDetails], Awaitable[Any]]
"""Finds the handler that the interceptors further in, and at last the service, have for a call."""
