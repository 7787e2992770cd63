"""Parsing of 834 files: the content of real files, and the findings in invalid ones."""

from datetime import date
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from affilia_cli.enrollment_file.findings import EnrollmentFileError, FileRejected
from affilia_cli.enrollment_file.reading import segment_texts
from affilia_cli.enrollment_file.reading.file import EnrollmentFile, IncorrectPerson
from affilia_cli.enrollment_file.reading.parsing import parse, read_file
from tests.support.damaged_files import damaged
from tests.support.enrollment_file import a_coverage, a_file, a_member

SAMPLES = Path(__file__).parent.parent / "samples" / "834"
CONTRADICTS_ITSELF = "terminate-subscriber-eligibility.834"


def all_samples() -> list[Path]:
    return sorted(path for path in SAMPLES.glob("*/*") if not path.name.startswith("LICENSE"))


def codes_of(file: EnrollmentFile, *, errors_only: bool = True) -> list[str]:
    return [finding.code for finding in file.findings if finding.is_error or not errors_only]


def rejection_of(content: bytes) -> dict[str, str]:
    """Returns the codes and locations of the errors that reject a file."""
    with pytest.raises(FileRejected) as rejected:
        parse(content)
    found = [finding for finding in rejected.value.findings if finding.is_error]
    return {finding.code: f"{finding.segment_number} {finding.element}".strip() for finding in found}


@pytest.mark.parametrize("path", all_samples(), ids=lambda path: path.name)
def test_a_real_file_has_no_errors_unless_it_contradicts_itself(path: Path) -> None:
    file = read_file(path)
    assert file.members
    assert codes_of(file) == (["SUBSCRIBER_IS_CHILD"] if path.name == CONTRADICTS_ITSELF else [])


def test_a_contradiction_is_reported_with_segment_loop_and_element() -> None:
    file = read_file(SAMPLES / "linuxforhealth" / CONTRADICTS_ITSELF)
    (finding,) = [finding for finding in file.findings if finding.is_error]
    assert (finding.segment_number, finding.loop, finding.element) == (7, "2000", "INS02")
    assert file.findings_of(file.members[0]) == (finding,)


def test_all_data_of_a_member_is_read() -> None:
    file = read_file(SAMPLES / "linuxforhealth" / "enroll-employee-multiple-products.834")
    (member,) = file.members
    assert (file.envelope.interchange_number, file.envelope.group_number) == ("000010216", "20213")
    assert file.transactions[0].sponsor.number == "999888777"
    assert (member.is_subscriber, member.relation, member.maintenance, member.reason) == (True, "18", "021", "20")
    assert (member.reference("0F"), member.reference("1L")) == ("123456789", "123456001")
    assert (member.display_name, member.person_number) == ("JOHN P DOE", "123456789")
    assert member.born_on == date(1940, 8, 16)
    assert member.day("356") == date(1996, 5, 23)
    assert member.address is not None
    assert (member.address.postal_code, member.address.country) == ("17011", "")
    assert [(each.line, each.begins_on) for each in member.coverages] == [
        ("HLT", date(1996, 6, 1)),
        ("VIS", date(1996, 6, 1)),
    ]


def test_an_unexpected_segment_that_is_not_read_is_only_a_warning() -> None:
    file = read_file(SAMPLES / "linuxforhealth" / "enroll-employee-managed-care.834")
    (found,) = [finding for finding in file.findings if finding.code == "SEGMENT_UNEXPECTED"]
    assert (found.segment_number, found.element, found.is_error) == (10, "DTP", False)


def test_one_person_can_occur_in_several_sets() -> None:
    file = read_file(SAMPLES / "pyx12" / "multiple_st_loops.txt")
    assert [transaction.action for transaction in file.transactions] == ["4"] * 4
    assert [member.display_name for member in file.members] == [file.members[0].display_name] * 4
    assert set(codes_of(file, errors_only=False)) == {"ELEMENT_UNUSED"}


