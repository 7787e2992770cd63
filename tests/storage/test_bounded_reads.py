"""Reads whose total size is limited."""

import asyncio
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.bounded_reads import FIRST_READ, read_up_to

Weights = list[int]


def read(weights: Weights, max_weight: int) -> tuple[Weights, list[int]]:
    """Returns the items, which are their own keys and weights, and the number of keys of each read."""
    reads: list[int] = []

    async def read_some(keys: Sequence[int]) -> list[int]:
        reads.append(len(keys))
        return list(keys)

    return asyncio.run(read_up_to(weights, read_some, lambda item: item, max_weight)), reads


@given(st.lists(st.integers(1, 5000), max_size=600), st.integers(1, 4000))
def test_it_returns_as_many_leading_items_as_fit_and_at_least_one(weights: Weights, limit: int) -> None:
    expected: Weights = []
    for weight in weights:
        if expected and sum(expected) + weight > limit:
            break
        expected.append(weight)
    found, reads = read(weights, limit)
    assert found == expected
    assert all(reads)


def test_small_items_take_few_reads() -> None:
    found, reads = read([1] * 500, 4000)
    assert len(found) == 500
    assert len(reads) <= 3


@pytest.mark.parametrize("weights", [[100_000] * 500, [1] * 100 + [100_000] * 400])
def test_few_large_items_are_read_beyond_the_limit(weights: Weights) -> None:
    found, reads = read(weights, 4000)
    assert len(found) < len(weights)
    assert sum(reads) - len(found) <= FIRST_READ * 8 + 100


def test_no_keys_return_no_items() -> None:
    assert read([], 10) == ([], [])
