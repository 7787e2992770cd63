"""Files imported again: what earlier requests asked for isn't requested twice, and an old file undoes nothing."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import date

import pytest

from affilia.catalog.v1 import condition_pb2
from affilia.enrollment.v1.change_request_pb2 import (
    REQUESTER_ROLE_ADMIN,
    VERDICT_APPROVED,
    ChangeRequest,
    Requester,
    ScopedChange,
)
from affilia.enrollment.v1.enrollment_group_pb2 import GroupKey
from affilia.type.v1 import membership_type_pb2
from affilia.type.v1.membership_type_pb2 import MembershipType
from affilia_cli.enrollment_file.book.book import Book, BookContract, BookFamily, BookMember, EnrollmentKey, FamilyKey
from affilia_cli.enrollment_file.book.day_runs import DayRuns
from affilia_cli.enrollment_file.coverage_mapping import CoverageMapping
from affilia_cli.enrollment_file.mapping import Mapping
from affilia_cli.enrollment_file.people.people import Person, PersonLoop
from affilia_cli.enrollment_file.planning.changes import changes_of
from affilia_cli.enrollment_file.planning.earlier_imports import file_mark, with_earlier_imports
from affilia_cli.enrollment_file.planning.plan import Kind, Plan, PlannedMember
from affilia_cli.enrollment_file.planning.planning import plan_people
from affilia_cli.enrollment_file.reading.file import Coverage
from affilia_client import Client
from affilia_client.dates import span_from_proto
from tests.support.calls import Family, new_id
from tests.support.planned_files import MAPPING, a_coverage, a_file, a_member, a_set, codes_of, in_words, stated

TODAY = date(2026, 3, 1)
STARTS_ON = date(2025, 1, 1)
UNDER_25 = condition_pb2.Rule(
    code="CHILD_AGE",
    applies_to=[membership_type_pb2.MEMBERSHIP_TYPE_CHILD],
    condition=condition_pb2.Condition(age=condition_pb2.AgeCondition(subject=condition_pb2.SUBJECT_SELF, max_years=25)),
)


@dataclass
class Sponsor:
    """A contract on which children are covered until they are 25, and a family whose child turns 25 on 2026-05-20."""

    client: Client
    family: Family = field(init=False)
    merged: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.family = Family(self.client.channel)
        contract = self.family.contract()
        contract.versions[0].rules.append(UNDER_25)
        self.family.set_up(contract)
        self.family.born(self.family.child, "2001-05-20")

    @property
    def mapping(self) -> Mapping:
        modules = {"BASE": self.family.base, "PLUS": self.family.plus, "DENTAL": self.family.option}
        contract_id = self.family.contract_id
        coverages = tuple(CoverageMapping(line, "", "", contract_id, module) for line, module in modules.items())
        return replace(MAPPING, coverages=coverages)

    def book(self) -> Book:
        family, contract_id = self.family, self.family.contract_id
        contract = BookContract(
            contract_id, "ACME", "Europe/Paris", STARTS_ON, {family.base: "base", family.plus: "base"}, {}
        )
        families = {}
        for group in self.client.enrollment.all_enrollment_groups(contract_id=contract_id):
            runs: dict[EnrollmentKey, list[tuple[date, date]]] = {}
            types = {}
            for period in group.periods:
                first_on, last_on = span_from_proto(period.days)
                assert first_on
                key = EnrollmentKey(period.member_id, period.module_id)
                runs.setdefault(key, []).append((first_on, last_on or date.max))
                types[period.member_id] = MembershipType.Name(period.membership_type).removeprefix("MEMBERSHIP_TYPE_")
            family_key = FamilyKey(contract_id, group.key.primary_id)
            days = {enrollment: DayRuns.of(each) for enrollment, each in runs.items()}
            families[family_key] = BookFamily(family_key, group.group_id, group.revision, days, types)
        members = {each: BookMember(each, each, None, None, ()) for each in (family.primary, family.child)}
        return Book({contract_id: contract}, families, members, {}, self.merged)

    def plan(self, *coverages: Coverage, of_child: bool = False, number: int = 1, facts: tuple[str, ...] = ()) -> Plan:
        """Returns the plan for a change file about the primary or the child. Files with other numbers are others."""
        loop = a_member(*coverages, relation="19" if of_child else "18", born="")
        one = a_set(loop)
        member_id = self.family.child if of_child else self.family.primary
        person = Person(
            loops=(PersonLoop(loop, one, None),),
            member_id=member_id,
            primary_id=self.family.primary,
            membership_type="CHILD" if of_child else "PRIMARY",
            is_new=False,
            identifiers=frozenset(),
            findings=(),
        )
        file, book = replace(a_file(one), digest=str(number) * 64), self.book()
        pure = plan_people([person], file, self.mapping, book, TODAY, lambda person, employer_id: facts)
        return with_earlier_imports(pure, self.mapping, book, TODAY, self.client)

    def apply(self, plan: Plan) -> ChangeRequest:
        (member,) = plan.members
        return self.submit([change for _, change in changes_of(member, file_mark(plan.file))])

    def submit(self, changes: list[ScopedChange]) -> ChangeRequest:
        return self.client.changes.submit_change_request(
            requester=Requester(role=REQUESTER_ROLE_ADMIN, requester_id="ops", reason="file"),
            group=GroupKey(contract_id=self.family.contract_id, primary_id=self.family.primary),
            changes=changes,
            accept_consequences=True,
        ).change_request

    def days(self, member_id: str) -> str:
        (family,) = self.book().families.values()
        return in_words(family.days.get(EnrollmentKey(member_id, self.family.base), DayRuns()))


@pytest.fixture(scope="module")
def client(server_address: str) -> Iterator[Client]:
    with Client(server_address) as client:
        yield client


@pytest.fixture
def sponsor(client: Client) -> Sponsor:
    return Sponsor(client)


def only(plan: Plan) -> PlannedMember:
    (member,) = plan.members
    return member


SINCE_JANUARY = stated("021", "2026-01-01..")


def test_a_file_that_was_applied_plans_nothing_even_if_the_cover_was_changed_since(sponsor: Sponsor) -> None:
    plan = sponsor.plan(SINCE_JANUARY, facts=("date of birth",))
    assert only(plan).kind is Kind.ADD
    assert sponsor.apply(plan).verdict == VERDICT_APPROVED
    ended = sponsor.plan(a_coverage("024", ends="2026-06-30"), number=2)
    assert sponsor.apply(ended).verdict == VERDICT_APPROVED

    again = only(sponsor.plan(SINCE_JANUARY, facts=("date of birth",)))
    assert (again.kind, again.facts, again.changes_days) == (Kind.UNCHANGED, (), False)
    assert codes_of(again) == ["CHANGED_SINCE"]
    assert "from 2026-07-01" in again.findings[0].message
    assert only(sponsor.plan(SINCE_JANUARY, number=3)).kind is Kind.CHANGE


def test_a_file_that_was_applied_and_not_changed_since_has_no_warning(sponsor: Sponsor) -> None:
    sponsor.apply(sponsor.plan(SINCE_JANUARY))
    again = only(sponsor.plan(SINCE_JANUARY))
    assert (again.kind, again.findings, again.notices) == (Kind.UNCHANGED, (), ())


def test_a_file_that_ended_cover_says_so_if_the_days_are_covered_again(sponsor: Sponsor) -> None:
    sponsor.apply(sponsor.plan(SINCE_JANUARY))
    end = a_coverage("024", ends="2026-03-31")
    sponsor.apply(sponsor.plan(end, number=2))
    sponsor.apply(sponsor.plan(stated("025", "2026-04-01.."), number=3))
    again = only(sponsor.plan(end, number=2))
    assert (again.kind, codes_of(again)) == (Kind.UNCHANGED, ["CHANGED_SINCE"])
    assert "from 2026-04-01" in again.findings[0].message


def test_a_period_beside_a_run_is_no_change_by_others(sponsor: Sponsor) -> None:
    sponsor.apply(sponsor.plan(SINCE_JANUARY))
    last_year = stated("021", "2025-10-01..2025-12-31")
    sponsor.apply(sponsor.plan(last_year, number=2))
    assert sponsor.days(sponsor.family.primary) == "2025-10-01.."
    again = only(sponsor.plan(last_year, number=2))
    assert (again.kind, again.findings) == (Kind.UNCHANGED, ())


def test_a_file_that_was_applied_is_recognized_after_a_merge(sponsor: Sponsor) -> None:
    sponsor.apply(sponsor.plan(SINCE_JANUARY, of_child=True))
    merged, remaining = sponsor.family.child, new_id()
    sponsor.family.store(remaining)
    sponsor.client.members.merge_members(from_member_id=merged, into_member_id=remaining, reason="entered twice")
    sponsor.family.child, sponsor.merged = remaining, {merged: remaining}
    sponsor.apply(sponsor.plan(a_coverage("024", ends="2026-03-31"), of_child=True, number=2))
    again = only(sponsor.plan(SINCE_JANUARY, of_child=True))
    assert (again.kind, codes_of(again)) == (Kind.UNCHANGED, ["CHANGED_SINCE"])


def test_a_rejected_file_is_rejected_for_the_same_reasons_and_a_new_file_asks_again(sponsor: Sponsor) -> None:
    sponsor.apply(sponsor.plan(SINCE_JANUARY))
    closed = stated("021", "2026-01-01..2026-12-31")
    rejected = sponsor.apply(sponsor.plan(closed, of_child=True))
    assert rejected.verdict != VERDICT_APPROVED

    again = only(sponsor.plan(closed, of_child=True))
    assert (again.kind, again.changes_days) == (Kind.REJECTED, False)
    assert "RULE_NOT_SATISFIED CHILD_AGE" in again.reasons[0]
    assert only(sponsor.plan(closed, of_child=True, number=2)).kind is Kind.ADD


def test_days_that_a_rule_cuts_are_not_requested_by_the_next_file(sponsor: Sponsor) -> None:
    first = sponsor.apply(sponsor.plan(SINCE_JANUARY, of_child=True))
    assert (first.verdict, len(first.notices)) == (VERDICT_APPROVED, 1)
    assert sponsor.days(sponsor.family.child) == "2026-01-01..2026-05-19"

    again = only(sponsor.plan(SINCE_JANUARY, of_child=True, number=2))
    assert (again.kind, again.changes_days, again.findings) == (Kind.UNCHANGED, False, ())
    assert "from 2026-05-20" in again.notices[0]
    assert "CHILD_AGE" in again.notices[0]
    earlier = only(sponsor.plan(stated("001", "2025-12-01.."), of_child=True, number=3))
    assert in_words(earlier.modules[0].added) == "2025-12-01..2025-12-31"


def test_cover_that_a_file_ended_does_not_come_back_when_the_rule_allows_it(sponsor: Sponsor) -> None:
    sponsor.apply(sponsor.plan(SINCE_JANUARY, of_child=True))
    plan = sponsor.plan(a_coverage("024", ends="2026-03-31"), of_child=True, number=2)
    assert in_words(only(plan).modules[0].removed) == "2026-04-01..2026-05-19"
    assert sponsor.apply(plan).verdict == VERDICT_APPROVED

    sponsor.family.born(sponsor.family.child, "2010-05-20")
    sponsor.submit([change for _, change in changes_of(only(sponsor.plan(SINCE_JANUARY, number=3)), "later")])
    assert sponsor.days(sponsor.family.child) == "2026-01-01..2026-03-31"
