"""Parses an enrollment file into values, with every finding.

`segments.py` reads the segments and checks them against the guide, `member_loops.py` makes a value of each INS loop,
and `contradictions.py` checks the file for contradictions. No segment is kept longer than its loop.
"""

from dataclasses import replace
from datetime import date
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

from affilia_cli.enrollment_file import codes
from affilia_cli.enrollment_file.findings import FileRejected, Finding, error
from affilia_cli.enrollment_file.reading.contradictions import contradictions
from affilia_cli.enrollment_file.reading.file import EnrollmentFile, Envelope, FileMember, Party, TransactionSet
from affilia_cli.enrollment_file.reading.guide import GUIDE
from affilia_cli.enrollment_file.reading.member_loops import MemberParser
from affilia_cli.enrollment_file.reading.segment_texts import MAX_BYTES
from affilia_cli.enrollment_file.reading.segments import Segment, SegmentReader
from affilia_cli.local_files import open_regular

TRAILERS = frozenset({"SE", "GE", "IEA"})
"""Any of these ends a transaction set, because its own trailer can be missing."""


def read_file(path: Path) -> EnrollmentFile:
    """Parses a file. Raises FileRejected with every finding, or OSError if the file can't be read, isn't a regular file
    or is too large."""
    with open_regular(path, MAX_BYTES) as stream:
        return _parse(stream)


def parse(content: bytes) -> EnrollmentFile:
    """Parses an interchange. Raises FileRejected with all findings if one outside of all members is an error."""
    return _parse(BytesIO(content))


def _parse(stream: BinaryIO) -> EnrollmentFile:
    reader = SegmentReader(stream)
    parser = _Parser()
    for segment in reader:
        parser.take(segment)
    file = parser.file(reader.digest)
    found = {*reader.findings, *parser.findings, *contradictions(file)}
    ordered = tuple(sorted(found, key=lambda finding: (finding.segment_number, finding.element, finding.code)))
    file = replace(file, findings=ordered)
    if any(finding.is_error for finding in file.envelope_findings()):
        raise FileRejected(ordered)
    return file


class _Parser:
    """Assigns segments to the envelope, to headers and to INS loops."""

    def __init__(self) -> None:
        self.findings: list[Finding] = []
        self._envelope: dict[str, list[Segment]] = {"ISA": [], "GS": []}
        self._sets: list[TransactionSet] = []
        self._members: list[FileMember] = []
        self._header: list[Segment] = []
        self._parser = MemberParser(self.findings)

    def take(self, segment: Segment) -> None:
        if segment.name in self._envelope:
            self._envelope[segment.name].append(segment)
            if segment.name == "ISA":
                self._parser.component_separator = segment.at(16)
        elif segment.name == "ST":
            self._end_set()
            self._header = [segment]
        elif segment.name in TRAILERS:
            self._end_set()
        elif self._header:
            self._take_inside(segment)

    def _take_inside(self, segment: Segment) -> None:
        if segment.name == "INS":
            self._end_member()
            self._parser.start(segment)
        elif self._parser.is_started:
            self._parser.take(segment)
        else:
            self._header.append(segment)

    def _end_member(self) -> None:
        if self._parser.is_started:
            self._members.append(self._parser.finish())

    def _end_set(self) -> None:
        self._end_member()
        if self._header:
            self._sets.append(self._set(self._header, tuple(self._members)))
        self._header, self._members = [], []

    def _set(self, header: list[Segment], members: tuple[FileMember, ...]) -> TransactionSet:
        named = {segment.name: segment for segment in reversed(header)}
        bgn = named.get("BGN", Segment(header[0].number, "BGN", "", ()))
        parties = {
            segment.at(1): Party(segment.at(2), segment.at(4)) for segment in reversed(header) if segment.name == "N1"
        }
        effective = next(
            (segment for segment in header if segment.name == "DTP" and segment.at(1) == codes.FILE_EFFECTIVE), None
        )
        return TransactionSet(
            number=header[0].at(2),
            purpose=bgn.at(1),
            reference=bgn.at(2),
            action=bgn.at(8),
            effective_on=self._parser.date(effective, 3) if effective else None,
            sponsor=parties.get("P5", Party()),
            payer=parties.get("IN", Party()),
            members=members,
        )

    def file(self, digest: str) -> EnrollmentFile:
        self._end_set()
        isa, group = self._only("ISA"), self._only("GS")
        if group.at(8) != GUIDE or group.at(1) != "BE":
            message = f"The file must be BE {GUIDE}, got {group.at(1)} {group.at(8)}."
            self.findings.append(error("NOT_ENROLLMENT", message, group.number, group.loop, "GS08"))
        envelope = Envelope(isa.at(6), isa.at(8), isa.at(13), group.at(6), isa.at(15), _created_on(isa))
        return EnrollmentFile(envelope, tuple(self._sets), digest, ())

    def _only(self, name: str) -> Segment:
        found = self._envelope[name]
        if len(found) != 1:
            at = found[1].number if found else 0
            message = f"The file must have exactly one {name} segment, got {len(found)}."
            self.findings.append(error("ENVELOPE_STRUCTURE", message, at, "", name))
        return found[0] if found else Segment(0, name, "", ())


def _created_on(isa: Segment) -> date | None:
    """Returns the date of a file (ISA09), which has a year of two digits."""
    try:
        return date.fromisoformat(f"20{isa.at(9)}")
    except ValueError:
        return None
