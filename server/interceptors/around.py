"""All steps around a call, in order. Each step has its own file.

Calls with one response and streams share it. `wrapping.py` rejects calls before it when the server is busy, and
`validation.py` follows inside it.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol, TypeVar

import grpc

from server.connections import Connections
from server.interceptors.admission import Admission, Visit
from server.interceptors.arrival import Arrival
from server.interceptors.auditing import Auditing
from server.interceptors.deadlines import deadline_of
from server.interceptors.errors import end_with
from server.interceptors.identity import Identification
from server.interceptors.limits import CallerLimits
from server.interceptors.telemetry import Observer
from server.methods import Method
from server.rpc_types import Context
from server.streams import OpenStream

T = TypeVar("T")


class AroundCall(Protocol):
    """Runs one call of a method, and returns what it returns. The call of a stream runs until its last response."""

    async def __call__(
        self, context: Context, run: Callable[[Visit], Awaitable[T]], stream: OpenStream | None = None
    ) -> T: ...


@dataclass(frozen=True, slots=True)
class Around:
    """The steps of one listener, which its methods share."""

    admission: Admission
    connections: Connections
    observer: Observer
    default_deadline_seconds: float
    identification: Identification
    limits: CallerLimits
    auditing: Auditing

    def of(self, method: Method) -> AroundCall:
        """Prepares the steps for a method.

        They are one function with nested blocks instead of a context manager for each step: those took more time than
        the steps themselves.
        """
        admission, connections, limits, auditing = self.admission, self.connections, self.limits, self.auditing
        identification, observer = self.identification, self.observer.of(method)

        async def around(context: Context, run: Callable[[Visit], Awaitable[T]], stream: OpenStream | None = None) -> T:
            arrival = Arrival.of(context)
            observation = observer.begin(context, arrival)
            visit = admission.arrived(method, arrival)
            connections.begin(arrival.peer)
            try:
                try:
                    with deadline_of(method, context, stream, self.default_deadline_seconds):
                        call = await identification.begin(method, context, arrival, observation.call_id, stream)
                        subject = limits.begin(method, call.caller)
                        try:
                            await admission.admit(visit, call.caller)
                            audits = auditing.audits(call)
                            try:
                                result = await run(visit)
                            except BaseException as error:
                                await auditing.failed(call, error, audits=audits)
                                raise
                            if audits:
                                await auditing.succeeded(call)
                        finally:
                            admission.release(visit)
                            limits.end(method, subject)
                except (grpc.aio.AbortError, grpc.aio.BaseError):
                    raise
                except Exception as error:
                    await end_with(context, error, method, observation.call_id)
                observation.is_cancelled = False
                return result
            except grpc.aio.AbortError:
                observation.is_cancelled = False
                raise
            finally:
                observation.end(context)
                connections.end(arrival.peer)
                admission.left(visit)

        return around
