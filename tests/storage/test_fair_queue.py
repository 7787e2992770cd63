"""The fair queue: owners take turns by cost, and each owner's items keep their order."""

from hypothesis import given
from hypothesis import strategies as st

from storage.sharing import fair_queue
from storage.sharing.fair_queue import FairQueue


def drained(queue: FairQueue[int]) -> list[int]:
    items = []
    while (item := queue.take()) is not None:
        items.append(item)
    return items


def test_owners_take_turns_and_each_keeps_its_order() -> None:
    queue: FairQueue[int] = FairQueue()
    for owner, item in [("a", 1), ("a", 2), ("a", 3), ("b", 11), ("c", 21), ("b", 12)]:
        queue.put(owner, item)
    assert len(queue) == 6
    assert drained(queue) == [1, 11, 21, 2, 12, 3]
    assert len(queue) == 0


def test_an_owner_of_costly_items_is_served_less_often() -> None:
    queue: FairQueue[int] = FairQueue()
    for item in range(6):
        queue.put("costly", 100 + item, cost=3)
        queue.put("cheap", item, cost=1)
    assert drained(queue) == [100, 0, 1, 2, 101, 3, 4, 5, 102, 103, 104, 105]


def test_an_owner_that_was_served_while_nobody_waited_comes_last() -> None:
    queue: FairQueue[int] = FairQueue()
    queue.charge("a", 1)
    queue.put("a", 1)
    queue.put("b", 2)
    assert drained(queue) == [2, 1]


@given(st.lists(st.tuples(st.sampled_from("abc"), st.booleans())))
def test_removed_items_are_not_taken_and_all_others_are(puts: list[tuple[str, bool]]) -> None:
    queue: FairQueue[int] = FairQueue()
    for n, (owner, _) in enumerate(puts):
        queue.put(owner, n)
    for n, (owner, removed) in enumerate(puts):
        if removed:
            queue.remove(owner, n)
            queue.remove(owner, n)
    left = [n for n, (_, removed) in enumerate(puts) if not removed]
    assert len(queue) == len(left)
    assert sorted(drained(queue)) == left


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(1, 9)), max_size=60))
def test_waiting_owners_never_differ_by_more_than_their_largest_items(puts: list[tuple[str, int]]) -> None:
    queue: FairQueue[tuple[str, int]] = FairQueue()
    left: dict[str, int] = {}
    for owner, cost in puts:
        queue.put(owner, (owner, cost), cost)
        left[owner] = left.get(owner, 0) + 1
    received = dict.fromkeys(left, 0)
    while taken := queue.take():
        owner, cost = taken
        received[owner] += cost
        left[owner] -= 1
        waiting = [received[each] for each in left if left[each]]
        assert not waiting or max(waiting) - min(waiting) <= 9


def test_only_owners_that_are_ahead_are_remembered() -> None:
    queue: FairQueue[int] = FairQueue()
    for n in range(3 * fair_queue.FORGET_ABOVE):
        queue.charge(f"owner {n}", 1)
        queue.charge("busy", 1)
    assert len(queue._served_until) <= 2 * fair_queue.FORGET_ABOVE
