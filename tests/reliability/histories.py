"""Recorded histories: the concurrent calls on groups, their times and their responses."""

import json
import random
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import TypeVar

import grpc
import pytest

from affilia.enrollment.v1 import enrollment_group_pb2
from tests.support.calls import Family, admin, decoded
from tests.support.recording_clients import RETRIED, channel_to

T = TypeVar("T")

CHECKER = Path(__file__).parent / "history_checker"
FIRST_DAY = date(2027, 1, 1)
DAYS = 12
"""Only a few days, so that callers often enroll and leave the same ones."""

ATTEMPT_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class Recorded:
    """A call and its response, with the instants before and after, in nanoseconds of one clock.

    `kind` is enroll, leave or read. `outcome` is done, conflict or unknown. After a conflict, `revision` is the current
    one; otherwise `revision` and `days` are the state that the response shows.
    """

    group: str
    client: int
    call: int
    returned: int
    kind: str
    day: int
    expected: int | None
    outcome: str
    revision: int
    days: Sequence[int]

    def line(self) -> str:
        values = asdict(self)
        values["return"] = values.pop("returned")
        return json.dumps(values)


@dataclass
class Caller:
    """Enrolls, leaves and reads on one group, on any of several servers, and records everything.

    A write whose outcome is unknown is sent again, with the same request id, until it is known.
    """

    family: Family
    number: int
    addresses: Callable[[], Sequence[str]]
    draw: random.Random
    recorded: list[Recorded] = field(default_factory=list)
    revision: int = 0

    def make(self, calls: int) -> None:
        for _ in range(calls):
            if self.draw.random() < 0.3:
                self._read()
            else:
                self._write(self.draw.choice(["enroll", "enroll", "leave"]), self.draw.randrange(DAYS))

    def _write(self, kind: str, day: int) -> None:
        on = str(FIRST_DAY + timedelta(day))
        change = self.family.enroll(self.family.base, on, on) if kind == "enroll" else self.family.leave(on, on)
        expected = self.revision if self.draw.random() < 0.3 else None
        request = self.family.request(change, requester=admin(), expected_revision=expected)
        called = time.monotonic_ns()
        try:
            group = self._sent(
                lambda family: family.requests.SubmitChangeRequest(request, timeout=ATTEMPT_SECONDS)
            ).group
        except grpc.RpcError as error:
            failure = decoded(error)
            if failure.reason != "REVISION_MISMATCH":
                raise
            current = int(failure.facts["current_revision"])
            self._record(called, kind, day, expected, "conflict", current, ())
        else:
            self._record(called, kind, day, expected, "done", group.revision, enrolled_days(group))

    def _read(self) -> None:
        called = time.monotonic_ns()
        try:
            group = self._sent(lambda family: family.group())
        except grpc.RpcError as error:
            if error.code() != grpc.StatusCode.NOT_FOUND:
                raise
            self._record(called, "read", 0, None, "done", 0, ())
        else:
            self._record(called, "read", 0, None, "done", group.revision, enrolled_days(group))

    def _record(
        self, called: int, kind: str, day: int, expected: int | None, outcome: str, revision: int, days: Sequence[int]
    ) -> None:
        self.revision = revision
        self.recorded.append(
            Recorded(
                self.family.primary, self.number, called, time.monotonic_ns(), kind, day, expected, outcome, revision,
                days,
            )
        )  # fmt: skip

    def _sent(self, call: Callable[[Family], T]) -> T:
        """Sends a call to random servers until the outcome is known."""
        until = time.monotonic() + 120
        while True:
            with channel_to(self.draw.choice(self.addresses())) as channel:
                try:
                    return call(Family(channel, **self.family.ids()))
                except grpc.RpcError as error:
                    if error.code() not in RETRIED or decoded(error).reason == "REVISION_MISMATCH":
                        raise
                    if time.monotonic() > until:
                        raise
            time.sleep(0.05)


def enrolled_days(group: enrollment_group_pb2.EnrollmentGroup) -> list[int]:
    """Returns the enrolled days of a group, counted from `FIRST_DAY`."""
    days: list[int] = []
    for period in group.periods:
        first, last = (
            (date(d.year, d.month, d.day) - FIRST_DAY).days for d in (period.days.first_on, period.days.last_on)
        )
        days += range(first, last + 1)
    return sorted(days)


def run(callers: Sequence[Caller], calls: int) -> list[Recorded]:
    """Lets callers make calls concurrently. Returns everything that they recorded."""
    failures: list[BaseException] = []

    def work(caller: Caller) -> None:
        try:
            caller.make(calls)
        except BaseException as failure:
            failures.append(failure)

    threads = [threading.Thread(target=work, args=[caller]) for caller in callers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]
    return [one for caller in callers for one in caller.recorded]


def checker(folder: Path) -> Path:
    """Builds the checker. Skips the test if Go is missing, or if the checker's dependency can't be downloaded."""
    if (go := shutil.which("go")) is None:
        pytest.skip("the checker of histories needs Go")
    loaded = subprocess.run([go, "mod", "download"], cwd=CHECKER, capture_output=True, text=True, check=False)
    if loaded.returncode:
        pytest.skip(f"the checker's dependency can't be downloaded: {loaded.stderr}")
    program = folder / "history_checker"
    subprocess.run([go, "build", "-buildvcs=false", "-o", str(program), "."], cwd=CHECKER, check=True)
    return program


def verdict(program: Path, history: Iterable[Recorded]) -> str:
    """Returns what the checker prints about a history: linearizable, or the groups that are not."""
    lines = "\n".join(one.line() for one in history)
    done = subprocess.run([program], input=lines, capture_output=True, text=True, check=True, timeout=600)
    return done.stdout.strip()
