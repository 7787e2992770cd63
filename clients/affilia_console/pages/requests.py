"""The change requests of a family: what was asked for, the verdict, the reasons, and what each changed."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import timedelta

from starlette.responses import Response

from affilia.enrollment.v1.change_request_pb2 import VERDICT_APPROVED, ChangeRequest
from affilia.enrollment.v1.enrollment_group_pb2 import EnrollmentGroup
from affilia.history.v1.history_entry_pb2 import HISTORY_KIND_CHANGE_REQUEST
from affilia_client.dates import instant_from_proto
from affilia_console.change_form import Cost
from affilia_console.failures import Refused
from affilia_console.parts import part
from affilia_console.pictures import Picture
from affilia_console.requesters import is_member
from affilia_console.visits import Visit
from affilia_views.names import Names
from affilia_views.outline import Item
from affilia_views.reasons import consequence_item, notice_item, violation_items
from affilia_views.reverting import counting_requests, is_correctable, why_not_revertible
from affilia_views.words import changes_words, requester_words

PAGE_SIZE = 200
JUST_AFTER = timedelta(microseconds=1)
"""A history entry of a request has the same instant, in microseconds."""


@dataclass(frozen=True, slots=True)
class JudgedRequest:
    """A change request in words. `not_revertible` is the reason why it can't be reverted, empty if it can be."""

    request: ChangeRequest
    is_approved: bool
    requester: str
    changes: Sequence[str]
    reasons: Sequence[Item]
    is_correctable: bool
    not_revertible: str


@dataclass(frozen=True, slots=True)
class Recorded:
    """What is recorded about the result of a request."""

    cost: Cost | None = None


def requests(visit: Visit) -> Response:
    """Shows the requests of a family in the order in which they were judged."""
    group = visit.client.enrollment.get_enrollment_group(group_id=visit.path("group_id")).group
    page = visit.client.changes.list_change_requests(
        group_id=group.group_id, page_size=PAGE_SIZE, page_token=visit.query.get("page", "")
    )
    counting = _counting(visit, group)
    return visit.page(
        "requests.html",
        title=visit.names.family(group.key),
        group=group,
        requests=[judged_request(each, visit.names, counting) for each in page.change_requests],
        next_page=page.next_page_token,
        is_member=is_member(visit.session.person),
    )


def request(visit: Visit) -> Response:
    """Shows one request of a family, and what it changed."""
    group = visit.client.enrollment.get_enrollment_group(group_id=visit.path("group_id")).group
    found = visit.client.changes.get_change_request(change_request_id=visit.path("request_id")).change_request
    if found.group_id != group.group_id:
        raise Refused(f"Request {found.change_request_id} belongs to another family: {visit.names.family(found.key)}.")
    recorded = part(lambda: _recorded(visit, found))
    return visit.page(
        "request.html",
        title=visit.names.family(group.key),
        group=group,
        judged=judged_request(found, visit.names, _counting(visit, group)),
        picture=_picture(visit, found) if found.made_revision else None,
        entry=recorded,
        found=recorded.value or Recorded(),
        is_member=is_member(visit.session.person),
    )


def judged_request(request: ChangeRequest, names: Names, counting: Collection[ChangeRequest]) -> JudgedRequest:
    """Describes a stored request, given the requests of its family that are in effect."""
    contract_id = request.key.contract_id
    return JudgedRequest(
        request,
        request.verdict == VERDICT_APPROVED,
        requester_words(request, names),
        changes_words(request, names),
        [
            *violation_items(request.violations, contract_id, names, request.violations_omitted),
            *(notice_item(notice, contract_id, names) for notice in request.notices),
            *(consequence_item(each, names) for each in request.consequences),
        ],
        is_correctable(request),
        why_not_revertible(request, counting),
    )


def _counting(visit: Visit, group: EnrollmentGroup) -> Sequence[ChangeRequest]:
    return counting_requests(visit.client.changes.all_change_requests(group_id=group.group_id))


def _picture(visit: Visit, found: ChangeRequest) -> Picture:
    """Returns the revision that a request made, compared with the one before it."""
    after, before = (_state(visit, found, revision) for revision in (found.revision, found.revision - 1))
    opened = visit.request.query_params.getlist("open")
    contract = visit.names.contract(found.key.contract_id)
    address = f"{visit.request.url.path}?shown=1"
    return Picture(visit.names, contract, after, before, opened, bool(visit.query.get("changed")), address)


def _state(visit: Visit, found: ChangeRequest, revision: int) -> EnrollmentGroup:
    if not revision:
        return EnrollmentGroup(group_id=found.group_id, key=found.key)
    return visit.client.enrollment.get_enrollment_group(group_id=found.group_id, revision=revision).group


def _recorded(visit: Visit, found: ChangeRequest) -> Recorded:
    """Returns the monthly cost before and after a request, from its history entry."""
    at = instant_from_proto(found.recorded_at)
    entries = visit.client.history.all_history(
        group_id=found.group_id,
        kinds=[HISTORY_KIND_CHANGE_REQUEST],
        recorded_from=at,
        recorded_before=at + JUST_AFTER,
    )
    for entry in entries:
        if entry.change_request.change_request_id == found.change_request_id and entry.HasField("monthly_cost"):
            return Recorded(Cost(entry.monthly_cost))
    return Recorded()
