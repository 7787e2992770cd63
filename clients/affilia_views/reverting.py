"""Which change requests are in effect, and what reverting one undoes."""

from collections import Counter
from collections.abc import Iterable, Sequence

from affilia.enrollment.v1 import change_request_pb2
from affilia.enrollment.v1.change_request_pb2 import ChangeRequest, Revert, ScopedChange
from affilia_client.dates import date_from_proto
from affilia_views.names import Names
from affilia_views.outline import Item, Style, item
from affilia_views.words import changes_words, consequence_words, request_words


def counting_requests(requests: Iterable[ChangeRequest]) -> Sequence[ChangeRequest]:
    """Returns the approved requests that aren't reverted, given all requests of a group, oldest first.

    A revert that is itself reverted has no effect, so the request that it names is in effect again.
    """
    reverts: Counter[str] = Counter()
    counting = []
    for request in reversed(list(requests)):
        approved = request.verdict == change_request_pb2.VERDICT_APPROVED
        if not approved or reverts[request.change_request_id] % 2:
            continue
        counting.append(request)
        reverts.update(
            change.revert.change_request_id for change in request.changes if change.WhichOneof("change") == "revert"
        )
    return counting[::-1]


def why_not_revertible(request: ChangeRequest, counting: Iterable[ChangeRequest]) -> str:
    """Returns why a request can't be reverted, given its group's requests that are in effect, or "" if it can be."""
    if request.verdict != change_request_pb2.VERDICT_APPROVED:
        return "The request was rejected, so there is nothing to revert."
    if request.change_request_id not in {each.change_request_id for each in counting}:
        return "The request has already been reverted."
    return ""


def is_correctable(request: ChangeRequest) -> bool:
    """Returns whether a request can be reverted and repeated with edits. It can't if it only reverts others, or takes
    over legacy tables."""
    if request.requester.role == change_request_pb2.REQUESTER_ROLE_MIGRATION:
        return False
    return any(change.WhichOneof("change") != "revert" for change in request.changes)


def correcting_changes(request: ChangeRequest) -> list[ScopedChange]:
    """Returns a revert of a request followed by its own changes, which can then be edited.

    If the request itself reverts earlier ones, its reverts are repeated too. Otherwise, these would be in effect again.
    """
    return [ScopedChange(revert=Revert(change_request_id=request.change_request_id)), *request.changes]


def undone_item(request: ChangeRequest, names: Names) -> Item:
    """Returns what a revert of a request undoes."""
    below = [item(line) for line in changes_words(request, names)]
    below += [
        item(("→ ", Style.WARN), f"with the consequence: {consequence_words(each, names)}")
        for each in request.consequences
    ]
    if request.overridden_rules:
        before = request.overridden_before
        until = f" before {date_from_proto(before)}" if request.HasField("overridden_before") else ""
        below.append(item(f"with overrides of {', '.join(request.overridden_rules)}{until}"))
    return item(("Reverts ", Style.STRONG), request_words(request, names), below=below)