def test_line_endings_do_not_matter() -> None:
    content = a_file(a_member(coverages=[a_coverage(begins="20260101")]))
    assert parse(content.replace(b"\n", b"\r\n")) == parse(content) == parse(content.replace(b"\n", b""))


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        (b"IEA*1*000000001", b"IEA*1*000000002", "ENVELOPE_CONTROL_NUMBERS"),
        (b"IEA*1*", b"IEA*2*", "ENVELOPE_GROUP_COUNT"),
        (b"GE*1*1", b"GE*1*2", "GROUP_CONTROL_NUMBERS"),
        (b"GE*1*1", b"GE*3*1", "GROUP_SET_COUNT"),
        (b"SE*12*0001", b"SE*12*0002", "SET_CONTROL_NUMBERS"),
        (b"SE*12*0001", b"SE*11*0001", "SET_COUNT"),
        (b"IEA*1*000000001~\n", b"", "ENVELOPE_CUT_OFF"),
        (b"GE*1*1~\n", b"", "ENVELOPE_STRUCTURE"),
        (b"SE*12*0001~\n", b"", "ENVELOPE_STRUCTURE"),
        (b"DMG*D8*19800515*F~\n", b"", "SET_COUNT"),
        (b"GS*BE*", b"GS*HC*", "NOT_ENROLLMENT"),
        (b"1*X*005010X220A1", b"1*X*004010X095A1", "NOT_ENROLLMENT"),
        (b"****2~", b"****9~", "ACTION_UNKNOWN"),
        (b"BGN*00*", b"BGN*22*", "INFORMATION_COPY"),
        (b"N1*P5*SPONSOR*FI*123456789~\nN1*IN", b"N1*IN*INSURER*FI*1~\nN1*IN", "SPONSOR_MISSING"),
        (b"ISA*", b"ISO*", "NO_INTERCHANGE"),
        (b"*00501*", b"*00601*", "NO_INTERCHANGE"),
        (b"JANE", b"J\xffNE", "NOT_TEXT"),
        (b"JANE", b"J\x07NE", "NOT_TEXT"),
        (b"IEA*1*000000001~\n", b"IEA*1*000000001~\nHALF A SEG", "TEXT_AFTER_END"),
        (b"IEA*1*000000001~\n", b"IEA*1*000000001~\n~INS*Y*18*021~", "TEXT_AFTER_END"),
    ],
)
def test_an_invalid_envelope_rejects_the_file(old: bytes, new: bytes, code: str) -> None:
    content = a_file(a_member(coverages=[a_coverage(begins="20260101")]))
    assert old in content
    assert code in rejection_of(content.replace(old, new, 1))


def test_a_file_that_is_cut_off_is_reported_as_such() -> None:
    content = a_file(a_member())
    trailer = content.index(b"SE*")
    assert set(rejection_of(content[:trailer])) == {"ENVELOPE_CUT_OFF"}
    assert set(rejection_of(content[: trailer + 4])) == {"ENVELOPE_CUT_OFF", "TEXT_AFTER_END"}


def test_text_that_is_not_utf_8_is_reported_with_its_byte() -> None:
    content = "\ufeff".encode() + a_file(a_member()).replace(b"JANE", b"J\xffNE")
    with pytest.raises(FileRejected, match=rf"byte {content.index(0xFF)}\)"):
        parse(content)


def test_a_file_that_grows_beyond_the_limit_is_rejected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(segment_texts, "MAX_BYTES", 300)
    assert rejection_of(a_file(a_member())) == {"FILE_TOO_LARGE": "0"}


def test_text_without_terminators_is_not_collected_without_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(segment_texts, "MAX_SEGMENT_CHARACTERS", 100)
    content = a_file(a_member())
    opening = content[: content.index(b"SE*")]
    assert set(rejection_of(opening + b"A" * segment_texts.PIECE_BYTES * 3)) == {"ENVELOPE_CUT_OFF", "TEXT_AFTER_END"}


def test_two_interchanges_in_one_file_are_rejected() -> None:
    assert rejection_of(a_file(a_member()) + a_file(a_member(), control=2))["ENVELOPE_STRUCTURE"].endswith("GS")


def test_all_errors_are_reported_together() -> None:
    content = a_file(a_member(), purpose="22", action="9").replace(b"IEA*1*000000001", b"IEA*1*000000002")
    assert {"INFORMATION_COPY", "ACTION_UNKNOWN", "ENVELOPE_CONTROL_NUMBERS"} <= set(rejection_of(content))


