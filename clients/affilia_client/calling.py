"""Makes calls from threads. `async_calling.py` is the same for asyncio; the modules that both import hold what they
share."""

from collections.abc import Callable, Generator
from functools import cache
from typing import Any

import grpc
import tenacity
from google.protobuf.message import Message

from affilia_client.call_options import DEFAULTS, CallOptions
from affilia_client.connection import Connection
from affilia_client.consistency import ConsistencyTokens
from affilia_client.credentials import Identity
from affilia_client.errors import call_failed
from affilia_client.methods import Method
from affilia_client.paging import first_page
from affilia_client.prepared import PreparedCall
from affilia_client.retries import retry_options

END = object()


class Caller:
    """Makes calls and retries them. Every failure is raised as CallFailed."""

    def __init__(self, connection: Connection[grpc.Channel], identity: Identity, tokens: ConsistencyTokens) -> None:
        self._connection = connection
        self._identity = identity
        self._tokens = tokens
        self._stub: Callable[[Method], Any] = cache(self._new_stub)

    def call(self, method: Method, request: Message, options: CallOptions = DEFAULTS) -> Message:
        """Sends a request and returns its response."""
        call = PreparedCall(method, request, options, self._tokens)
        response: Message = tenacity.Retrying(**retry_options(call))(self._attempt, call)
        return response

    def stream(self, method: Method, request: Message, options: CallOptions = DEFAULTS) -> Generator[Message]:
        """Sends a request and yields its responses. Nothing is sent before the first response is requested."""
        call = PreparedCall(method, request, options, self._tokens)
        responses, message = tenacity.Retrying(**retry_options(call))(self._start, call)
        try:
            while message is not END:
                yield message
                message = _next(responses)
        finally:
            cancel(responses)

    def items(self, method: Method, request: Message, options: CallOptions = DEFAULTS) -> Generator[Any]:
        """Yields the items of all pages. The options apply to the call for each page."""
        request = first_page(request)
        while True:
            page: Any = self.call(method, request, options)
            yield from getattr(page, method.items)
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token  # type: ignore[attr-defined]

    def _attempt(self, call: PreparedCall) -> Message:
        try:
            response: Message = self._send(call)
        except grpc.RpcError as error:
            raise call.record_failure(error) from None
        call.record_response(response)
        return response

    def _start(self, call: PreparedCall) -> tuple[Any, Any]:
        responses = self._send(call)
        return responses, _next(responses)

    def _send(self, call: PreparedCall) -> Any:
        self._connection.check()
        metadata, interceptors = call.options.metadata_over(self._identity.metadata()), call.options.interceptors
        stub = self._new_stub(call.method, *interceptors) if interceptors else self._stub(call.method)
        return stub(call.request, timeout=call.seconds_left(), metadata=metadata)

    def _new_stub(self, method: Method, *interceptors: Any) -> Any:
        channel = grpc.intercept_channel(self._connection.channel, *interceptors)
        return (channel.unary_stream if method.streams else channel.unary_unary)(
            method.path,
            request_serializer=method.request.SerializeToString,
            response_deserializer=method.response.FromString,
        )


def cancel(responses: Any) -> None:
    """Ends a stream. An interceptor may have replaced the call with a generator."""
    (responses.cancel if hasattr(responses, "cancel") else responses.close)()


def _next(responses: Any) -> Any:
    try:
        return next(responses, END)
    except grpc.RpcError as error:
        raise call_failed(error) from None
