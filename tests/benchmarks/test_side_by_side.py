"""Loads that take turns, and the report of those that are dropped."""

from collections.abc import Iterator

import pytest

from benchmarks.load import Durations, LoadFailed, Outcome
from benchmarks.side_by_side import ATTEMPTS, compare


def an_outcome(rejected: int = 0) -> Outcome:
    """Returns the outcome of a load of 100 calls, some of which were rejected."""
    of_each = {"OK": 100 - rejected, "ResourceExhausted": rejected}
    statuses = {name: Durations(calls, 0.001, 0.002, 0.003, "") for name, calls in of_each.items() if calls}
    return Outcome("go", 100.0 - rejected, 100.0, 100, statuses, 0.0, 0.0, 1.0, 10.0, {"server": 5.0})


def test_a_load_whose_calls_fail_is_repeated_and_reported() -> None:
    outcomes: Iterator[Outcome] = iter([an_outcome(), an_outcome(rejected=50), an_outcome()])
    compared = compare({"ours": lambda: next(outcomes), "bare": an_outcome}, rounds=2)
    assert compared.ratio("ours", "bare") == 1.0
    dropped = {figure.name: figure.value for figure in compared.figures("ours", "ours") if "dropped" in figure.name}
    assert dropped == {"ours.dropped": 1}
    assert not any("dropped" in figure.name for figure in compared.figures("bare", "bare"))


def test_a_load_that_always_fails_ends_the_comparison() -> None:
    tried: list[int] = []

    def failing() -> Outcome:
        tried.append(1)
        return an_outcome(rejected=2)

    with pytest.raises(LoadFailed, match="ours"):
        compare({"ours": failing})
    assert len(tried) == ATTEMPTS
