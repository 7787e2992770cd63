"""Makes calls with asyncio. `calling.py` is the same for threads; the modules that both import hold what they share."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from functools import cache
from typing import Any

import grpc
import tenacity
from google.protobuf.message import Message

from affilia_client.async_interceptors import start_intercepted
from affilia_client.call_options import DEFAULTS, CallOptions
from affilia_client.cancelling import task_was_cancelled
from affilia_client.connection import Connection
from affilia_client.consistency import ConsistencyTokens
from affilia_client.credentials import AsyncIdentity
from affilia_client.errors import Cancelled, call_failed
from affilia_client.methods import Method
from affilia_client.paging import first_page
from affilia_client.prepared import PreparedCall
from affilia_client.retries import retry_options


class AsyncCaller:
    """Makes calls and retries them. Every failure is raised as CallFailed."""

    def __init__(
        self, connection: Connection[grpc.aio.Channel], identity: AsyncIdentity, tokens: ConsistencyTokens
    ) -> None:
        self._connection = connection
        self._identity = identity
        self._tokens = tokens
        self._stub: Callable[[Method], Any] = cache(self._new_stub)

    async def call(self, method: Method, request: Message, options: CallOptions = DEFAULTS) -> Message:
        """Sends a request and returns its response."""
        call = PreparedCall(method, request, options, self._tokens)
        response: Message = await tenacity.AsyncRetrying(**retry_options(call))(self._attempt, call)
        return response

    async def stream(
        self, method: Method, request: Message, options: CallOptions = DEFAULTS
    ) -> AsyncGenerator[Message]:
        """Sends a request and yields its responses. Nothing is sent before the first response is requested."""
        call = PreparedCall(method, request, options, self._tokens)
        started: tuple[Any, Any] = await tenacity.AsyncRetrying(**retry_options(call))(self._start, call)
        responses, message = started
        try:
            while message is not grpc.aio.EOF:
                yield message
                message = await _next(responses)
        finally:
            await _cancel(responses)

    async def items(self, method: Method, request: Message, options: CallOptions = DEFAULTS) -> AsyncGenerator[Any]:
        """Yields the items of all pages. The options apply to the call for each page."""
        request = first_page(request)
        while True:
            page: Any = await self.call(method, request, options)
            for item in getattr(page, method.items):
                yield item
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token  # type: ignore[attr-defined]

    async def _attempt(self, call: PreparedCall) -> Message:
        try:
            response: Message = await (await self._send(call))
        except grpc.RpcError as error:
            raise call.record_failure(error) from None
        except asyncio.CancelledError:
            if task_was_cancelled():
                raise
            raise Cancelled(grpc.StatusCode.CANCELLED, "", "the client was closed") from None
        call.record_response(response)
        return response

    async def _start(self, call: PreparedCall) -> tuple[Any, Any]:
        responses = await self._send(call)
        return responses, await _next(responses)

    async def _send(self, call: PreparedCall) -> Any:
        self._connection.check()
        method, interceptors = call.method, call.options.interceptors
        metadata = call.options.metadata_over(await self._identity.metadata())
        seconds, stub = call.seconds_left(), self._stub(method)
        if not interceptors:
            return stub(call.request, timeout=seconds, metadata=metadata)
        return await start_intercepted(
            stub, interceptors, method.path, call.request, seconds, metadata, streams=method.streams
        )

    def _new_stub(self, method: Method) -> Any:
        channel = self._connection.channel
        return (channel.unary_stream if method.streams else channel.unary_unary)(
            method.path,
            request_serializer=method.request.SerializeToString,
            response_deserializer=method.response.FromString,
        )


async def _cancel(responses: Any) -> None:
    """Ends a stream. An interceptor may have replaced the call with a generator."""
    if hasattr(responses, "cancel"):
        responses.cancel()
    else:
        await responses.aclose()


async def _next(responses: Any) -> Any:
    try:
        return await (responses.read() if hasattr(responses, "read") else anext(responses, grpc.aio.EOF))
    except grpc.RpcError as error:
        raise call_failed(error) from None
    except asyncio.CancelledError as error:
        await _cancel(responses)
        if task_was_cancelled():
            raise
        raise Cancelled(grpc.StatusCode.CANCELLED, "", "the stream was cancelled") from error
