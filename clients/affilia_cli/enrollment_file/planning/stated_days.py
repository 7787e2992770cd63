"""The days that a file states for the modules of a person: ends and statements, in no particular order."""

from dataclasses import dataclass
from datetime import date
from typing import NamedTuple

from affilia_cli.enrollment_file.book.day_runs import Run


class ModuleKey(NamedTuple):
    """A module of a contract."""

    contract_id: str
    module_id: str


@dataclass(frozen=True, slots=True)
class End:
    """The end of cover: 024, or 002 if `deletes` is true.

    The runs meant are those that share a day with `within`. They lose their days after `last_on`, or all of them if
    `deletes` is true, which may mean one run only. `ends_family` is true if it is the end of a subscriber as a member,
    not only of this coverage.
    """

    within: Run
    last_on: date
    deletes: bool = False
    ends_family: bool = False
    segment_number: int = 0


@dataclass(frozen=True, slots=True)
class Statement:
    """The statement that someone is covered from `first_on` to `last_on`, which is `date.max` if there is no end.

    `first_on` is None for a reinstatement without a day, which continues the last run. `is_correction`: 026.
    `is_audit`: 030.
    """

    first_on: date | None
    last_on: date
    is_correction: bool = False
    is_audit: bool = False
    segment_number: int = 0


@dataclass(frozen=True, slots=True)
class StatedModule:
    """Everything that a file states about one module of a person. `name` is the coverage as the file calls it."""

    name: str
    ends: tuple[End, ...] = ()
    statements: tuple[Statement, ...] = ()
    reason_code: str = ""
