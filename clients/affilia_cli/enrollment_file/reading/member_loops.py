"""Makes a value of each INS loop. Repeated values are shared, because files have many members."""

from collections.abc import Iterable, Sequence
from datetime import date
from itertools import pairwise
from typing import TypeVar, cast

from affilia_cli.enrollment_file import codes
from affilia_cli.enrollment_file.codes import READ_QUALIFIERS
from affilia_cli.enrollment_file.findings import Finding, error
from affilia_cli.enrollment_file.reading.file import Address, Coverage, FileMember, IncorrectPerson
from affilia_cli.enrollment_file.reading.segments import Segment

PERSON_ROLES = ("IL", "74")
"""NM101 in loop 2100A: the insured, or the insured with a corrected name."""

FIRST_YEAR, LAST_YEAR = 1850, 2199
"""Other years are typing errors."""

NO_END = "99991231"
"""The last day of cover that has no end."""

LAST_DAYS = frozenset({codes.BENEFIT_UNTIL, codes.ELIGIBLE_UNTIL, codes.EMPLOYED_UNTIL})
"""The qualifiers of days that can be NO_END."""

MAX_SHARED = 100_000
"""The maximum number of values that are remembered to be shared."""

Value = TypeVar("Value")


class MemberParser:
    """Collects the segments of one INS loop after the other. Adds findings about dates and names to `findings`."""

    def __init__(self, findings: list[Finding]) -> None:
        self.component_separator = ""
        self._findings = findings
        self._segments: dict[str, list[Segment]] = {}
        self._ins = self._last = Segment(0, "INS", "", ())
        self._shared: dict[object, object] = {}
        self._dates: dict[str, date] = {}
        self.is_started = False

    def start(self, ins: Segment) -> None:
        self.is_started = True
        self._ins = self._last = ins
        self._segments = {"2000": [], "2100A": [], "2100B": [], "2300": []}

    def take(self, segment: Segment) -> None:
        self._last = segment
        if (loop := self._segments.get(segment.loop)) is not None:
            loop.append(segment)

    def finish(self) -> FileMember:
        ins, own, person = self._ins, self._segments["2000"], self._segments["2100A"]
        self.is_started = False
        name, birth = _named(person, "NM1"), _named(person, "DMG")
        if name.at(1) not in PERSON_ROLES:
            self._findings.append(
                error("NAME_MISSING", "The NM1 segment of the insured is missing.", ins.number, "2100A", "NM1")
            )
        medicare = ins.at(6).split(self.component_separator)[0] if self.component_separator else ins.at(6)
        return FileMember(
            first_segment=ins.number,
            last_segment=self._last.number,
            is_subscriber=ins.at(1) == "Y",
            relation=self._share(ins.at(2)),
            maintenance=self._share(ins.at(3)),
            reason=self._share(ins.at(4)),
            benefit_status=self._share(ins.at(5)),
            employment_status=self._share(ins.at(8)),
            references=self._references(own),
            dates=self._days(own, ends=ins.at(3) == codes.END),
            last_name=self._share(name.at(3)),
            first_name=self._share(name.at(4)),
            middle_name=self._share(name.at(5)),
            person_number=name.at(9),
            born_on=self.date(birth, 2) if birth.at(2) else None,
            address=self._address(person),
            coverages=self._coverages(self._segments["2300"]),
            medicare=self._share(medicare),
            handicapped=ins.at(10) == "Y",
            died_on=self.date(ins, 12) if ins.at(12) else None,
            person_number_qualifier=self._share(name.at(8)),
            incorrect=self._incorrect(self._segments["2100B"]),
        )

    def _share(self, value: Value) -> Value:
        """Returns an equal value that was used before, if there is one."""
        if len(self._shared) == MAX_SHARED:
            self._shared.clear()
        return cast(Value, self._shared.setdefault(value, value))

    def _incorrect(self, segments: Sequence[Segment]) -> IncorrectPerson | None:
        name, birth = _named(segments, "NM1"), _named(segments, "DMG")
        if not name.number:
            return None
        return IncorrectPerson(
            first_name=self._share(name.at(4)),
            last_name=self._share(name.at(3)),
            person_number=name.at(9),
            person_number_qualifier=self._share(name.at(8)),
            born_on=self.date(birth, 2) if birth.at(2) else None,
        )

    def _coverages(self, segments: Sequence[Segment]) -> tuple[Coverage, ...]:
        starts = [i for i, segment in enumerate(segments) if segment.name == "HD"]
        return tuple(self._coverage(segments[first:last]) for first, last in pairwise([*starts, len(segments)]))

    def _coverage(self, segments: Sequence[Segment]) -> Coverage:
        hd = segments[0]
        days = dict(self._days(segments, ends=hd.at(1) in codes.COVERAGE_ENDS))
        return Coverage(
            segment_number=hd.number,
            maintenance=self._share(hd.at(1)),
            line=self._share(hd.at(3)),
            plan=self._share(hd.at(4)),
            level=self._share(hd.at(5)),
            begins_on=days.get(codes.BENEFIT_FROM),
            ends_on=days.get(codes.BENEFIT_UNTIL),
            references=self._references(segments),
        )

    def _references(self, segments: Iterable[Segment]) -> tuple[tuple[str, str], ...]:
        read = [
            segment
            for segment in segments
            if segment.name == "REF" and segment.at(1) in READ_QUALIFIERS[segment.loop, "REF"]
        ]
        self._check_repetition(each for each in read if each.at(1) != codes.PRIOR_NUMBER)
        return tuple(self._share((segment.at(1), segment.at(2))) for segment in read)

    def _days(self, segments: Iterable[Segment], *, ends: bool) -> tuple[tuple[str, date], ...]:
        """Returns pairs of qualifier and date. Leaves out 9999-12-31, which means that there is no end.

        `ends` is true for a member or coverage that ends, which contradicts a last day of 9999-12-31.
        """
        read = [
            segment
            for segment in segments
            if segment.name == "DTP" and segment.at(1) in READ_QUALIFIERS[segment.loop, "DTP"]
        ]
        self._check_repetition(read)
        days: list[tuple[str, date]] = []
        for segment in read:
            qualifier = segment.at(1)
            if qualifier in LAST_DAYS and segment.at(3) == NO_END:
                if ends and qualifier != codes.EMPLOYED_UNTIL:
                    message = "The cover ends, but the last day 9999-12-31 means that it has no end."
                    self._findings.append(error("END_CONTRADICTORY", message, segment.number, segment.loop, "DTP03"))
            elif (day := self.date(segment, 3)) is not None:
                days.append(self._share((qualifier, day)))
        return tuple(days)

    def _check_repetition(self, segments: Iterable[Segment]) -> None:
        """Rejects dates and references that a loop has twice with different values: neither can be preferred."""
        first: dict[str, Segment] = {}
        for each in segments:
            before = first.setdefault(each.at(1), each)
            position = 3 if each.name == "DTP" else 2
            if (value := each.at(position)) != (other := before.at(position)):
                message = f"{each.name}*{each.at(1)} has two values in one loop: {other} and {value}."
                element = f"{each.name}{position:02}"
                self._findings.append(error("VALUES_CONTRADICTORY", message, each.number, each.loop, element))

    def _address(self, person: Sequence[Segment]) -> Address | None:
        place = _named(person, "N4")
        return Address(self._share(place.at(3)), self._share(place.at(4))) if place.number else None

    def date(self, segment: Segment, position: int) -> date | None:
        """Parses a date such as 20260131. Returns None and adds a finding if it is invalid or implausible."""
        text = segment.at(position)
        if (known := self._dates.get(text)) is not None:
            return known
        try:
            if len(text) != 8 or not (text.isascii() and text.isdigit()):
                raise ValueError
            day = date(int(text[:4]), int(text[4:6]), int(text[6:]))
            if not FIRST_YEAR <= day.year <= LAST_YEAR:
                raise ValueError
        except ValueError:
            element = f"{segment.name}{position:02}"
            message = f"Must be a date such as 20260131, from {FIRST_YEAR} to {LAST_YEAR} or 99991231, got {text!r}."
            self._findings.append(error("DATE_UNKNOWN", message, segment.number, segment.loop, element))
            return None
        self._dates[text] = day
        return day


def _named(segments: Iterable[Segment], name: str) -> Segment:
    """Returns the first segment with a name, or an empty segment."""
    return next((segment for segment in segments if segment.name == name), Segment(0, name, "", ()))
