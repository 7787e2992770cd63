"""Planned faults of the next calls, and a record of the calls received."""

import threading
from collections import defaultdict, deque
from collections.abc import Mapping
from dataclasses import dataclass, field

import grpc
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2

from affilia_client.errors import STATUS_DETAILS
from affilia_client.methods import SERVICES

METHODS = {method.path: method for methods in SERVICES.values() for method in methods}
PATHS = {name: path for path, method in METHODS.items() for name in (path, method.name, method.python_name)}
# No two services have a method of the same name.

EVERY_METHOD = ""


@dataclass(frozen=True, slots=True)
class Fault:
    """What happens to one call: a delay, then a lost connection, an error status, or nothing else."""

    delay_seconds: float = 0.0
    drops: bool = False
    status: status_pb2.Status | None = None

    @property
    def code(self) -> grpc.StatusCode:
        """The gRPC code of the status."""
        number = self.status.code if self.status else 0
        return next(code for code in grpc.StatusCode if code.value[0] == number)

    @property
    def trailers(self) -> tuple[tuple[str, bytes], ...]:
        """The trailing metadata that carries the details of the status."""
        return ((STATUS_DETAILS, self.status.SerializeToString()),) if self.status else ()


@dataclass(frozen=True, slots=True)
class Received:
    """One attempt of a call as it arrived, whether it succeeded or not."""

    method: str
    request: Message
    metadata: Mapping[str, str] = field(default_factory=dict)


class Faults:
    """Plans faults and records calls. Thread-safe.

    Name methods as in Python (`get_member`) or as in the protos (`GetMember`). An empty name means every method.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._planned: dict[str, deque[Fault]] = defaultdict(deque)
        self._received: list[Received] = []

    def fail(
        self,
        method: str,
        code: grpc.StatusCode,
        reason: str = "",
        *,
        times: int = 1,
        message: str = "a fault planned by a test",
        facts: Mapping[str, str] | None = None,
        retry_after_seconds: float = 0.0,
    ) -> None:
        """Makes the next calls fail with this error, without passing them to the server."""
        details: list[Message] = []
        if reason:
            details.append(error_details_pb2.ErrorInfo(reason=reason, domain="affilia", metadata=facts))
        if retry_after_seconds:
            delay = Duration()
            delay.FromNanoseconds(int(retry_after_seconds * 1e9))
            details.append(error_details_pb2.RetryInfo(retry_delay=delay))
        number: int = code.value[0]
        status = status_pb2.Status(code=number, message=message, details=map(_packed, details))
        self._add(method, times, Fault(status=status))

    def delay(self, method: str, seconds: float, *, times: int = 1) -> None:
        """Delays the next calls before passing them to the server."""
        self._add(method, times, Fault(delay_seconds=seconds))

    def drop(self, method: str, *, times: int = 1) -> None:
        """Cuts the connection when the next calls arrive, which also ends all other calls on it."""
        self._add(method, times, Fault(drops=True))

    def received(self, method: str = EVERY_METHOD) -> list[Received]:
        """Returns the attempts that arrived, in order."""
        path = _path(method)
        with self._lock:
            return [each for each in self._received if path in (EVERY_METHOD, each.method)]

    def clear(self) -> None:
        """Forgets all planned faults and all recorded calls."""
        with self._lock:
            self._planned.clear()
            self._received.clear()

    def record(self, path: str, request: bytes, metadata: Mapping[str, str]) -> Fault | None:
        """Records a call and returns the fault planned for it, if any."""
        known = METHODS.get(path)
        with self._lock:
            if known:
                self._received.append(Received(path, known.request.FromString(request), metadata))
            for name in (path, EVERY_METHOD):
                if self._planned[name]:
                    return self._planned[name].popleft()
        return None

    def _add(self, method: str, times: int, fault: Fault) -> None:
        path = _path(method)
        with self._lock:
            self._planned[path].extend([fault] * times)


def _path(method: str) -> str:
    if method == EVERY_METHOD:
        return method
    if method not in PATHS:
        raise ValueError(
            f"there is no method {method!r}; name it as in Python, such as get_member, or as in the protos"
        )
    return PATHS[method]


def _packed(detail: Message) -> AnyMessage:
    packed = AnyMessage()
    packed.Pack(detail)
    return packed