@pytest.mark.parametrize(
    ("member", "code", "element"),
    [
        (a_member(relation="01", subscriber=True), "SUBSCRIBER_IS_RELATED", "INS02"),
        (a_member(relation="19", subscriber=True), "SUBSCRIBER_IS_CHILD", "INS02"),
        (a_member(relation="18", subscriber=False), "DEPENDANT_IS_SELF", "INS02"),
        (a_member(maintenance="777"), "MAINTENANCE_UNKNOWN", "INS03"),
        (a_member(relation="QQ", subscriber=False), "ELEMENT_MALFORMED", "INS02"),
        (a_member(born="20260230"), "DATE_UNKNOWN", "DMG02"),
        (a_member(born="09990101"), "DATE_UNKNOWN", "DMG02"),
        (a_member(number=""), "NUMBER_MISSING", "REF"),
        (a_member(name=("", "JANE")), "NAME_MISSING", "NM103"),
        (a_member(maintenance="024"), "END_UNKNOWN", "DTP"),
        (a_member(dates=[("356", "20260301"), ("357", "20260201")]), "END_BEFORE_BEGIN", "DTP03"),
        (a_member(coverages=[a_coverage(begins="20260301", ends="20260201")]), "END_BEFORE_BEGIN", "DTP03"),
        (a_member(coverages=[a_coverage()]), "BEGIN_UNKNOWN", "DTP"),
        (a_member(coverages=[a_coverage(begins="19700101")]), "COVERED_BEFORE_BIRTH", "DTP03"),
        (["INS*Y*18*001**A******D8*19700101", *a_member()[1:]], "DIED_BEFORE_BIRTH", "INS12"),
        (
            a_member(maintenance="024", dates=[("357", "20260331")], coverages=[a_coverage(begins="20260101")]),
            "MAINTENANCE_CONTRADICTORY",
            "HD01",
        ),
        (
            a_member(coverages=[a_coverage(maintenance="024", ends="20260331")]),
            "MAINTENANCE_CONTRADICTORY",
            "HD01",
        ),
        (
            a_member(
                maintenance="024",
                dates=[("357", "20260331")],
                coverages=[a_coverage(maintenance="024", ends="20260430")],
            ),
            "END_CONTRADICTORY",
            "DTP03",
        ),
        (
            a_member(maintenance="024", coverages=[a_coverage(maintenance="024", begins="20260401", ends="20260301")]),
            "END_BEFORE_BEGIN",
            "DTP03",
        ),
    ],
)
def test_contradictions_are_reported_for_the_member_only(member: list[str], code: str, element: str) -> None:
    file = parse(a_file(member, a_member("S2", name=("ROE", "RICHARD"))))
    bad, good = file.members
    assert (code, element) in [(finding.code, finding.element) for finding in file.findings_of(bad)]
    assert file.findings_of(good) == ()


JANE = a_member("S1", name=("DOE", "JANE"), born="19800515", person="123456789")


def test_corrected_and_incorrect_data_are_read() -> None:
    segments = a_member("S1", maintenance="001", person="123456789")
    segments = [segment.replace("NM1*IL", "NM1*74") for segment in segments]
    file = parse(a_file([*segments, "NM1*70*1*DO*JAN****34*987654321", "DMG*D8*19800514"]))
    (member,) = file.members
    assert (member.first_name, member.person_number, member.person_number_qualifier) == ("JANE", "123456789", "34")
    assert member.incorrect == IncorrectPerson("JAN", "DO", "987654321", "34", date(1980, 5, 14))
    assert codes_of(file) == []


def test_status_disability_and_death_are_read() -> None:
    segments = a_member()
    segments[0] = "INS*Y*18*021**C*D:1**FT**Y*D8*20260131"
    file = parse(a_file(segments))
    (member,) = file.members
    assert (member.benefit_status, member.medicare, member.employment_status) == ("C", "D", "FT")
    assert (member.handicapped, member.died_on) == (True, date(2026, 1, 31))
    assert codes_of(file) == []


def test_prior_numbers_and_social_security_numbers_are_read_as_references() -> None:
    member = a_member()
    file = parse(a_file([*member[:2], "REF*Q4*OLD", "REF*SY*123456789", *member[2:]]))
    assert (file.members[0].reference("Q4"), file.members[0].reference("SY")) == ("OLD", "123456789")
    # The guide doesn't allow REF SY there.
    assert ("SEGMENT_UNEXPECTED", False) in [(each.code, each.is_error) for each in file.findings]
    assert codes_of(file) == []


def test_a_missing_segment_is_reported_for_its_member() -> None:
    without_name = [segment for segment in a_member("S1") if not segment.startswith("NM1")]
    without_demographics = [segment for segment in without_name if not segment.startswith("DMG")]
    file = parse(a_file(without_demographics, a_member("S2")))
    assert "NAME_MISSING" in {finding.code for finding in file.findings_of(file.members[0])}
    assert file.findings_of(file.members[1]) == ()


