"""Wraps the handlers of calls with one response and of streams, and rejects calls early when the server is busy."""

import inspect
from collections.abc import AsyncIterator, Callable
from typing import Any

import grpc
from grpc import StatusCode

from domain.errors import Overloaded
from server.errors import STATUS_DETAILS, status_of
from server.interceptors.admission import Visit
from server.interceptors.around import Around, AroundCall
from server.interceptors.metering import metered
from server.interceptors.telemetry import MethodObserver
from server.methods import UNKNOWN, Method, is_always_admitted
from server.rpc_types import Context, Continuation, Handler
from server.streams import NO_MORE_RESPONSES, OpenStreams
from server.telemetry import metrics


class AroundInterceptor(grpc.aio.ServerInterceptor):
    """Runs every call inside the steps of `around.py`, and measures the call's own CPU time.

    A call that admission rejects early ends here, so that rejecting it costs almost nothing. All steps are in one
    interceptor, because each additional interceptor would add a generator to every open stream.
    """

    def __init__(self, streams: OpenStreams, around: Around) -> None:
        self._streams = streams
        self._around = around
        self._admission = around.admission
        self._wrapped: dict[str, Handler] = {}
        self._guarded: dict[str, Handler] = {}
        self._observers: dict[str, MethodObserver] = {}

    async def intercept_service(
        self,
        continuation: Continuation,
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Any:
        name = handler_call_details.method
        found = self.handler_of(name)
        if found is None:
            self.add(name, await continuation(handler_call_details))
            found = self.handler_of(name) or self._wrapped[UNKNOWN]
        return found

    def add(self, name: str, handler: "Handler | None") -> None:
        """Wraps the handler of a method; None for an unknown method."""
        if handler is None:  # wrapped once under one name, because callers can invent any number of methods
            if UNKNOWN not in self._wrapped:
                self._wrapped[UNKNOWN] = self._wrap(Method.of(UNKNOWN), _no_method())
            return
        method = Method.of(
            name, request_streaming=handler.request_streaming, response_streaming=handler.response_streaming
        )
        self._observers[name] = self._around.observer.of(method)
        self._wrapped[name] = self._wrap(method, handler)
        if handler.unary_unary:
            self._guarded[name] = self._guard(method, self._wrapped[name])

    def handler_of(self, name: str) -> "Handler | None":
        """Returns the handler for a call that begins now; None if the method was never added.

        If the server is full, that handler rejects the call, which is counted here.
        """
        busy = self._admission.is_busy and not is_always_admitted(name)
        if busy and self._admission.is_full:
            self._observer_of(name).rejected_early()
            return SHEDDING
        wrapped = self._wrapped.get(name)
        return self._guarded.get(name, wrapped) if busy else wrapped

    def _observer_of(self, name: str) -> MethodObserver:
        """Returns the observer of a method, or that of unknown methods if the method wasn't added."""
        observer = self._observers.get(name) or self._observers.get(UNKNOWN)
        if observer is None:
            observer = self._observers[UNKNOWN] = self._around.observer.of(Method.of(UNKNOWN))
        return observer

    def _wrap(self, method: Method, handler: Handler) -> Handler:
        around = self._around.of(method)
        return rewrapped(handler, self._call(around), self._stream(method, around))

    def _guard(self, method: Method, handler: Handler) -> Handler:
        """Returns a unary method as a stream of one request and one response, to reject calls before reading them."""
        call: Any = handler.unary_unary
        observer = self._observer_of(method.name)

        async def guarded(requests: Any, context: Context) -> AsyncIterator[Any]:
            if self._admission.rejects(method, context):
                observer.rejected_early()
                _shed(context)
                return
            try:
                async for request in requests:
                    yield await call(request, context)
                    return
            finally:
                self._admission.no_longer_entering()

        return grpc.stream_stream_rpc_method_handler(guarded, handler.request_deserializer, handler.response_serializer)

    def _call(self, around: AroundCall) -> Callable[[Any], Any]:
        admission = self._admission

        def wrap(behavior: Any) -> Any:
            async def call(request: Any, context: Context) -> Any:
                async def run(visit: Visit) -> Any:
                    try:
                        return await metered(behavior(request, context), visit.meter)
                    finally:
                        admission.measured(visit)

                return await around(context, run)

            return call

        return wrap

    def _stream(self, method: Method, around: AroundCall) -> Callable[[Any], Any]:
        streams = self._streams

        def wrap(behavior: Any) -> Any:
            async def stream(request: Any, context: Context) -> None:
                async def run(_: Visit) -> None:
                    responses = behavior(request, context)
                    try:
                        while (response := await opened.next(responses)) is not NO_MORE_RESPONSES:
                            await context.write(response)
                            del response  # an idle stream keeps nothing in memory
                    finally:
                        await responses.aclose()  # grpc.aio doesn't close response generators

                with streams.opened(method.name, context) as opened:
                    await around(context, run, opened)

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
