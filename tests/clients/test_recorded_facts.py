"""Facts of a file on a running server: the planned requests are accepted, and the same file plans nothing again."""

from dataclasses import replace

from affilia.catalog.v1 import member_service_pb2
from affilia_cli.enrollment_file.book.reading_book import read_book
from affilia_cli.enrollment_file.people.facts import fact_requests, planned_fact_kinds
from affilia_cli.enrollment_file.people.identifying import identify
from affilia_cli.enrollment_file.people.people import Person
from affilia_cli.enrollment_file.reading.file import Address, Coverage, FileMember
from affilia_client import Client
from tests.clients.test_reading_book import Sponsor
from tests.support.calls import new_id
from tests.support.files_and_books import a_file, day, dependant, incorrect, subscriber

TODAY = day("2026-03-01")
COVERAGE = Coverage(0, "021", "HLT", "", "", day("2026-01-01"), None, ())
PARIS = Address("75001", "FR")


class Import:
    """Records the facts of files, as an import does, but requests no coverage."""

    def __init__(self, client: Client) -> None:
        self.sponsor = Sponsor(client)
        self.mapping = replace(self.sponsor.mapping, disabled="DISABLED")

    def people(self, *loops: FileMember) -> tuple[list[Person], list[tuple[str, ...]]]:
        """Returns the people of a file, and the kinds of facts planned for each."""
        file = a_file(loops)
        book = read_book(self.sponsor.client, self.mapping, file)
        people = identify(file, self.mapping, book)
        kinds = planned_fact_kinds(self.mapping, book, TODAY)
        return people, [kinds(person, "ACME") for person in people]

    def record(self, *loops: FileMember) -> list[Person]:
        people, _ = self.people(*loops)
        members = self.sponsor.client.members
        for person in people:
            found = members.batch_get_members(member_ids=[person.member_id]).members
            for request in fact_requests(person, found[0] if found else None, self.mapping, "ACME", TODAY):
                request.request_id = new_id()
                if isinstance(request, member_service_pb2.UpsertMemberRequest):
                    members.upsert_member(request)
                else:
                    members.record_facts(request)
        return people


def test_the_same_file_plans_nothing_again(client: Client) -> None:
    importing = Import(client)
    loops = [
        subscriber("S7", "BEN", ssn="123456788", employment_status="FT", address=PARIS, coverages=(COVERAGE,)),
        dependant("S7", client="C7", handicapped=True, died_on=day("2026-02-01"), coverages=(COVERAGE,)),
    ]
    people, kinds = importing.people(*loops)
    assert [each.is_new for each in people] == [True, True]
    assert kinds == [
        ("name", "identifiers", "date of birth", "address", "employment"),
        ("name", "identifiers", "date of birth", "date of death", "disability"),
    ]
    importing.record(*loops)
    people, kinds = importing.people(*loops)
    assert [each.is_new for each in people] == [False, False]
    assert kinds == [(), ()]


def test_corrections_change_the_member_instead_of_adding_one(client: Client) -> None:
    importing = Import(client)
    (kim,) = importing.record(
        dependant(first="KIMMY", born="2016-06-01", maintenance="001", incorrect=incorrect("KIM", "2015-06-01"))
    )
    sponsor = importing.sponsor
    assert kim.member_id == sponsor.kim
    stored = client.members.get_member(member_id=sponsor.kim)
    assert stored.member.display_name == "KIMMY DOE"
    assert (stored.facts.born_on.year, len(stored.member.identifiers)) == (2016, 1)


def test_a_new_number_is_added_to_the_earlier_one(client: Client) -> None:
    importing = Import(client)
    importing.record(subscriber("S8", "ANN", "1980-06-01", maintenance="001", prior="S1"))
    stored = client.members.get_member(member_id=importing.sponsor.ann).member
    assert [each.value for each in stored.identifiers] == ["S1", "S8"]
    for number in ("S1", "S8"):
        people, kinds = importing.people(subscriber(number, "ANN", "1980-06-01", maintenance="001"))
        assert ([each.member_id for each in people], kinds) == ([importing.sponsor.ann], [()])


def test_two_members_under_two_numbers_are_one_after_a_merge(client: Client) -> None:
    importing = Import(client)
    sponsor = importing.sponsor
    double = importing.record(dependant(client="C5", first="TIM", born="2019-01-01"))[0].member_id
    loop = dependant(client="C1", prior="C5", maintenance="001")
    (ambiguous,), _ = importing.people(loop)
    assert [each.code for each in ambiguous.findings] == ["IDENTITY_AMBIGUOUS"]
    client.members.merge_members(
        request_id=new_id(),
        from_member_id=double,
        into_member_id=sponsor.kim,
        reason="one child",
        keep="KEPT_FACTS_INTO",
    )
    (kim,), _ = importing.people(loop)
    assert (kim.member_id, kim.findings) == (sponsor.kim, ())
