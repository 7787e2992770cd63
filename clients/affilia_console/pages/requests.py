"""The change requests of a family: what was asked for, the verdict, and the reasons."""

from collections.abc import Sequence
from dataclasses import dataclass

from starlette.responses import Response

from affilia.enrollment.v1.change_request_pb2 import VERDICT_APPROVED, ChangeRequest
from affilia_console.visits import Visit
from affilia_views.names import Names
from affilia_views.outline import Item
from affilia_views.reasons import consequence_item, notice_item, violation_items
from affilia_views.words import changes_words, requester_words

PAGE_SIZE = 200


@dataclass(frozen=True, slots=True)
class JudgedRequest:
    """A change request in words."""

    request: ChangeRequest
    is_approved: bool
    requester: str
    changes: Sequence[str]
    reasons: Sequence[Item]


def requests(visit: Visit) -> Response:
    """Shows the requests of a family in the order in which they were judged."""
    group = visit.client.enrollment.get_enrollment_group(group_id=visit.path("group_id")).group
    page = visit.client.changes.list_change_requests(
        group_id=group.group_id, page_size=PAGE_SIZE, page_token=visit.query.get("page", "")
    )
    return visit.page(
        "requests.html",
        title=visit.names.family(group.key),
        group=group,
        requests=[judged_request(each, visit.names) for each in page.change_requests],
        next_page=page.next_page_token,
    )


def judged_request(request: ChangeRequest, names: Names) -> JudgedRequest:
    """Describes a stored request."""
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
    )
