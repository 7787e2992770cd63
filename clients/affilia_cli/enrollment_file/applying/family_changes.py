"""The changes of a family, divided into change requests, and what remains if the server rejects some members."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from affilia.enrollment.v1.change_request_pb2 import ScopedChange, Violation
from affilia_cli.enrollment_file.planning.changes import changes_of
from affilia_cli.enrollment_file.planning.plan import PlannedMember

MAX_CHANGES = 100
"""Maximum number of changes in one change request (`change_request_service.proto`)."""
PRIMARY = "PRIMARY"


@dataclass(frozen=True, slots=True)
class MemberChanges:
    """The changes of one member in one group."""

    planned: PlannedMember
    changes: tuple[ScopedChange, ...]

    @property
    def member_id(self) -> str:
        return self.planned.member_id


def changes_by_contract(members: Iterable[PlannedMember], note: str) -> dict[str, list[MemberChanges]]:
    """Returns the changes of a family's members by contract, in the order of the members."""
    found: dict[str, list[MemberChanges]] = {}
    for planned in members:
        own: dict[str, list[ScopedChange]] = {}
        for contract_id, change in changes_of(planned, note):
            own.setdefault(contract_id, []).append(change)
        for contract_id, changes in own.items():
            found.setdefault(contract_id, []).append(MemberChanges(planned, tuple(changes)))
    return found


def divided(members: Sequence[MemberChanges]) -> list[list[MemberChanges]]:
    """Divides a group's changes into requests of at most MAX_CHANGES, in the order in which to submit them.

    A member's changes stay together, so that nobody loses cover between two requests and a later import finds all or
    none of them. Members who only gain days come first, the primary before all others, because cover of dependants can
    require theirs. Those who only lose days come last, and of them the primary. A member with more than MAX_CHANGES
    changes is a request of its own, which the server rejects.
    """
    if sum(len(each.changes) for each in members) <= MAX_CHANGES:
        return [list(members)]
    requests: list[list[MemberChanges]] = []
    for each in sorted(members, key=_order):
        if not requests or sum(len(other.changes) for other in (*requests[-1], each)) > MAX_CHANGES:
            requests.append([])
        requests[-1].append(each)
    return requests


def without_rejected(members: list[MemberChanges], violations: Iterable[Violation]) -> list[MemberChanges]:
    """Returns the members whom no violation names, or nobody if the violations name none of the members."""
    rejected = {each.member_id for each in violations}
    remaining = [each for each in members if each.member_id not in rejected]
    return remaining if len(remaining) < len(members) else []


def _order(member: MemberChanges) -> tuple[int, bool]:
    leaves = sum(change.HasField("leave") for change in member.changes)
    is_primary = member.planned.membership_type == PRIMARY
    if leaves == len(member.changes):
        return 2, is_primary
    return (1 if leaves else 0), not is_primary
