"""Wraps unary and streaming handlers in the same async context managers."""

import inspect
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, aclosing
from typing import Any, Protocol

import grpc
from grpc import StatusCode

from domain.errors import Overloaded
from server.errors import STATUS_DETAILS, status_of
from server.interceptors.admission import Admission, is_exempt
from server.interceptors.metering import metered
from server.methods import UNKNOWN
from server.rpc_types import Context, Continuation, Handler
from server.streams import NO_MORE_RESPONSES, OpenStreams
from server.telemetry import metrics

Proceed = Callable[[Any], Awaitable[Any]]
"""Continues with a request. Returns the response, or the response iterator of a stream."""


class Around(Protocol):
    """Returns an async context manager in which one call of a method runs.

    Exceptions of the call are raised in it. The call of a stream runs until its last response.
    """

    def __call__(self, method: str, context: Context) -> Any: ...


class AroundInterceptor(grpc.aio.ServerInterceptor):
    """Runs every call inside a list of context managers, the first one outermost, and measures the call's own CPU time.

    A call that admission rejects early ends here, so that rejecting it costs almost nothing. All context managers are
    in one interceptor, because each additional interceptor would add a generator to every open stream.
    """

    def __init__(self, streams: OpenStreams, *arounds: Around, admission: Admission) -> None:
        self._streams = streams
        self._arounds = arounds
        self._admission = admission
        self._wrapped: dict[str, Handler] = {}
        self._guarded: dict[str, Handler] = {}

    async def intercept_service(
        self,
        continuation: Continuation,
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Any:
        method = handler_call_details.method
        busy = self._admission.is_busy and not is_exempt(method)
        if busy and self._admission.is_full:
            return SHEDDING
        wrapped = self._wrapped.get(method)
        if wrapped is None:
            handler = await continuation(handler_call_details)
            if handler is None:  # cached under one name, because callers can invent any number of methods
                if UNKNOWN not in self._wrapped:
                    self._wrapped[UNKNOWN] = rewrapped(_no_method(), self._call(UNKNOWN), self._stream(UNKNOWN))
                return self._wrapped[UNKNOWN]
            wrapped = self._wrapped[method] = rewrapped(handler, self._call(method), self._stream(method))
            if wrapped.unary_unary:
                self._guarded[method] = self._guard(method, wrapped)
        return self._guarded.get(method, wrapped) if busy else wrapped

    def _guard(self, method: str, handler: Handler) -> Handler:
        """Returns a unary method as a stream of one request and one response, to reject calls before reading them."""
        call: Any = handler.unary_unary

        async def guarded(requests: Any, context: Context) -> AsyncIterator[Any]:
            if self._admission.rejects(method, context):
                _shed(context)
                return
            try:
                async for request in requests:
                    yield await call(request, context)
                    return
            finally:
                self._admission.no_longer_entering()

        return grpc.stream_stream_rpc_method_handler(guarded, handler.request_deserializer, handler.response_serializer)

    def _call(self, method: str) -> Callable[[Any], Any]:
        def wrap(behavior: Any) -> Any:
            async def call(request: Any, context: Context) -> Any:
                meter = self._admission.arrived(method, context)
                try:
                    async with AsyncExitStack() as stack:
                        for around in self._arounds:
                            await stack.enter_async_context(around(method, context))
                        try:
                            return await metered(behavior(request, context), meter)
                        finally:
                            self._admission.measured(method, meter)
                    raise AssertionError("an exception was swallowed around a call")
                finally:
                    self._admission.left(method)

            return call

        return wrap

    def _stream(self, method: str) -> Callable[[Any], Any]:
        def wrap(behavior: Any) -> Any:
            async def stream(request: Any, context: Context) -> AsyncIterator[Any]:
                self._admission.arrived(method, context)
                async with AsyncExitStack() as stack:
                    stack.callback(self._admission.left, method)
                    opened = stack.enter_context(self._streams.opened(method, context))
                    for around in self._arounds:
                        await stack.enter_async_context(around(method, context))
                    # grpc.aio doesn't close response generators.
                    async with aclosing(behavior(request, context)) as responses:
                        while (response := await opened.next(responses)) is not NO_MORE_RESPONSES:
                            yield response

            return stream

        return wrap


def rewrapped(handler: Handler, call: Callable[[Any], Any], stream: Callable[[Any], Any], **changed: Any) -> Handler:
    """Returns a handler with its behavior wrapped by `call` if it has one response, or else by `stream`."""
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


def _shed(context: Context) -> None:
    """Ends a call with OVERLOADED once its handler returns.

    Without an exception, because its traceback would leave a reference cycle in memory for every rejected call.
    """
    metrics.SHED.inc()
    context.set_code(StatusCode.RESOURCE_EXHAUSTED)
    context.set_details(OVERLOADED.message)
    context.set_trailing_metadata(OVERLOADED_DETAILS)


async def _shedding(request: Any, context: Context) -> AsyncIterator[Any]:
    _shed(context)
    nothing: tuple[Any, ...] = ()
    for response in nothing:  # makes this function a generator
        yield response


OVERLOADED = status_of(Overloaded())
OVERLOADED_DETAILS = ((STATUS_DETAILS, OVERLOADED.SerializeToString()),)
SHEDDING: Handler = grpc.stream_stream_rpc_method_handler(_shedding)


def _no_method() -> Handler:
    """Returns a handler for unknown methods, so that such calls are logged and measured. `identity.py` ends them."""

    async def answer(request: Any, context: Context) -> AsyncIterator[Any]:
        nothing: tuple[Any, ...] = ()
        for response in nothing:  # makes this function a generator
            yield response

    return grpc.stream_stream_rpc_method_handler(answer)


def _generating(behavior: Any) -> Any:
    """Returns a streaming handler as an async generator, even if it writes its responses directly."""
    if not inspect.iscoroutinefunction(behavior):
        return behavior

    async def generate(request: Any, context: Context) -> AsyncIterator[Any]:
        await behavior(request, context)
        nothing_more: tuple[Any, ...] = ()
        for response in nothing_more:  # makes this function a generator
            yield response

    return generate
