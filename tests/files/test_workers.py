"""Threads that work on families until none is left, an item fails, or the import is over."""

import signal
import threading
from collections.abc import Iterator
from itertools import count

import pytest

from affilia_cli.enrollment_file.applying.progress import SILENT
from affilia_cli.enrollment_file.applying.retrying import Retrier
from affilia_cli.enrollment_file.applying.workers import MAX_IN_FLIGHT, Workers


def test_every_item_is_taken_once() -> None:
    taken: list[int] = []
    Workers(taken.append, range(1000), Retrier(60, SILENT)).join()
    assert sorted(taken) == list(range(1000))


def test_the_failure_of_an_item_is_raised_and_ends_the_work() -> None:
    def work(item: int) -> None:
        if item == 100:
            raise ValueError(f"item {item}")

    with pytest.raises(ValueError, match="item 100"):
        Workers(work, count(), Retrier(60, SILENT)).join()


def test_nothing_is_begun_once_the_import_is_over() -> None:
    taken: list[int] = []
    Workers(taken.append, range(1000), Retrier(0, SILENT)).join()
    assert taken == []


@pytest.fixture
def alarms_interrupt() -> Iterator[None]:
    before = signal.signal(signal.SIGALRM, signal.default_int_handler)
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


@pytest.mark.usefixtures("alarms_interrupt")
def test_interrupts_at_any_moment_leave_the_workers_able_to_end() -> None:
    gate = threading.Event()
    done: list[int] = []

    def work(item: int) -> None:
        gate.wait()
        done.append(item)

    workers = Workers(work, range(MAX_IN_FLIGHT), Retrier(60, SILENT))
    for microseconds in range(5, 305, 20):
        with pytest.raises(KeyboardInterrupt):
            signal.setitimer(signal.ITIMER_REAL, microseconds / 1_000_000)
            workers.join()
    gate.set()
    workers.join()
    assert sorted(done) == list(range(MAX_IN_FLIGHT))
