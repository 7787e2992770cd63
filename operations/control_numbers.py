"""Reserves control numbers for the interchanges that callers write."""

from operations.call import Call
from operations.core import Core
from storage import control_numbers
from storage.postgres.database import Connection
from storage.requests import WriteKey, find_answer, store_answer


async def reserve(core: Core, call: Call, key: WriteKey, count: int) -> int:
    """Reserves consecutive control numbers and returns the first. A retry returns the same one.

    Raises ControlNumbersExhausted, RequestIdReused.
    """

    async def work(tx: Connection) -> int:
        if answer := await find_answer(tx, key):
            return int(answer["first"])
        first = await control_numbers.reserve(tx, count)
        await store_answer(tx, key, {"first": first})
        return first

    return await core.write(call, work)
