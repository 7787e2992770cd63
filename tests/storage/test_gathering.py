"""Gathered reads: what a caller gets was read after its call, and one stuck read doesn't stop the others."""

import asyncio
from collections.abc import Collection, Mapping

import pytest

from operations.gathering import Gathering


class Source:
    """A counter per key. A read takes its values when it begins, and waits until it is released."""

    def __init__(self) -> None:
        self.values: dict[str, int] = {"a": 1, "b": 1}
        self.reads: list[set[str]] = []
        self.begun = asyncio.Event()
        self.released = asyncio.Event()
        self.released.set()

    async def read(self, keys: Collection[str]) -> Mapping[str, int]:
        self.reads.append(set(keys))
        self.begun.set()
        found = {key: self.values[key] for key in keys if key in self.values}
        await self.released.wait()
        return found


def test_concurrent_callers_share_a_read_of_all_their_keys() -> None:
    async def run() -> None:
        source, gathering = Source(), Gathering[str, int]()
        found = await asyncio.gather(*(gathering.read({key}, source.read) for key in ("a", "b", "a", "c")))
        assert source.reads == [{"a", "b", "c"}]
        assert [each.get(key) for each, key in zip(found, ("a", "b", "a", "c"), strict=True)] == [1, 1, 1, None]

    asyncio.run(run())


def test_a_caller_never_gets_what_was_read_before_its_call() -> None:
    async def run() -> None:
        source, gathering = Source(), Gathering[str, int]()
        source.released.clear()
        first = asyncio.create_task(gathering.read({"a"}, source.read))
        await source.begun.wait()
        source.values["a"] = 2
        second = asyncio.create_task(gathering.read({"a"}, source.read))
        await asyncio.sleep(0)
        source.released.set()
        assert ((await first)["a"], (await second)["a"]) == (1, 2)

    asyncio.run(run())


def test_a_stuck_read_does_not_stop_later_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("operations.gathering.WAIT_SECONDS", 0.01)

    async def run() -> None:
        stuck, source, gathering = Source(), Source(), Gathering[str, int]()
        stuck.released.clear()
        first = asyncio.create_task(gathering.read({"a"}, stuck.read))
        await stuck.begun.wait()
        assert (await gathering.read({"b"}, source.read))["b"] == 1
        assert not first.done()
        stuck.released.set()
        assert (await first)["a"] == 1

    asyncio.run(run())


def test_an_error_reaches_every_caller_and_the_next_read_is_tried() -> None:
    async def fail(keys: Collection[str]) -> Mapping[str, int]:
        raise ConnectionError

    async def run() -> None:
        source, gathering = Source(), Gathering[str, int]()
        found = await asyncio.gather(*(gathering.read({"a"}, fail) for _ in range(2)), return_exceptions=True)
        assert [type(each) for each in found] == [ConnectionError] * 2
        assert await gathering.read({"a"}, source.read) == {"a": 1}

    asyncio.run(run())


def test_a_cancelled_caller_does_not_cancel_the_read_of_others() -> None:
    async def run() -> None:
        source, gathering = Source(), Gathering[str, int]()
        source.released.clear()
        first, second = (asyncio.create_task(gathering.read({"a"}, source.read)) for _ in range(2))
        await source.begun.wait()
        first.cancel()
        await asyncio.sleep(0)
        source.released.set()
        assert await second == {"a": 1}
        assert first.cancelled()

    asyncio.run(run())
