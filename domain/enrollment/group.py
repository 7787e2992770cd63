"""An enrollment group: its periods at a revision, and the basis from which they are computed."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from uuid import UUID

from domain.catalog.contract import Contract
from domain.days import Days, Span
from domain.enrollment.closing import Closed
from domain.enrollment.counting import Aliases, counting_among
from domain.enrollment.decisions import Decision, EnrollmentKey
from domain.enrollment.desired import DaysByEnrollment
from domain.enrollment.folding import Decided, Folded, Size, folded, size_of
from domain.enrollment.rulebook import Rulebook
from domain.enrollment.settling import Settlement, settle
from domain.members import Facts
from domain.membership import MembershipType


@dataclass(frozen=True, slots=True)
class Period:
    """A maximal run of days of one member on one module."""

    member_id: UUID
    membership_type: MembershipType
    module_id: UUID
    days: Span


@dataclass(frozen=True, slots=True)
class GroupBasis:
    """The inputs that determine the state of a group: approved decisions in order, facts, and the contract.

    `aliases` are the merged members among those whom decisions name. `facts` has the others, and those into whom they
    were merged.
    """

    contract: Contract
    primary_id: UUID
    decisions: tuple[Decision, ...]
    facts: Mapping[UUID, Facts]
    closed: Closed | None = None
    aliases: Aliases = field(default_factory=dict)
    known: Folded | None = field(default=None, compare=False, repr=False)
    """A fold to start from, which `replace` passes on. It is only used if it is that of this basis."""

    @property
    def folded(self) -> Folded:
        """What the decisions amount to. Computed on first use, and kept by bases that are derived from this one."""
        decided = Decided(self.contract, self.primary_id, self.decisions, self.aliases)
        known = self.known
        if known is None or known.decided != decided:
            known = folded(decided)
            object.__setattr__(self, "known", known)
        return known

    @property
    def size(self) -> Size:
        """The size of the decisions. It doesn't fold them."""
        if self.known is not None and self.known.decided.decisions is self.decisions:
            return self.known.size
        return size_of(self.decisions)

    def with_decision(self, decision: Decision) -> "GroupBasis":
        """Returns this basis with one more approved decision."""
        known = self.folded.with_decision(decision)
        return replace(self, decisions=known.decided.decisions, known=known)

    def counting(self) -> tuple[Decision, ...]:
        """Returns the decisions that count, with merged members replaced."""
        return counting_among(self.decisions, self.folded.reverted, self.aliases)

    def membership_types(self) -> dict[UUID, MembershipType]:
        """Returns the types of the primary and of everyone whom approved decisions enroll or correct."""
        return self.folded.types.of_members()

    def rulebook(self, types: Mapping[UUID, MembershipType] | None = None) -> Rulebook:
        return Rulebook(
            self.contract,
            self.primary_id,
            self.membership_types() if types is None else types,
            self.facts,
            self.folded.overrides,
            self.closed,
        )


def replay(basis: GroupBasis) -> Settlement:
    """Settles a group from all approved decisions, independently of its revisions."""
    return settle(basis.folded.desired, basis.rulebook())


def periods(settled: Mapping[EnrollmentKey, Days], types: Mapping[UUID, MembershipType]) -> tuple[Period, ...]:
    """Returns settled days as maximal runs, in order of member, module and first day."""
    return tuple(
        Period(key.member_id, types[key.member_id], key.module_id, span)
        for key in sorted(settled, key=lambda key: key.order)
        for span in settled[key].spans
    )


def types_of(state: Iterable[Period]) -> dict[UUID, MembershipType]:
    """Returns the membership types of the members of a state."""
    return {period.member_id: period.membership_type for period in state}


def days_of(state: Iterable[Period]) -> DaysByEnrollment:
    """Returns the days of each enrollment of a state. It is the inverse of `periods`."""
    spans: dict[EnrollmentKey, list[Span]] = {}
    for period in state:
        spans.setdefault(EnrollmentKey(period.member_id, period.module_id), []).append(period.days)
    return {key: Days.of(*of_one) for key, of_one in spans.items()}
