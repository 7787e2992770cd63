"""Reports on imports: which members a long table shows, what a spreadsheet receives, and how progress is shown."""

import csv
import json
from io import StringIO

from affilia_cli.console import DataConsole
from affilia_cli.enrollment_file.applying.outcomes import Cover, MemberOutcome, Outcome
from affilia_cli.enrollment_file.applying.report import Report
from affilia_cli.enrollment_file.findings import warning
from affilia_cli.enrollment_file.planning.plan import Kind
from affilia_cli.import_progress import ImportProgress
from tests.files.test_guard import days

ACCEPTED, REJECTED = Outcome.ACCEPTED, Outcome.REJECTED


def an_outcome(name: str = "JANE DOE", outcome: Outcome = ACCEPTED, **more: tuple[Cover, ...]) -> MemberOutcome:
    return MemberOutcome(7, name, "M1", Kind.ADD, outcome, (), ("a notice",), "adds HMO", **more)


def a_report(*members: MemberOutcome) -> Report:
    return Report("SENDER", "000000001", "digest", True, members, (warning("ELEMENT_UNUSED", "INS17 isn't used."),))


def test_a_long_table_shows_those_who_need_attention_first() -> None:
    many = [an_outcome(f"N{n:04}") for n in range(300)]
    text = a_report(*many, an_outcome("REJECTED ONE", REJECTED)).to_text()
    assert "REJECTED ONE" in text
    assert ("N0198" in text, "N0199" in text, "and 101 more members" in text) == (True, False, True)
    assert "300 accepted, 1 rejected" in text
    assert "ELEMENT_UNUSED" in text


def test_a_table_shows_only_days_that_change() -> None:
    same, was, now = days("2026-01-01/"), days("2026-02-01/"), days("2026-02-01/2026-06-30")
    before = (Cover("1", "DEN", same), Cover("2", "HMO", was), Cover("3", "PPO", same))
    after = (Cover("1", "DEN", same), Cover("2", "HMO", now))
    text = a_report(an_outcome(days_before=before, days_after=after)).to_text(200)
    assert "HMO: from 2026-02-01 -> 2026-02-01 to 2026-06-30" in text
    assert "PPO: from 2026-01-01 -> no days" in text
    assert "DEN" not in text


def test_the_json_report_has_all_members_and_findings() -> None:
    for count in (0, 1, 2):
        content = json.loads(a_report(*[an_outcome(f"N{n}") for n in range(count)]).to_json())
        assert [member["name"] for member in content["members"]] == [f"N{n}" for n in range(count)]
        assert (content["sender"], content["counts"]["ACCEPTED"], len(content["findings"])) == ("SENDER", count, 1)


def test_a_spreadsheet_never_receives_a_formula_or_a_line_break() -> None:
    names = ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", "JANE\nDOE", "\x1b[31mJANE", 'JANE "J", DOE']
    text = a_report(*map(an_outcome, names)).to_csv()
    assert len(text.splitlines()) == 1 + len(names)
    assert [row["member"] for row in csv.DictReader(StringIO(text))] == [
        "'=1+1", "'+1", "'-1", "'@SUM(A1)", "'\tx", "JANE DOE", "\N{REPLACEMENT CHARACTER}[31mJANE", 'JANE "J", DOE',
    ]  # fmt: skip


def test_progress_is_shown_as_lines_from_time_to_time_if_there_is_no_terminal() -> None:
    shown = {}
    for seconds in (0.0, 3600.0):
        text = StringIO()
        with ImportProgress(DataConsole(file=text), seconds).task("Applying", 2) as advance:
            advance()
            advance()
        shown[seconds] = text.getvalue()
    assert shown == {0.0: "Applying: 1 of 2\nApplying: 2 of 2\n", 3600.0: ""}


def test_progress_is_shown_as_a_bar_on_a_terminal() -> None:
    text = StringIO()
    progress = ImportProgress(DataConsole(file=text, force_terminal=True, width=100))
    with progress.task("Applying", 2) as advance:
        advance()
    with progress.task("Planning") as advance:
        advance()
    assert ("Applying" in text.getvalue(), "1/2" in text.getvalue(), "Planning" in text.getvalue()) == (True,) * 3
