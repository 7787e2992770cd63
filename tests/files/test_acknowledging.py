"""Acknowledgements of enrollment files: what TA1 and 999 answer to, and that the guide allows them."""

import re
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from affilia_cli.enrollment_file.acknowledging import envelope_of, read_envelope, write_acknowledgements
from affilia_cli.enrollment_file.findings import (
    FileRejected,
    Finding,
    GuideViolation,
    Severity,
    ViolationKind,
    error,
)
from affilia_cli.enrollment_file.reading.file import EnrollmentFile
from affilia_cli.enrollment_file.reading.parsing import parse
from tests.files.test_enrollment_file_parsing import all_samples
from tests.support.acknowledgements import named, read_back
from tests.support.damaged_files import damaged
from tests.support.enrollment_file import a_coverage, a_file, a_member

NUMBER = 41
TWO_MEMBERS = a_file(*(a_member(number, coverages=[a_coverage(begins="20260101")]) for number in ("S1", "S2")))


def outcome_of(content: bytes) -> EnrollmentFile | FileRejected:
    try:
        return parse(content)
    except FileRejected as rejected:
        return rejected


class Acknowledged:
    """The acknowledgements of a file, read back. `outcome` defaults to parsing the content."""

    def __init__(
        self, folder: Path, content: bytes, outcome: EnrollmentFile | FileRejected | None = None, number: int = NUMBER
    ) -> None:
        envelope = envelope_of(content)
        assert envelope is not None
        self.reserved: list[int] = []

        def reserve(count: int) -> int:
            self.reserved.append(count)
            return number

        self.paths = write_acknowledgements(folder, envelope, outcome or outcome_of(content), reserve)
        self.texts = {path.suffix: path.read_text() for path in self.paths}
        self.segments = {suffix: read_back(text) for suffix, text in self.texts.items()}

    @property
    def ta1(self) -> str:
        return "".join(named(self.segments.get(".ta1", []), "TA1"))

    @property
    def answers(self) -> list[str]:
        return list(named(self.segments.get(".999", []), "IK3", "IK4", "IK5", "AK9"))


def violating(content: bytes, *violations: GuideViolation, rejected: bool = False) -> EnrollmentFile | FileRejected:
    """Returns what reading a file with these violations as warnings returns or raises."""
    findings = tuple(Finding(Severity.WARNING, "CODE", "", 0, violation=each) for each in violations)
    file = parse(content)
    return FileRejected([*findings, error("SPONSORS_MIXED", "")]) if rejected else replace(file, findings=findings)


@pytest.mark.parametrize("path", all_samples(), ids=lambda path: path.name)
def test_a_sample_is_acknowledged_with_a_valid_999_and_without_a_ta1(path: Path, tmp_path: Path) -> None:
    content = path.read_bytes()
    done = Acknowledged(tmp_path, content)
    number = content.split(b"*")[13].decode()
    sets = content.count(b"ST*834*")
    assert [each.name for each in done.paths] == [f"{number}.999"]
    answers = [each for each in done.answers if each[:3] in ("IK5", "AK9")]
    assert set(answers[:-1]) <= {"IK5*A", "IK5*E"}
    assert re.fullmatch(rf"AK9\*[AE]\*{sets}\*{sets}\*{sets}", answers[-1])


def test_a_valid_file_is_accepted_with_sides_turned_and_own_numbers(tmp_path: Path) -> None:
    done = Acknowledged(tmp_path, TWO_MEMBERS)
    isa, group, *_, trailer = done.segments[".999"]
    assert [each.strip() for each in isa[5:9]] == ["ZZ", "RECEIVER", "ZZ", "SENDER"]
    assert (isa[13:16], group[1:4], group[6:]) == (
        ["000000041", "0", "P"],
        ["FA", "RECEIVER", "SENDER"],
        ["41", "X", "005010X231A1"],
    )
    assert list(named(done.segments[".999"], "AK1", "AK2", "IK5", "AK9")) == [
        "AK1*BE*1*005010X220A1",
        "AK2*834*0001*005010X220A1",
        "IK5*A",
        "AK9*A*1*1*1",
    ]
    assert trailer == ["IEA", "1", "000000041"]
    assert (done.ta1, done.reserved) == ("", [1])