def test_coverage_from_before_the_birth_can_be_cancelled() -> None:
    cancelled = a_coverage(maintenance="002", begins="19700101", ends="19700101")
    assert codes_of(parse(a_file(a_member(maintenance="001", coverages=[cancelled])))) == []


def test_a_date_that_is_not_read_does_not_reject_its_member() -> None:
    file = parse(a_file(a_member(dates=[("350", "22500101")])))
    assert codes_of(file) == []
    assert file.members[0].dates == ()


def test_a_coverage_until_9999_has_no_end() -> None:
    file = parse(a_file(a_member(coverages=[a_coverage(begins="20260101", ends="99991231")])))
    assert file.members[0].coverages[0].ends_on is None
    assert codes_of(file) == []


@pytest.mark.parametrize(
    "member",
    [
        a_member(maintenance="024", dates=[("357", "99991231"), ("303", "20260301")]),
        a_member(
            maintenance="001", dates=[("303", "20260301")], coverages=[a_coverage(maintenance="024", ends="99991231")]
        ),
    ],
    ids=["member", "coverage"],
)
def test_an_end_that_never_comes_is_contradictory(member: list[str]) -> None:
    assert "END_CONTRADICTORY" in codes_of(parse(a_file(member)))


@pytest.mark.parametrize(
    "member",
    [
        a_member(coverages=[a_coverage(begins="99991231")]),
        a_member(dates=[("356", "99991231")], coverages=[a_coverage(ends="20261231")]),
        a_member(born="99991231"),
    ],
    ids=["348", "356", "birth"],
)
def test_only_a_last_day_can_be_9999(member: list[str]) -> None:
    assert "DATE_UNKNOWN" in codes_of(parse(a_file(member)))


def test_a_whole_file_that_never_takes_effect_is_rejected() -> None:
    with pytest.raises(FileRejected, match="DATE_UNKNOWN"):
        parse(a_file(a_member(), action="4", effective="99991231"))


@pytest.mark.parametrize(
    ("segments", "element"),
    [
        (["DTP*348*D8*20250101", "DTP*349*D8*20250331", "DTP*348*D8*20260101", "DTP*349*D8*20260331"], "DTP03"),
        (["DTP*348*D8*20250101", "DTP*349*D8*20260331", "DTP*349*D8*99991231"], "DTP03"),
        (["DTP*348*D8*20250101", "REF*1L*P1", "REF*1L*P2"], "REF02"),
    ],
    ids=["two periods", "an end and no end", "policies"],
)
def test_two_values_of_one_kind_in_a_loop_reject_the_member(segments: list[str], element: str) -> None:
    found = parse(a_file(a_member(coverages=[["HD*021**HMO", *segments]]))).findings
    assert ("VALUES_CONTRADICTORY", element) in [(each.code, each.element) for each in found if each.is_error]


def test_a_value_that_is_repeated_and_several_prior_numbers_are_no_contradiction() -> None:
    twice = ["HD*021**HMO", "DTP*348*D8*20260101", "DTP*348*D8*20260101"]
    member = a_member(coverages=[twice])
    position = next(i for i, segment in enumerate(member) if segment.startswith("REF*1L"))
    member[position:position] = ["REF*Q4*OLD1", "REF*Q4*OLD2"]
    file = parse(a_file(member))
    assert codes_of(file) == []
    assert [value for code, value in file.members[0].references if code == "Q4"] == ["OLD1", "OLD2"]


SEEDS = [path.read_bytes() for path in all_samples()]


@settings(max_examples=400, deadline=None)
@given(damaged(SEEDS))
def test_a_damaged_file_is_parsed_or_rejected(content: bytes) -> None:
    try:
        file = parse(content)
    except EnrollmentFileError as rejected:
        assert str(rejected)
    else:
        assert file.transactions


@given(st.data())
def test_a_lost_or_duplicated_segment_is_detected(data: st.DataObject) -> None:
    segments = data.draw(st.sampled_from(SEEDS)).strip().rstrip(b"~").split(b"~")
    i = data.draw(st.integers(0, len(segments) - 1))
    times = data.draw(st.sampled_from((0, 2)))
    with pytest.raises(FileRejected):
        parse(b"~".join([*segments[:i], *[segments[i]] * times, *segments[i + 1 :]]) + b"~")


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=400))
def test_other_files_are_rejected(content: bytes) -> None:
    with pytest.raises(FileRejected):
        parse(content)
