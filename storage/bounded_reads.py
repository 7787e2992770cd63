"""Reads whose total size is limited, although the size of an item is only known after reading it."""

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

KeyT = TypeVar("KeyT")
ItemT = TypeVar("ItemT")

FIRST_READ = 16
GROWTH = 8


async def read_up_to(
    keys: Sequence[KeyT],
    read: Callable[[Sequence[KeyT]], Awaitable[list[ItemT]]],
    weight: Callable[[ItemT], int],
    max_weight: int,
) -> list[ItemT]:
    """Returns the first items, one per key and in order, with a total weight of at most `max_weight`; at least one
    item.

    Reads a few items first, and then as many as their average weight suggests. So small items need few reads, and large
    ones hardly more memory than the limit.
    """
    found: list[ItemT] = []
    total, count = 0, FIRST_READ
    while len(found) < len(keys):
        for item in await read(keys[len(found) : len(found) + count]):
            if found and total + weight(item) > max_weight:
                return found
            found.append(item)
            total += weight(item)
        left = max_weight - total
        if left <= 0:
            break
        count = max(1, min(len(found) * GROWTH, left * len(found) // total))
    return found
