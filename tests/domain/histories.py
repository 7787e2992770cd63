"""Random groups: contracts, facts, and histories with reverts, corrected membership types and merged members.

Decisions are only drawn as an operation would approve them: without conflicts between membership types.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from uuid import UUID

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from domain.catalog.contract import Contract, ContractVersion
from domain.days import UNBOUNDED_END, Days, Span
from domain.enrollment.decisions import (
    Change,
    ChangeProposal,
    CorrectMembershipType,
    DaysChange,
    Decision,
    Enroll,
    EnrollmentKey,
    GroupKey,
    Leave,
    Requester,
    RequesterRole,
    Revert,
    ScopedChange,
)
from domain.enrollment.desired import desired_days
from domain.enrollment.group import GroupBasis, replay
from domain.enrollment.judging import Judgement, judge
from domain.enrollment.settling import Settlement, settle
from domain.members import Attribute, Facts
from domain.membership import MembershipType
from domain.rules.conditions import (
    Alive,
    AllOf,
    AnyOf,
    CalendarEnd,
    Condition,
    EnrolledOn,
    HasAttribute,
    Negation,
    Rule,
    Subject,
)
from tests.domain.day_by_day import OneDay
from tests.domain.recorded import Recorded
from tests.support.builders import a_contract, a_module, a_version, an_id

FIRST = 1000
"""The first day of the contract. The grid starts one day before it and ends one day after the last possible change."""

LENGTH = 8
GRID = range(FIRST - 1, FIRST + LENGTH + 2)
WHOLE_GRID = range(FIRST - 1, FIRST + 2 * LENGTH + 2)
"""It also ends after every bounded span."""

MEMBERS = [UUID(int=n) for n in (1, 2, 3, 4)]
PRIMARY, *OTHERS = MEMBERS
NAMES = ("A", "B", "X", "Y")
A, B, X, Y = MODULES = [an_id(name) for name in NAMES]
SLOTS = {A: "s", B: "s", X: None, Y: None}
PARTNER, CHILD = MembershipType.PARTNER, MembershipType.CHILD
TYPES = dict(zip(MEMBERS, (MembershipType.PRIMARY, PARTNER, CHILD, CHILD), strict=True))
"""The types of members whom no decision names. The last member may turn out to be the one before."""

spans = st.builds(
    lambda start, length: Span(start, UNBOUNDED_END if length is None else start + length),
    st.integers(FIRST - 1, FIRST + LENGTH),
    st.one_of(st.none(), st.integers(1, LENGTH)),
)
subjects = st.sampled_from(Subject)
enrolled = st.builds(EnrolledOn, subjects, st.lists(st.sampled_from(MODULES), max_size=2, unique=True).map(tuple))
lasting = st.sampled_from([CalendarEnd.DAY, CalendarEnd.DAY, CalendarEnd.END_OF_MONTH])
attributes = st.builds(HasAttribute, subjects, st.just("site"), st.just(("n",)), lasting)
own_subjects = st.sampled_from([Subject.SELF, Subject.PRIMARY])
own_attributes = st.builds(HasAttribute, own_subjects, st.just("site"), st.just(("n",)), lasting)
alive = st.builds(Alive, own_subjects)
leaves: SearchStrategy[Condition] = st.one_of(
    enrolled, attributes, alive, st.builds(Negation, own_attributes), st.builds(Negation, alive)
)
conditions: SearchStrategy[Condition] = st.recursive(
    leaves,
    lambda inner: st.builds(
        lambda kind, parts: kind(tuple(parts)), st.sampled_from([AllOf, AnyOf]), st.lists(inner, min_size=1, max_size=2)
    ),
    max_leaves=4,
)
some_types = st.lists(st.sampled_from([*dict.fromkeys(TYPES.values())]), max_size=2, unique=True).map(tuple)


@st.composite
def versions(draw: st.DrawFn, days: Span) -> ContractVersion:
    """Draws a version with some of the modules, some of which have a rule."""
    codes = iter(["R1", "R2", "R3", "R4", "R5"])

    def rules() -> tuple[Rule, ...]:
        wanted = draw(st.booleans())
        return (Rule(next(codes), "", draw(some_types), draw(conditions)),) if wanted else ()

    modules = [
        a_module(name, slot=SLOTS[an_id(name)], rules=rules(), membership_types=draw(some_types))
        for name in draw(st.lists(st.sampled_from(NAMES), min_size=1, unique=True))
    ]
    return a_version(*modules, days=days, rules=rules())


@st.composite
def contracts(draw: st.DrawFn) -> Contract:
    """Draws a contract with one or two versions; the last one can be bounded."""
    cut = draw(st.one_of(st.none(), st.integers(FIRST + 1, FIRST + LENGTH - 1)))
    end = draw(st.sampled_from([UNBOUNDED_END, FIRST + LENGTH]))
    days = [Span(FIRST, end)] if cut is None else [Span(FIRST, cut), Span(cut, end)]
    contract = a_contract(*(draw(versions(each)) for each in days))
    return replace(contract, unlisted=SLOTS)


def changes() -> SearchStrategy[DaysChange]:
    members = st.sampled_from(MEMBERS)
    enrolls = st.builds(lambda m, x, d: Enroll(m, TYPES[m], x, d), members, st.sampled_from(MODULES), spans)
    return st.one_of(enrolls, enrolls, enrolls, leaves_of(members))


def leaves_of(members: SearchStrategy[UUID]) -> SearchStrategy[Leave]:
    return st.builds(Leave, members, st.one_of(st.none(), st.sampled_from(MODULES)), spans)


_dates = st.integers(FIRST - 1, FIRST + LENGTH).map(date.fromordinal)
decisions = st.builds(
    lambda some, codes, before: Decision(tuple(some), tuple(codes), overridden_before=before),
    st.lists(changes(), min_size=1, max_size=3),
    st.lists(st.sampled_from(["R1", "R2"]), max_size=1),
    st.none() | _dates,
)
lives = st.tuples(st.none() | _dates, st.none() | _dates).filter(
    lambda life: life[0] is None or life[1] is None or life[0] <= life[1]
)
facts = st.builds(
    lambda some, life: Facts(life[0], attributes=tuple(Attribute(*each) for each in some), died_on=life[1]),
    st.lists(st.tuples(spans, st.just("site"), st.sampled_from("ns")), max_size=1),
    st.just((None, None)) | lives,
)

NO_DECISIONS = Recorded(PRIMARY)
ENROLL, LEAVE, REVERT, CORRECT = "enroll", "leave", "revert", "correct"


@st.composite
def requests(draw: st.DrawFn, recorded: Recorded) -> Decision:
    """Draws the decision of the next request: about days, and often reverts and corrected types.

    It names any earlier request, also one that reverts others or that is reverted already. It mostly enrolls with the
    types that members have at that point.
    """
    made: list[Change] = []
    earlier = list(recorded.requests())
    members = st.sampled_from(recorded.unmerged(MEMBERS))
    for _ in range(draw(st.integers(1, 3))):
        kinds = [ENROLL, ENROLL, LEAVE, CORRECT, *([REVERT, REVERT] if earlier else [])]
        kind = draw(st.sampled_from(kinds))
        if kind == REVERT:
            made.append(Revert(draw(st.sampled_from(earlier))))
        elif kind == CORRECT:
            others = recorded.unmerged(OTHERS)
            made.append(CorrectMembershipType(draw(st.sampled_from(others)), draw(st.sampled_from([PARTNER, CHILD]))))
        elif kind == LEAVE:
            made.append(draw(leaves_of(members)))
        else:
            member = draw(members)
            known = recorded.plus(Decision(tuple(made))).types()
            own = known.get(member, TYPES[member])
            used = draw(st.sampled_from([*[own] * 5, PARTNER, CHILD]))
            made.append(Enroll(member, used, draw(st.sampled_from(MODULES)), draw(spans)))
    overridden = draw(st.lists(st.sampled_from(["R1", "R2"]), max_size=1))
    consequences = draw(st.lists(leaves_of(members), max_size=1))
    request_id, before = UUID(int=100 + len(recorded.decisions)), draw(st.none() | st.none() | _dates)
    return Decision(tuple(made), tuple(overridden), tuple(consequences), request_id, before)


@st.composite
def histories(draw: st.DrawFn, before: Recorded = NO_DECISIONS, max_size: int = 5) -> Recorded:
    """Draws decisions, and now and then a merge of two members with the same type, after those of an earlier state."""
    recorded = before
    for _ in range(draw(st.integers(1, max_size))):
        if draw(st.integers(0, 5)) == 0:
            types = {**TYPES, **recorded.types()}
            pairs = [
                (merged, into)
                for merged in recorded.unmerged(OTHERS)
                for into in recorded.unmerged(OTHERS)
                if merged != into and types[merged] is types[into]
            ]
            recorded = recorded.merged(*draw(st.sampled_from(pairs))) if pairs else recorded
        else:
            asked = recorded.plus(draw(requests(recorded)))
            recorded = recorded if asked.conflicts() else asked
    return recorded


@dataclass(frozen=True)
class Group:
    """A drawn group: the inputs of the engine, and the same as the slow model reads it.

    Hypothesis prints its `repr` for a counterexample.
    """

    basis: GroupBasis
    recorded: Recorded

    @classmethod
    def of(cls, contract: Contract, recorded: Recorded, known: dict[UUID, Facts]) -> "Group":
        aliases = recorded.aliases()
        return cls(GroupBasis(contract, PRIMARY, recorded.decisions, known, aliases=aliases), recorded)

    def with_history(self, recorded: Recorded) -> "Group":
        """Returns the same group with other decisions and merges."""
        basis = replace(self.basis, decisions=recorded.decisions, aliases=recorded.aliases())
        return Group(basis, recorded)

    def plus(self, decision: Decision) -> "Group":
        """Returns the group after another decision."""
        return self.with_history(self.recorded.plus(decision))

    def settled(self) -> Settlement:
        """Settles the group with the types of all members, whether or not a decision names them."""
        types = {**TYPES, **self.basis.membership_types()}
        return settle(desired_days(self.basis.counting(), self.basis.contract), self.basis.rulebook(types))

    def on(self, day: int) -> OneDay:
        types = {**TYPES, **self.recorded.types()}
        return OneDay(day, self.basis.contract, PRIMARY, types, dict(self.basis.facts), self.recorded.as_read())

    def judged(self, asked: Decision, *, accept_consequences: bool = False, today: int = FIRST) -> Judgement:
        """Judges an admin's request on the settled state."""
        proposal = ChangeProposal(
            GroupKey(self.basis.contract.contract_id, PRIMARY),
            Requester(RequesterRole.ADMIN, "admin", "a test"),
            tuple(ScopedChange(change) for change in asked.changes),
            asked.overridden_rules,
            accept_consequences,
        )
        return judge(proposal, self.basis, replay(self.basis).days, today)


groups = st.builds(
    lambda contract, recorded, known: Group.of(contract, recorded, dict(zip(MEMBERS, known, strict=True))),
    contracts(),
    histories(),
    st.tuples(*[facts] * len(MEMBERS)),
)


@st.composite
def groups_with_requests(draw: st.DrawFn) -> tuple[Group, Decision]:
    """Draws a group, and the decision of a request to judge."""
    group = draw(groups)
    asked = draw(requests(group.recorded))
    return group, replace(asked, consequence_leaves=(), change_request_id=None, overridden_before=None)


def on_day(days: Mapping[EnrollmentKey, Days], day: int) -> set[tuple[UUID, UUID]]:
    """Returns the enrollments of a day, as pairs of member and module."""
    return {(key.member_id, key.module_id) for key, of_one in days.items() if of_one.holds(day)}
