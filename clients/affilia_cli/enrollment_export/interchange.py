"""Writes the segments of an interchange with one transaction set, and counts them."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from typing import TextIO

from affilia_cli.enrollment_export.texts import COMPONENT, ELEMENT, REPETITION, SEGMENT
from affilia_cli.enrollment_file.reading.guide import GUIDE

SET_NUMBER = "0001"
ORIGINAL = "00"
"""BGN01: not sent before."""
TAX_NUMBER_DIGITS = 9


@dataclass(frozen=True, slots=True)
class Parties:
    """Who sends and receives the file (ISA06, ISA08), and the sponsor and the insurer that it is about (N1)."""

    sender: str
    receiver: str
    sponsor: str
    insurer: str
    insurer_name: str


@dataclass(frozen=True, slots=True)
class Header:
    """The action of a file (BGN08), its effective day (DTP 007), its control number, and when it was written (UTC)."""

    action: str
    effective_on: date | None
    control_number: int
    written_at: datetime


class InterchangeWriter:
    """Writes an interchange segment by segment. Call `begin`, then `write` for each segment of members, then `end`."""

    def __init__(self, file: TextIO, parties: Parties, header: Header) -> None:
        self._file = file
        self._parties = parties
        self._header = header
        self._segments_of_set = 0

    def begin(self) -> None:
        header, parties = self._header, self._parties
        at, number = header.written_at, str(header.control_number)
        identities = ("ZZ", f"{parties.sender:15}", "ZZ", f"{parties.receiver:15}")
        self._put("ISA", "00", " " * 10, "00", " " * 10, *identities, f"{at:%y%m%d}", f"{at:%H%M}", REPETITION, "00501",
                  f"{header.control_number:09}", "0", "P", COMPONENT)  # fmt: skip
        self._put("GS", "BE", parties.sender, parties.receiver, f"{at:%Y%m%d}", f"{at:%H%M}", number, "X", GUIDE)
        self.write("ST", "834", SET_NUMBER, GUIDE)
        self.write("BGN", ORIGINAL, number, f"{at:%Y%m%d}", f"{at:%H%M}", "UT", "", "", header.action)
        if header.effective_on:
            self.write("DTP", "007", "D8", f"{header.effective_on:%Y%m%d}")
        self.write("N1", "P5", "", _qualifier(parties.sponsor), parties.sponsor)
        self.write("N1", "IN", parties.insurer_name, _qualifier(parties.insurer), parties.insurer)

    def write(self, *elements: str) -> None:
        """Writes a segment of the transaction set. Empty elements at its end are dropped."""
        self._segments_of_set += 1
        self._put(*elements)

    def end(self) -> None:
        number = str(self._header.control_number)
        self._put("SE", str(self._segments_of_set + 1), SET_NUMBER)
        self._put("GE", "1", number)
        self._put("IEA", "1", f"{self._header.control_number:09}")

    def _put(self, *elements: str) -> None:
        self._file.write(ELEMENT.join(_without_empty_end(elements)) + SEGMENT + "\n")


def _without_empty_end(elements: Iterable[str]) -> list[str]:
    kept = list(elements)
    while kept and not kept[-1]:
        kept.pop()
    return kept


def _qualifier(number: str) -> str:
    """Returns N103: a federal tax number, or else a number that the organization assigned."""
    return "FI" if len(number) == TAX_NUMBER_DIGITS and number.isdigit() else "94"
