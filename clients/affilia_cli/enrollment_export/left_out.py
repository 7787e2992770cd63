"""What an export left out of the file or changed in it, with the reason."""

from collections.abc import Iterable
from dataclasses import dataclass, field

MAX_NAMED = 20
"""How many of the members or modules are named for each reason."""


@dataclass(slots=True)
class Remark:
    """One reason with the number of cases, and the first of them. `leaves_out` is false if only a text was changed."""

    code: str
    text: str
    leaves_out: bool
    count: int = 0
    named: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        more = f" and {self.count - len(self.named)} more" if self.count > len(self.named) else ""
        return f"{self.code} ({self.count}): {self.text} {', '.join(self.named)}{more}"


REASONS = {
    "MODULE_UNMAPPED": "Not in the file: coverages on modules that the mapping doesn't have:",
    "COVERAGE_AMBIGUOUS": "Not in the file: coverages that an import with the mapping reads as other modules:",
    "NUMBER_UNKNOWN": "Not in the file: the family has no subscriber number. Add an identifier to the primary:",
    "NUMBER_NOT_SENDABLE": "Not in the file: a number is too long, or has characters that X12 files can't contain:",
    "NAME_MISSING": "Not in the file: the member has no name:",
    "NAME_NOT_SENDABLE": "Not in the file: the name is too long, or can't be written in Latin letters:",
    "RELATION_UNMAPPED": "Not in the file: no relation of the mapping means the member's membership type:",
    "SUBSCRIBER_LEFT_OUT": "Not in the file: the subscriber can't be written:",
    "MEMBER_UNKNOWN": "Not in the file: the server doesn't know the member:",
    "NAME_SIMPLIFIED": "Written without accents and special characters, which X12 files can't contain:",
}


class LeftOut(Exception):
    """A member can't be written. `code` is one of REASONS."""

    def __init__(self, code: str) -> None:
        self.code = code
        super().__init__(code)


class Remarks:
    """Collects remarks. Memory is bounded by the number of reasons."""

    def __init__(self) -> None:
        self._remarks: dict[str, Remark] = {}

    def add(self, code: str, names: Iterable[str]) -> None:
        """Adds one case for each name."""
        for name in names:
            remark = self._remarks.setdefault(code, Remark(code, REASONS[code], code != "NAME_SIMPLIFIED"))
            remark.count += 1
            if len(remark.named) < MAX_NAMED and name not in remark.named:
                remark.named.append(name)

    def all(self) -> tuple[Remark, ...]:
        return tuple(self._remarks[code] for code in REASONS if code in self._remarks)
