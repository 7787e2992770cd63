"""Segments to what they say: an enrollment file as values, with every finding.

Structure only: which segment belongs to whom, and which element is what. What contradicts itself is told by
`contradictions.py`, what the guide refuses by `segments.py`.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from pathlib import Path

from server.enrollment_file.contradictions import contradictions
from server.enrollment_file.file import (
    Address,
    Coverage,
    EnrollmentFile,
    Envelope,
    FileMember,
    Party,
    TransactionSet,
)
from server.enrollment_file.findings import FileRefused, Finding, error
from server.enrollment_file.segments import GUIDE, Segment, read_segments

PERSON_ROLES = ("IL", "74")
"""NM101 in loop 2100A: the insured, or the insured with a corrected name."""

TRAILERS = ("SE", "GE", "IEA")
"""Any of them ends a transaction set: where its own trailer is lost, the next one is no member's."""

FIRST_YEAR, LAST_YEAR = 1850, 2199
"""Dates outside are slips of the pen, but for 9999-12-31, which says that something has no end."""


def read_file(path: Path) -> EnrollmentFile:
    """What the file at a path says. FileRefused with every finding; OSError where it cannot be read."""
    return parse(path.read_bytes())


def parse(content: bytes) -> EnrollmentFile:
    """What an interchange says. FileRefused, with all findings, where one outside every member is an error."""
    reading = read_segments(content)
    reader = _Reader()
    envelope = reader.envelope(reading.segments)
    transactions = tuple(reader.transaction(part) for part in _parts(reading.segments, "ST", TRAILERS))
    file = EnrollmentFile(envelope, transactions, reading.digest, ())
    found = {*reading.findings, *reader.findings, *contradictions(file)}
    ordered = tuple(sorted(found, key=lambda finding: (finding.segment_number, finding.element, finding.code)))
    file = EnrollmentFile(envelope, transactions, reading.digest, ordered)
    if any(finding.is_error for finding in file.envelope_findings()):
        raise FileRefused(ordered)
    return file


def _parts(segments: Sequence[Segment], opening: str, closing: tuple[str, ...]) -> Iterator[Sequence[Segment]]:
    """The runs that begin with one segment, each up to the next one, or to one that closes."""
    begun: int | None = None
    for i, segment in enumerate(segments):
        if begun is not None and segment.name in (opening, *closing):
            yield segments[begun:i]
            begun = None
        if segment.name == opening:
            begun = i
    if begun is not None:
        yield segments[begun:]


