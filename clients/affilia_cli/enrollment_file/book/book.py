"""The book as plain values: what the server knows about the contracts of a mapping, and about the people of a file.

`reading_book.py` reads it through the server's public calls. Planning is a pure function of the file, the mapping and
the book.
"""

from collections.abc import Mapping as Lookup
from dataclasses import dataclass, field
from datetime import date
from typing import NamedTuple

from affilia_cli.enrollment_file.book.day_runs import DayRuns


class FamilyKey(NamedTuple):
    """A family: an enrollment group, identified by its contract and its primary."""

    contract_id: str
    primary_id: str


class EnrollmentKey(NamedTuple):
    """One member on one module of a family's contract."""

    member_id: str
    module_id: str


class SystemValue(NamedTuple):
    """An identifier: a value in a system of numbers. A sponsor's numbers each have a system of their own."""

    system: str
    value: str


@dataclass(frozen=True, slots=True)
class BookContract:
    """A contract. `slots` has the slot of each module, if it has one, in the newest version that offers the module.

    `starts_on` is the first day of the contract. `sponsor_id` is the employer in employment facts.
    """

    contract_id: str
    sponsor_id: str
    time_zone: str
    starts_on: date
    slots: Lookup[str, str]
    module_names: Lookup[str, str]


@dataclass(frozen=True, slots=True)
class BookMember:
    """A member with everything that identifies them. `identifiers` are those of every system.

    The id of an erased member stays in use, but no person of a file is that member. `record` is the serialized
    MemberWithFacts, with which `facts.py` compares a person of the file.
    """

    member_id: str
    display_name: str
    born_on: date | None
    died_on: date | None
    identifiers: tuple[SystemValue, ...]
    is_erased: bool = False
    record: bytes = b""


@dataclass(frozen=True, slots=True)
class BookFamily:
    """A family with the covered days of each enrollment, and the membership type of each member who ever had one."""

    key: FamilyKey
    group_id: str
    revision: int
    days: Lookup[EnrollmentKey, DayRuns]
    membership_types: Lookup[str, str]


@dataclass(frozen=True, slots=True)
class Book:
    """The contracts, their families, and the members whom a file can mean. Merged members are replaced everywhere.

    `members` has everyone whom a number of the file finds, the families of dependants whom none finds, and everyone
    who can lose coverage without being named. `member_ids` has the owners of the file's numbers. `merged` has the
    remaining id for each merged id of the file.
    """

    contracts: Lookup[str, BookContract]
    families: Lookup[FamilyKey, BookFamily]
    members: Lookup[str, BookMember]
    member_ids: Lookup[SystemValue, str]
    merged: Lookup[str, str] = field(default_factory=dict)
