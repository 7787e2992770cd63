"""The checks of an 834 file against its implementation guide, and what a finding says for an acknowledgement."""

from io import BytesIO
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from affilia_cli.enrollment_file.findings import FileRejected, Finding, GuideViolation, ViolationKind
from affilia_cli.enrollment_file.reading import guide_elements, guide_walk, segment_texts
from affilia_cli.enrollment_file.reading.file import EnrollmentFile
from affilia_cli.enrollment_file.reading.parsing import parse
from affilia_cli.enrollment_file.reading.segments import SegmentReader
from tests.support.damaged_files import damaged
from tests.support.enrollment_file import a_coverage, a_file, a_member
from tests.support.plain_guide_check import Violation, violations

SAMPLES = Path(__file__).parent.parent / "samples" / "834"
FILES = [path.read_bytes() for path in sorted(SAMPLES.glob("*/*")) if not path.name.startswith("LICENSE")]
COVERED = a_member(coverages=[a_coverage(begins="20260101")])


def as_violation(finding: Finding) -> Violation:
    """Returns a finding in the form of the slow check."""
    message = finding.message
    if finding.code == "SEGMENT_UNEXPECTED":
        message = "unexpected"
    elif "is broken from here on" in message:
        message = "broken"
    elif "can't be checked" in message:
        message = "unchecked"
    return Violation(finding.segment_number, message)


def violations_read(content: bytes) -> list[Violation]:
    reader = SegmentReader(BytesIO(content))
    for _ in reader:
        pass
    beyond_pyx12 = ("ELEMENT_UNUSED", "TEXT_AFTER_END")
    return sorted(as_violation(finding) for finding in reader.findings if finding.code not in beyond_pyx12)


ELEMENTS = st.sampled_from(
    (
        "",
        "A",
        "D8",
        "20260101",
        "20260230",
        "1",
        "-1",
        "1.5",
        "FAM",
        "x" * 70,
        " ",
        "DOE ",
        "A:B",
        ":",
        "É",
        "a^b",
        "001",
    )
)
SEGMENTS = st.one_of(
    st.sampled_from([segment for segment in b"~".join(FILES).decode().split("~") if segment.strip()]),
    st.builds(
        lambda name, elements: "*".join([name, *elements]),
        st.sampled_from(
            ("INS", "REF", "DTP", "NM1", "N3", "N4", "DMG", "HD", "COB", "AMT", "LX", "LS", "LE", "HL", "ZZZ")
        ),
        st.lists(ELEMENTS, max_size=12),
    ),
)


@st.composite
def many_loops(draw: st.DrawFn) -> bytes:
    """A file of members with wrong segments, each repeated, so that results are used again."""
    wrong = draw(st.lists(st.lists(SEGMENTS, max_size=3), min_size=1, max_size=3))
    members = []
    for extra in wrong * draw(st.integers(1, 3)):
        member = a_member(person="123456789", coverages=[a_coverage(begins="20260101")])
        at = draw(st.integers(1, len(member)))
        members.append([*member[:at], *extra, *member[at:]])
    return a_file(*members)


