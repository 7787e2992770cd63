"""Control numbers of the interchanges that this deployment sends: a sequence without repetitions."""

from domain.errors import ControlNumbersExhausted
from storage.postgres.database import Connection
from storage.postgres.rows import fetch_value

MAX_CONTROL_NUMBER = 999_999_999
"""ISA13 has nine digits."""


async def reserve(tx: Connection, count: int) -> int:
    """Reserves consecutive numbers and returns the first. Until the transaction ends, others that reserve wait.

    A PostgreSQL sequence can't reserve several consecutive numbers, and a crash makes it skip some. Raises
    ControlNumbersExhausted.
    """
    last = await fetch_value(tx, int, "SELECT last FROM control_number FOR UPDATE")
    if last + count > MAX_CONTROL_NUMBER:
        raise ControlNumbersExhausted(count, MAX_CONTROL_NUMBER - last)
    await tx.execute("UPDATE control_number SET last = %s", [last + count])
    return last + 1
