"""Which facts and identifiers a file records about a person: only those that differ from the stored ones."""

from datetime import date
from typing import Any

from affilia.catalog.v1 import condition_pb2, member_pb2, member_service_pb2
from affilia_cli.enrollment_file.book.book import SystemValue
from affilia_cli.enrollment_file.people.facts import FactRequest, fact_kinds, fact_requests
from affilia_cli.enrollment_file.people.people import Person, PersonLoop
from affilia_cli.enrollment_file.reading.file import Address, Coverage, FileMember
from tests.scenarios.enrollment_messages import date as date_message
from tests.scenarios.enrollment_messages import span
from tests.support.files_and_books import a_file, a_file_mapping, day, dependant, subscriber

TODAY = day("2026-03-01")
MAPPING = a_file_mapping(disabled="DISABLED")
C1, C2 = SystemValue("numbers", "1"), SystemValue("numbers", "2")
ACTIVE, RETIRED = condition_pb2.EMPLOYMENT_STATUS_ACTIVE, condition_pb2.EMPLOYMENT_STATUS_RETIRED
IN_PARIS = Address("75001", "FR")
COVERAGE = Coverage(0, "021", "HLT", "", "", day("2025-10-01"), None, ())


def a_person(*loops: FileMember, identifiers: frozenset[SystemValue] = frozenset(), **more: Any) -> Person:
    (transaction,) = a_file(loops).transactions
    made = tuple(PersonLoop(each, transaction, None) for each in transaction.members)
    values = {"membership_type": "PRIMARY" if loops[0].is_subscriber else "CHILD", "is_new": False, "findings": ()}
    return Person(made, "kim", "ann", identifiers=identifiers, **(values | more))


def stored(name: str = "KIM DOE", *identifiers: SystemValue, **facts: Any) -> member_service_pb2.MemberWithFacts:
    listed = [member_pb2.Identifier(system=each.system, value=each.value) for each in identifiers]
    member = member_pb2.Member(
        member_id="kim", kind=member_pb2.MEMBER_KIND_PERSON, display_name=name, identifiers=listed, etag="e1"
    )
    values = {"born_on": date_message("2015-06-01")} | facts
    return member_service_pb2.MemberWithFacts(member=member, facts=member_pb2.MemberFacts(**values))


def requests(
    person: Person, known: member_service_pb2.MemberWithFacts | None, employer_id: str = "ACME", today: date = TODAY
) -> list[FactRequest]:
    return fact_requests(person, known, MAPPING, employer_id, today)


def upserted(
    person: Person, known: member_service_pb2.MemberWithFacts | None
) -> member_service_pb2.UpsertMemberRequest:
    (request,) = requests(person, known)
    assert isinstance(request, member_service_pb2.UpsertMemberRequest)
    return request


def recorded(
    person: Person, known: member_service_pb2.MemberWithFacts | None, employer_id: str = "ACME"
) -> member_service_pb2.RecordFactsRequest:
    (request,) = requests(person, known, employer_id)
    assert isinstance(request, member_service_pb2.RecordFactsRequest)
    return request


def test_nothing_is_recorded_if_nothing_differs() -> None:
    assert requests(a_person(dependant()), stored()) == []


def test_a_new_member_is_stored_with_identifiers_and_date_of_birth() -> None:
    person = a_person(dependant(), identifiers=frozenset({C2, C1}), is_new=True)
    upsert, birth = requests(person, None)
    assert isinstance(upsert, member_service_pb2.UpsertMemberRequest)
    assert (upsert.member.display_name, upsert.etag) == ("KIM DOE", "")
    assert [(each.system, each.value) for each in upsert.member.identifiers] == [C1, C2]
    assert isinstance(birth, member_service_pb2.RecordFactsRequest)
    assert birth.birth.born_on == date_message("2015-06-01")
    assert fact_kinds([upsert, birth], None) == ("name", "identifiers", "date of birth")


def test_identifiers_are_added_to_the_state_that_was_read_and_none_is_removed() -> None:
    known = stored("KIM DOE", C1)
    request = upserted(a_person(dependant(), identifiers=frozenset({C2})), known)
    assert [(each.system, each.value) for each in request.member.identifiers] == [C1, C2]
    assert request.etag == "e1"
    assert fact_kinds([request], known) == ("identifiers",)
    assert requests(a_person(dependant(), identifiers=frozenset({C1})), known) == []


