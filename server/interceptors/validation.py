"""Bytes become a message that means something, or the call ends: nothing malformed reaches a servicer.

grpc.aio by itself answers garbage with UNKNOWN and tells the caller the exception's text; so parsing and serialising
happen here, inside the errors interceptor.
"""

from collections.abc import AsyncIterator
from typing import Any

import grpc
from google.protobuf.message import DecodeError

from domain.errors import FieldViolation, RequestMalformed
from server.checking import violations
from server.interceptors.wrapping import rewrapped
from server.rpc_types import Context, Continuation, Handler

OURS = "/affilia."


class ValidationInterceptor(grpc.aio.ServerInterceptor):
    """Parses and checks every request, and serialises every response."""

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
            if handler is None or not method.startswith(OURS) or handler.request_streaming:
                return handler
            self._wrapped[method] = _validated(handler)
        return self._wrapped[method]


def _validated(handler: Handler) -> Handler:
    parse: Any = handler.request_deserializer
    serialise: Any = handler.response_serializer

    def call(behaviour: Any) -> Any:
        async def checked(data: bytes, context: Context) -> bytes:
            response: bytes = serialise(await behaviour(_request(parse, data), context))
            return response

        return checked

    def stream(behaviour: Any) -> Any:
        async def checked(data: bytes, context: Context) -> AsyncIterator[bytes]:
            responses = behaviour(_request(parse, data), context)
            try:
                async for response in responses:
                    yield serialise(response)
            finally:
                await responses.aclose()

        return checked

    return rewrapped(handler, call, stream, request_deserializer=None, response_serializer=None)


def _request(parse: Any, data: bytes) -> Any:
    try:
        request = parse(data)
    except (DecodeError, UnicodeDecodeError, RecursionError) as garbage:
        raise RequestMalformed([FieldViolation("", "the bytes are no message of this method")]) from garbage
    if wrong := violations(request):
        raise RequestMalformed(wrong)
    return request
