"""Who belongs to a family, and with which membership type."""

from collections.abc import Iterable

from affilia.enrollment.v1.change_request_pb2 import VERDICT_APPROVED, ChangeRequest, ScopedChange
from affilia.enrollment.v1.enrollment_group_pb2 import EnrollmentGroup
from affilia.type.v1.membership_type_pb2 import MEMBERSHIP_TYPE_PRIMARY, MembershipType

Types = dict[str, "MembershipType.ValueType"]


def membership_types(group: EnrollmentGroup, requests: Iterable[ChangeRequest]) -> Types:
    """Returns the membership type of everyone who is or was enrolled in a family, the primary first.

    `requests` are those of the family, oldest first.
    """
    types: Types = {group.key.primary_id: MEMBERSHIP_TYPE_PRIMARY}
    for request in requests:
        if request.verdict == VERDICT_APPROVED:
            types |= requested_types(request.changes)
    types |= {period.member_id: period.membership_type for period in group.periods}
    return types


def requested_types(changes: Iterable[ScopedChange]) -> Types:
    """Returns the membership types that changes name. If several changes name a member, the last one wins."""
    types: Types = {}
    for change in changes:
        match change.WhichOneof("change"):
            case "enroll":
                types[change.enroll.member_id] = change.enroll.membership_type
            case "correct_membership_type":
                corrected = change.correct_membership_type
                types[corrected.member_id] = corrected.membership_type
    return types
