"""Enrollment files and books as values, without X12 and without a server. What isn't given has a valid default."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date
from typing import Any

from affilia_cli.enrollment_file.book.book import Book, BookContract, BookFamily, BookMember, FamilyKey, SystemValue
from affilia_cli.enrollment_file.mapping import Mapping as FileMapping
from affilia_cli.enrollment_file.mapping import NumberKind, mapping_of
from affilia_cli.enrollment_file.reading.file import (
    EnrollmentFile,
    Envelope,
    FileMember,
    IncorrectPerson,
    Party,
    TransactionSet,
)

CONTRACT = "11111111-1111-4111-8111-111111111111"
MODULE = "22222222-2222-4222-8222-222222222222"
NAMESPACE = "33333333-3333-4333-8333-333333333333"
ENVELOPE = Envelope("SENDER", "RECEIVER", "000000001", "1", "P")
SUBSCRIBER, CLIENT, SSN, PERSON = NumberKind.SUBSCRIBER, NumberKind.CLIENT, NumberKind.SSN, NumberKind.PERSON


def a_file_mapping(**more: Any) -> FileMapping:
    coverage = {"line": "HLT", "contract_id": CONTRACT, "module_id": MODULE}
    return mapping_of({"namespace": NAMESPACE, "sponsor": "1", "coverages": [coverage], **more})


MAPPING = a_file_mapping()


def day(text: str) -> date:
    return date.fromisoformat(text)


def incorrect(first: str = "", born: str = "", number: str = "", qualifier: str = "") -> IncorrectPerson:
    return IncorrectPerson(first, "", number, qualifier, day(born) if born else None)


def subscriber(number: str = "S1", first: str = "ANN", born: str = "1980-01-01", **more: Any) -> FileMember:
    return _loop("18", number, first, born, **more)


def dependant(
    number: str = "S1", first: str = "KIM", born: str = "2015-06-01", relation: str = "19", **more: Any
) -> FileMember:
    return _loop(relation, number, first, born, **more)


def _loop(
    relation: str,
    number: str,
    first: str,
    born: str,
    *,
    last: str = "DOE",
    maintenance: str = "021",
    client: str = "",
    ssn: str = "",
    person: str = "",
    prior: str = "",
    **more: Any,
) -> FileMember:
    """Returns an INS loop. `client` is REF 23, `ssn` is REF SY, `person` is NM109 and `prior` is REF Q4."""
    numbers = (("0F", number), ("23", client), ("SY", ssn), ("Q4", prior))
    values = {
        "reason": "",
        "benefit_status": "A",
        "employment_status": "",
        "dates": (),
        "middle_name": "",
        "person_number_qualifier": "34" if person else "",
        "address": None,
        "coverages": (),
    }
    return FileMember(
        first_segment=0,
        last_segment=0,
        is_subscriber=relation == "18",
        relation=relation,
        maintenance=maintenance,
        references=tuple(each for each in numbers if each[1]),
        last_name=last,
        first_name=first,
        person_number=person,
        born_on=day(born) if born else None,
        **(values | more),
    )


def a_file(*sets: Sequence[FileMember], action: str = "2") -> EnrollmentFile:
    """Returns a file with these sets. Each loop has ten segments."""
    transactions = []
    segment = 10
    for number, loops in enumerate(sets, start=1):
        members = []
        for loop in loops:
            members.append(replace(loop, first_segment=segment, last_segment=segment + 9))
            segment += 10
        transactions.append(
            TransactionSet(f"{number:04}", "00", "REFERENCE", action, None, Party("", "1"), Party(), tuple(members))
        )
    return EnrollmentFile(ENVELOPE, tuple(transactions), "digest", ())


def a_book_member(
    member_id: str,
    name: str = "KIM DOE",
    born: str = "2015-06-01",
    *,
    identifiers: Iterable[SystemValue] = (),
    **more: Any,
) -> BookMember:
    return BookMember(member_id, name, day(born) if born else None, None, tuple(identifiers), **more)


def a_book(
    *members: BookMember,
    families: Mapping[str, Mapping[str, str]] | None = None,
    merged: Mapping[str, str] | None = None,
) -> Book:
    """Returns a book with members. `families` has the membership types of members by primary."""
    contract = BookContract(CONTRACT, "sponsor", "UTC", day("2020-01-01"), {MODULE: "base"}, {MODULE: "BASE"})
    keys = {primary: FamilyKey(CONTRACT, primary) for primary in families or {}}
    return Book(
        contracts={CONTRACT: contract},
        families={
            keys[primary]: BookFamily(keys[primary], f"group of {primary}", 1, {}, {primary: "PRIMARY", **types})
            for primary, types in (families or {}).items()
        },
        members={each.member_id: each for each in members},
        member_ids={identifier: each.member_id for each in members for identifier in each.identifiers},
        merged=merged or {},
    )