class _Reader:
    """Reads parts of a file, and gathers what is wrong with them."""

    def __init__(self) -> None:
        self.findings: list[Finding] = []

    def envelope(self, segments: Sequence[Segment]) -> Envelope:
        isa = self._only(segments, "ISA")
        group = self._only(segments, "GS")
        if group.at(8) != GUIDE or group.at(1) != "BE":
            message = f"is {group.at(1)} {group.at(8)}; only BE {GUIDE} is read"
            self.findings.append(error("NOT_ENROLLMENT", message, group.number, group.loop, "GS08"))
        return Envelope(isa.at(6), isa.at(8), isa.at(13), group.at(6), isa.at(15))

    def _only(self, segments: Sequence[Segment], name: str) -> Segment:
        found = [segment for segment in segments if segment.name == name]
        if len(found) != 1:
            at = found[1].number if found else 0
            message = f"there are {len(found)} {name} segments; a file holds exactly one"
            self.findings.append(error("ENVELOPE_BROKEN", message, at, "", name))
        return found[0] if found else Segment(0, name, "", ())

    def transaction(self, segments: Sequence[Segment]) -> TransactionSet:
        first = next((i for i, segment in enumerate(segments) if segment.name == "INS"), len(segments))
        header = segments[:first]
        bgn = next((segment for segment in header if segment.name == "BGN"), Segment(segments[0].number, "BGN", "", ()))
        parties = {
            segment.at(1): Party(segment.at(2), segment.at(4)) for segment in reversed(header) if segment.name == "N1"
        }
        days = {segment.at(1): self._date(segment, 3) for segment in header if segment.name == "DTP"}
        return TransactionSet(
            number=segments[0].at(2),
            purpose=bgn.at(1),
            reference=bgn.at(2),
            action=bgn.at(8),
            effective_on=days.get("007"),
            sponsor=parties.get("P5", Party()),
            payer=parties.get("IN", Party()),
            members=tuple(self._member(part) for part in _parts(segments[first:], "INS", ())),
        )

    def _member(self, segments: Sequence[Segment]) -> FileMember:
        ins, own = segments[0], [segment for segment in segments if segment.loop == "2000"]
        person = [segment for segment in segments if segment.loop == "2100A"]
        name = _named(person, "NM1")
        if name.at(1) not in PERSON_ROLES:
            self.findings.append(error("NAME_MISSING", "has no NM1 of the insured", ins.number, "2100A", "NM1"))
        birth = _named(person, "DMG")
        return FileMember(
            first_segment=ins.number,
            last_segment=segments[-1].number,
            is_subscriber=ins.at(1) == "Y",
            relation=ins.at(2),
            maintenance=ins.at(3),
            reason=ins.at(4),
            benefit_status=ins.at(5),
            employment_status=ins.at(8),
            references=_references(own),
            dates=self._dates(own),
            last_name=name.at(3),
            first_name=name.at(4),
            middle_name=name.at(5),
            person_number=name.at(9),
            born_on=self._date(birth, 2) if birth.at(2) else None,
            gender=birth.at(3),
            address=_address(person),
            coverages=tuple(
                self._coverage(part)
                for part in _parts([segment for segment in segments if segment.loop.startswith("23")], "HD", ())
            ),
        )

    def _coverage(self, segments: Sequence[Segment]) -> Coverage:
        hd, own = segments[0], [segment for segment in segments if segment.loop == "2300"]
        days = dict(reversed(self._dates(own)))
        return Coverage(
            segment_number=hd.number,
            maintenance=hd.at(1),
            line=hd.at(3),
            plan=hd.at(4),
            level=hd.at(5),
            begins_on=days.get("348"),
            ends_on=days.get("349"),
            references=_references(own),
        )

    def _dates(self, segments: Iterable[Segment]) -> tuple[tuple[str, date], ...]:
        """By qualifier, in order. What ends on the last day of the calendar is open: it has no end to tell."""
        read = ((segment.at(1), self._date(segment, 3)) for segment in segments if segment.name == "DTP")
        return tuple((qualifier, day) for qualifier, day in read if day is not None and day != date.max)

    def _date(self, segment: Segment, position: int) -> date | None:
        """A date in the form 20260131; None, and a finding, where there is no such day, or none that can be meant."""
        text = segment.at(position)
        try:
            if len(text) != 8 or not (text.isascii() and text.isdigit()):
                raise ValueError
            day = date(int(text[:4]), int(text[4:6]), int(text[6:]))
            if not (FIRST_YEAR <= day.year <= LAST_YEAR or day == date.max):
                raise ValueError
            return day
        except ValueError:
            element = f"{segment.name}{position:02}"
            message = f"{text!r} is no day of these centuries' calendar"
            self.findings.append(error("DATE_UNKNOWN", message, segment.number, segment.loop, element))
            return None


def _named(segments: Iterable[Segment], name: str) -> Segment:
    """The first segment of a name; an empty one where there is none."""
    return next((segment for segment in segments if segment.name == name), Segment(0, name, "", ()))


def _references(segments: Iterable[Segment]) -> tuple[tuple[str, str], ...]:
    return tuple((segment.at(1), segment.at(2)) for segment in segments if segment.name == "REF")


def _address(person: Sequence[Segment]) -> Address | None:
    street, place = _named(person, "N3"), _named(person, "N4")
    if not place.number:
        return None
    lines = tuple(line for line in (street.at(1), street.at(2)) if line)
    return Address(lines, place.at(1), place.at(2), place.at(3), place.at(4))
