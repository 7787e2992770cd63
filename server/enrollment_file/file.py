"""What an enrollment file says, as values: no judgement, no book, no identifiers of ours.

Codes stay as they are in the file (`codes.py` says what they mean). Texts that are not given are empty, dates that
are not given or do not exist are None. Both ends of a span of days are inclusive.
"""

from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from datetime import date

from server.enrollment_file.findings import Finding


@dataclass(frozen=True, slots=True)
class Envelope:
    """Who sent what to whom, and under which control numbers (ISA06, ISA08, ISA13, GS06). `usage`: T or P (ISA15)."""

    sender: str
    receiver: str
    interchange_number: str
    group_number: str
    usage: str


@dataclass(frozen=True, slots=True)
class Party:
    """A sponsor or a payer (N1): its name, and its number with whoever gives such numbers."""

    name: str = ""
    number: str = ""


@dataclass(frozen=True, slots=True)
class Address:
    """Where somebody lives (N3, N4). `country` is ISO 3166 alpha-2, empty where not told."""

    lines: tuple[str, ...]
    city: str
    state: str
    postal_code: str
    country: str


@dataclass(frozen=True, slots=True)
class Coverage:
    """One HD loop: what happens to one coverage of a member."""

    segment_number: int
    maintenance: str
    line: str
    plan: str
    level: str
    begins_on: date | None
    ends_on: date | None
    references: tuple[tuple[str, str], ...]

    def reference(self, qualifier: str) -> str:
        return dict(reversed(self.references)).get(qualifier, "")


@dataclass(frozen=True, slots=True)
class FileMember:
    """One INS loop. `first_segment` and `last_segment` are where it stands; findings between them are this member's.

    `person_number` is NM109, whatever kind it is of. `references` (REF) and `dates` (DTP) are in the order of the
    file, by qualifier.
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
    gender: str
    address: Address | None
    coverages: tuple[Coverage, ...]

    @property
    def display_name(self) -> str:
        return " ".join(part for part in (self.first_name, self.middle_name, self.last_name) if part)

    def reference(self, qualifier: str) -> str:
        """The first reference of a kind; empty: none."""
        return dict(reversed(self.references)).get(qualifier, "")

    def day(self, *qualifiers: str) -> date | None:
        """The date of the first of some kinds that is told."""
        days = dict(reversed(self.dates))
        return next((days[qualifier] for qualifier in qualifiers if qualifier in days), None)


@dataclass(frozen=True, slots=True)
class TransactionSet:
    """One ST to SE: BGN01, BGN02 and BGN08, the day from which it holds (DTP 007), and its members in order."""

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
    """A whole interchange, and everything that was found wrong with it, in order of segments."""

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
        """What stands outside every member, and what makes the envelope itself unbelievable, wherever it shows."""
        inside = {n for member in self.members for n in range(member.first_segment, member.last_segment + 1)}
        return tuple(
            finding for finding in self.findings if finding.segment_number not in inside or finding.is_of_envelope
        )


def _segment_number(finding: Finding) -> int:
    return finding.segment_number
