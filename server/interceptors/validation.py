"""Bytes become a message that means something and that the caller may send, or the call ends: nothing else reaches a
servicer.

grpc.aio by itself answers garbage with UNKNOWN and tells the caller the exception's text; so parsing and serialising
happen here, inside the errors interceptor. Health and reflection are parsed here too; what their messages may hold is
theirs to judge.
"""

from collections.abc import AsyncIterator, Callable
from typing import Any

import grpc
from google.protobuf.message import DecodeError

from domain.errors import FieldViolation, RequestMalformed
from server import metrics
from server.checking import violations
from server.errors import NotAllowed
from server.identity.policy import ADMINS_ONLY, Permission, Policy
from server.interceptors.methods import OURS
from server.interceptors.wrapping import rewrapped
from server.mapping.named_ids import ids_of
from server.operations.call import current_call
from server.operations.core import Core
from server.rpc_types import Context, Continuation, Handler


class ValidationInterceptor(grpc.aio.ServerInterceptor):
    """Parses every request, and checks ours; serialises our responses. `policy` is asked about ours."""

    def __init__(self, core: Core, policy: Policy) -> None:
        self._core = core
        self._policy = policy
        self._wrapped: dict[str, Handler] = {}

    async def intercept_service(
        self,
        continuation: Continuation,
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Any:
        method = handler_call_details.method
        if method not in self._wrapped:
            handler = await continuation(handler_call_details)
            if handler is None:
                return handler
            permission = self._policy.permissions.get(method, ADMINS_ONLY)
            self._wrapped[method] = _validated(handler, self._core, permission, method)
        return self._wrapped[method]


def _validated(handler: Handler, core: Core, permission: Permission, method: str) -> Handler:
    ours, sent = method.startswith(OURS), metrics.SENT.labels(method)
    read = _reader(handler, ours=ours)
    asks = permission.asks_of
    # Others may write their responses by themselves (health's Watch), past us: gRPC keeps serialising those.
    serialise: Any = handler.response_serializer if ours else _as_it_is
    codec = {"request_deserializer": None, "response_serializer": None if ours else handler.response_serializer}

    # What is told many times is serialised once, before it comes here.
    def call(behaviour: Any) -> Any:
        async def checked(data: Any, context: Context) -> Any:
            request = read(data)
            if ours and current_call().caller.kind in asks:
                await _judge(core, permission, request)
            response = await behaviour(request, context)
            return response if isinstance(response, bytes) else serialise(response)

        return checked

    def stream(behaviour: Any) -> Any:
        async def checked(data: Any, context: Context) -> AsyncIterator[Any]:
            request = read(data)
            if ours and current_call().caller.kind in asks:
                await _judge(core, permission, request)
            responses = behaviour(request, context)
            try:
                async for response in responses:
                    sent.inc()
                    yield response if isinstance(response, bytes) else serialise(response)
            finally:
                await responses.aclose()

        return checked

    return rewrapped(handler, call, stream, **codec)


def _reader(handler: Handler, *, ours: bool) -> Callable[[Any], Any]:
    """What makes the request out of bytes, or the requests out of a stream of them. Raises RequestMalformed."""
    parse: Any = handler.request_deserializer

    def read(data: bytes) -> Any:
        try:
            request = parse(data)
        except (DecodeError, UnicodeDecodeError, RecursionError) as garbage:
            raise RequestMalformed([FieldViolation("", "the bytes are no message of this method")]) from garbage
        if ours and (wrong := violations(request)):
            raise RequestMalformed(wrong)
        return request

    async def read_all(pieces: AsyncIterator[bytes]) -> AsyncIterator[Any]:
        async for data in pieces:
            yield read(data)

    return read_all if handler.request_streaming else read


async def _judge(core: Core, permission: Permission, request: Any) -> None:
    """Raises NotAllowed where the caller may not ask this. Notes for the audit log which ids the request names."""
    call = current_call()
    call.trail.ids.update(ids_of(request))
    if not await permission.allows(core, call.caller, request):
        raise NotAllowed


def _as_it_is(response: Any) -> Any:
    return response
