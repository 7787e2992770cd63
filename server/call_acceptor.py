"""Accepts many calls in one turn of the event loop.

By itself, grpc.aio requests one call of each method from its core, and the next one in a later turn of the event loop.
On a busy loop, calls then wait inside the core, where the server can't reject them. So this acceptor keeps several
requests for calls outstanding for each method in use.

It also prevents a memory leak of grpc.aio: see `_CallTask`.

It uses private names of grpcio. With an untested version of grpcio, grpc.aio accepts all calls on its own.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine, Generator, Iterable, Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import grpc
import structlog
from grpc._cython import cygrpc  # type: ignore[attr-defined]  # it has no types

from operations.failures import where
from server.rpc_types import Handler

TESTED_VERSIONS = ("1.85.1",)
BATCH, READ = "execute_batch", "read"
CORE_NAMES = ("_RequestCallError", "_handle_rpc", "_schedule_rpc_coro", BATCH)
SERVER_NAMES = ("_request_registered_call", "is_running")

TASK_NAME = "call"
"""The name of the tasks of all calls. With names of their own, each call would take 0.2 KiB more."""

NO_INTERCEPTORS: tuple[grpc.aio.ServerInterceptor, ...] = ()

MAX_ACCEPTS = 32
"""Maximum number of outstanding requests for calls of one method. Each method starts with one."""

log = structlog.get_logger()


def can_accept_many(version: str = grpc.__version__, module: Any = cygrpc) -> bool:
    """Returns whether the installed grpcio is supported."""
    core = getattr(module, "AioServer", None)
    return (
        version in TESTED_VERSIONS
        and all(hasattr(module, name) for name in CORE_NAMES)
        and all(hasattr(core, name) for name in SERVER_NAMES)
    )


class CallAcceptor:
    """Accepts calls of some methods of one server, in addition to those that the server itself accepts."""

    def __init__(
        self,
        server: grpc.aio.Server,
        handlers: Mapping[str, Handler],
        handler_of: "Callable[[str], Handler | None]",
    ) -> None:
        """`handlers` are by full method name. `handler_of` returns the handler for a call that begins now.

        The server's interceptors are only called for the calls that the server accepts itself.
        """
        for name, handler in handlers.items():
            _, service, method = name.split("/")
            server.add_registered_method_handlers(service, {method: handler})
        self._core: Any = getattr(server, "_server")  # noqa: B009 (not in its type)
        self._methods = tuple(handlers)
        self._resolver = HandlerResolver(handler_of)
        self._accepting: set[asyncio.Task[None]] = set()
        self._calls: set[asyncio.Task[None]] = set()
        self._accepts = Counter[str]()

    def accepts(self, method: str) -> int:
        """Returns how many calls of a method this acceptor can accept in one turn of the loop."""
        return self._accepts[method]

    def start(self) -> None:
        """Starts to accept calls. Call it after the server was started."""
        for method in self._methods:
            self._accept_more(method)

    async def wait_ended(self) -> None:
        """Waits until all calls have ended. Stop the server first, so that its core fails the open requests.

        Cancelling the requests instead would be unsafe, because the core writes to their memory.
        """
        await asyncio.gather(*self._accepting, *self._calls, return_exceptions=True)

    def _accept_more(self, method: str) -> None:
        self._accepts[method] += 1
        accepting = asyncio.get_running_loop().create_task(self._accept(method))
        self._accepting.add(accepting)
        accepting.add_done_callback(self._stopped)

    def _stopped(self, accepting: asyncio.Task[None]) -> None:
        self._accepting.discard(accepting)
        if not accepting.cancelled() and (error := accepting.exception()):
            log.error(
                "accepting_failed", error=type(error).__name__, where=where(error)
            )  # the server itself still accepts calls

    async def _accept(self, method: str) -> None:
        loop, name = asyncio.get_running_loop(), method.encode()
        scheduler = CallScheduler(loop)
        while self._core.is_running():
            try:
                state = await self._core._request_registered_call(name)
            except cygrpc._RequestCallError:
                continue  # one call was cancelled, or the server has been stopped
            handling = cygrpc._handle_rpc(method, self._resolver, NO_INTERCEPTORS, state, loop, False)
            call = loop.create_task(cygrpc._schedule_rpc_coro(handling, state, scheduler, method), name=TASK_NAME)
            self._calls.add(call)
            call.add_done_callback(self._calls.discard)
            if self._accepts[method] < MAX_ACCEPTS:
                self._accept_more(method)


class HandlerResolver:
    """Resolves the handler of a call for gRPC. Interceptors would add two coroutines to each call."""

    __slots__ = ("_handler_of",)

    def __init__(self, handler_of: "Callable[[str], Handler | None]") -> None:
        self._handler_of = handler_of

    def resolve_handler(self, details: Any) -> "Handler | None":
        return self._handler_of(details.method)


class CallScheduler:
    """What gRPC uses of the event loop to schedule a call. It cancels the call's task when the client cancels."""

    __slots__ = ("_loop", "call_soon_threadsafe", "create_future")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self.call_soon_threadsafe = loop.call_soon_threadsafe
        self.create_future = loop.create_future

    def create_task(self, handling: Coroutine[Any, Any, None], **_: Any) -> "_CallTask":
        return _CallTask(self._loop.create_task(handling, name=TASK_NAME))


