"""Finds the subscriber's loop of each INS loop."""

from collections.abc import Iterator
from dataclasses import dataclass

from affilia_cli.enrollment_file.codes import SUBSCRIBER_NUMBER
from affilia_cli.enrollment_file.findings import Finding, error
from affilia_cli.enrollment_file.mapping import DependantNumber, Mapping
from affilia_cli.enrollment_file.people.member_numbers import subscriber_numbers
from affilia_cli.enrollment_file.people.people import PersonLoop
from affilia_cli.enrollment_file.reading.file import EnrollmentFile, FileMember, TransactionSet


@dataclass(frozen=True, slots=True)
class FamilyLoop:
    """An INS loop with its family.

    `subscriber_index` is the position of the subscriber's loop in the file, counting INS loops from 0; it is the loop's
    own position for a subscriber, and None if the subscriber has no loop before this one. `family_numbers` are the
    subscriber's current and earlier numbers. `misplaced` is the error if the subscriber comes too late or not at all.
    """

    loop: PersonLoop
    subscriber_index: int | None
    family_numbers: tuple[str, ...]
    misplaced: Finding | None = None


def family_loops(file: EnrollmentFile, mapping: Mapping) -> Iterator[FamilyLoop]:
    """Yields all INS loops in file order. A subscriber can also be in an earlier set of the file."""
    earlier_sets: dict[str, int] = {}
    index = 0
    for transaction in file.transactions:
        finder = _Finder(transaction, mapping, earlier_sets, index)
        for member in transaction.members:
            yield finder.found(member, index)
            index += 1
        earlier_sets.update(finder.numbers)


class _Finder:
    """Finds the subscribers of one set, from the first loop on."""

    def __init__(
        self, transaction: TransactionSet, mapping: Mapping, earlier_sets: dict[str, int], first_index: int
    ) -> None:
        self._transaction = transaction
        self._own_numbers = mapping.dependant_number is DependantNumber.OWN
        self._earlier_sets = earlier_sets
        self._first_index = first_index
        self._all_numbers = {each.reference(SUBSCRIBER_NUMBER) for each in transaction.members if each.is_subscriber}
        self._preceding: int | None = None
        self.numbers: dict[str, int] = {}

    def found(self, member: FileMember, index: int) -> FamilyLoop:
        if member.is_subscriber:
            self._preceding = index
            numbers = subscriber_numbers(member)
            current = member.reference(SUBSCRIBER_NUMBER)
            for number in numbers:
                if number == current or number not in self.numbers:
                    self.numbers[number] = index
            return FamilyLoop(PersonLoop(member, self._transaction, member), index, numbers)
        number = "" if self._own_numbers else member.reference(SUBSCRIBER_NUMBER)
        at = self._preceding if self._own_numbers else self.numbers.get(number) if number else None
        subscriber = self._transaction.members[at - self._first_index] if at is not None else None
        if at is None and number:
            at = self._earlier_sets.get(number)
        own = () if self._own_numbers else subscriber_numbers(member)
        numbers = tuple(dict.fromkeys((*own, *(subscriber_numbers(subscriber) if subscriber else ()))))
        loop = PersonLoop(member, self._transaction, subscriber)
        return FamilyLoop(loop, at, numbers, self._misplaced(member, number) if at is None else None)

    def _misplaced(self, member: FileMember, number: str) -> Finding | None:
        if self._own_numbers:
            message = "The dependant comes before any subscriber."
        elif number and number in self._all_numbers:
            message = "The dependant must come after the subscriber."
        else:
            return None
        return error("SUBSCRIBER_MISSING", message, member.first_segment, "2000", "INS01")
