"""Lists change requests: of one group in the order of their verdicts, or of all groups, newest first."""

from typing import Any, LiteralString

from domain.enrollment.history import ChangeRequest
from domain.enrollment.verdicts import Verdict
from storage.listing import ListFilter, Listing, RowPosition, conditions, order_of, page_of
from storage.postgres.database import Connection
from storage.postgres.documents import change_request_from_document

Listed = tuple[list[tuple[RowPosition, ChangeRequest]], bool]
"""Change requests with their positions, and whether there may be more."""

CHANGE_REQUESTS = Listing(
    table="change_request",
    key="change_request_key",
    at="recorded_at",
    states={Verdict.APPROVED: ["approved"], Verdict.REJECTED: ["NOT approved"]},
    newest_first=True,
)


async def list_of_group(connection: Connection, which: ListFilter, after: int, limit: int, max_bytes: int) -> Listed:
    """Returns the requests of a group after a key, in the order of their verdicts.

    Reads at most `max_bytes` of stored documents, but at least one request.
    """
    where, named = conditions(CHANGE_REQUESTS, which)
    if which.state is not None:
        where += " AND approved = %(approved)s"
    rows: LiteralString = (
        f"SELECT * FROM change_request WHERE change_request_key > %(after)s{where}"
        " ORDER BY change_request_key LIMIT %(limit)s"
    )
    named |= {"approved": which.state == Verdict.APPROVED, "after": after, "limit": limit}
    return await _read(connection, rows, "change_request_key", named, limit, max_bytes)


async def list_of_all(
    connection: Connection, which: ListFilter, after: RowPosition | None, limit: int, max_bytes: int
) -> Listed:
    """Returns the requests of all groups after a position, newest first, with the same limits as for one group."""
    rows, named = page_of(CHANGE_REQUESTS, which, after, limit)
    return await _read(connection, rows, order_of(CHANGE_REQUESTS, which), named, limit, max_bytes)


async def _read(
    connection: Connection,
    rows: LiteralString,
    order: LiteralString,
    named: dict[str, Any],
    limit: int,
    max_bytes: int,
) -> Listed:
    cursor = await connection.execute(
        "SELECT recorded_at, change_request_key, CASE WHEN bytes_before < %(max_bytes)s THEN document END, actor"
        " FROM (SELECT recorded_at, change_request_key, document, actor,"
        f" coalesce(sum(octet_length(document::text)) OVER (ORDER BY {order}"
        " ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0) AS bytes_before"
        f" FROM ({rows}) AS next) AS sized ORDER BY {order}",
        named | {"max_bytes": max_bytes},
    )
    found = await cursor.fetchall()
    read = [
        (RowPosition(at, key), change_request_from_document(document, actor))
        for at, key, document, actor in found
        if document is not None
    ]
    return read, len(found) == limit or len(found) > len(read)
