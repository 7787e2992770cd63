"""Admits as many calls as the event loop's CPU can serve soon, shared fairly between callers.

When the CPU is busy, calls wait in a queue, those of the callers that use least CPU first. A call that would wait too
long is rejected immediately, before the server does any work for it. Health checks and streams are always admitted.
"""

import asyncio
import time
from collections import Counter
from contextvars import ContextVar
from dataclasses import dataclass

from domain.actors import ActorKind
from domain.errors import Overloaded
from operations.call import Caller
from server.interceptors.arrival import Arrival
from server.interceptors.metering import CallCosts, Meter
from server.methods import Method
from server.rpc_types import Context
from server.telemetry import metrics
from storage.postgres.fair_connections import connection_owner
from storage.sharing.shared_capacity import SharedCapacity

CPU_MICROSECONDS = 12_000
"""Total expected CPU time of the calls that run concurrently. It bounds the duration of one turn of the event loop, and
so the time to reject a call. One call at a time would leave the CPU idle while it waits for the database."""
MIN_CALL_MICROSECONDS = 50
MAX_CALL_MICROSECONDS = CPU_MICROSECONDS * 3 // 4

MAX_WAIT_SECONDS = 0.25
"""A call that would wait longer than this is rejected, if its caller already has a few calls."""
A_FEW_CALLS = 16
QUEUE_TIMEOUT_SECONDS = 5.0
"""Maximum wait of a call if the prediction was wrong."""

TICK_SECONDS = 0.02
"""Sampling interval of the event-loop lag."""
LATE_SECONDS = 0.25
"""If the loop's own work delays its callbacks by more than this, only callers without running calls are admitted."""
IDLE_SHARE = 1 / 3
"""A loop that uses a smaller share of the CPU than this is idle, even if other processes keep the machine busy: its
calls wait for the database, not for the CPU."""
WAITING_SECONDS = 0.1
"""A call that hasn't run for this long is waiting for something other than the CPU."""
SPEED_WEIGHT = 1 / 8
"""Weight of the newest measurement in the moving average of the speed at which calls are admitted."""

PRESENT_PER_CALL = 8
"""Maximum number of calls in the server, also unidentified ones, for each call that can run."""
MAX_KNOWN = 10_000

_entering: ContextVar[str] = ContextVar("entering", default="")


@dataclass(slots=True, eq=False)
class Visit:
    """One call in the server. `owner` is whose share it takes, from when the caller is identified.

    `cost` is the CPU time that is reserved for the call, in microseconds.
    """

    method: Method
    credential: int
    meter: Meter
    owner: str = ""
    cost: int = 0
    is_admitted: bool = False