def test_a_ta1_is_written_if_the_sender_asks_for_it(tmp_path: Path) -> None:
    done = Acknowledged(tmp_path, TWO_MEMBERS.replace(b"*0*P*:", b"*1*P*:"))
    assert done.ta1 == "TA1*000000001*260101*1200*A*000"
    assert done.answers == ["IK5*A", "AK9*A*1*1*1"]
    assert (done.segments[".ta1"][0][13], done.segments[".999"][0][13]) == ("000000041", "000000042")
    assert done.reserved == [2]


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        (b"IEA*1*000000001", b"IEA*1*000000002", "001"),
        (b"IEA*1*", b"IEA*2*", "021"),
        (b"GE*1*1~\n", b"", "022"),
        (b"ST*834*0001*005010X220A1~\n", b"", "022"),
        (b"IEA*1*000000001~", b"IEA*1*000000001~ISA", "022"),
        (b"~\nREF*1L*", b"~\nREF\x01*1L*", "022"),
        (b"~\nREF*1L*", b"~\nREF\xff*1L*", "022"),
        (b"*00501*", b"*00601*", "022"),
        (b"IEA*1*000000001~", b"", "023"),
        (b"IEA*1*000000001~", b"IEA*1*00000", "023"),
    ],
)
def test_an_interchange_that_cannot_be_read_is_refused_with_a_ta1_only(
    old: bytes, new: bytes, code: str, tmp_path: Path
) -> None:
    done = Acknowledged(tmp_path, TWO_MEMBERS.replace(old, new))
    assert (done.ta1, list(done.texts)) == (f"TA1*000000001*260101*1200*R*{code}", [".ta1"])


def test_a_file_that_is_cut_off_is_refused_wherever_it_is_cut(tmp_path: Path) -> None:
    for end in range(4, len(TWO_MEMBERS.rstrip()), 7):
        done = Acknowledged(tmp_path, TWO_MEMBERS[:end])
        assert (done.ta1[-5:], list(done.texts)) == ("R*023", [".ta1"]), end


@pytest.mark.parametrize(("code", "note"), [("SENDER_UNKNOWN", "006"), ("RECEIVER_UNKNOWN", "008")])
def test_an_unknown_sender_or_receiver_is_refused(code: str, note: str, tmp_path: Path) -> None:
    done = Acknowledged(tmp_path, TWO_MEMBERS, FileRejected([error(code, "")]))
    assert done.ta1 == f"TA1*000000001*260101*1200*R*{note}"


@pytest.mark.parametrize(
    ("old", "new", "answers"),
    [
        (r"SE\*\d+\*", "SE*114*", ["IK5*R*4", "AK9*R*1*1*0"]),
        (r"SE\*(\d+)\*0001", r"SE*\1*0002", ["IK5*R*3", "AK9*R*1*1*0"]),
        (r"ST\*834\*0001\*\w+", "ST*834*0001*005010X220", ["IK5*R*1", "AK9*R*1*1*0"]),
        (r"\*X\*\w+", "*X*005010X220", ["IK5*R*1", "AK9*R*1*1*0"]),
        (r"GS\*BE\*", "GS*HC*", ["IK5*R*1", "AK9*R*1*1*0"]),
        (r"ST\*834\*", "ST*837*", ["IK5*R*1", "AK9*R*1*1*0"]),
        (r"GE\*1\*1", "GE*3*1", ["IK5*R*5", "AK9*R*3*1*0*5"]),
        (r"GE\*1\*1", "GE*1*2", ["IK5*R*5", "AK9*R*1*1*0*4"]),
        (r"\*2~\nN1\*P5", "*22~\nN1*P5", ["IK5*R*5", "AK9*R*1*1*0"]),
    ],
)
def test_a_rejected_file_is_rejected_in_the_999_with_the_code_of_the_set(
    old: str, new: str, answers: list[str], tmp_path: Path
) -> None:
    content = re.sub(old, new, TWO_MEMBERS.decode(), count=1).encode()
    assert isinstance(outcome_of(content), FileRejected)
    done = Acknowledged(tmp_path, content)
    assert [each for each in done.answers if not each.startswith("IK3") and not each.startswith("IK4")] == answers
    assert done.ta1 == ""


