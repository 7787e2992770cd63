"""Reading the book for a file: few calls, and everyone whom the file can mean."""

from typing import Any

import grpc
import pytest

from affilia.catalog.v1 import member_pb2, member_service_pb2
from affilia_cli.enrollment_file.book.book import Book, EnrollmentKey, FamilyKey, SystemValue
from affilia_cli.enrollment_file.book.day_runs import DayRuns
from affilia_cli.enrollment_file.book.reading_book import read_book
from affilia_cli.enrollment_file.findings import ServerStateUnreadable
from affilia_cli.enrollment_file.mapping import Mapping, NumberKind, mapping_of
from affilia_cli.enrollment_file.people.facts import planned_fact_kinds
from affilia_cli.enrollment_file.people.identifying import identify
from affilia_cli.enrollment_file.reading.file import FileMember
from affilia_client import Client
from affilia_client.testing import Affilia
from tests.support.calls import Family, admin, new_id
from tests.support.files_and_books import a_file, day, dependant, incorrect, subscriber


class Sponsor:
    """A family, Ann born on 1980-06-01 and Kim on 2015-06-01, both on base, and the mapping of its sponsor."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.family = Family(client.channel, requester=admin()).set_up()
        self.ann, self.kim = self.family.primary, self.family.child
        self.mapping: Mapping = mapping_of(
            {
                "namespace": new_id(),
                "sponsor": "1",
                "coverages": [
                    {"line": "HLT", "contract_id": self.family.contract_id, "module_id": self.family.base},
                ],
            }
        )
        self.store(self.ann, "ANN DOE", self.number(NumberKind.SUBSCRIBER, "S1"))
        self.store(self.kim, "KIM DOE", self.number(NumberKind.CLIENT, "C1"))
        base = self.family.base
        self.family.submit(
            self.family.enroll(base, "2026-01-01", "2026-03-31"),
            self.family.enroll(base, "2026-06-01"),
            self.family.enroll(base, "2026-02-01", "2026-02-28", child=True),
        )

    def number(self, kind: NumberKind, value: str) -> SystemValue:
        return self.mapping.identifier(kind, value)

    def store(self, member_id: str, name: str, *numbers: SystemValue) -> None:
        identifiers = [member_pb2.Identifier(system=each.system, value=each.value) for each in numbers]
        member = member_pb2.Member(
            member_id=member_id, kind=member_pb2.MEMBER_KIND_PERSON, display_name=name, identifiers=identifiers
        )
        self.family.members.UpsertMember(member_service_pb2.UpsertMemberRequest(request_id=new_id(), member=member))

    def book(self, *loops: FileMember, action: str = "2") -> Book:
        return read_book(self.client, self.mapping, a_file(loops, action=action))

    def members_of(self, *loops: FileMember) -> list[str]:
        file = a_file(loops)
        return [each.member_id for each in identify(file, self.mapping, read_book(self.client, self.mapping, file))]


@pytest.fixture
def sponsor(client: Client, affilia: Affilia) -> Sponsor:
    made = Sponsor(client)
    affilia.clear()
    return made


def test_the_book_has_contract_family_days_and_members(sponsor: Sponsor) -> None:
    book = sponsor.book(subscriber(), dependant(client="C1"))
    family = sponsor.family
    contract = book.contracts[family.contract_id]
    assert (contract.sponsor_id, contract.time_zone, contract.starts_on) == ("ACME", "Europe/Paris", day("2025-01-01"))
    assert contract.slots == {family.base: "base", family.plus: "base"}
    (stored,) = book.families.values()
    assert stored.key == FamilyKey(family.contract_id, sponsor.ann)
    assert stored.days == {
        EnrollmentKey(sponsor.ann, family.base): DayRuns.of(
            [(day("2026-01-01"), day("2026-03-31")), (day("2026-06-01"), day("9999-12-31"))]
        ),
        EnrollmentKey(sponsor.kim, family.base): DayRuns.of([(day("2026-02-01"), day("2026-02-28"))]),
    }
    assert stored.membership_types == {sponsor.ann: "PRIMARY", sponsor.kim: "CHILD"}
    assert book.member_ids == {
        sponsor.number(NumberKind.SUBSCRIBER, "S1"): sponsor.ann,
        sponsor.number(NumberKind.CLIENT, "C1"): sponsor.kim,
    }
    kim = book.members[sponsor.kim]
    assert (kim.display_name, kim.born_on, kim.died_on) == ("KIM DOE", day("2015-06-01"), None)
    assert kim.identifiers == (sponsor.number(NumberKind.CLIENT, "C1"),)


def test_members_of_other_families_are_not_read(sponsor: Sponsor) -> None:
    assert set(sponsor.book(subscriber("S2")).members) == set()
    assert set(sponsor.book(subscriber()).members) == {sponsor.ann}


def test_a_family_is_read_if_a_dependant_has_no_known_number(sponsor: Sponsor) -> None:
    assert set(sponsor.book(subscriber(), dependant(client="C9")).members) == {sponsor.ann, sponsor.kim}
    assert sponsor.members_of(dependant()) == [sponsor.kim]
    fix = dependant(born="2016-06-01", maintenance="001", incorrect=incorrect("KIM", "2015-06-01"))
    assert sponsor.members_of(fix) == [sponsor.kim]
    assert sponsor.members_of(subscriber("S2", prior="S1"), dependant("S2")) == [sponsor.ann, sponsor.kim]


def test_members_who_can_lose_coverage_unnamed_are_read_with_their_names(sponsor: Sponsor) -> None:
    for book in (sponsor.book(subscriber(maintenance="024")), sponsor.book(subscriber("S2"), action="4")):
        assert book.members[sponsor.kim].display_name == "KIM DOE"


def test_ids_that_earlier_releases_derived_are_found(sponsor: Sponsor) -> None:
    stored = [sponsor.mapping.subscriber_id("S5"), sponsor.mapping.dependant_id("S5", "client", "C5")]
    for member_id in stored:
        sponsor.store(member_id, "NO NAME")
    assert sponsor.members_of(subscriber("S5"), dependant("S5", client="C5")) == stored


def test_merged_members_are_replaced_and_erased_ones_are_nobody(sponsor: Sponsor) -> None:
    double, erased = sponsor.mapping.subscriber_id("S5"), sponsor.mapping.subscriber_id("S6")
    for member_id in (double, erased):
        sponsor.store(member_id, "ANN DOE")
    sponsor.family.members.MergeMembers(
        member_service_pb2.MergeMembersRequest(
            request_id=new_id(), from_member_id=double, into_member_id=sponsor.ann, reason="twice"
        )
    )
    sponsor.family.members.EraseMember(member_service_pb2.EraseMemberRequest(request_id=new_id(), member_id=erased))
    ann, new = sponsor.members_of(subscriber("S5"), subscriber("S6", "EVE", "1990-01-01"))
    assert ann == sponsor.ann
    assert new not in ("", erased)


def test_what_is_planned_to_be_recorded_is_compared_with_the_stored_facts(sponsor: Sponsor) -> None:
    file = a_file([dependant(client="C1"), dependant(client="C1", first="KIMBERLY", ssn="123456788")])
    book = read_book(sponsor.client, sponsor.mapping, file)
    kinds = planned_fact_kinds(sponsor.mapping, book, day("2026-03-01"))
    (kim,) = identify(file, sponsor.mapping, book)
    assert kinds(kim, "ACME") == ("name", "identifiers")
    (unchanged,) = identify(a_file([dependant(client="C1")]), sponsor.mapping, book)
    assert kinds(unchanged, "ACME") == ()


def test_many_members_are_read_in_few_calls(sponsor: Sponsor, affilia: Affilia) -> None:
    loops: list[Any] = []
    for n in range(700):
        loops += [subscriber(f"A{n}", ssn=f"{n:09}"), dependant(f"A{n}", client=f"D{n}")]
    sponsor.book(*loops)
    assert len(affilia.received("list_enrollment_groups")) == 1
    assert len(affilia.received("resolve_identifiers")) == 3  # 2 100 numbers
    assert len(affilia.received("batch_get_members")) <= 6
    assert not affilia.received("get_member")


def test_a_failed_call_is_reported(sponsor: Sponsor, affilia: Affilia) -> None:
    affilia.fail("resolve_identifiers", grpc.StatusCode.PERMISSION_DENIED)
    with pytest.raises(ServerStateUnreadable, match="PERMISSION_DENIED"):
        sponsor.book(subscriber())
