"""The people of a file, each with all their loops."""

from dataclasses import dataclass

from affilia_cli.enrollment_file.book.book import SystemValue
from affilia_cli.enrollment_file.findings import Finding
from affilia_cli.enrollment_file.reading.file import FileMember, TransactionSet


@dataclass(frozen=True, slots=True)
class PersonLoop:
    """One INS loop of a person. `subscriber` is the subscriber's loop if the set contains one."""

    member: FileMember
    transaction: TransactionSet
    subscriber: FileMember | None


@dataclass(frozen=True, slots=True)
class Person:
    """A person of the file in one family, with all their loops in file order.

    Someone who is a subscriber and also somebody's dependant is one `Person` in each family, with the same `member_id`.
    `is_new` is true if the book doesn't know the member yet. `identifiers` are those that the member doesn't have yet.
    `findings` are all findings about the loops. After an error the person is rejected, and `member_id`, `primary_id`
    and `membership_type` can be empty.
    """

    loops: tuple[PersonLoop, ...]
    member_id: str
    primary_id: str
    membership_type: str
    is_new: bool
    identifiers: frozenset[SystemValue]
    findings: tuple[Finding, ...]

    @property
    def is_rejected(self) -> bool:
        return any(finding.is_error for finding in self.findings)
