"""The server with a sampler: `python -m benchmarks.profiled_server FILE serve ...` takes the server's own arguments.

After every few milliseconds of the process's CPU time, a signal interrupts the main thread, which runs the event loop,
and its stack is counted. This costs about one percent, unlike cProfile, which slows down code with many small calls
much more than the rest. Functions in C have no frames, so their time is that of their caller in Python.

SIGUSR1 forgets all samples so far. When the server ends, they are written to FILE.
"""

import json
import signal
import sys
import time
from collections import Counter
from pathlib import Path
from types import FrameType

INTERVAL_SECONDS = 0.002
MAX_FRAMES = 60

Stack = tuple[tuple[str, str], ...]
"""File and function of each frame, the innermost first."""


class Sampler:
    """Counts the stacks of the main thread."""

    def __init__(self) -> None:
        self._stacks: Counter[Stack] = Counter()
        self._before = _cpu_seconds()

    def start(self) -> None:
        signal.signal(signal.SIGPROF, self._sample)
        signal.signal(signal.SIGUSR1, self._reset)
        signal.setitimer(signal.ITIMER_PROF, INTERVAL_SECONDS, INTERVAL_SECONDS)

    def stop(self) -> None:
        signal.setitimer(signal.ITIMER_PROF, 0)

    def content(self) -> str:
        """Returns the samples as JSON, and the CPU time of the main thread and of all others."""
        main, process = (now - before for now, before in zip(_cpu_seconds(), self._before, strict=True))
        stacks = [{"frames": frames, "samples": samples} for frames, samples in self._stacks.items()]
        return json.dumps({"main_seconds": main, "other_seconds": max(0.0, process - main), "stacks": stacks})

    def _sample(self, _: int, frame: FrameType | None) -> None:
        frames: list[tuple[str, str]] = []
        while frame is not None and len(frames) < MAX_FRAMES:
            frames.append((frame.f_code.co_filename, frame.f_code.co_name))
            frame = frame.f_back
        self._stacks[tuple(frames)] += 1

    def _reset(self, _: int, __: FrameType | None) -> None:
        self._stacks.clear()
        self._before = _cpu_seconds()


def _cpu_seconds() -> tuple[float, float]:
    """Returns the CPU time of the main thread, which calls this, and of the whole process with threads that ended."""
    return time.thread_time(), time.process_time()


def main() -> None:
    from server.__main__ import main as serve

    output, sys.argv = Path(sys.argv[1]), ["server", *sys.argv[2:]]
    sampler = Sampler()
    sampler.start()
    try:
        serve()
    finally:
        sampler.stop()
        output.write_text(sampler.content())


if __name__ == "__main__":
    main()