def test_a_wrong_count_of_segments_is_only_reported_by_its_code(tmp_path: Path) -> None:
    """Case A3."""
    content = re.sub(rb"SE\*\d+", b"SE*114", TWO_MEMBERS)
    assert Acknowledged(tmp_path, content).answers == ["IK5*R*4", "AK9*R*1*1*0"]


def test_sets_beside_a_set_with_a_wrong_count_are_rejected_too_because_nothing_is_applied(tmp_path: Path) -> None:
    sample = next(path for path in all_samples() if path.name == "multiple_st_loops.txt")
    content = re.sub(rb"SE\*\d+\*0003", b"SE*999*0003", sample.read_bytes())
    done = Acknowledged(tmp_path, content)
    assert done.answers == ["IK5*R*5", "IK5*R*5", "IK5*R*4", "IK5*R*5", "AK9*R*4*4*0"]


def test_every_group_of_a_rejected_file_is_answered(tmp_path: Path) -> None:
    before, group, after = re.split(rb"(?s)(GS.*GE\*1\*1~\n)", TWO_MEMBERS)
    second = group.replace(b"GE*1*1", b"GE*1*2").replace(b"1200*1*X", b"1200*2*X")
    done = Acknowledged(tmp_path, before + group + second + after.replace(b"IEA*1", b"IEA*2"))
    assert list(named(done.segments[".999"], "ST", "AK1", "AK9", "GE")) == [
        "ST*999*0001*005010X231A1",
        "AK1*BE*1*005010X220A1",
        "AK9*R*1*1*0",
        "ST*999*0002*005010X231A1",
        "AK1*BE*2*005010X220A1",
        "AK9*R*1*1*0",
        "GE*2*41",
    ]


MISSING = GuideViolation("0001", 12, "NM1", "2100A", ViolationKind.MISSING)
TOO_OFTEN = GuideViolation("0001", 13, "N3", "2100A", ViolationKind.TOO_OFTEN)
UNEXPECTED = GuideViolation("0001", 9, "PER", "HEADER", ViolationKind.UNEXPECTED)
RELATION = GuideViolation("0001", 6, "INS", "2000", ViolationKind.ELEMENTS, 2, "7", "99")
STATUS = GuideViolation("0001", 6, "INS", "2000", ViolationKind.ELEMENTS, 5, "1")


def test_violations_are_reported_in_order_with_one_note_for_each_element(tmp_path: Path) -> None:
    done = Acknowledged(
        tmp_path, TWO_MEMBERS, violating(TWO_MEMBERS, MISSING, TOO_OFTEN, UNEXPECTED, RELATION, STATUS, MISSING)
    )
    assert done.answers == [
        "IK3*INS*6*2000*8",
        "IK4*2*1069*7*99",
        "IK4*5*1216*1",
        "IK3*PER*9**2",
        "IK3*NM1*12*2100*3",
        "IK3*NM1*12*2100*3",
        "IK3*N3*13*2100*5",
        "IK5*E",
        "AK9*E*1*1*1",
    ]


@pytest.mark.parametrize(
    ("old", "new", "notes"),
    [
        (b"INS*Y*18*", b"INS*Y*99*", ["IK3*INS*5*2000*8", "IK4*2*1069*7*99"]),
        (b"*19800515*", b"*19801315*", ["IK3*DMG*9*2100*8", "IK4*2*1251*8*19801315"]),
        (b"NM1*IL*1*DOE", b"NM1*IL*1*", ["IK3*NM1*8*2100*8", "IK4*3*1035*1"]),
        (b"REF*1L*P1", b"N3*LONDON", ["IK3*N3*7*2000*2"]),
        (b"REF*0F*S1", b"REF*17*S1", ["IK3*REF*8*2000*3"]),
    ],
)
def test_a_wrong_member_is_noted_and_the_other_one_is_accepted(
    old: bytes, new: bytes, notes: list[str], tmp_path: Path
) -> None:
    done = Acknowledged(tmp_path, TWO_MEMBERS.replace(old, new, 1))
    assert done.answers == [*notes, "IK5*E", "AK9*E*1*1*1"]


