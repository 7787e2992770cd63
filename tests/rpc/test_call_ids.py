"""Ids of calls are random, and log lines have that of the call."""

import asyncio
import re

from server.telemetry.call_ids import IDS_PER_BLOCK, CallIds
from server.telemetry.log import add_call_fields, set_call_fields


def test_ids_are_different_and_have_32_hexadecimal_digits() -> None:
    makers = [CallIds(), CallIds()]
    ids = [maker.new() for maker in makers for _ in range(3 * IDS_PER_BLOCK + 1)]
    assert len(set(ids)) == len(ids)
    assert all(re.fullmatch("[0-9a-f]{32}", each) for each in ids)


def test_lines_have_the_fields_of_their_own_call() -> None:
    async def call(call_id: str) -> dict[str, str]:
        set_call_fields({"call_id": call_id})
        await asyncio.sleep(0)
        return dict(await asyncio.create_task(line()))

    async def line() -> dict[str, str]:
        return dict(add_call_fields(None, "info", {"event": "x"}))

    async def both() -> list[dict[str, str]]:
        return [*await asyncio.gather(call("a"), call("b")), await line()]

    assert asyncio.run(both()) == [{"event": "x", "call_id": "a"}, {"event": "x", "call_id": "b"}, {"event": "x"}]


def test_a_line_keeps_its_own_field() -> None:
    async def line() -> dict[str, str]:
        set_call_fields({"call_id": "of the call"})
        return dict(add_call_fields(None, "info", {"call_id": "its own"}))

    assert asyncio.run(line()) == {"call_id": "its own"}