def test_a_member_never_gets_more_than_twenty_identifiers() -> None:
    full = [SystemValue("others", f"{n:02}") for n in range(19)]
    request = upserted(a_person(dependant(), identifiers=frozenset({C1, C2})), stored("KIM DOE", *full))
    assert [(each.system, each.value) for each in request.member.identifiers] == [*full, C1]
    assert requests(a_person(dependant(), identifiers=frozenset({C1})), stored("KIM DOE", *full, C2)) == []


def test_a_changed_name_keeps_the_identifiers() -> None:
    known = stored("KIM ROE", C1)
    request = upserted(a_person(dependant()), known)
    assert (request.member.display_name, len(request.member.identifiers)) == ("KIM DOE", 1)
    assert fact_kinds([request], known) == ("name",)


def test_a_loop_without_a_name_or_a_birth_changes_neither() -> None:
    assert requests(a_person(dependant(first="", last="", born="")), stored()) == []


def test_the_last_loop_wins() -> None:
    loops = [dependant(born="2014-01-01"), dependant(first="KIMBERLY", born="2016-06-01"), dependant(last="", born="")]
    upsert, birth = requests(a_person(*loops), stored())
    assert isinstance(upsert, member_service_pb2.UpsertMemberRequest)
    assert isinstance(birth, member_service_pb2.RecordFactsRequest)
    assert upsert.member.display_name == "KIMBERLY DOE"
    assert birth.birth.born_on == date_message("2016-06-01")


def test_a_death_is_recorded_once() -> None:
    person = a_person(dependant(died_on=day("2026-01-31")))
    request = recorded(person, stored())
    assert request.death.died_on == date_message("2026-01-31")
    assert fact_kinds([request], stored()) == ("date of death",)
    assert requests(person, stored(died_on=date_message("2026-01-31"))) == []


def test_a_disability_is_recorded_under_the_name_in_the_mapping_from_the_first_coverage_on() -> None:
    person = a_person(dependant(handicapped=True, coverages=(COVERAGE,)))
    request = recorded(person, stored())
    (attribute,) = request.attributes.items
    assert (attribute.name, attribute.value, request.spans) == ("DISABLED", "Y", True)
    assert attribute.days == span("2025-10-01", None)
    assert requests(person, stored(attributes=[attribute])) == []
    assert fact_requests(person, stored(), a_file_mapping(), "ACME", TODAY) == []


def test_a_disability_that_ended_begins_again_without_changing_the_past() -> None:
    ended = member_pb2.Attribute(days=span("2020-01-01", "2020-12-31"), name="DISABLED", value="Y")
    loop = dependant(handicapped=True, coverages=(COVERAGE,), dates=(("303", day("2026-02-01")),))
    (attribute,) = recorded(a_person(loop), stored(attributes=[ended])).attributes.items
    assert attribute.days == span("2026-02-01", None)


def test_an_address_applies_from_the_day_of_the_change_and_the_first_one_always() -> None:
    person = a_person(dependant(address=IN_PARIS))
    (address,) = recorded(person, stored()).addresses.items
    assert (address.country_code, address.postal_code, address.HasField("days")) == ("FR", "75001", True)
    assert address.days == span(None, None)
    assert requests(person, stored(addresses=[address])) == []
    elsewhere = member_pb2.Address(days=span(None, None), country_code="ES", postal_code="28001")
    before, after = recorded(person, stored(addresses=[elsewhere])).addresses.items
    assert (before.days, after.days) == (span(None, "2026-02-28"), span("2026-03-01", None))


def test_an_employment_is_recorded_for_subscribers_of_a_contract_with_a_sponsor() -> None:
    person = a_person(subscriber(employment_status="FT", coverages=(COVERAGE,)))
    known = stored("ANN DOE", born_on=date_message("1980-01-01"))
    (employment,) = recorded(person, known).employments.items
    assert (employment.employer_id, employment.status, employment.days) == ("ACME", ACTIVE, span("2025-10-01", None))
    known.facts.employments.append(employment)
    assert requests(person, known) == []
    assert requests(person, stored("ANN DOE", born_on=date_message("1980-01-01")), employer_id="") == []
    assert requests(a_person(dependant(employment_status="FT")), stored()) == []


def test_the_last_employment_status_of_several_loops_applies() -> None:
    ended = subscriber(maintenance="024", employment_status="TE", dates=(("357", day("2026-01-31")),))
    retired = subscriber(employment_status="RT", dates=(("356", day("2026-02-01")),))
    known = stored("ANN DOE", born_on=date_message("1980-01-01"))
    (employment,) = recorded(a_person(ended, retired), known).employments.items
    assert (employment.status, employment.days) == (RETIRED, span("2026-02-01", None))
    assert requests(a_person(retired, ended), known) == []
