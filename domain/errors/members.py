"""Errors about members, and about the erasure of their facts."""

from collections.abc import Sequence
from datetime import date
from uuid import UUID

from domain.errors.base import CannotBePriced, DomainError, Reason


class MemberUnknown(DomainError):
    reason = Reason.MEMBER_UNKNOWN

    def __init__(self, member_id: UUID) -> None:
        self.member_id = member_id
        super().__init__(f"There is no member {member_id}.", member_id=member_id)


class MemberErased(CannotBePriced):
    """The request depends on facts that were erased."""

    reason = Reason.MEMBER_ERASED

    def __init__(self, member_id: UUID) -> None:
        super().__init__(f"The facts of member {member_id} were erased.", member_id=member_id)


class MemberMerged(DomainError):
    """A write names a member who was merged into another one."""

    reason = Reason.MEMBER_MERGED

    def __init__(self, member_id: UUID, merged_into: UUID) -> None:
        super().__init__(
            f"Member {member_id} was merged into member {merged_into}. Use the id {merged_into}.",
            member_id=member_id,
            merged_into=merged_into,
        )


class MergeNotPossible(DomainError):
    """Two records can't be merged. `cause` is for programs, `words` is the sentence for people."""

    reason = Reason.MERGE_NOT_POSSIBLE

    def __init__(
        self, cause: str, words: str, from_member_id: UUID, into_member_id: UUID, group_ids: Sequence[UUID] = ()
    ) -> None:
        super().__init__(
            words,
            cause=cause,
            from_member_id=from_member_id,
            into_member_id=into_member_id,
            group_ids=",".join(map(str, group_ids)),
        )


class MemberStillCovered(DomainError):
    reason = Reason.MEMBER_STILL_COVERED

    def __init__(self, member_id: UUID, group_id: UUID) -> None:
        super().__init__(
            f"Member {member_id} is covered in group {group_id} today or later. End that coverage first.",
            member_id=member_id,
            group_id=group_id,
        )


class PeriodsInUse(DomainError):
    """The member's periods can't be removed because premiums or applications depend on them."""

    reason = Reason.PERIODS_IN_USE

    def __init__(self, member_id: UUID) -> None:
        super().__init__(
            f"Premiums or applications to limits depend on the periods of member {member_id}."
            " Set keep_periods to true.",
            member_id=member_id,
        )


class PastClosed(DomainError):
    """The change affects days that were closed when a member's facts were erased."""

    reason = Reason.MEMBER_ERASED

    def __init__(self, member_id: UUID, until: date) -> None:
        super().__init__(
            f"The facts of member {member_id} were erased, so the group's days before {until} can't be changed.",
            member_id=member_id,
            date=until,
        )


class IdentifierTaken(DomainError):
    """Another member has the identifier. The message doesn't contain it, because identifiers are personal data."""

    reason = Reason.IDENTIFIER_TAKEN

    def __init__(self, system: str, value: str, member_id: UUID | None) -> None:
        """`member_id` is the id of the other member, or None if the caller may not read members."""
        other = {} if member_id is None else {"member_id": member_id}
        super().__init__(
            f"Another member has this identifier of system {system}. Remove it from that member first, or correct it.",
            system=system,
            value=value,
            **other,
        )

    def without_member(self) -> "IdentifierTaken":
        """Returns the error without the member's id, for callers who may not read members."""
        return IdentifierTaken(self.facts["system"], self.facts["value"], None)