def test_a_set_all_of_whose_members_are_rejected_is_rejected(tmp_path: Path) -> None:
    file = violating(TWO_MEMBERS, RELATION)
    assert isinstance(file, EnrollmentFile)
    one, other = (error("CODE", "", member.first_segment, "2000", "INS02") for member in file.members)
    half = replace(file, findings=(*file.findings, one))
    assert Acknowledged(tmp_path, TWO_MEMBERS, half).answers[-2:] == ["IK5*E", "AK9*E*1*1*1"]
    none = replace(file, findings=(*file.findings, one, other))
    assert Acknowledged(tmp_path, TWO_MEMBERS, none).answers[-2:] == ["IK5*R*5", "AK9*R*1*1*0"]


def test_a_contradiction_that_is_none_of_the_guide_is_not_reported(tmp_path: Path) -> None:
    content = a_file(a_member("S1"), a_member("S1", maintenance="001"))
    assert Acknowledged(tmp_path, content).answers == ["IK5*A", "AK9*A*1*1*1"]


def test_some_rejected_sets_make_a_group_partially_accepted(tmp_path: Path) -> None:
    content = next(path for path in all_samples() if path.name == "multiple_st_loops.txt").read_bytes()
    file = parse(content)
    wrong = replace(RELATION, set_number="0002")
    errors = tuple(
        Finding(Severity.ERROR, "CODE", "", member.first_segment, violation=wrong)
        for member in file.transactions[1].members
    )
    warned = Finding(Severity.WARNING, "CODE", "", 0, violation=replace(wrong, set_number="0004"))
    done = Acknowledged(tmp_path, content, replace(file, findings=(warned, *errors)))
    assert [each for each in done.answers if each[:3] in ("IK5", "AK9")] == [
        "IK5*A",
        "IK5*R*5",
        "IK5*A",
        "IK5*E",
        "AK9*P*4*4*3",
    ]


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("A*B~C:D^E", "A B C D E"),
        ("GARC\u00cdA\n", "GARC A"),
        ("*~", ""),
        ("x" * 200, "x" * 99),
        ("~\nIEA*1*000000041~", "IEA 1 000000041"),
    ],
)
def test_a_value_cannot_break_the_file(value: str, written: str, tmp_path: Path) -> None:
    bad = replace(RELATION, value=value)
    done = Acknowledged(tmp_path, TWO_MEMBERS, violating(TWO_MEMBERS, bad))
    assert done.answers[1] == "IK4*2*1069*7" + (f"*{written}" if written else "")


def test_a_segment_that_a_999_cannot_name_is_left_out(tmp_path: Path) -> None:
    bad = [replace(UNEXPECTED, segment=name) for name in ("", "R", "REF9", "r*", "~")]
    beyond = replace(UNEXPECTED, segment_position=1_000_000)
    done = Acknowledged(tmp_path, TWO_MEMBERS, violating(TWO_MEMBERS, *bad, beyond))
    assert done.answers == ["IK5*E", "AK9*E*1*1*1"]


@pytest.mark.parametrize(
    ("separators", "written"),
    [
        ((b"|", b"!", b">", b"'"), "|!>'"),
        ((b"*", b"^", b":", b"\n"), "*^:\n"),
        ((b"*", b"U", b":", b"~"), "*^:~"),
        ((b"*", b"^", b"^", b"~"), "*"),
    ],
)
def test_separators_are_as_in_the_file_unless_they_are_unsafe(
    separators: tuple[bytes, ...], written: str, tmp_path: Path
) -> None:
    element, repetition, component, segment = separators
    content = TWO_MEMBERS.replace(b"\n", b"") if segment == b"\n" else TWO_MEMBERS
    content = content.replace(b"^", repetition).replace(b":", component).replace(b"*", element).replace(b"~", segment)
    done = Acknowledged(tmp_path, content)
    text = done.texts[".999"]
    used = text[3], text[82], text[104], text[105]
    assert "".join(used).startswith(written)
    assert len(set(used)) == len(used)


