"""Applies interceptors to a single call of an asyncio client. grpc.aio itself only takes interceptors per channel."""

from collections.abc import Callable, Generator, Sequence
from typing import Any

import grpc
from google.protobuf.message import Message
from grpc.aio import UnaryStreamClientInterceptor as StreamInterceptor
from grpc.aio import UnaryUnaryClientInterceptor as UnaryInterceptor

from affilia_client.credentials import Metadata

Start = Callable[..., Any]
"""Starts a call on the channel: takes the request, timeout and metadata."""


async def start_intercepted(
    start: Start,
    interceptors: Sequence[Any],
    path: str,
    request: Message,
    seconds: float | None,
    metadata: Metadata,
    *,
    streams: bool,
) -> Any:
    """Returns the call from the first interceptor. The last interceptor continues with a call on the channel."""
    kind = StreamInterceptor if streams else UnaryInterceptor
    chain = [each for each in checked(interceptors) if isinstance(each, kind)]

    async def proceed(position: int, details: grpc.aio.ClientCallDetails, sent: Message) -> Any:
        if position == len(chain):
            return start(sent, timeout=details.timeout, metadata=details.metadata, credentials=details.credentials)

        async def continuation(details: grpc.aio.ClientCallDetails, sent: Message) -> Any:
            return await proceed(position + 1, details, sent)

        intercept = getattr(chain[position], "intercept_unary_stream" if streams else "intercept_unary_unary")
        answer = await intercept(continuation, details, sent)
        return Answered(answer) if isinstance(answer, Message) else answer

    method: Any = path.encode()  # grpc.aio also passes bytes to the interceptors of a channel
    details = grpc.aio.ClientCallDetails(method, seconds, grpc.aio.Metadata(*metadata), None, None)
    return await proceed(0, details, request)


def for_channel(interceptors: Sequence[grpc.aio.ClientInterceptor]) -> list[grpc.aio.ClientInterceptor]:
    """Returns interceptors in the form that a grpc.aio channel needs.

    The channel would only apply an interceptor of both kinds to unary calls.
    """
    found: list[grpc.aio.ClientInterceptor] = []
    for each in checked(interceptors):
        both = isinstance(each, UnaryInterceptor) and isinstance(each, StreamInterceptor)
        found += [_UnaryPart(each), _StreamPart(each)] if both else [each]
    return found


class _UnaryPart(UnaryInterceptor):
    """The part of an interceptor that handles unary calls."""

    def __init__(self, whole: Any) -> None:
        self._whole = whole

    async def intercept_unary_unary(self, continuation: Any, client_call_details: Any, request: Any) -> Any:
        return await self._whole.intercept_unary_unary(continuation, client_call_details, request)


class _StreamPart(StreamInterceptor):
    """The part of an interceptor that handles streams."""

    def __init__(self, whole: Any) -> None:
        self._whole = whole

    async def intercept_unary_stream(self, continuation: Any, client_call_details: Any, request: Any) -> Any:
        return await self._whole.intercept_unary_stream(continuation, client_call_details, request)


def checked(interceptors: Sequence[Any]) -> Sequence[Any]:
    """Returns the interceptors. Raises TypeError if any isn't an interceptor of grpc.aio."""
    for each in interceptors:
        if not isinstance(each, grpc.aio.ClientInterceptor):
            raise TypeError(f"{each!r} is not an interceptor of grpc.aio")
    return interceptors


class Answered:
    """A call that an interceptor answered itself, without sending it."""

    def __init__(self, response: Message) -> None:
        self._response = response

    def __await__(self) -> Generator[Any, None, Message]:
        return self._response
        yield  # makes this a generator function

    async def code(self) -> grpc.StatusCode:
        return grpc.StatusCode.OK

    async def details(self) -> str:
        return ""

    async def initial_metadata(self) -> grpc.aio.Metadata:
        return grpc.aio.Metadata()

    async def trailing_metadata(self) -> grpc.aio.Metadata:
        return grpc.aio.Metadata()

    def done(self) -> bool:
        return True

    def cancelled(self) -> bool:
        return False

    def cancel(self) -> bool:
        return False
