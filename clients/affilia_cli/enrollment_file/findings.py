"""Problems in an enrollment file, described so that the sender can fix them.

Every finding has a segment, a loop, an element, and a code for programs. An error in the envelope rejects the file, and
an error in a member rejects that member. Warnings reject nothing.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum


class Severity(Enum):
    """ERROR: the member or file is not applied. WARNING: it is applied and the finding is reported."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Finding:
    """One problem.

    `segment_number` counts from 1 (the ISA segment) through the whole file; 0 means the file as a whole. `element` is
    an element such as "INS02", a segment such as "INS", or empty.
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
    def concerns_envelope(self) -> bool:
        """Whether control numbers, counts or nesting are wrong, which invalidates the whole file."""
        return self.code.startswith("ENVELOPE_")

    def __str__(self) -> str:
        where = f"segment {self.segment_number}" if self.segment_number else "file"
        location = " ".join(part for part in (where, self.loop and f"loop {self.loop}", self.element) if part)
        return f"{location}: {self.severity.value} {self.code}: {self.message}"


class EnrollmentFileError(Exception):
    """The base class of all errors that this package raises. Nothing was applied."""


class Pyx12Missing(EnrollmentFileError):
    """The package that reads X12 isn't installed."""

    def __init__(self) -> None:
        super().__init__("Enrollment files require the extra files: pip install 'affilia-server[files]'")


class FileRejected(EnrollmentFileError):
    """The file as a whole is invalid. Lists every finding. Nothing was written."""

    def __init__(self, findings: Iterable[Finding]) -> None:
        self.findings = tuple(findings)
        super().__init__("\n".join(str(finding) for finding in self.findings if finding.is_error))


class MappingMalformed(EnrollmentFileError):
    """The mapping file is invalid. Lists every error."""

    def __init__(self, faults: Iterable[str]) -> None:
        self.faults = tuple(faults)
        super().__init__("\n".join(self.faults))


class TooManyTerminations(EnrollmentFileError):
    """The plan would end the coverage of more members than the caller allows. Nothing was written."""


class TooManyDaysLost(EnrollmentFileError):
    """The plan would take away more covered days than the caller allows. Nothing was written."""


class ServerStateUnreadable(EnrollmentFileError):
    """A call failed while the plan was made, for example for an unknown contract. Nothing was written."""


def error(code: str, message: str, segment_number: int = 0, loop: str = "", element: str = "") -> Finding:
    return Finding(Severity.ERROR, code, message, segment_number, loop, element)


def warning(code: str, message: str, segment_number: int = 0, loop: str = "", element: str = "") -> Finding:
    return Finding(Severity.WARNING, code, message, segment_number, loop, element)
