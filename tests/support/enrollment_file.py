"""Builds 834 files. What a test does not give has a valid default, and all counts are right."""

from collections.abc import Iterable, Sequence

SPONSOR = "123456789"


def a_member(
    number: str = "S1",
    *,
    maintenance: str = "021",
    relation: str = "18",
    subscriber: bool | None = None,
    reason: str = "",
    status: str = "",
    policy: str = "P1",
    dates: Sequence[tuple[str, str]] = (),
    name: tuple[str, str] = ("DOE", "JANE"),
    person: str = "",
    born: str = "19800515",
    place: Sequence[str] = (),
    coverages: Iterable[Sequence[str]] = (),
) -> list[str]:
    """Returns the segments of an INS loop. `dates` are (qualifier, day); `place` is city, state, postal code."""
    yes_no = "Y" if (relation == "18" if subscriber is None else subscriber) else "N"
    segments = [f"INS*{yes_no}*{relation}*{maintenance}*{reason}*A***{status}".rstrip("*"), f"REF*0F*{number}"]
    segments += [f"REF*1L*{policy}"] if policy else []
    segments += [f"DTP*{qualifier}*D8*{day}" for qualifier, day in dates]
    segments.append(f"NM1*IL*1*{name[0]}*{name[1]}****{'34*' + person if person else ''}".rstrip("*"))
    segments += ["N3*1 MAIN ST", "*".join(["N4", *place])] if place else []
    segments += [f"DMG*D8*{born}*F"] if born else []
    return [*segments, *(segment for coverage in coverages for segment in coverage)]


def a_coverage(
    line: str = "HMO",
    *,
    maintenance: str = "021",
    plan: str = "",
    level: str = "",
    begins: str = "",
    ends: str = "",
) -> list[str]:
    """Returns the segments of an HD loop."""
    segments = [f"HD*{maintenance}**{line}*{plan}*{level}".rstrip("*")]
    segments += [f"DTP*348*D8*{begins}"] if begins else []
    return segments + ([f"DTP*349*D8*{ends}"] if ends else [])


def a_file(
    *members: Sequence[str],
    action: str = "2",
    purpose: str = "00",
    control: int = 1,
    sponsor: str = SPONSOR,
    effective: str = "",
) -> bytes:
    """Returns an interchange with one transaction set."""
    return a_file_of_sets(
        members, action=action, purpose=purpose, control=control, sponsor=sponsor, effective=effective
    )


def a_file_of_sets(
    *sets: Iterable[Sequence[str]],
    action: str = "2",
    purpose: str = "00",
    control: int = 1,
    sponsor: str = SPONSOR,
    effective: str = "",
    end: str = "~\n",
) -> bytes:
    """Returns an interchange with these transaction sets of members. `end` ends each segment."""
    header = [
        f"BGN*{purpose}*REFERENCE*20260101*1200****{action}",
        *([f"DTP*007*D8*{effective}"] if effective else []),
        f"N1*P5*SPONSOR*FI*{sponsor}",
        "N1*IN*INSURER*FI*987654321",
    ]
    isa = f"ISA*00*          *00*          *ZZ*{'SENDER':15}*ZZ*{'RECEIVER':15}*260101*1200*^*00501*{control:09}*0*P*:"
    segments = [isa, f"GS*BE*SENDER*RECEIVER*20260101*1200*{control}*X*005010X220A1"]
    for number, members in enumerate(sets, start=1):
        inner = [
            f"ST*834*{number:04}*005010X220A1",
            *header,
            *(segment for member in members for segment in member),
        ]
        segments += [*inner, f"SE*{len(inner) + 1}*{number:04}"]
    segments += [f"GE*{len(sets)}*{control}", f"IEA*1*{control:09}"]
    return "".join(segment + end for segment in segments).encode()
