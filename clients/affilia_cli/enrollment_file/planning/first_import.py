"""Finds when a file was imported for the first time, from the requests that it made for anybody."""

from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta

from google.protobuf.timestamp_pb2 import Timestamp

from affilia.enrollment.v1.change_request_pb2 import ChangeRequest
from affilia_client import Client

PAGE_SIZE = 1000
CALL_SECONDS = 60.0

CLOCKS_DIFFER_BY = timedelta(days=2)
"""The sender's date can be that of another time zone, and the clock can be wrong."""


def first_imported_at(
    client: Client, contract_ids: Iterable[str], mark: str, created_on: date | None
) -> datetime | None:
    """Returns when the first request with a mark in its changes was judged, or None if there is none.

    Only requests since `created_on`, the file's date, are read: a file isn't imported before it is written.
    """
    found = (
        request.recorded_at.ToDatetime(UTC)
        for contract_id in contract_ids
        for request in client.changes.all_change_requests(
            contract_id=contract_id, recorded_from=_since(created_on), page_size=PAGE_SIZE, timeout=CALL_SECONDS
        )
        if has_mark(request, mark)
    )
    return min(found, default=None)


def has_mark(request: ChangeRequest, mark: str) -> bool:
    return any(change.note == mark for change in request.changes)


def _since(created_on: date | None) -> Timestamp | None:
    if created_on is None:
        return None
    since = Timestamp()
    since.FromDatetime(datetime.combine(created_on - CLOCKS_DIFFER_BY, time(), UTC))
    return since
