"""A queue that is fair to its owners, however many items one of them adds."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")

FORGET_ABOVE = 1000
"""Above this number of owners, those who aren't ahead of the others are forgotten."""


@dataclass(slots=True, eq=False)
class _Entry(Generic[T]):
    item: T
    cost: int
    number: int


class FairQueue(Generic[T]):
    """Items of many owners: first in, first out for each owner, and the owner who has received least comes next.

    This is start-time fair queueing. With equal costs, owners take turns.
    """

    def __init__(self) -> None:
        self._entries: dict[str, deque[_Entry[T]]] = {}
        self._length = 0
        self._waiting_costs: dict[str, int] = {}
        self._total_waiting_cost = 0
        self._last_number = 0
        self._virtual_time = 0
        """The cost that an owner who has been waiting all the time has received."""
        self._served_until: dict[str, int] = {}
        """The virtual time up to which each owner has been served. Owners that aren't ahead can be missing."""
        self._forget_above = FORGET_ABOVE

    def __len__(self) -> int:
        return self._length

    def put(self, owner: str, item: T, cost: int = 1) -> None:
        """Adds an item."""
        self._last_number += 1
        self._entries.setdefault(owner, deque()).append(_Entry(item, cost, self._last_number))
        self._count(owner, 1, cost)

    def remove(self, owner: str, item: T) -> None:
        """Removes an item, if it is still in the queue."""
        entries = self._entries.get(owner, ())
        entry = next((each for each in entries if each.item == item), None)
        if entry is not None:
            self._remove(owner, entry)

    def next_owner(self, is_allowed: Callable[[str, int], bool]) -> tuple[str, int] | None:
        """Returns the owner whose item comes next, with the cost of the item. Owners for which `is_allowed` is false
        are skipped. Returns None if no owner is left."""
        for owner in sorted(self._entries, key=self._turn):
            cost = self._entries[owner][0].cost
            if is_allowed(owner, cost):
                return owner, cost
        return None

    def pop(self, owner: str) -> T:
        """Removes and returns the first item of an owner that has one, without charging its cost."""
        entry = self._entries[owner][0]
        self._remove(owner, entry)
        return entry.item

    def charge(self, owner: str, cost: int) -> None:
        """Records that an owner has received something, so that others come first next time."""
        self._virtual_time = start = self._start(owner)
        self._served_until[owner] = start + cost
        if len(self._served_until) > self._forget_above:
            ahead = {name: until for name, until in self._served_until.items() if until > self._virtual_time}
            self._served_until = ahead
            self._forget_above = max(FORGET_ABOVE, 2 * len(ahead))  # so that this loop doesn't run on every call

    def take(self) -> T | None:
        """Removes, charges and returns the next item. Returns None if the queue is empty."""
        if not self._entries:
            return None
        owner = min(self._entries, key=self._turn)
        entry = self._entries[owner][0]
        self.charge(owner, entry.cost)
        self._remove(owner, entry)
        return entry.item

    def cost_before(self, owner: str, further: int = 0) -> int:
        """Estimates the cost of the items that are served before a new item of an owner.

        That is everything in the queue, or, because owners take turns, as much for each owner as for this one.
        `further` is the cost of the items that the owner is about to add before it.
        """
        own = self._waiting_costs.get(owner, 0) + further
        return min(self._total_waiting_cost + further, own * max(1, len(self._entries)))

    def _remove(self, owner: str, entry: _Entry[T]) -> None:
        entries = self._entries[owner]
        entries.remove(entry)
        if not entries:
            del self._entries[owner]
        self._count(owner, -1, -entry.cost)

    def _count(self, owner: str, items: int, cost: int) -> None:
        self._length += items
        self._total_waiting_cost += cost
        self._waiting_costs[owner] = self._waiting_costs.get(owner, 0) + cost
        if owner not in self._entries:
            del self._waiting_costs[owner]

    def _turn(self, owner: str) -> tuple[int, int]:
        return self._start(owner), self._entries[owner][0].number

    def _start(self, owner: str) -> int:
        return max(self._virtual_time, self._served_until.get(owner, 0))
