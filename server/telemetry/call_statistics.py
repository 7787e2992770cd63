"""Counts the calls of a method. `call_metrics.py` makes metrics of the counts when they are scraped.

With prometheus-client's own counters, each call would acquire about six locks, which takes longer than most other steps
around it.
"""

from bisect import bisect_left

BOUNDS_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 60)
"""Upper bounds of the buckets of durations. There is one more bucket, for longer calls."""


class CallStatistics:
    """The calls of one method since the start of the process. Only the thread of the event loop changes them.

    `ended` has the number of ended calls by status, and `buckets` the number of measured calls by duration.
    """

    __slots__ = ("buckets", "ended", "open", "seconds", "started")

    def __init__(self) -> None:
        self.started = 0
        self.open = 0
        self.ended: dict[str, int] = {}
        self.buckets = [0] * (len(BOUNDS_SECONDS) + 1)
        self.seconds = 0.0

    def begin(self) -> None:
        """Counts a call that starts. `end` must follow."""
        self.started += 1
        self.open += 1

    def end(self, status: str, seconds: float) -> None:
        """Counts and measures a call that ended."""
        self.open -= 1
        self.ended[status] = self.ended.get(status, 0) + 1
        self.buckets[bisect_left(BOUNDS_SECONDS, seconds)] += 1
        self.seconds += seconds

    def rejected(self, status: str) -> None:
        """Counts a call that was rejected before it was read, and therefore not measured."""
        self.started += 1
        self.ended[status] = self.ended.get(status, 0) + 1
