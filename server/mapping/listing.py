"""Maps the range of instants of a list, and the positions in the page tokens of lists across groups."""

from datetime import UTC, datetime, timedelta
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp

from domain.errors import FieldViolation, RequestMalformed
from server.mapping.dates import timestamp_from_proto
from storage.listing import RowPosition

NANOS_OF_MICROSECOND = 1000
LAST_INSTANT = datetime.max.replace(tzinfo=UTC)


def instants_from_proto(request: Any, name: str) -> tuple[datetime | None, datetime | None]:
    """Returns the fields `{name}_from` and `{name}_before`, None if unset. Raises RequestMalformed."""
    since, before = (_instant(request, f"{name}_{end}") for end in ("from", "before"))
    if since is not None and before is not None and before < since:
        raise RequestMalformed([FieldViolation(f"{name}_before", f"must not be before {name}_from")])
    return since, before


def _instant(request: Any, field: str) -> datetime | None:
    return _rounded_up(getattr(request, field)) if request.HasField(field) else None


def _rounded_up(timestamp: Timestamp) -> datetime:
    """Returns the first microsecond at or after a timestamp.

    The database stores microseconds, so this selects the same rows.
    """
    instant = timestamp_from_proto(timestamp)
    if timestamp.nanos % NANOS_OF_MICROSECOND and instant < LAST_INSTANT:
        return instant + timedelta(microseconds=1)
    return instant


def position_to_json(position: RowPosition) -> list[Any]:
    return [position.at.isoformat(), position.key]


def position_from_json(position: list[Any]) -> RowPosition:
    at, key = position
    return RowPosition(datetime.fromisoformat(at), key)
