"""Requests about groups in migration, and what they have left behind."""

from typing import Any

from affilia.enrollment.v1 import (
    change_request_pb2,
    change_request_service_pb2,
    enrollment_group_pb2,
    enrollment_query_service_pb2,
)
from affilia.type.v1 import membership_type_pb2
from tests.scenarios.enrollment_messages import span
from tests.support.calls import Failure, failure_of
from tests.support.migration import Spain

TYPES = membership_type_pb2.MembershipType


def requests_of(spain: Spain, owner: str = "P", **how: Any) -> list[change_request_pb2.ChangeRequest]:
    request = change_request_service_pb2.ListChangeRequestsRequest(group_id=spain.group_id(owner), **how)
    return list(spain.family.requests.ListChangeRequests(request).change_requests)


def revisions(spain: Spain, owner: str = "P") -> list[Any]:
    request = enrollment_query_service_pb2.ListRevisionsRequest(group_id=spain.group_id(owner))
    return list(spain.family.queries.ListRevisions(request).revisions)


def differences(spain: Spain, revision: int) -> set[tuple[str, str]]:
    """Returns the kinds of differences of P's revision, with the member of each."""
    request = enrollment_query_service_pb2.DiffRevisionsRequest(
        group_id=spain.group_id(), from_revision=revision - 1, to_revision=revision
    )
    names = {member_id: name for name, member_id in spain.members.items()}
    prefix = len("DIFFERENCE_KIND_")
    return {
        (names[each.member_id], enrollment_group_pb2.DifferenceKind.Name(kind)[prefix:])
        for each in spain.family.queries.DiffRevisions(request).differences
        for kind in each.kinds
    }


def roles(spain: Spain, owner: str = "P") -> list[str]:
    """Returns the requester's role of each request about a group."""
    prefix = len("REQUESTER_ROLE_")
    return [change_request_pb2.RequesterRole.Name(each.requester.role)[prefix:] for each in requests_of(spain, owner)]


def enroll(spain: Spain, who: str, type_: str, module_id: str, first: str, last: str | None = None) -> Any:
    return change_request_pb2.ScopedChange(
        enroll=change_request_pb2.Enroll(
            member_id=spain.member(who),
            membership_type=TYPES.Value(f"MEMBERSHIP_TYPE_{type_}"),
            module_id=module_id,
            days=span(first, last),
        )
    )


def leave(spain: Spain, who: str, first: str, module_id: str = "") -> Any:
    change = change_request_pb2.Leave(member_id=spain.member(who), module_id=module_id, days=span(first, None))
    return change_request_pb2.ScopedChange(leave=change)


def rejected(spain: Spain, *changes: Any, owner: str = "P") -> Failure:
    return failure_of(spain.family.requests.SubmitChangeRequest, spain.submit_request(owner, *changes))


def submitted(spain: Spain, *changes: Any, owner: str = "P", **more: Any) -> Any:
    request = spain.submit_request(owner, *changes)
    for name, value in more.items():
        if isinstance(value, bool | list):
            setattr(request, name, value)
        else:
            getattr(request, name).CopyFrom(value)
    return spain.family.requests.SubmitChangeRequest(request)


def born(spain: Spain, who: str, day: str | None) -> None:
    spain.family.born(spain.member(who), day)


def waiting_recomputes(spain: Spain, owner: str = "P") -> int:
    (waiting,) = spain.tables.execute(
        "SELECT count(*) FROM recompute JOIN enrollment_group USING (group_key)"
        " WHERE group_id = %s AND done_at IS NULL AND failed_at IS NULL",
        [spain.group_id(owner)],
    ).fetchone() or (0,)
    return int(waiting)
