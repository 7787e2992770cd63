"""What an import is going to do, as values: one entry a member, and what it means for each contract as a whole.

How a plan comes about is told in `planning.py`, how it is carried out in `applying.py`.
"""

from collections import Counter
from dataclasses import dataclass
from enum import Enum

from affilia.enrollment.v1.change_request_pb2 import ScopedChange
from server.enrollment_file.facts import FactRequest
from server.enrollment_file.file import EnrollmentFile
from server.enrollment_file.findings import Finding, TooManyTerminations


class Kind(Enum):
    """What is planned for a member."""

    ADD = "add"
    CHANGE = "change"
    TERMINATE = "terminate"
    CANCEL = "cancel"
    REINSTATE = "reinstate"
    UNCHANGED = "unchanged"
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True)
class Step:
    """One change to ask for, in one group."""

    contract_id: str
    change: ScopedChange


@dataclass(frozen=True, slots=True)
class PlannedMember:
    """What is to happen to a member, and why.

    `segment_number` is 0 for those whom the file does not name. `facts` and `steps` are in the order in which they are
    sent, and empty for UNCHANGED and REJECTED. `notices` is what an earlier run of this file was told by the server.
    `reasons` say why a member is rejected. `ends_cover`: cover ends and nothing takes its place.
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
    ends_cover: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """A whole plan, members in order of the file and then those whom it does not name.

    `enrolled`: for each contract, how many members are on it today or later. `findings` are those about the file as a
    whole; none of them is an error.
    """

    file: EnrollmentFile
    members: tuple[PlannedMember, ...]
    enrolled: dict[str, int]
    findings: tuple[Finding, ...]

    def counts(self) -> dict[Kind, int]:
        counted = Counter(member.kind for member in self.members)
        return {kind: counted[kind] for kind in Kind}

    def ending(self, contract_id: str) -> int:
        """How many members lose cover under a contract."""
        return sum(
            member.ends_cover and any(step.contract_id == contract_id for step in member.steps)
            for member in self.members
        )


def check_terminations(plan: Plan, most_terminations: float) -> None:
    """TooManyTerminations where more than a share (0 to 1) of those enrolled under a contract would lose cover.

    A file that was cut short, or is another sponsor's, looks like a sponsor who lets everybody go.
    """
    for contract_id, enrolled in plan.enrolled.items() if most_terminations < 1 else ():
        ending = plan.ending(contract_id)
        if ending > most_terminations * enrolled:
            raise TooManyTerminations(
                f"contract {contract_id}: {ending} of {enrolled} members would lose cover; "
                f"at most {most_terminations:.0%} may, unless another share is given"
            )
