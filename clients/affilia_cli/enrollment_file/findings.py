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


ENVELOPE_CODES = frozenset(
    {
        "ENVELOPE_CONTROL_NUMBERS",
        "ENVELOPE_CUT_OFF",
        "ENVELOPE_GROUP_COUNT",
        "ENVELOPE_STRUCTURE",
        "GROUP_CONTROL_NUMBERS",
        "GROUP_SET_COUNT",
        "SET_CONTROL_NUMBERS",
        "SET_COUNT",
    }
)
"""Wrong control numbers (ISA and IEA, GS and GE, ST and SE), counts (IEA01, GE01, SE01) or nesting."""

VALUE_CHARACTERS = 99
"""The maximum length of a value in an acknowledgement (IK404)."""


class ViolationKind(Enum):
    """How a segment breaks the implementation guide. ELEMENTS: some of its elements are wrong."""

    MISSING = "missing"
    TOO_OFTEN = "too often"
    UNEXPECTED = "unexpected"
    ELEMENTS = "elements"


@dataclass(frozen=True, slots=True)
class GuideViolation:
    """A violation of the implementation guide in the terms of a 999 acknowledgement (IK3 and IK4).

    `set_number` is ST02. `segment_position` counts from 1, the ST segment. Outside of transaction sets, they are empty
    and 0. A missing segment has the position of the first segment that must come after it.

    `element` is the position of the wrong element in its segment, or 0 if several are wrong together. `code` is the
    error code (IK403): 1 required, 2 conditionally required, 3 too many, 4 too short, 5 too long, 6 invalid character,
    7 invalid code, 8 invalid date, 9 invalid time, 10 not used. `value` is the element's value, cut to 99 characters.
    """

    set_number: str
    segment_position: int
    segment: str
    loop: str
    kind: ViolationKind
    element: int = 0
    code: str = ""
    value: str = ""


@dataclass(frozen=True, slots=True)
class Finding:
    """One problem.

    `segment_number` counts from 1 (the ISA segment) through the whole file; 0 means the file as a whole. `element` is
    an element such as "INS02", a segment such as "INS", or empty. `violation` is set if the implementation guide is
    violated.
    """

    severity: Severity
    code: str
    message: str
    segment_number: int = 0
    loop: str = ""
    element: str = ""
    violation: GuideViolation | None = None

    @property
    def is_error(self) -> bool:
        return self.severity is Severity.ERROR

    @property
    def concerns_envelope(self) -> bool:
        """Whether control numbers, counts or nesting are wrong, which invalidates the whole file."""
        return self.code in ENVELOPE_CODES

    def __str__(self) -> str:
        where = f"segment {self.segment_number}" if self.segment_number else "file"
        location = " ".join(part for part in (where, self.loop and f"loop {self.loop}", self.element) if part)
        return f"{location}: {self.severity.value} {self.code}: {self.message}"


class EnrollmentFileError(Exception):
    """The base class of all errors that this package raises. Nothing was applied."""


class Pyx12Missing(EnrollmentFileError):
    """The package that reads X12 isn't installed."""

    def __init__(self) -> None:
        super().__init__("Enrollment files require the `files` extra: pip install 'affilia-server[files]'")


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


@dataclass(frozen=True, slots=True)
class Excess:
    """A sentence about a limit that a plan exceeds, and the option of `import-834` that raises the limit."""

    sentence: str
    option: str

    def __str__(self) -> str:
        return f"{self.sentence} To allow it, raise the limit with {self.option} (1 means no limit)."


class PlanRefused(EnrollmentFileError):
    """The plan would take away more coverage than the caller allows. Nothing was written."""

    def __init__(self, excesses: Iterable[Excess]) -> None:
        self.excesses = tuple(excesses)
        super().__init__("\n".join(map(str, self.excesses)))


class TooManyTerminations(PlanRefused):
    """The plan would end the coverage of more members than the caller allows. Nothing was written."""


class TooManyDaysLost(PlanRefused):
    """The plan would take away more covered days than the caller allows. Nothing was written."""


class ServerStateUnreadable(EnrollmentFileError):
    """A call failed while the plan was made, for example for an unknown contract. Nothing was written."""


def error(code: str, message: str, segment_number: int = 0, loop: str = "", element: str = "") -> Finding:
    return Finding(Severity.ERROR, code, message, segment_number, loop, element)


def warning(code: str, message: str, segment_number: int = 0, loop: str = "", element: str = "") -> Finding:
    return Finding(Severity.WARNING, code, message, segment_number, loop, element)
