"""Which requests in a history have been reverted since."""

from collections.abc import Iterable, Set

from affilia.enrollment.v1.change_request_pb2 import VERDICT_APPROVED
from affilia.history.v1.history_entry_pb2 import HistoryEntry
from affilia_client import Client
from affilia_views.reverting import counting_requests


def reverted_among(client: Client, entries: Iterable[HistoryEntry]) -> Set[str]:
    """Returns the ids of the approved requests among entries of a history that are no longer in effect."""
    approved: dict[str, set[str]] = {}
    for entry in entries:
        if entry.WhichOneof("data") == "change_request" and entry.change_request.verdict == VERDICT_APPROVED:
            approved.setdefault(entry.group_id, set()).add(entry.change_request.change_request_id)
    reverted: set[str] = set()
    for group_id, request_ids in approved.items():
        counting = counting_requests(client.changes.all_change_requests(group_id=group_id))
        reverted |= request_ids - {request.change_request_id for request in counting}
    return reverted
