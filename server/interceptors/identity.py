"""Identifies the caller, and creates the `Call` that every operation receives. `validation.py` authorizes it."""

from dataclasses import dataclass
from datetime import date

from domain.errors import FieldViolation, RequestMalformed
from operations.call import Call, begin_call
from server.errors import MethodUnknown
from server.identity.authenticators import Authenticator
from server.interceptors.arrival import Arrival
from server.interceptors.reauthorization import Reauthorization
from server.methods import UNKNOWN, Method
from server.rpc_types import Context
from server.streams import OpenStream
from server.system import system, system_clock

TODAY = "x-affilia-today"
ANONYMOUS = system("nobody")


@dataclass(frozen=True, slots=True)
class Identification:
    """Authenticates every call except health checks. With `dev`, the call's metadata can set its current day."""

    authenticator: Authenticator
    reauthorization: Reauthorization
    dev: bool

    async def begin(
        self, method: Method, context: Context, arrival: Arrival, call_id: str, stream: OpenStream | None
    ) -> Call:
        """Returns the call, and makes it the current one.

        Raises Unauthenticated, NotAllowed, MethodUnknown, RequestMalformed.
        """
        if method.is_health:
            call = Call(call_id, ANONYMOUS, system_clock, None, method.name)
            begin_call(call)
            return call
        credentials = self.authenticator.credentials(context, arrival.metadata)
        caller, expires_at = await self.authenticator.authenticate(credentials)
        if method.name == UNKNOWN:
            raise MethodUnknown
        today = _today(arrival) if self.dev else None
        if stream is None:
            call = Call(call_id, caller, system_clock, today, method.name)
        else:
            call = Call(call_id, caller, system_clock, today, method.name, stream_end=stream.end_request)
            self.reauthorization.begin(stream, credentials, expires_at)
        begin_call(call)
        return call


def _today(arrival: Arrival) -> date | None:
    for name, value in arrival.metadata:
        if name == TODAY:
            try:
                return date.fromisoformat(str(value))
            except ValueError as not_a_date:
                raise RequestMalformed([FieldViolation(TODAY, "must be a date such as 2026-03-01")]) from not_a_date
    return None
