"""Calls on a channel for threads. `async_calling.py` is the same for tasks; what both do alike stands elsewhere."""

from collections.abc import Callable, Generator
from functools import cache
from typing import Any

import grpc
import tenacity
from google.protobuf.message import Message

from affilia_client.connection import Connection
from affilia_client.consistency import ConsistencyTokens
from affilia_client.credentials import Identity
from affilia_client.errors import call_failed
from affilia_client.methods import Method
from affilia_client.paging import first_page
from affilia_client.prepared import PreparedCall
from affilia_client.retries import attempts_of

END = object()


class Caller:
    """Makes calls, as often as it takes. Every failure is a CallFailed."""

    def __init__(self, connection: Connection[grpc.Channel], identity: Identity, tokens: ConsistencyTokens) -> None:
        self._connection = connection
        self._identity = identity
        self._tokens = tokens
        self._stub: Callable[[Method], Any] = cache(self._new_stub)

    def call(self, method: Method, request: Message, seconds: float | None) -> Message:
        """One request, one response."""
        call = PreparedCall(method, request, seconds, self._tokens)
        response: Message = tenacity.Retrying(**attempts_of(call))(self._attempt, call)
        return response

    def stream(self, method: Method, request: Message, seconds: float | None) -> Generator[Message]:
        """One request, many responses; nothing is sent before the first is asked for."""
        call = PreparedCall(method, request, seconds, self._tokens)
        responses, message = tenacity.Retrying(**attempts_of(call))(self._begun, call)
        try:
            while message is not END:
                yield message
                message = _next(responses)
        finally:
            responses.cancel()

    def items(self, method: Method, request: Message, seconds: float | None) -> Generator[Any]:
        """The items of all pages; each page has the seconds for itself."""
        request = first_page(request)
        while True:
            page: Any = self.call(method, request, seconds)
            yield from getattr(page, method.items)
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token  # type: ignore[attr-defined]

    def _attempt(self, call: PreparedCall) -> Message:
        try:
            response: Message = self._sent(call)
        except grpc.RpcError as error:
            raise call_failed(error) from None
        call.answered(response)
        return response

    def _begun(self, call: PreparedCall) -> tuple[Any, Any]:
        responses = self._sent(call)
        return responses, _next(responses)

    def _sent(self, call: PreparedCall) -> Any:
        self._connection.check()
        metadata = self._identity.metadata()
        return self._stub(call.method)(call.request, timeout=call.seconds_left(), metadata=metadata)

    def _new_stub(self, method: Method) -> Any:
        channel = self._connection.channel
        return (channel.unary_stream if method.streams else channel.unary_unary)(
            method.path,
            request_serializer=method.request.SerializeToString,
            response_deserializer=method.response.FromString,
        )


def _next(responses: Any) -> Any:
    try:
        return next(responses, END)
    except grpc.RpcError as error:
        raise call_failed(error) from None
