"""What changed about a person since a form was opened."""

from datetime import timedelta

from affilia.catalog.v1.member_pb2 import Member
from affilia.history.v1.history_entry_pb2 import HISTORY_KIND_FACT, HISTORY_KIND_RECORD
from affilia_client.dates import instant_from_proto
from affilia_console.inputs import instant_in
from affilia_console.visits import Visit
from affilia_views.history import Described, described

JUST_AFTER = timedelta(microseconds=1)
"""Instants are recorded with microseconds."""


def seen_at(member: Member) -> str:
    """Returns the instant from which on changes are newer than this state."""
    return (instant_from_proto(member.recorded_at) + JUST_AFTER).isoformat()


def changes_since(visit: Visit, member_id: str, seen: str) -> list[Described]:
    """Returns what was recorded about a person since the instant that a form carries, newest first."""
    entries = visit.client.history.list_history(
        member_id=member_id,
        kinds=[HISTORY_KIND_FACT, HISTORY_KIND_RECORD],
        recorded_from=instant_in(seen, "seen"),
    ).entries
    return [described(each, visit.names) for each in entries if each.member_id == member_id]
