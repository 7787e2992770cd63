"""The book's days by person, read from the families of the book one primary at a time."""

from affilia_cli.enrollment_file.book.book import Book, BookFamily, FamilyKey
from affilia_cli.enrollment_file.book.day_runs import DayRuns
from affilia_cli.enrollment_file.mapping import Mapping
from affilia_cli.enrollment_file.planning.stated_days import ModuleKey


class MemberDays:
    """Finds the days of one person in the families of one primary. Only the last primary's families are kept."""

    def __init__(self, book: Book, mapping: Mapping) -> None:
        self._book = book
        self._contract_ids = mapping.contract_ids
        self._primary_id = ""
        self._days: dict[str, dict[ModuleKey, DayRuns]] = {}

    def families(self, primary_id: str) -> list[BookFamily]:
        """Returns the families of a primary under the contracts of the mapping."""
        keys = (FamilyKey(contract_id, primary_id) for contract_id in self._contract_ids)
        return [self._book.families[key] for key in keys if key in self._book.families]

    def of(self, member_id: str, primary_id: str) -> dict[ModuleKey, DayRuns]:
        """Returns a person's days by module, of all modules of the contracts. Modules without days are left out."""
        return self.of_family(primary_id).get(member_id, {})

    def of_family(self, primary_id: str) -> dict[str, dict[ModuleKey, DayRuns]]:
        """Returns the days of everybody in the families of a primary, by member id."""
        if primary_id != self._primary_id:
            self._primary_id, self._days = primary_id, {}
            for family in self.families(primary_id):
                for key, days in family.days.items():
                    if days:
                        module = ModuleKey(family.key.contract_id, key.module_id)
                        self._days.setdefault(key.member_id, {})[module] = days
        return self._days
