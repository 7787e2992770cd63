"""Measures how much CPU time calls use, and predicts how much similar calls will use."""

import time
import types
from collections.abc import Coroutine, Generator
from typing import Any, TypeVar

T = TypeVar("T")

UNKNOWN_COST_SECONDS = 0.001
"""Assumed for a method that has not been called yet."""

WEIGHT = 1 / 8
"""Weight of the newest measurement in the moving average."""

MEASURED_FIRST = 16
MEASURED_EVERY = 8
"""Later calls are sampled: reading the thread's CPU time takes microseconds at each step of a call."""

MAX_KNOWN = 10_000


class Meter:
    """When a call last ran, by the monotonic clock, and its CPU time on the loop's thread in seconds, if measured."""

    __slots__ = ("is_measuring", "ran_at", "seconds")

    def __init__(self, is_measuring: bool = True) -> None:
        self.is_measuring = is_measuring
        self.seconds = 0.0
        self.ran_at = time.monotonic()


@types.coroutine
def metered(coroutine: Coroutine[Any, Any, T], meter: Meter) -> Generator[Any, Any, T]:
    """Runs a coroutine as `await` would, and measures each of its steps.

    It measures the thread's CPU time, so other tasks and other processes don't count.
    """
    measuring = meter.is_measuring
    resume: Any = coroutine.send
    value: Any = None
    while True:
        began = time.thread_time() if measuring else 0.0
        try:
            awaited = resume(value)
        except StopIteration as returned:
            result: T = returned.value
            return result
        finally:
            if measuring:
                meter.seconds += time.thread_time() - began
            meter.ran_at = time.monotonic()
        try:
            value = yield awaited
            resume = coroutine.send
        except GeneratorExit:
            coroutine.close()
            raise
        except BaseException as thrown:
            resume, value = coroutine.throw, thrown


class CallCosts:
    """Expected CPU time of calls, per method and caller: the moving average of previous calls.

    For a caller that hasn't called a method yet, it is the average of all callers.
    """

    def __init__(self) -> None:
        self._calls: dict[str, int] = {}
        self._of_method: dict[str, float] = {}
        self._of_caller: dict[tuple[str, str], float] = {}

    def is_due(self, method: str) -> bool:
        """Returns whether the next call of a method should be measured."""
        calls = self._calls[method] = self._calls.get(method, -1) + 1
        return calls < MEASURED_FIRST or calls % MEASURED_EVERY == 0

    def expected(self, method: str, caller: str) -> float:
        known = self._of_caller.get((method, caller))
        return known if known is not None else self._of_method.get(method, UNKNOWN_COST_SECONDS)

    def record(self, method: str, caller: str, seconds: float) -> None:
        if len(self._of_caller) >= MAX_KNOWN:
            self._of_caller.clear()
        _average_in(self._of_method, method, seconds)
        _average_in(self._of_caller, (method, caller), seconds)


def _average_in(averages: dict[Any, float], key: Any, seconds: float) -> None:
    known = averages.get(key)
    averages[key] = seconds if known is None else known + WEIGHT * (seconds - known)
