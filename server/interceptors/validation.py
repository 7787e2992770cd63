"""Bytes become a message that means something, or the call ends: nothing malformed reaches a servicer.

grpc.aio by itself answers garbage with UNKNOWN and tells the caller the exception's text; so parsing and serialising
happen here, inside the errors interceptor. Health and reflection are parsed here too; what their messages may hold is
theirs to judge.
"""

from collections.abc import AsyncIterator, Callable
from typing import Any

import grpc
from google.protobuf.message import DecodeError

from domain.errors import FieldViolation, RequestMalformed
from server.checking import violations
from server.interceptors.wrapping import rewrapped
from server.rpc_types import Context, Continuation, Handler

OURS = "/affilia."


class ValidationInterceptor(grpc.aio.ServerInterceptor):
    """Parses every request, and checks ours; serialises our responses."""

    def __init__(self) -> None:
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
            self._wrapped[method] = _validated(handler, ours=method.startswith(OURS))
        return self._wrapped[method]


def _validated(handler: Handler, *, ours: bool) -> Handler:
    read = _reader(handler, ours=ours)
    # Others may write their responses by themselves (health's Watch), past us: gRPC keeps serialising those.
    serialise: Any = handler.response_serializer if ours else _as_it_is
    codec = {"request_deserializer": None, "response_serializer": None if ours else handler.response_serializer}

    # What is told many times is serialised once, before it comes here.
    def call(behaviour: Any) -> Any:
        async def checked(data: Any, context: Context) -> Any:
            response = await behaviour(read(data), context)
            return response if isinstance(response, bytes) else serialise(response)

        return checked

    def stream(behaviour: Any) -> Any:
        async def checked(data: Any, context: Context) -> AsyncIterator[Any]:
            responses = behaviour(read(data), context)
            try:
                async for response in responses:
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


def _as_it_is(response: Any) -> Any:
    return response
