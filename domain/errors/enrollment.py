"""Errors about enrollment groups, their revisions, change requests and recomputes."""

from uuid import UUID

from domain.errors.base import DomainError, Reason


class GroupUnknown(DomainError):
    reason = Reason.GROUP_UNKNOWN

    def __init__(self, **key: UUID) -> None:
        named = ", ".join(f"{name} {value}" for name, value in key.items())
        super().__init__(f"There is no enrollment group with {named}.", **key)


class RevisionUnknown(DomainError):
    reason = Reason.REVISION_UNKNOWN

    def __init__(self, group_id: UUID, revision: int | None) -> None:
        which = "at that instant" if revision is None else f"with number {revision}"
        super().__init__(f"Group {group_id} has no revision {which}.", group_id=group_id, revision=revision or "")


class ChangeRequestUnknown(DomainError):
    reason = Reason.CHANGE_REQUEST_UNKNOWN

    def __init__(self, change_request_id: UUID) -> None:
        super().__init__(f"There is no change request {change_request_id}.", change_request_id=change_request_id)


class NotRevertible(DomainError):
    """The change request was rejected, or doesn't count because it is already reverted."""

    reason = Reason.NOT_REVERTIBLE

    def __init__(self, change_request_id: UUID, cause: str) -> None:
        super().__init__(
            f"Change request {change_request_id} can't be reverted because it {cause}.",
            change_request_id=change_request_id,
        )


class MemberNotInGroup(DomainError):
    reason = Reason.MEMBER_NOT_IN_GROUP

    def __init__(self, member_id: UUID, group_id: UUID) -> None:
        super().__init__(
            f"No approved request of group {group_id} enrolls member {member_id}.",
            member_id=member_id,
            group_id=group_id,
        )


class RecomputeUnknown(DomainError):
    reason = Reason.RECOMPUTE_UNKNOWN

    def __init__(self, recompute_id: UUID) -> None:
        super().__init__(f"There is no recompute {recompute_id}.", recompute_id=recompute_id)


class RevisionMismatch(DomainError):
    reason = Reason.REVISION_MISMATCH

    def __init__(self, group_id: UUID, expected: int, current: int) -> None:
        super().__init__(
            f"expected_revision is {expected}, but group {group_id} is at revision {current}. Read it and retry.",
            group_id=group_id,
            expected_revision=expected,
            current_revision=current,
        )
