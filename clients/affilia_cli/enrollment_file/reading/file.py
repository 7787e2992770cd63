"""The content of an enrollment file as values, without any interpretation.

Codes are those of the file; `codes.py` names them. Missing texts are empty. Missing or invalid dates are None. Both
ends of a span of days are inclusive.
"""

from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from datetime import date

from affilia_cli.enrollment_file.findings import Finding


@dataclass(frozen=True, slots=True)
class Envelope:
    """Sender, receiver and control numbers (ISA06, ISA08, ISA13, GS06). `usage` is T or P (ISA15), and `created_on` the
    sender's date of the file (ISA09)."""

    sender: str
    receiver: str
    interchange_number: str
    group_number: str
    usage: str
    created_on: date | None = None


@dataclass(frozen=True, slots=True)
class Party:
    """A sponsor or payer (N1) with its name and number."""

    name: str = ""
    number: str = ""


@dataclass(frozen=True, slots=True)
class Address:
    """What the server stores of a member's address (N4). `country` is an ISO 3166 alpha-2 code, or empty."""

    postal_code: str
    country: str


@dataclass(frozen=True, slots=True)
class Coverage:
    """One HD loop: maintenance of one coverage of a member."""

    segment_number: int
    maintenance: str
    line: str
    plan: str
    level: str
    begins_on: date | None
    ends_on: date | None
    references: tuple[tuple[str, str], ...]

    def reference(self, qualifier: str) -> str:
        """Returns the first reference with a qualifier, or an empty string."""
        return next((value for known, value in self.references if known == qualifier), "")


@dataclass(frozen=True, slots=True)
class IncorrectPerson:
    """What earlier files said and this one corrects (loop 2100B). Data that isn't corrected is empty."""

    first_name: str
    last_name: str
    person_number: str
    person_number_qualifier: str
    born_on: date | None


@dataclass(frozen=True, slots=True)
class FileMember:
    """One INS loop. Findings from `first_segment` to `last_segment` belong to this member.

    `medicare` is the Medicare plan code (the first component of INS06). `person_number` is NM109, and its qualifier
    NM108. `references` (REF) and `dates` (DTP) are pairs of qualifier and value, in file order. They have only the
    qualifiers that are read (`codes.READ_QUALIFIERS`).
    """

    first_segment: int
    last_segment: int
    is_subscriber: bool
    relation: str
    maintenance: str
    reason: str
    benefit_status: str
    employment_status: str
    references: tuple[tuple[str, str], ...]
    dates: tuple[tuple[str, date], ...]
    last_name: str
    first_name: str
    middle_name: str
    person_number: str
    born_on: date | None
    address: Address | None
    coverages: tuple[Coverage, ...]
    medicare: str = ""
    handicapped: bool = False
    died_on: date | None = None
    person_number_qualifier: str = ""
    incorrect: IncorrectPerson | None = None

    @property
    def display_name(self) -> str:
        return " ".join(part for part in (self.first_name, self.middle_name, self.last_name) if part)

    def reference(self, qualifier: str) -> str:
        """Returns the first reference with a qualifier, or an empty string."""
        return next((value for known, value in self.references if known == qualifier), "")

    def day(self, *qualifiers: str) -> date | None:
        """Returns the date of the first qualifier that the member has."""
        return next((day for wanted in qualifiers for qualifier, day in self.dates if qualifier == wanted), None)


@dataclass(frozen=True, slots=True)
class TransactionSet:
    """One set, from ST to SE: BGN01, BGN02, BGN08, its effective day (DTP 007), and its members in order."""

    number: str
    purpose: str
    reference: str
    action: str
    effective_on: date | None
    sponsor: Party
    payer: Party
    members: tuple[FileMember, ...]


@dataclass(frozen=True, slots=True)
class EnrollmentFile:
    """A whole interchange with all findings, in segment order."""

    envelope: Envelope
    transactions: tuple[TransactionSet, ...]
    digest: str
    findings: tuple[Finding, ...]

    @property
    def members(self) -> tuple[FileMember, ...]:
        return tuple(member for transaction in self.transactions for member in transaction.members)

    def findings_of(self, member: FileMember) -> tuple[Finding, ...]:
        first = bisect_left(self.findings, member.first_segment, key=_segment_number)
        return self.findings[first : bisect_right(self.findings, member.last_segment, key=_segment_number)]

    def envelope_findings(self) -> tuple[Finding, ...]:
        """Returns the findings outside of all members, and those that invalidate the envelope."""
        members = self.members
        starts = [member.first_segment for member in members]

        def is_outside(number: int) -> bool:
            i = bisect_right(starts, number)
            return i == 0 or number > members[i - 1].last_segment

        return tuple(
            finding for finding in self.findings if finding.concerns_envelope or is_outside(finding.segment_number)
        )


def _segment_number(finding: Finding) -> int:
    return finding.segment_number
