"""Checks of a change request that don't depend on the state of its group."""

from collections.abc import Iterator
from uuid import UUID

from domain.days import UNBOUNDED_START
from domain.enrollment.decisions import (
    ChangeProposal,
    CorrectMembershipType,
    Enroll,
    Leave,
    RequesterRole,
    Revert,
)
from domain.enrollment.judging import OVERRIDABLE
from domain.enrollment.verdicts import ViolationCode
from domain.errors import FieldViolation
from domain.membership import MembershipType

NEVER_OVERRIDDEN = frozenset(code.value for code in ViolationCode) - {OVERRIDABLE}


def proposal_violations(proposal: ChangeProposal) -> Iterator[FieldViolation]:
    """Yields what is wrong with a proposal, by path in the request."""
    requester = proposal.requester
    if requester.role == RequesterRole.MIGRATION:
        yield FieldViolation("requester.role", "must be MEMBER or ADMIN; only the server makes MIGRATION requests")
    elif requester.role == RequesterRole.MEMBER:
        if requester.requester_id.lower() != str(proposal.key.primary_id):
            yield FieldViolation(
                "requester.requester_id", f"must be the group's primary {proposal.key.primary_id} for the role MEMBER"
            )
        if proposal.overridden_rules:
            yield FieldViolation("overridden_rules", "requires the role ADMIN")
    elif not requester.reason.strip():
        yield FieldViolation("requester.reason", "is required for the role ADMIN")
    for i, code in enumerate(proposal.overridden_rules):
        if code in NEVER_OVERRIDDEN:
            yield FieldViolation(f"overridden_rules[{i}]", f"{code} can't be overridden")
    reverted: dict[UUID, int] = {}
    for i, scoped in enumerate(proposal.changes):
        match scoped.change:
            case Enroll() | Leave() as change:
                if change.days.start == UNBOUNDED_START:
                    kind = "enroll" if isinstance(change, Enroll) else "leave"
                    yield FieldViolation(f"changes[{i}].{kind}.days.first_on", "is required")
            case Revert(change_request_id):
                path = f"changes[{i}].revert"
                if requester.role == RequesterRole.MEMBER:
                    yield FieldViolation(path, "requires the role ADMIN")
                if (first := reverted.setdefault(change_request_id, i)) != i:
                    yield FieldViolation(f"{path}.change_request_id", f"must not be the same as in changes[{first}]")
            case CorrectMembershipType() as correction:
                yield from _correction_violations(correction, proposal, f"changes[{i}].correct_membership_type")


def _correction_violations(
    correction: CorrectMembershipType, proposal: ChangeProposal, path: str
) -> Iterator[FieldViolation]:
    if proposal.requester.role == RequesterRole.MEMBER:
        yield FieldViolation(path, "requires the role ADMIN")
    if correction.member_id == proposal.key.primary_id:
        yield FieldViolation(f"{path}.member_id", "must not be the group's primary, whose type is always PRIMARY")
    if correction.membership_type is MembershipType.PRIMARY:
        yield FieldViolation(f"{path}.membership_type", "must not be PRIMARY; only the group's primary has this type")