@pytest.mark.parametrize("sent", [b"*0*P*:", b"*1*P*:"])
def test_acknowledgements_are_not_acknowledged(sent: bytes, tmp_path: Path) -> None:
    content = TWO_MEMBERS.replace(b"*0*P*:", b"*1*P*:")
    for path in Acknowledged(tmp_path, content).paths:
        received = path.read_bytes().replace(b"*0*P*:", sent)
        assert Acknowledged(tmp_path, received).paths == []


@pytest.mark.parametrize("end", ["", "\n", "\r\n"])
def test_line_ends_are_as_in_the_file(end: str, tmp_path: Path) -> None:
    done = Acknowledged(tmp_path, TWO_MEMBERS.replace(b"\n", end.encode()))
    text = done.paths[0].read_bytes().decode()
    assert text.count("~" + end) == text.count("~")
    assert text.count("\n") == text.count(end or "\r")


def test_the_same_file_is_acknowledged_alike_but_for_numbers_and_times(tmp_path: Path) -> None:
    file = violating(TWO_MEMBERS, RELATION, MISSING)
    one = Acknowledged(tmp_path, TWO_MEMBERS, file).segments[".999"]
    two = Acknowledged(tmp_path, TWO_MEMBERS, file, number=77).segments[".999"]
    assert one[2:-2] == two[2:-2]
    assert [one[0][:9], one[1][:4]] == [two[0][:9], two[1][:4]]


def test_files_are_private_and_replace_earlier_ones(tmp_path: Path) -> None:
    (tmp_path / "000000001.999").symlink_to(tmp_path / "elsewhere")
    Acknowledged(tmp_path, TWO_MEMBERS)
    done = Acknowledged(tmp_path, TWO_MEMBERS, number=77)
    assert [path.name for path in tmp_path.iterdir()] == ["000000001.999"]
    assert done.paths[0].stat().st_mode & 0o777 == 0o600
    assert "000000077" in done.texts[".999"]


@pytest.mark.parametrize("number", [b"../../x/9", b"/etc/pass", b"..\\..\\..1", b"\x00\x0000001"])
def test_the_control_number_of_a_file_cannot_choose_another_folder(number: bytes, tmp_path: Path) -> None:
    folder = tmp_path / "inside" / "here"
    folder.mkdir(parents=True)
    done = Acknowledged(folder, TWO_MEMBERS.replace(b"000000001", number.ljust(9)))
    assert [(path.parent, path.stem.isdigit()) for path in done.paths] == [(folder, True)]
    assert {path for path in tmp_path.rglob("*") if path.is_file()} == set(done.paths)


def test_an_envelope_can_be_read_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "file.834"
    path.write_bytes(b"\xef\xbb\xbf\r\n" + TWO_MEMBERS)
    assert read_envelope(path) == envelope_of(TWO_MEMBERS)


def test_a_file_that_is_no_interchange_has_no_envelope() -> None:
    assert [envelope_of(content) for content in (b"", b"IS", b"ISA", b"GS*BE~", b"\xff\xfe")] == [None] * 5


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(damaged([path.read_bytes() for path in all_samples()]))
def test_a_damaged_file_is_acknowledged_with_a_valid_ta1_or_999(tmp_path: Path, content: bytes) -> None:
    if envelope_of(content) is None:
        assert not content.lstrip(b"\xef\xbb\xbf \r\n").startswith(b"ISA*")
        return
    outcome = outcome_of(content)
    done = Acknowledged(tmp_path, content, outcome)
    assert done.texts
    if isinstance(outcome, FileRejected):
        assert done.ta1[-5:-3] == "R*" or done.answers[-1].startswith("AK9*R*")
    else:
        assert done.ta1[-6:] in ("", "*A*000")
        assert done.answers[-1][4] in "AEPR"


@settings(deadline=None)
@given(st.binary(max_size=300))
def test_other_bytes_after_isa_are_acknowledged_with_a_ta1(
    tmp_path_factory: pytest.TempPathFactory, rest: bytes
) -> None:
    content = b"ISA" + rest
    if envelope_of(content) is not None:
        done = Acknowledged(tmp_path_factory.getbasetemp(), content)
        assert re.fullmatch(r"TA1\*[0-9]{9}\*[0-9]{6}\*[0-9]{4}\*R\*02[23]", done.ta1)
