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

from affilia.enrollment.v1.change_request_pb2 import Enroll, Leave, ScopedChange
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
    if isinstance(membership_type, str):
        membership_type = MembershipType.Value(f"MEMBERSHIP_TYPE_{membership_type}")
    return ScopedChange(
        enroll=Enroll(
            member_id=member_id,
            membership_type=membership_type,
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
