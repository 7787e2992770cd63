"""The sampler of the profiled server."""

import json
import signal
from collections.abc import Iterator

import pytest

from benchmarks.profiled_server import Sampler


@pytest.fixture
def sampler() -> Iterator[Sampler]:
    before = {number: signal.getsignal(number) for number in (signal.SIGPROF, signal.SIGUSR1)}
    started = Sampler()
    started.start()
    yield started
    started.stop()
    for number, handler in before.items():
        signal.signal(number, handler)


def stacks(sampler: Sampler) -> list[tuple[list[list[str]], int]]:
    return [(each["frames"], each["samples"]) for each in json.loads(sampler.content())["stacks"]]


def busy_until_sampled(sampler: Sampler) -> None:
    while not stacks(sampler):
        sum(range(1000))


def test_the_stack_of_running_code_is_counted(sampler: Sampler) -> None:
    busy_until_sampled(sampler)
    frames, samples = stacks(sampler)[0]
    assert samples > 0
    assert [__file__, "busy_until_sampled"] in frames


def test_a_signal_forgets_earlier_samples(sampler: Sampler) -> None:
    busy_until_sampled(sampler)
    sampler.stop()
    signal.raise_signal(signal.SIGUSR1)
    assert stacks(sampler) == []


def test_the_cpu_time_of_the_main_thread_is_part_of_that_of_the_process(sampler: Sampler) -> None:
    busy_until_sampled(sampler)
    content = json.loads(sampler.content())
    assert content["main_seconds"] > 0
    assert content["other_seconds"] >= 0
