"""What a file and the book say about one person: values that identification compares."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from typing import NamedTuple

from affilia_cli.enrollment_file.book.book import Book, BookMember
from affilia_cli.enrollment_file.findings import Finding, error
from affilia_cli.enrollment_file.people.person_names import name_words, starts_with
from affilia_cli.enrollment_file.reading.file import FileMember

Words = tuple[str, ...]


class NameAndBirth(NamedTuple):
    """The words of a first name, and a date of birth. Unknown values are empty or None."""

    first_name: Words
    born_on: date | None

    @property
    def is_complete(self) -> bool:
        return bool(self.first_name) and self.born_on is not None


def said_about(member: FileMember) -> tuple[NameAndBirth, ...]:
    """Returns what a loop says about the person: the values that it corrects, if any, then the current ones."""
    current = NameAndBirth(name_words(member.first_name), member.born_on)
    wrong = member.incorrect
    if wrong is None:
        return (current,)
    earlier = NameAndBirth(name_words(wrong.first_name) or current.first_name, wrong.born_on or current.born_on)
    return (current,) if earlier == current else (earlier, current)


@dataclass(slots=True)
class Identity:
    """A person of the file while they are identified: the positions of their loops, and who they are in the book.

    `member_id` is empty until the person is identified. `finding` is the error that prevents it, and `possible` are the
    members whom the person can be in this case. `warnings` are reported with the person.
    """

    loops: list[int]
    member_id: str = ""
    is_new: bool = False
    finding: Finding | None = None
    possible: frozenset[str] = frozenset()
    warnings: tuple[Finding, ...] = ()

    @property
    def is_open(self) -> bool:
        """Whether the person can still be identified."""
        return not self.member_id and self.finding is None


def same_first_name(known: BookMember, said: NameAndBirth) -> bool:
    return starts_with(name_words(known.display_name), said.first_name)


def same_birth(known: BookMember, said: NameAndBirth) -> bool:
    return known.born_on is not None and known.born_on == said.born_on


def ambiguous(book: Book, member_ids: Iterable[str], at: FileMember, reason: str) -> Finding:
    """Returns the error for a person who can be several members."""
    names = " and ".join(_named(book, member_id) for member_id in sorted(member_ids))
    message = (
        f"{reason} {names}. If they are one person, merge them (MergeMembers, or `affilia merge`)"
        " and import the file again."
    )
    return error("IDENTITY_AMBIGUOUS", message, at.first_segment, "2000", "INS")


def differences(known: BookMember, said: NameAndBirth) -> Iterator[str]:
    """Yields what differs between the book and the file, in words."""
    if said.first_name and not same_first_name(known, said):
        name = known.display_name or "unknown"
        yield f"the name is {name} on the server and the first name is {' '.join(said.first_name).upper()} in the file"
    if said.born_on and not same_birth(known, said):
        yield f"the date of birth is {known.born_on or 'unknown'} on the server and {said.born_on} in the file"


def _named(book: Book, member_id: str) -> str:
    known = book.members.get(member_id)
    return f"{known.display_name} ({member_id})" if known and known.display_name else member_id
