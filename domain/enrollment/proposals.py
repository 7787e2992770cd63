"""Checks of a change request that don't depend on the state of its group."""

from collections.abc import Iterator

from domain.days import UNBOUNDED_START
from domain.enrollment.decisions import ChangeProposal, DaysChange, Enroll, RequesterRole
from domain.enrollment.judging import OVERRIDABLE
from domain.enrollment.verdicts import ViolationCode
from domain.errors import FieldViolation

NEVER_OVERRIDDEN = frozenset(code.value for code in ViolationCode) - {OVERRIDABLE}


def proposal_violations(proposal: ChangeProposal) -> Iterator[FieldViolation]:
    """Yields what is wrong with a proposal, by path in the request."""
    requester = proposal.requester
    if requester.role == RequesterRole.MEMBER:
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
    for i, scoped in enumerate(proposal.changes):
        change = scoped.change
        if isinstance(change, DaysChange) and change.days.start == UNBOUNDED_START:
            kind = "enroll" if isinstance(change, Enroll) else "leave"
            yield FieldViolation(f"changes[{i}].{kind}.days.first_on", "is required")
