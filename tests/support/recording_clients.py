"""Clients that record what was acknowledged to them while servers and databases fail.

Each has its own family, prefers one server, and retries failed calls on the next one.
"""

import random
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import grpc

from affilia.eligibility.v1 import accumulator_pb2, eligibility_check_service_pb2, eligibility_internal_service_pb2
from affilia.enrollment.v1 import enrollment_query_service_pb2
from tests.scenarios.enrollment_messages import date
from tests.support.calls import admin, new_id
from tests.support.channels import connected_to
from tests.support.insured import DEDUCTIBLE, Insured

APPLIED_ON = "2026-03-01"
"""The day of all applications."""

ATTEMPT_SECONDS = 4.0
"""Deadline of one attempt."""
PAUSE_SECONDS = 0.1
"""Pause between two attempts of one operation."""
THINKING_SECONDS = 0.15
"""Default mean pause between two operations, so that the clients don't saturate the machine."""
HOMESICKNESS = 0.1
"""Probability, after each operation, that a client returns to the server that it prefers."""

RETRIED = {
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.DEADLINE_EXCEEDED,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
    grpc.StatusCode.ABORTED,
    grpc.StatusCode.CANCELLED,
}

Attempt = Callable[[Insured], None]
"""Sends one operation to one server. Raises grpc.RpcError."""


@dataclass(frozen=True, slots=True)
class Address:
    """The listeners of one server."""

    public: str
    internal: str


@dataclass(frozen=True, slots=True)
class Operation:
    """An acknowledged operation. `began` is the system's clock, in seconds; `seconds` includes all retries."""

    kind: str
    began: float
    seconds: float

    @property
    def ended(self) -> float:
        return self.began + self.seconds


@dataclass
class Journal:
    """The acknowledged operations of one client, and errors that no outage explains."""

    request_ids: set[str] = field(default_factory=set)
    application_ids: set[str] = field(default_factory=set)
    operations: list[Operation] = field(default_factory=list)
    unexpected: list[str] = field(default_factory=list)


def channel_to(address: str) -> grpc.Channel:
    """Returns a channel that connects again soon after a server has died.

    By default, a channel that met a dead server waits up to two minutes before it connects again.
    """
    options = [("grpc.max_reconnect_backoff_ms", 500), ("grpc.use_local_subchannel_pool", 1)]
    return grpc.insecure_channel(address, options)


class RecordingClient:
    """Submits, reads, checks and applies for one family until it is stopped.

    `addresses` returns those of all servers; `home` is the index of the preferred one. The client stores a family and
    enrolls it when it is created.
    """

    def __init__(
        self,
        addresses: Callable[[], Sequence[Address]],
        home: int = 0,
        thinking_seconds: float = THINKING_SECONDS,
    ) -> None:
        address = addresses()[home]
        with connected_to(address.public) as public, connected_to(address.internal) as internal:
            insured = Insured(public, internal).set_up()
            insured.enroll("2026-01-01")
            ids, group_id, token = insured.family.ids(), insured.group_id, insured.token
        self.home = home
        self.ids = ids
        self.group_id = group_id
        self.journal = Journal()
        self._addresses = addresses
        self._thinking_seconds = thinking_seconds
        self._preferred = home
        self._token = token
        self._channels: dict[str, grpc.Channel] = {}
        self._draw = random.Random(ids["primary"])
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Returns when the current operation has ended."""
        self._stopping.set()
        self._thread.join()
        for channel in self._channels.values():
            channel.close()

    def _run(self) -> None:
        kinds = {"submit": self._submit, "read": self._read, "check": self._check, "apply": self._apply}
        while not self._stopping.is_set():
            (kind,) = self._draw.choices(list(kinds), weights=(3, 3, 3, 1))
            self._repeat(kind, kinds[kind]())
            self._stopping.wait(self._draw.expovariate(1 / self._thinking_seconds))

    def _repeat(self, kind: str, attempt: Attempt) -> None:
        """Sends one operation, the same each time, until it is acknowledged or the client stops."""
        began = time.time()
        while True:
            try:
                attempt(self._server())
            except grpc.RpcError as error:
                if error.code() not in RETRIED:
                    self.journal.unexpected.append(f"{kind}: {error.code().name} {error.details()}")
                    return
                self._preferred += 1
                if self._stopping.wait(PAUSE_SECONDS):
                    return
            else:
                self.journal.operations.append(Operation(kind, began, time.time() - began))
                if self._draw.random() < HOMESICKNESS:
                    self._preferred = self.home
                return

    def _server(self) -> Insured:
        addresses = self._addresses()
        address = addresses[self._preferred % len(addresses)]
        return Insured(self._channel(address.public), self._channel(address.internal), **self.ids)

    def _channel(self, address: str) -> grpc.Channel:
        if address not in self._channels:
            self._channels[address] = channel_to(address)
        return self._channels[address]

    def _a_year(self) -> int:
        return self._draw.randint(2026, 2040)

    def _submit(self) -> Attempt:
        family = self._server().family
        module, year = self._draw.choice([family.base, family.plus]), self._a_year()
        request = family.request(family.enroll(module, f"{year}-01-01"), requester=admin())

        def attempt(server: Insured) -> None:
            answer = server.family.requests.SubmitChangeRequest(request, timeout=ATTEMPT_SECONDS)
            self.journal.request_ids.add(request.request_id)
            self._token = answer.consistency_token

        return attempt

    def _read(self) -> Attempt:
        def attempt(server: Insured) -> None:
            request = enrollment_query_service_pb2.GetEnrollmentGroupRequest(key=server.family.key)
            server.family.queries.GetEnrollmentGroup(request, timeout=ATTEMPT_SECONDS)

        return attempt

    def _check(self) -> Attempt:
        """Reads with the token of the last write, so that the response reflects it on every server."""
        check = eligibility_check_service_pb2.EligibilityCheck(
            member_id=self.ids["primary"], date=date(f"{self._a_year()}-06-01")
        )
        request = eligibility_check_service_pb2.CheckEligibilityRequest(check=check, consistency_token=self._token)

        def attempt(server: Insured) -> None:
            server.checks.CheckEligibility(request, timeout=ATTEMPT_SECONDS)

        return attempt

    def _apply(self) -> Attempt:
        request = eligibility_internal_service_pb2.ApplyAccumulatorsRequest(
            application_id=new_id(),
            member_id=self.ids["primary"],
            group_id=self.group_id,
            service_date=date(APPLIED_ON),
            amounts=[accumulator_pb2.AccumulatorAmount(code=DEDUCTIBLE, amount=1)],
            consistency_token=self._token,
        )

        def attempt(server: Insured) -> None:
            server.claims.ApplyAccumulators(request, timeout=ATTEMPT_SECONDS)
            self.journal.application_ids.add(request.application_id)

        return attempt
