"""Builds the changes of change requests.

client.changes.submit_change_request(
    group=group.key,
    requester={"role": "REQUESTER_ROLE_MEMBER", "requester_id": primary_id},
    changes=[
        changes.enroll(primary_id, dental, "PRIMARY", first_on=date(2026, 1, 1)),
        changes.leave(child_id, optical, first_on=date(2026, 9, 1)),
    ],
)
"""

from datetime import date
from typing import Literal

from affilia.enrollment.v1.change_request_pb2 import CorrectMembershipType, Enroll, Leave, Revert, ScopedChange
from affilia.type.v1.membership_type_pb2 import MembershipType
from affilia_client.dates import span_to_proto

MembershipName = Literal["PRIMARY", "PARTNER", "CHILD", "ASCENDANT", "PET"]


def enroll(
    member_id: str,
    module_id: str,
    membership_type: "MembershipName | MembershipType.ValueType",
    *,
    first_on: date,
    last_on: date | None = None,
    reason_code: str = "",
    note: str = "",
) -> ScopedChange:
    """Returns a change that enrolls a member in a module from the first day to the last, both included.

    Without a last day, the enrollment has no end. It replaces any other module in the same slot on these days. Raises
    ValueError for an unknown membership type.
    """
    return ScopedChange(
        enroll=Enroll(
            member_id=member_id,
            membership_type=_type_of(membership_type),
            module_id=module_id,
            days=span_to_proto(first_on, last_on),
        ),
        reason_code=reason_code,
        note=note,
    )


def leave(
    member_id: str,
    module_id: str = "",
    *,
    first_on: date,
    last_on: date | None = None,
    reason_code: str = "",
    note: str = "",
) -> ScopedChange:
    """Returns a change that ends a member's enrollment in a module or, without a `module_id`, in all modules.

    It applies from the first day to the last, both included, or permanently without a last day. The last enrolled day
    is the day before `first_on`.
    """
    return ScopedChange(
        leave=Leave(member_id=member_id, module_id=module_id, days=span_to_proto(first_on, last_on)),
        reason_code=reason_code,
        note=note,
    )


def revert(change_request_id: str, *, reason_code: str = "", note: str = "") -> ScopedChange:
    """Returns a change that undoes an earlier request of the same group, with its consequences and overrides.

    Later requests still apply. Only requests of admins can contain it. To undo the revert, revert its own request.
    """
    return ScopedChange(revert=Revert(change_request_id=change_request_id), reason_code=reason_code, note=note)


def correct_membership_type(
    member_id: str,
    membership_type: "MembershipName | MembershipType.ValueType",
    *,
    reason_code: str = "",
    note: str = "",
) -> ScopedChange:
    """Returns a change that corrects the membership type of a member of the group, as if it had always been this one.

    Only requests of admins can contain it. The server rejects PRIMARY, and corrections of the group's primary. Raises
    ValueError for an unknown membership type.
    """
    correction = CorrectMembershipType(member_id=member_id, membership_type=_type_of(membership_type))
    return ScopedChange(correct_membership_type=correction, reason_code=reason_code, note=note)


def _type_of(membership_type: "MembershipName | MembershipType.ValueType") -> "MembershipType.ValueType":
    if isinstance(membership_type, str):
        return MembershipType.Value(f"MEMBERSHIP_TYPE_{membership_type}")
    return membership_type