@settings(max_examples=300, deadline=None)
@given(st.one_of(many_loops(), damaged(FILES)), st.sampled_from((7, 50_000)))
@example(FILES[0].replace(b"~", b"\r"), 50_000)
@example(b"\xef\xbb\xbf \n" + FILES[0], 50_000)
def test_the_fast_checks_find_exactly_what_pyx12_finds(content: bytes, remembered: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(guide_walk, "MAX_WALKS", remembered)
        patch.setattr(guide_elements, "MAX_RESULTS", remembered)
        patch.setattr(segment_texts, "PIECE_BYTES", 64 * remembered)
        try:
            found = violations_read(content)
        except FileRejected:
            return
    assert found == violations(content.decode("utf-8-sig").lstrip())


def only_violation(file: EnrollmentFile) -> GuideViolation:
    (violation,) = {finding.violation for finding in file.findings if finding.violation}
    return violation


def test_a_wrong_element_is_reported_with_its_place_code_and_value() -> None:
    file = parse(a_file(COVERED, a_member("S2", relation="QQ", subscriber=False)))
    assert only_violation(file) == GuideViolation("0001", 12, "INS", "2000", ViolationKind.ELEMENTS, 2, "7", "QQ")


def test_the_value_of_a_wrong_element_is_cut_to_the_length_of_an_acknowledgement() -> None:
    file = parse(a_file(a_member("S" * 200)))
    assert only_violation(file) == GuideViolation("0001", 6, "REF", "2000", ViolationKind.ELEMENTS, 2, "5", "S" * 99)


def test_a_missing_element_has_no_value() -> None:
    file = parse(a_file([segment.replace("HD*021**HMO", "HD*021") for segment in COVERED]))
    assert only_violation(file) == GuideViolation("0001", 10, "HD", "2300", ViolationKind.ELEMENTS, 3, "1", "")


def test_a_missing_segment_is_reported_at_the_first_segment_that_must_come_after_it() -> None:
    file = parse(a_file([segment for segment in COVERED if not segment.startswith("REF*0F")], a_member("S2")))
    assert only_violation(file) == GuideViolation("0001", 7, "REF", "2000", ViolationKind.MISSING)


def test_a_segment_that_occurs_too_often_is_reported() -> None:
    file = parse(a_file([*COVERED[:2], "REF*0F*S2", *COVERED[2:]]))
    assert only_violation(file) == GuideViolation("0001", 7, "REF", "2000", ViolationKind.TOO_OFTEN)


def test_an_unexpected_segment_is_reported_with_the_loop_in_which_it_was_found() -> None:
    file = parse(a_file([*COVERED, "ZZZ*1"]))
    assert only_violation(file) == GuideViolation("0001", 12, "ZZZ", "2300", ViolationKind.UNEXPECTED)


def test_places_count_from_the_transaction_set_of_the_segment() -> None:
    content = a_file(COVERED).decode()
    opening, _, rest = content.partition("GE*1*1")
    second = "ST" + opening.partition("~\nST")[2].replace("0001", "0002").replace("INS*Y*18", "INS*Y*QQ")
    file = parse(f"{opening}{second}GE*2*1{rest}".encode())
    assert only_violation(file) == GuideViolation("0002", 5, "INS", "2000", ViolationKind.ELEMENTS, 2, "7", "QQ")


@pytest.mark.parametrize(("trailer", "element", "value"), [("SE*11*0001", 1, "11"), ("SE*12*0002", 2, "0002")])
def test_a_contradictory_trailer_names_its_transaction_set(trailer: str, element: int, value: str) -> None:
    with pytest.raises(FileRejected) as rejected:
        parse(a_file(COVERED).replace(b"SE*12*0001", trailer.encode()))
    (violation,) = [finding.violation for finding in rejected.value.findings if finding.is_error]
    assert violation == GuideViolation("0001", 12, "SE", "", ViolationKind.ELEMENTS, element, "7", value)


def unused_of(*members: list[str]) -> list[str]:
    found = [finding for finding in parse(a_file(*members)).findings if finding.code == "ELEMENT_UNUSED"]
    assert not any(finding.is_error or finding.segment_number for finding in found)
    return [finding.message.removesuffix(", and is not used.") for finding in found if finding.element != "DMG03"]


def test_the_gender_and_most_of_the_address_are_reported_as_unused() -> None:
    found = [each for each in parse(a_file(a_member(place=("PARIS", "", "75001")))).findings if each.loop == "2100A"]
    assert [(each.code, each.element) for each in found] == [
        ("ELEMENT_UNUSED", "DMG03"),
        ("ELEMENT_UNUSED", "N3"),
        ("ELEMENT_UNUSED", "N401"),
    ]


def test_a_member_whose_elements_are_all_used_has_no_unused_elements() -> None:
    assert unused_of(COVERED) == []


@pytest.mark.parametrize(
    ("segments", "message"),
    [
        (
            ["COB*P*1*1", "REF*60*2", "NM1*IN*2*INSURER"],
            "COB (coordination of benefits) occurs once, first in segment 14",
        ),
        (["AMT*P3*10"], "AMT (health coverage policy) occurs once, first in segment 14"),
        (["DTP*300*D8*20260101"], "DTP*300 (health coverage dates) occurs once, first in segment 14"),
        (
            ["LS*2700", "LX*1", "N1*75*DIVISION", "REF*17*1", "LX*2", "N1*75*SITE", "REF*17*2", "LE*2700"],
            "LS (additional reporting categories) occurs once, first in segment 14",
        ),
    ],
)
def test_what_is_filled_and_not_used_is_reported_once(segments: list[str], message: str) -> None:
    assert unused_of([*COVERED, *segments]) == [message]


def test_unused_elements_are_counted_over_the_whole_file() -> None:
    student = a_member(status="FT")
    student[0] += "*F"
    assert unused_of(COVERED, student, COVERED, student) == [
        "INS09 (student status code) occurs 2 times, first in segment 14"
    ]