class Admission:
    """The admitted calls of all listeners of one process."""

    def __init__(self, max_calls: int) -> None:
        self.lag_seconds = 0.0
        self._max_present = max_calls * PRESENT_PER_CALL
        self._present = 0
        self._calls = SharedCapacity(max_calls)
        self._cpu = SharedCapacity(CPU_MICROSECONDS)
        self._speed = 1.0
        self._costs = CallCosts()
        self._running: set[Visit] = set()
        self._entering = Counter[str]()
        self._owners: dict[int, str] = {}

    @property
    def in_flight(self) -> int:
        """The number of admitted calls."""
        return self._calls.used

    @property
    def is_busy(self) -> bool:
        """Whether a new call may have to be rejected."""
        return self._cpu.waiting > 0 or self._calls.used >= self._calls.capacity // 2 or self._is_late or self.is_full

    @property
    def is_full(self) -> bool:
        """Whether there are too many calls even to identify their callers."""
        return self._present >= self._max_present

    def arrived(self, method: Method, arrival: Arrival) -> Visit:
        """Counts a call. `left` must follow."""
        self._present += not method.is_always_admitted
        return Visit(method, arrival.credential, Meter(self._costs.is_due(method.name)))

    def left(self, visit: Visit) -> None:
        """Stops counting a call."""
        self._present -= not visit.method.is_always_admitted
        self.no_longer_entering()

    def rejects(self, method: Method, context: Context) -> bool:
        """Returns whether to reject a call before its caller is identified, if an earlier call had the same credential.

        A call that isn't rejected counts as entering until it is admitted.
        """
        owner = self._owners.get(Arrival.of(context).credential)
        if owner is None:
            return False
        entering = self._entering[owner]
        if not self._calls.fits(owner, 1 + entering) or self._would_wait_long(method.name, owner, entering):
            return True
        self._entering[owner] += 1
        _entering.set(owner)
        return False

    def no_longer_entering(self) -> None:
        """Stops counting a call as entering."""
        if owner := _entering.get():
            _entering.set("")
            self._entering[owner] -= 1
            if not self._entering[owner]:
                del self._entering[owner]

    async def admit(self, visit: Visit, caller: Caller) -> None:
        """Waits for the caller's turn. `release` must follow, also if this raises Overloaded."""
        owner = visit.owner = self._owner(caller, visit.credential)
        connection_owner.set(owner)
        self.no_longer_entering()
        if visit.method.is_always_admitted:
            return
        method = visit.method.name
        if self._would_wait_long(method, owner) or not self._calls.take_now(owner, 1):
            raise _rejected()
        visit.is_admitted = True
        cost = self._cost(method, owner)
        if not self._cpu.take_now(owner, cost):
            try:
                await self._cpu.take(owner, cost, QUEUE_TIMEOUT_SECONDS)
            except TimeoutError as too_long:
                raise _rejected() from too_long
        visit.cost = cost
        self._running.add(visit)

    def release(self, visit: Visit) -> None:
        """Gives back what a call was admitted with."""
        self._release_cpu(visit)
        if visit.is_admitted:
            visit.is_admitted = False
            self._calls.release(visit.owner, 1)

    def measured(self, visit: Visit) -> None:
        """Records the CPU time of a call."""
        if visit.meter.is_measuring:
            self._costs.record(visit.method.name, visit.owner, visit.meter.seconds)

    async def watch(self) -> None:
        """Measures the lag of the loop and the speed of admission, and admits more calls while the loop is idle.

        Other processes on the machine delay callbacks too, but rejecting calls wouldn't help against that. So the lag
        is at most the CPU time that this thread used. If calls wait in the queue although the loop is idle, the running
        calls wait for something other than the CPU, and those that have waited for long no longer count.
        """
        loop = asyncio.get_running_loop()
        while True:
            began, used, granted, waited = loop.time(), time.thread_time(), self._cpu.total_granted, self._cpu.waiting
            await asyncio.sleep(TICK_SECONDS)
            passed, worked = loop.time() - began, time.thread_time() - used
            self.lag_seconds = min(passed - TICK_SECONDS, worked)
            metrics.LOOP_LAG.set(self.lag_seconds)
            is_idle = worked < passed * IDLE_SHARE
            if is_idle or not (waited and self._cpu.waiting):
                self._speed = 1.0
            else:
                self._speed += ((self._cpu.total_granted - granted) / passed / 1e6 - self._speed) * SPEED_WEIGHT
            if not is_idle:
                self._cpu.resize(CPU_MICROSECONDS)
            elif self._cpu.waiting:
                self._cpu.resize(self._cpu.capacity + CPU_MICROSECONDS)
            if self._cpu.waiting:
                before = time.monotonic() - WAITING_SECONDS
                for running in [each for each in self._running if each.meter.ran_at < before]:
                    self._release_cpu(running)

    def _release_cpu(self, visit: Visit) -> None:
        if visit in self._running:
            self._running.discard(visit)
            self._cpu.release(visit.owner, visit.cost)

    @property
    def _is_late(self) -> bool:
        return self.lag_seconds >= LATE_SECONDS

    def _would_wait_long(self, method: str, owner: str, entering: int = 0) -> bool:
        """Returns whether a new call of an owner would wait too long, after those that are entering."""
        held = self._calls.held(owner)
        if held and self._is_late:
            return True
        if held + entering < A_FEW_CALLS:
            return False
        further = entering * self._cost(method, owner)
        return self._cpu.units_before(owner, further) > MAX_WAIT_SECONDS * 1e6 * self._speed

    def _cost(self, method: str, owner: str) -> int:
        expected = int(self._costs.expected(method, owner) * 1e6)
        return min(max(expected, MIN_CALL_MICROSECONDS), MAX_CALL_MICROSECONDS)

    def _owner(self, caller: Caller, credential: int) -> str:
        """Returns the owner of a call's share: the caller's subject.

        Callers without a subject (loopback interface, `--dev`) are distinguished by their connections.
        """
        owner = f"{caller.subject} {credential}" if caller.kind is ActorKind.SYSTEM else caller.subject
        if len(self._owners) >= MAX_KNOWN:
            self._owners.clear()
        self._owners[credential] = owner
        return owner


def _rejected() -> Overloaded:
    metrics.SHED.inc()
    return Overloaded()
