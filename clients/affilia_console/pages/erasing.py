"""Erases the personal data of a person, after a page that says what will happen."""

from datetime import date

from starlette.responses import Response

from affilia.enrollment.v1.enrollment_group_pb2 import EnrollmentGroup
from affilia_client import CallFailed, PreconditionFailed
from affilia_client.dates import date_from_proto, span_from_proto
from affilia_console.failures import failure_of
from affilia_console.finding import groups_of
from affilia_console.parts import part
from affilia_console.visits import Visit
from affilia_views.days import today_under
from affilia_views.people import name_of

CONFIRM, ERASE = "confirm", "erase"


def erase(visit: Visit) -> Response:
    """Asks what to keep, then for a confirmation, and erases."""
    visit_step = visit.text("step")
    if visit_step != ERASE:
        return _page(visit, confirms=visit_step == CONFIRM)
    visit.check_writable()
    member_id = visit.path("member_id")
    try:
        answer = visit.client.members.erase_member(
            request_id=visit.text("request_id"), member_id=member_id, keep_periods=visit.text("periods") != "remove"
        )
    except PreconditionFailed as error:
        return _page(visit, confirms=True, error=error)
    visit.names.forget_member(member_id)
    closed = f"Families whose days before {date_from_proto(answer.erased_on)} are closed: {answer.groups_closed}."
    return visit.goes_to(f"/people/{member_id}", f"The personal data was erased. {closed}")


def _page(visit: Visit, *, confirms: bool, error: CallFailed | None = None) -> Response:
    member_id = visit.path("member_id")
    found = visit.client.members.get_member(member_id=member_id)
    groups = part(lambda: groups_of(visit, member_id))
    failure = failure_of(error) if error else None
    return visit.page(
        "erase.html",
        status=failure.status if failure else 200,
        found=found,
        name=name_of(found.member),
        member_id=member_id,
        families=[
            (group, visit.names.family(group.key), _covered(visit, group, member_id)) for group in groups.value or []
        ],
        confirms=confirms,
        removes=visit.text("periods") == "remove",
        failure=failure,
    )


def _covered(visit: Visit, group: EnrollmentGroup, member_id: str) -> bool:
    """Returns whether a member has enrolled days today or later, which makes an erasure impossible."""
    today = today_under(visit.names.contract(group.key.contract_id))
    ends = [span_from_proto(each.days)[1] or date.max for each in group.periods if each.member_id == member_id]
    return any(end >= today for end in ends)
