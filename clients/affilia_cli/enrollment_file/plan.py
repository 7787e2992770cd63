"""The plan of an import: one entry for each member. `planning.py` makes a plan, `applying.py` applies it."""

from collections import Counter
from dataclasses import dataclass
from enum import Enum

from affilia.enrollment.v1.change_request_pb2 import ScopedChange
from affilia_cli.enrollment_file.facts import FactRequest
from affilia_cli.enrollment_file.file import EnrollmentFile
from affilia_cli.enrollment_file.findings import Finding, TooManyTerminations


class Kind(Enum):
    """The action planned for a member."""

    ADD = "add"
    CHANGE = "change"
    TERMINATE = "terminate"
    CANCEL = "cancel"
    REINSTATE = "reinstate"
    UNCHANGED = "unchanged"
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True)
class Step:
    """One change to request in one group."""

    contract_id: str
    change: ScopedChange


@dataclass(frozen=True, slots=True)
class PlannedMember:
    """The action planned for a member, with its requests.

    `segment_number` is 0 for members whom the file doesn't mention. `facts` and `steps` are in sending order, and empty
    for UNCHANGED and REJECTED. `notices` are the server's notices on an earlier import of this file. `reasons` explain
    a rejection. `ends_coverage` is true if coverage ends and no other replaces it.
    """

    segment_number: int
    name: str
    member_id: str
    primary_id: str
    kind: Kind
    facts: tuple[FactRequest, ...] = ()
    steps: tuple[Step, ...] = ()
    findings: tuple[Finding, ...] = ()
    notices: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()
    ends_coverage: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """The whole plan: members in file order, then those whom the file doesn't mention.

    `enrolled` is the number of members enrolled today or later, by contract id. `findings` concern the file as a whole,
    and none of them is an error.
    """

    file: EnrollmentFile
    members: tuple[PlannedMember, ...]
    enrolled: dict[str, int]
    findings: tuple[Finding, ...]

    def counts(self) -> dict[Kind, int]:
        counted = Counter(member.kind for member in self.members)
        return {kind: counted[kind] for kind in Kind}

    def num_ending(self, contract_id: str) -> int:
        """Returns how many members lose coverage under a contract."""
        return sum(
            member.ends_coverage and any(step.contract_id == contract_id for step in member.steps)
            for member in self.members
        )


def check_terminations(plan: Plan, max_terminations: float) -> None:
    """Raises TooManyTerminations if more than a share (0 to 1) of a contract's members would lose coverage.

    A truncated file, or another sponsor's, looks as if the sponsor had terminated almost everybody.
    """
    for contract_id, enrolled in plan.enrolled.items() if max_terminations < 1 else ():
        num_ending = plan.num_ending(contract_id)
        if num_ending > max_terminations * enrolled:
            raise TooManyTerminations(
                f"contract {contract_id}: {num_ending} of {enrolled} members would lose coverage, which is more than "
                f"{max_terminations:.0%}. To allow it, raise the limit with --max-terminations."
            )