class _CallTask:
    """The task of a call, which isn't cancelled before the core has completed the batch of operations that it awaits.

    grpc.aio frees the memory of a batch after waiting for it. If its task is cancelled while it waits, that memory is
    never freed: about 90 bytes for each call that is cancelled before its request was read, and a copy of the response
    that was being sent (https://github.com/grpc/grpc/issues/43360). The core completes the batches of a cancelled call
    immediately.

    Calls still lose that memory if they are read as streams because the server is busy, and streams that are ended
    because their client reads too slowly.
    """

    __slots__ = ("_task",)

    def __init__(self, task: "asyncio.Task[None]") -> None:
        self._task = task

    def __await__(self) -> Generator[Any, None, None]:
        return self._task.__await__()

    def add_done_callback(self, callback: Callable[[Any], None]) -> None:
        self._task.add_done_callback(callback)

    def done(self) -> bool:
        return self._task.done()

    def cancel(self) -> bool:
        batch = _awaited_batch(self._task)
        if batch is None:
            return self._task.cancel()
        batch.add_done_callback(lambda _: self.cancel())  # the task may await the next batch by then
        return True


def _awaited_batch(task: "asyncio.Task[None]") -> "asyncio.Future[None] | None":
    """Returns the future of the batch of operations that a task waits for, if it waits for one.

    Reads of streamed requests are left out: a read that ends with a cancelled call looks like the end of the requests.
    """
    coroutine: Any = task.get_coro()
    names: list[str] = []
    while (awaited := getattr(coroutine, "cr_await", None)) is not None:
        names.append(coroutine.__name__)
        coroutine = awaited
    return getattr(task, "_fut_waiter", None) if names[-1:] == [BATCH] and READ not in names else None


class RegisteredHandlers:
    """Collects the handlers that the generated functions add. They take it for a server."""

    def __init__(self) -> None:
        self.generic: list[grpc.GenericRpcHandler] = []

    def add_generic_rpc_handlers(self, handlers: Sequence[grpc.GenericRpcHandler]) -> None:
        self.generic += handlers

    def add_registered_method_handlers(self, service: str, handlers: Mapping[str, Handler]) -> None:
        """Does nothing: handlers that newer generated code registers are also among the generic ones."""

    def handlers(self, methods: Iterable[str]) -> dict[str, Handler]:
        """Returns the handlers of some methods, by full name. Methods without one are left out."""
        found = {method: self._handler(method) for method in methods}
        return {method: handler for method, handler in found.items() if handler is not None}

    def _handler(self, method: str) -> "Handler | None":
        details: Any = SimpleNamespace(method=method, invocation_metadata=())
        return next((found for generic in self.generic if (found := generic.service(details)) is not None), None)
