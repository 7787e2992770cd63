"""Checks the changes of a proposal that are about earlier requests: reverts, and corrections of membership types."""

from domain.days import NO_DAYS, to_date
from domain.enrollment.closing import erased_among
from domain.enrollment.counting import reverted_requests
from domain.enrollment.decisions import ChangeProposal, CorrectMembershipType, Decision, Enroll, Leave, Revert
from domain.enrollment.desired import desired_days
from domain.enrollment.group import GroupBasis
from domain.errors import ChangeRequestUnknown, MemberNotInGroup, NotRevertible, PastClosed
from domain.identity import group_id
from storage import enrollment_reads
from storage.postgres.database import Connection


async def check_earlier_requests(connection: Connection, proposal: ChangeProposal, basis: GroupBasis) -> None:
    """Checks what reverts and corrections refer to.

    Raises ChangeRequestUnknown, also for a request of another group, NotRevertible, MemberNotInGroup, and PastClosed if
    days that an erasure has closed would change.
    """
    group = group_id(*proposal.key)
    members = set(basis.membership_types())
    asked: list[Revert | CorrectMembershipType] = []
    for scoped in proposal.changes:
        match scoped.change:
            case Revert(change_request_id) as change:
                if all(decision.change_request_id != change_request_id for decision in basis.decisions):
                    request = await enrollment_reads.change_request(connection, change_request_id)
                    if request.group_id != group:
                        raise ChangeRequestUnknown(change_request_id)
                    raise NotRevertible(change_request_id, "was rejected")
                if change_request_id in reverted_requests((*basis.decisions, Decision(tuple(asked)))):
                    raise NotRevertible(change_request_id, "is already reverted")
                asked.append(change)
            case CorrectMembershipType(member_id) as change:
                if member_id not in members:
                    raise MemberNotInGroup(member_id, group)
                asked.append(change)
            case Enroll(member_id):
                members.add(member_id)
            case Leave():
                pass
    if asked:
        _reject_closed(proposal, basis, Decision(tuple(asked)))


def _reject_closed(proposal: ChangeProposal, basis: GroupBasis, asked: Decision) -> None:
    """Raises PastClosed if decisions would be read differently on days that an erasure has closed."""
    if basis.closed is None:
        return
    candidate = basis.with_decision(asked)
    before, after = (desired_days(each.counting(), each.contract) for each in (basis, candidate))
    corrected = {change.member_id for change in asked.changes if isinstance(change, CorrectMembershipType)}
    affected = [days for key, days in basis.closed.days.items() if key.member_id in corrected]
    for key in before.keys() | after.keys():
        then, now = before.get(key, NO_DAYS), after.get(key, NO_DAYS)
        affected.append((then - now) | (now - then))
    if any(days and days.first < basis.closed.until for days in affected):
        erased = erased_among(basis.facts, basis.facts) or proposal.key.primary_id
        raise PastClosed(erased, to_date(basis.closed.until))
