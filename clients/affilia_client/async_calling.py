"""Calls on a channel for tasks. `calling.py` is the same for threads; what both do alike stands elsewhere."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from functools import cache
from typing import Any

import grpc
import tenacity
from google.protobuf.message import Message

from affilia_client.cancelling import task_was_cancelled
from affilia_client.connection import Connection
from affilia_client.consistency import ConsistencyTokens
from affilia_client.credentials import AsyncIdentity
from affilia_client.errors import Cancelled, call_failed
from affilia_client.methods import Method
from affilia_client.paging import first_page
from affilia_client.prepared import PreparedCall
from affilia_client.retries import attempts_of


class AsyncCaller:
    """Makes calls, as often as it takes. Every failure is a CallFailed."""

    def __init__(
        self, connection: Connection[grpc.aio.Channel], identity: AsyncIdentity, tokens: ConsistencyTokens
    ) -> None:
        self._connection = connection
        self._identity = identity
        self._tokens = tokens
        self._stub: Callable[[Method], Any] = cache(self._new_stub)

    async def call(self, method: Method, request: Message, seconds: float | None) -> Message:
        """One request, one response."""
        call = PreparedCall(method, request, seconds, self._tokens)
        response: Message = await tenacity.AsyncRetrying(**attempts_of(call))(self._attempt, call)
        return response

    async def stream(self, method: Method, request: Message, seconds: float | None) -> AsyncGenerator[Message]:
        """One request, many responses; nothing is sent before the first is asked for."""
        call = PreparedCall(method, request, seconds, self._tokens)
        begun: tuple[Any, Any] = await tenacity.AsyncRetrying(**attempts_of(call))(self._begun, call)
        responses, message = begun
        try:
            while message is not grpc.aio.EOF:
                yield message
                message = await _next(responses)
        finally:
            responses.cancel()

    async def items(self, method: Method, request: Message, seconds: float | None) -> AsyncGenerator[Any]:
        """The items of all pages; each page has the seconds for itself."""
        request = first_page(request)
        while True:
            page: Any = await self.call(method, request, seconds)
            for item in getattr(page, method.items):
                yield item
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token  # type: ignore[attr-defined]

    async def _attempt(self, call: PreparedCall) -> Message:
        try:
            response: Message = await (await self._sent(call))
        except grpc.RpcError as error:
            raise call_failed(error) from None
        except asyncio.CancelledError:
            if task_was_cancelled():
                raise
            raise Cancelled(grpc.StatusCode.CANCELLED, "", "the client was closed") from None
        call.answered(response)
        return response

    async def _begun(self, call: PreparedCall) -> tuple[Any, Any]:
        responses = await self._sent(call)
        return responses, await _next(responses)

    async def _sent(self, call: PreparedCall) -> Any:
        self._connection.check()
        metadata = await self._identity.metadata()
        return self._stub(call.method)(call.request, timeout=call.seconds_left(), metadata=metadata)

    def _new_stub(self, method: Method) -> Any:
        channel = self._connection.channel
        return (channel.unary_stream if method.streams else channel.unary_unary)(
            method.path,
            request_serializer=method.request.SerializeToString,
            response_deserializer=method.response.FromString,
        )


async def _next(responses: Any) -> Any:
    try:
        return await responses.read()
    except grpc.RpcError as error:
        raise call_failed(error) from None
    except asyncio.CancelledError as error:
        responses.cancel()
        if task_was_cancelled():
            raise
        raise Cancelled(grpc.StatusCode.CANCELLED, "", "the stream was cancelled") from error
