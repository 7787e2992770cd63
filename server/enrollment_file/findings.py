"""What is wrong with an enrollment file, said so that its sender can mend it.

Every finding names segment, loop and element, and carries a code for programs. An error in what stands around the
members refuses the file; an error within a member rejects that member. Warnings reject nothing.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum


class Severity(Enum):
    """ERROR: not applied. WARNING: applied, and told."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong.

    `segment_number` counts from 1 (the ISA) through the whole file; 0: the file as a whole. `element` is a segment and
    its position, such as "INS02", or a segment alone, or empty.
    """

    severity: Severity
    code: str
    message: str
    segment_number: int = 0
    loop: str = ""
    element: str = ""

    @property
    def is_error(self) -> bool:
        return self.severity is Severity.ERROR

    @property
    def is_of_envelope(self) -> bool:
        """Whether it speaks against control numbers, counts or nesting, and so against the whole file."""
        return self.code.startswith("ENVELOPE_")

    def __str__(self) -> str:
        where = f"segment {self.segment_number}" if self.segment_number else "file"
        place = " ".join(part for part in (where, self.loop and f"loop {self.loop}", self.element) if part)
        return f"{place}: {self.severity.value} {self.code}: {self.message}"


class EnrollmentFileError(Exception):
    """Why nothing was applied. The only family of errors that the package raises."""


class FileRefused(EnrollmentFileError):
    """The file cannot be believed as a whole; says every finding. Nothing was read from the book, nothing written."""

    def __init__(self, findings: Iterable[Finding]) -> None:
        self.findings = tuple(findings)
        super().__init__("\n".join(str(finding) for finding in self.findings if finding.is_error))


class MappingMalformed(EnrollmentFileError):
    """The mapping file says something that cannot be meant; lists every fault."""

    def __init__(self, faults: Iterable[str]) -> None:
        self.faults = tuple(faults)
        super().__init__("\n".join(self.faults))


class TooManyTerminations(EnrollmentFileError):
    """The plan would end the cover of more people than the caller allows. Nothing was written."""


class BookUnreadable(EnrollmentFileError):
    """The server did not answer while the plan was made, or does not know a contract. Nothing was written."""


def error(code: str, message: str, segment_number: int = 0, loop: str = "", element: str = "") -> Finding:
    return Finding(Severity.ERROR, code, message, segment_number, loop, element)


def warning(code: str, message: str, segment_number: int = 0, loop: str = "", element: str = "") -> Finding:
    return Finding(Severity.WARNING, code, message, segment_number, loop, element)
