"""How interceptors surround a call: one shape for unary and streaming handlers alike."""

import inspect
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any, Protocol

import grpc
from grpc import StatusCode

from domain.errors import Overloaded
from server import metrics
from server.errors import STATUS_DETAILS, status_of
from server.interceptors.methods import UNKNOWN
from server.rpc_types import Context, Continuation, Handler

Proceed = Callable[[Any], Awaitable[Any]]
"""Goes on with a request; gives the response, or for a stream the response iterator."""


class Around(Protocol):
    """What an interceptor does around one call of a method.

    It yields exactly once, while the call runs; exceptions of the call are thrown into it. For a stream the call runs
    until its last response.
    """

    def __call__(self, method: str, context: Context) -> Any: ...


class AroundInterceptor(grpc.aio.ServerInterceptor):
    """Puts async context managers around every call of every method, the first one outermost; but calls that are too
    much are refused before anything is done for them, so that refusing costs next to nothing.

    All in one interceptor: each one more would cost every open stream a generator of its own.
    """

    def __init__(self, *arounds: Around, is_too_much: Callable[[str], bool] = lambda method: False) -> None:
        self._arounds = arounds
        self._is_too_much = is_too_much
        self._wrapped: dict[str, Handler] = {}

    async def intercept_service(
        self,
        continuation: Continuation,
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Any:
        method = handler_call_details.method
        if self._is_too_much(method):
            return SHEDDING
        wrapped = self._wrapped.get(method)
        if wrapped is None:
            handler = await continuation(handler_call_details)
            if handler is None:  # remembered under one name: callers can make up any number
                if UNKNOWN not in self._wrapped:
                    self._wrapped[UNKNOWN] = rewrapped(_no_method(), self._call(UNKNOWN), self._stream(UNKNOWN))
                return self._wrapped[UNKNOWN]
            wrapped = self._wrapped[method] = rewrapped(handler, self._call(method), self._stream(method))
        return wrapped

    def _call(self, method: str) -> Callable[[Any], Any]:
        def wrap(behaviour: Any) -> Any:
            async def call(request: Any, context: Context) -> Any:
                async with AsyncExitStack() as stack:
                    for around in self._arounds:
                        await stack.enter_async_context(around(method, context))
                    return await behaviour(request, context)
                raise AssertionError("an exception was swallowed around a call")

            return call

        return wrap

    def _stream(self, method: str) -> Callable[[Any], Any]:
        def wrap(behaviour: Any) -> Any:
            async def stream(request: Any, context: Context) -> AsyncIterator[Any]:
                async with AsyncExitStack() as stack:
                    for around in self._arounds:
                        await stack.enter_async_context(around(method, context))
                    responses = behaviour(request, context)
                    try:
                        async for response in responses:
                            yield response
                    finally:
                        # grpc.aio does not close response generators by itself.
                        await responses.aclose()

            return stream

        return wrap


def rewrapped(handler: Handler, call: Callable[[Any], Any], stream: Callable[[Any], Any], **changed: Any) -> Handler:
    """The handler with its behaviour wrapped: `call` for one response, `stream` for many."""
    codec = {
        "request_deserializer": handler.request_deserializer,
        "response_serializer": handler.response_serializer,
        **changed,
    }
    if handler.unary_unary:
        return grpc.unary_unary_rpc_method_handler(call(handler.unary_unary), **codec)
    if handler.unary_stream:
        return grpc.unary_stream_rpc_method_handler(stream(_generating(handler.unary_stream)), **codec)
    if handler.stream_unary:
        return grpc.stream_unary_rpc_method_handler(call(handler.stream_unary), **codec)
    return grpc.stream_stream_rpc_method_handler(stream(_generating(handler.stream_stream)), **codec)


async def _shed(request: Any, context: Context) -> AsyncIterator[Any]:
    metrics.SHED.inc()
    await context.abort(StatusCode.RESOURCE_EXHAUSTED, OVERLOADED.message, trailing_metadata=OVERLOADED_DETAILS)
    nothing: tuple[Any, ...] = ()
    for response in nothing:  # which makes this a generator
        yield response


OVERLOADED = status_of(Overloaded())
OVERLOADED_DETAILS = ((STATUS_DETAILS, OVERLOADED.SerializeToString()),)
SHEDDING: Handler = grpc.stream_stream_rpc_method_handler(_shed)


def _no_method() -> Handler:
    """Stands for a method that is not there, so that what is around every call is around these, too; identity ends
    them."""

    async def answer(request: Any, context: Context) -> AsyncIterator[Any]:
        nothing: tuple[Any, ...] = ()
        for response in nothing:  # which makes this a generator
            yield response

    return grpc.stream_stream_rpc_method_handler(answer)


def _generating(behaviour: Any) -> Any:
    """A streaming handler as an async generator: some write their responses by themselves, as health's Watch does."""
    if not inspect.iscoroutinefunction(behaviour):
        return behaviour

    async def generate(request: Any, context: Context) -> AsyncIterator[Any]:
        await behaviour(request, context)
        nothing_more: tuple[Any, ...] = ()
        for response in nothing_more:  # which makes this a generator
            yield response

    return generate
