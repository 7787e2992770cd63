"""What makes a change request malformed, whatever the state of its group."""

from collections.abc import Iterator

from domain.days import UNBOUNDED_START
from domain.enrollment.decisions import ChangeProposal, Enroll, RequesterRole
from domain.enrollment.judging import OVERRIDABLE
from domain.enrollment.verdicts import ViolationCode
from domain.errors import FieldViolation

NEVER_OVERRIDDEN = frozenset(code.value for code in ViolationCode) - {OVERRIDABLE}


def proposal_violations(proposal: ChangeProposal) -> Iterator[FieldViolation]:
    """Everything that is wrong with a proposal by itself, by path in the request."""
    requester = proposal.requester
    if requester.role == RequesterRole.MEMBER:
        if requester.requester_id.lower() != str(proposal.key.primary_id):
            yield FieldViolation("requester.requester_id", "a member's request comes from the group's primary")
        if proposal.overridden_rules:
            yield FieldViolation("overridden_rules", "only an admin may override rules")
    elif not requester.reason.strip():
        yield FieldViolation("requester.reason", "an admin gives a reason")
    for i, code in enumerate(proposal.overridden_rules):
        if code in NEVER_OVERRIDDEN:
            yield FieldViolation(f"overridden_rules[{i}]", f"{code} cannot be overridden")
    for i, scoped in enumerate(proposal.changes):
        if scoped.change.days.start == UNBOUNDED_START:
            kind = "enroll" if isinstance(scoped.change, Enroll) else "leave"
            yield FieldViolation(f"changes[{i}].{kind}.days.first_on", "is required")
