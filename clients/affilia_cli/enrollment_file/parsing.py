"""Parses segments into an enrollment file, with every finding.

This module assigns segments to members and elements to fields. `segments.py` checks the file against the guide, and
`contradictions.py` checks it for contradictions.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from pathlib import Path

from affilia_cli.enrollment_file.contradictions import contradictions
from affilia_cli.enrollment_file.file import (
    Address,
    Coverage,
    EnrollmentFile,
    Envelope,
    FileMember,
    IncorrectPerson,
    Party,
    TransactionSet,
)
from affilia_cli.enrollment_file.findings import FileRejected, Finding, error
from affilia_cli.enrollment_file.segments import GUIDE, Segment, read_segments
from affilia_cli.local_files import MEBIBYTE, read_regular

PERSON_ROLES = ("IL", "74")
"""NM101 in loop 2100A: the insured, or the insured with a corrected name."""

TRAILERS = ("SE", "GE", "IEA")
"""Any of these ends a transaction set, because its own trailer can be missing."""

MAX_FILE_BYTES = 256 * MEBIBYTE
"""The whole file is held in memory."""

FIRST_YEAR, LAST_YEAR = 1850, 2199
"""Other years are typing errors, except 9999-12-31, which means that there is no end."""


def read_file(path: Path) -> EnrollmentFile:
    """Parses a file. Raises FileRejected with every finding, or OSError if the file can't be read, isn't a regular file
    or is too large."""
    return parse(read_regular(path, MAX_FILE_BYTES))


def parse(content: bytes) -> EnrollmentFile:
    """Parses an interchange. Raises FileRejected with all findings if one outside of all members is an error."""
    reading = read_segments(content)
    reader = _Reader()
    envelope = reader.envelope(reading.segments)
    transactions = tuple(reader.transaction(part) for part in _parts(reading.segments, "ST", TRAILERS))
    file = EnrollmentFile(envelope, transactions, reading.digest, ())
    found = {*reading.findings, *reader.findings, *contradictions(file)}
    ordered = tuple(sorted(found, key=lambda finding: (finding.segment_number, finding.element, finding.code)))
    file = EnrollmentFile(envelope, transactions, reading.digest, ordered)
    if any(finding.is_error for finding in file.envelope_findings()):
        raise FileRejected(ordered)
    return file


def _parts(segments: Sequence[Segment], opening: str, closing: tuple[str, ...]) -> Iterator[Sequence[Segment]]:
    """Yields the parts that start with a segment, each up to the next one or to a closing segment."""
    start: int | None = None
    for i, segment in enumerate(segments):
        if start is not None and segment.name in (opening, *closing):
            yield segments[start:i]
            start = None
        if segment.name == opening:
            start = i
    if start is not None:
        yield segments[start:]


class _Reader:
    """Parses parts of a file and collects findings."""

    def __init__(self) -> None:
        self.findings: list[Finding] = []
        self._component_separator = ":"

    def envelope(self, segments: Sequence[Segment]) -> Envelope:
        isa = self._only(segments, "ISA")
        group = self._only(segments, "GS")
        if group.at(8) != GUIDE or group.at(1) != "BE":
            message = f"The file must be BE {GUIDE}, got {group.at(1)} {group.at(8)}."
            self.findings.append(error("NOT_ENROLLMENT", message, group.number, group.loop, "GS08"))
        self._component_separator = isa.at(16) or ":"
        return Envelope(isa.at(6), isa.at(8), isa.at(13), group.at(6), isa.at(15))

    def _only(self, segments: Sequence[Segment], name: str) -> Segment:
        found = [segment for segment in segments if segment.name == name]
        if len(found) != 1:
            at = found[1].number if found else 0
            message = f"The file must have exactly one {name} segment, got {len(found)}."
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
            self.findings.append(
                error("NAME_MISSING", "The NM1 segment of the insured is missing.", ins.number, "2100A", "NM1")
            )
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
            medicare=ins.at(6).split(self._component_separator)[0],
            handicapped=ins.at(10) == "Y",
            died_on=self._date(ins, 12) if ins.at(12) else None,
            person_number_qualifier=name.at(8),
            incorrect=self._incorrect([segment for segment in segments if segment.loop == "2100B"]),
        )

    def _incorrect(self, segments: Sequence[Segment]) -> IncorrectPerson | None:
        name, birth = _named(segments, "NM1"), _named(segments, "DMG")
        if not name.number:
            return None
        return IncorrectPerson(
            first_name=name.at(4),
            last_name=name.at(3),
            person_number=name.at(9),
            person_number_qualifier=name.at(8),
            born_on=self._date(birth, 2) if birth.at(2) else None,
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
        """Returns pairs of qualifier and date. Leaves out 9999-12-31, which means that there is no end."""
        read = ((segment.at(1), self._date(segment, 3)) for segment in segments if segment.name == "DTP")
        return tuple((qualifier, day) for qualifier, day in read if day is not None and day != date.max)

    def _date(self, segment: Segment, position: int) -> date | None:
        """Parses a date such as 20260131. Returns None and adds a finding if it is invalid or implausible."""
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
            message = f"Not a plausible date in the form 20260131: {text!r}."
            self.findings.append(error("DATE_UNKNOWN", message, segment.number, segment.loop, element))
            return None


def _named(segments: Iterable[Segment], name: str) -> Segment:
    """Returns the first segment with a name, or an empty segment."""
    return next((segment for segment in segments if segment.name == name), Segment(0, name, "", ()))


def _references(segments: Iterable[Segment]) -> tuple[tuple[str, str], ...]:
    return tuple((segment.at(1), segment.at(2)) for segment in segments if segment.name == "REF")


def _address(person: Sequence[Segment]) -> Address | None:
    street, city = _named(person, "N3"), _named(person, "N4")
    if not city.number:
        return None
    lines = tuple(line for line in (street.at(1), street.at(2)) if line)
    return Address(lines, city.at(1), city.at(2), city.at(3), city.at(4))
