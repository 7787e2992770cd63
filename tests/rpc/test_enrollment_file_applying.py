"""834 files applied while calls fail, and interrupted: what is repeated, reported, and done by a second run."""

import csv
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from io import StringIO
from pathlib import Path

import grpc
import pytest

from affilia_cli.enrollment_file.applying.outcomes import Outcome
from affilia_cli.enrollment_file.findings import TooManyDaysLost, TooManyTerminations
from affilia_cli.enrollment_file.planning.plan import Plan
from affilia_client import Client
from affilia_client.testing import Affilia
from tests.conftest import ROOT, ServerProcess
from tests.support.command_line import typed
from tests.support.enrollment_file import a_coverage, a_file, a_member
from tests.support.file_imports import Sponsor, families_file, subscribers
from tests.support.waiting import wait_until

ACCEPTED, UNCHANGED, FAILED, PLANNED = Outcome.ACCEPTED, Outcome.UNCHANGED, Outcome.FAILED, Outcome.PLANNED
INCOMPLETE = 5
MORE_THAN_THE_LIBRARY_RETRIES = 12


@pytest.fixture(scope="module")
def client(server_address: str) -> Iterator[Client]:
    with Client(server_address) as client:
        yield client


@pytest.fixture
def sponsor(client: Client, tmp_path: Path) -> Sponsor:
    return Sponsor(client, tmp_path)


@pytest.fixture
def affilia(server_address: str) -> Iterator[Affilia]:
    """The server behind a proxy on which calls fail as a test says."""
    with Affilia(server_address, server_address) as affilia:
        yield affilia


@pytest.fixture
def faulty(affilia: Affilia) -> Iterator[Client]:
    with affilia.client() as client:
        yield client


# ------------------------------------------------------------------------------------------- calls that are repeated


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (grpc.StatusCode.RESOURCE_EXHAUSTED, "OVERLOADED"),
        (grpc.StatusCode.UNAVAILABLE, "DATABASE_UNAVAILABLE"),
        (grpc.StatusCode.ABORTED, "WRITE_CONFLICT"),
    ],
)
def test_calls_are_repeated_for_as_long_as_the_server_asks_for_it(
    sponsor: Sponsor, affilia: Affilia, faulty: Client, code: grpc.StatusCode, reason: str
) -> None:
    def confirm(plan: Plan) -> bool:
        for method in ("batch_get_members", "upsert_member", "record_facts"):
            affilia.fail(method, code, reason, retry_after_seconds=0.01)
        times = MORE_THAN_THE_LIBRARY_RETRIES
        affilia.fail("submit_change_request", code, reason, times=times, retry_after_seconds=0.01)
        return True

    assert sponsor.outcomes(families_file(1), faulty, confirm=confirm) == [ACCEPTED]
    assert len({str(each.request) for each in affilia.received("submit_change_request")}) == 1
    assert sponsor.num_requests() == 1


def test_a_lost_connection_does_not_fail_the_import(sponsor: Sponsor, affilia: Affilia, faulty: Client) -> None:
    for method in ("upsert_member", "record_facts", "submit_change_request"):
        affilia.drop(method, times=8)
    assert set(sponsor.outcomes(families_file(20), faulty)) == {ACCEPTED}
    assert sponsor.num_requests() == 20


def test_an_import_is_applied_completely_by_a_server_that_sheds_load(tmp_path: Path) -> None:
    server = ServerProcess(tmp_path / "server", "--max-calls", "2")
    with Client(server.address) as client:
        sponsor = Sponsor(client, tmp_path)
        assert set(sponsor.outcomes(families_file(30))) == {ACCEPTED}
        assert sponsor.num_requests() == 30
        gone = a_file(
            *[
                a_member(f"N{n}", maintenance="024", coverages=[a_coverage(maintenance="024", ends="20261231")])
                for n in range(30)
            ],
            control=2,
        )
        with pytest.raises(TooManyTerminations, match="30 of 30"):
            sponsor.play(gone, max_terminations=0.5)
    server.stop()


def test_facts_that_changed_meanwhile_are_compared_again(sponsor: Sponsor, affilia: Affilia, faulty: Client) -> None:
    affilia.fail("record_facts", grpc.StatusCode.ABORTED, "ETAG_MISMATCH")
    assert sponsor.outcomes(families_file(1), faulty) == [ACCEPTED]
    (member,) = sponsor.play(families_file(1)).members
    assert client_knows_birth(sponsor, member.member_id)


def client_knows_birth(sponsor: Sponsor, member_id: str) -> bool:
    return sponsor.client.members.get_member(member_id=member_id).facts.HasField("born_on")


def test_facts_are_never_recorded_over_a_change_that_was_not_seen(
    sponsor: Sponsor, affilia: Affilia, faulty: Client
) -> None:
    sponsor.play(families_file(1), faulty)
    upsert, *facts = affilia.received("upsert_member") + affilia.received("record_facts")
    assert upsert.request.etag == ""  # type: ignore[attr-defined]
    assert facts
    assert all(each.request.etag for each in facts)  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("code", "reason", "advice"),
    [
        (grpc.StatusCode.ABORTED, "ETAG_MISMATCH", "Others keep changing this member"),
        (grpc.StatusCode.ALREADY_EXISTS, "IDENTIFIER_TAKEN", "merge the two members"),
    ],
)
def test_a_member_whose_facts_cannot_be_recorded_is_reported_and_the_others_are_applied(
    sponsor: Sponsor, affilia: Affilia, faulty: Client, code: grpc.StatusCode, reason: str, advice: str
) -> None:
    affilia.fail("upsert_member", code, reason, times=3)
    (failed,) = sponsor.play(families_file(1), faulty).members
    assert failed.outcome is FAILED
    assert reason in failed.reasons[0]
    assert advice in failed.reasons[0]
    assert sponsor.outcomes(families_file(3, control=2)) == [ACCEPTED] * 3


def test_a_failed_call_is_reported_for_its_family_only(sponsor: Sponsor, affilia: Affilia, faulty: Client) -> None:
    affilia.fail("submit_change_request", grpc.StatusCode.INTERNAL, "DEFECT")
    report = sponsor.play(families_file(3), faulty)
    assert sorted(member.outcome.value for member in report.members) == ["accepted", "accepted", "failed"]
    assert not report.is_complete
    assert sorted(member.outcome.value for member in sponsor.play(families_file(3)).members) == [
        "accepted", "unchanged", "unchanged",
    ]  # fmt: skip


# ---------------------------------------------------------------------------------------------- deadline and Ctrl-C


def test_after_the_deadline_no_family_is_begun_and_a_second_import_applies_them(sponsor: Sponsor) -> None:
    report = sponsor.play(families_file(3), deadline_seconds=0.0)
    assert [member.outcome for member in report.members] == [PLANNED] * 3
    assert "Import the file again" in report.members[0].reasons[0]
    assert (report.applied, report.is_complete, sponsor.num_requests()) == (True, False, 0)
    assert sponsor.outcomes(families_file(3)) == [ACCEPTED] * 3


def an_import(sponsor: Sponsor, address: str, file: Path, *options: str) -> subprocess.Popen[str]:
    words = ["import-834", str(file), "--mapping", str(sponsor.mapping_path()), "--yes", "--today", "2026-06-15"]
    return subprocess.Popen(
        [sys.executable, "-m", "server", "--address", address, *words, *options],
        cwd=ROOT,
        env={**os.environ, "COLUMNS": "120"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # Shells start background processes with SIGINT ignored, and children inherit that.
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509 (it only resets a signal)
    )


def test_ctrl_c_finishes_the_families_under_way_and_a_second_run_continues(
    sponsor: Sponsor, affilia: Affilia, tmp_path: Path
) -> None:
    file, report = sponsor.path(families_file(60)), tmp_path / "report.json"
    affilia.delay("submit_change_request", 0.5, times=60)
    process = an_import(sponsor, affilia.address, file, "--report", str(report))
    wait_until(lambda: affilia.received("submit_change_request"), "the first change request")
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == INCOMPLETE, errors
    assert "Finishing the families under way" in errors
    assert "Run the same command again" in errors
    assert "Traceback" not in errors
    counts = json.loads(report.read_text())["counts"]
    applied = sponsor.num_requests()
    assert (counts["ACCEPTED"], counts["PLANNED"], counts["FAILED"]) == (applied, 60 - applied, 0)
    assert 0 < applied < 60
    affilia.clear()
    again = an_import(sponsor, affilia.address, file, "--report", str(report))
    _, errors = again.communicate(timeout=120)
    assert again.returncode == 0, errors
    counts = json.loads(report.read_text())["counts"]
    assert (counts["ACCEPTED"], counts["UNCHANGED"]) == (60 - applied, applied)
    assert sponsor.num_requests() == 60


def test_a_killed_import_is_continued_by_a_second_run(sponsor: Sponsor, affilia: Affilia) -> None:
    file = sponsor.path(families_file(40))
    affilia.delay("submit_change_request", 0.5, times=40)
    process = an_import(sponsor, affilia.address, file)
    wait_until(lambda: sponsor.num_requests() > 0, "the first family")
    process.kill()
    process.communicate(timeout=120)
    affilia.clear()
    again = an_import(sponsor, affilia.address, file)
    _, errors = again.communicate(timeout=120)
    assert again.returncode == 0, errors
    assert sponsor.days() == {f"P{n} DOE": [("HMO", "2026-01-01", None)] for n in range(40)}
    assert sponsor.num_requests() == 40


def test_a_second_ctrl_c_stops_immediately(sponsor: Sponsor, affilia: Affilia) -> None:
    affilia.delay("submit_change_request", 20, times=20)
    process = an_import(sponsor, affilia.address, sponsor.path(families_file(20)))
    wait_until(lambda: affilia.received("submit_change_request"), "the first change request")
    process.send_signal(signal.SIGINT)
    assert process.stderr is not None
    while "Finishing the families under way" not in process.stderr.readline():
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=120)
    assert process.returncode not in (0, INCOMPLETE)
    assert "Traceback" not in errors
    assert sponsor.num_requests() == 0


# ---------------------------------------------------------------------------------------------------------- families


def child(name: str, *lines: str, begins: str = "20260101", person: str = "") -> list[str]:
    coverages = [a_coverage(line, begins=begins) for line in lines]
    return a_member(relation="19", name=("DOE", name), born="20150601", coverages=coverages, person=person)


def test_a_family_with_more_than_a_hundred_changes_is_applied_in_several_requests(sponsor: Sponsor) -> None:
    parent = a_member(coverages=[a_coverage(line, begins="20260101") for line in ("HMO", "DEN")])
    children = [child(f"C{n:02}", "HMO", "DEN", person=f"{n + 100}") for n in range(60)]
    content = a_file(parent, *children)
    assert set(sponsor.outcomes(content)) == {ACCEPTED}
    assert sponsor.num_requests() == 2
    assert [len(periods) for periods in sponsor.days().values()] == [2] * 61
    assert set(sponsor.outcomes(content)) == {UNCHANGED}


PARENT = a_member(coverages=[a_coverage(line, begins="20260101") for line in ("HMO", "DEN")])
WITHOUT_DENTAL = a_member(maintenance="001", coverages=[a_coverage("DEN", maintenance="024", ends="20260630")])


def test_the_report_has_the_days_that_the_rules_leave(sponsor: Sponsor) -> None:
    sponsor.play(a_file(PARENT, child("JIM", "HMO", "DEN")))
    report = sponsor.play(a_file(WITHOUT_DENTAL, child("JIM", "DEN"), control=2))
    parent, jim = report.members
    assert [list(map(str, each.days_before)) for each in (parent, jim)] == [["DEN from 2026-01-01"]] * 2
    assert [list(map(str, each.days_after)) for each in (parent, jim)] == [["DEN 2026-01-01 to 2026-06-30"]] * 2


def test_consequences_count_as_terminations_and_lost_days(sponsor: Sponsor) -> None:
    sponsor.play(a_file(PARENT, child("JIM", "HMO", "DEN"), *subscribers(8)))
    less = a_file(WITHOUT_DENTAL, control=2)
    with pytest.raises(TooManyTerminations, match=r"2 of 10 members .*JANE DOE, JIM DOE\."):
        sponsor.play(less, max_terminations=0.1)
    # Until 2027-06-14, 12 enrollments have 365 days. Two of them would lose those after 2026-06-30.
    with pytest.raises(TooManyDaysLost, match=f"{2 * 349} of {12 * 365} covered days"):
        sponsor.play(less, max_terminations=0.2, max_days_lost=0.1)
    assert sponsor.num_requests() == 9
    assert sponsor.play(less, max_terminations=0.2, max_days_lost=0.2).is_complete


def test_members_who_change_modules_within_a_slot_are_not_terminated(sponsor: Sponsor) -> None:
    sponsor.play(families_file(3))
    switch = a_file(*subscribers(3, ("PPO",), begins="20260801"), control=2)
    assert sponsor.outcomes(switch, max_terminations=0.0, max_days_lost=0.0) == [ACCEPTED] * 3
    assert sorted(sponsor.days()["P0 DOE"]) == [("HMO", "2026-01-01", "2026-07-31"), ("PPO", "2026-08-01", None)]


# ----------------------------------------------------------------------------------------------------------- reports


def test_a_report_is_written_in_each_format_for_its_owner_only(
    sponsor: Sponsor, server_address: str, tmp_path: Path
) -> None:
    formula = a_member(name=("DOE", "=HYPERLINK(1)"), coverages=[a_coverage(begins="20260101")])
    file = sponsor.path(a_file(formula, *subscribers(1)))
    words = ["import-834", str(file), "--mapping", str(sponsor.mapping_path()), "--today", "2026-06-15"]
    reports = {name: tmp_path / name for name in ("report.csv", "report.json")}
    planned = typed(server_address, *words, "--dry-run", "--report", str(reports["report.csv"]))
    assert planned.code == 0, planned.err
    assert "HMO: no days -> from 2026-01-01" in planned.err
    done = typed(server_address, *words, "--yes", "--report", str(reports["report.json"]))
    assert done.code == 0, done.err
    assert "2 accepted" in done.out
    assert {path.stat().st_mode & 0o777 for path in reports.values()} == {0o600}
    first, second = csv.DictReader(StringIO(reports["report.csv"].read_text()))
    assert (first["member"], first["outcome"]) == ("'=HYPERLINK(1) DOE", "planned")
    assert (second["days_before"], second["days_after"]) == ("", "HMO from 2026-01-01")
    content = json.loads(reports["report.json"].read_text())
    assert (content["applied"], content["complete"], content["counts"]["ACCEPTED"]) == (True, True, 2)
    assert content["members"][1]["days_after"] == [
        {
            "module_id": sponsor.modules["HMO"],
            "module": "HMO",
            "periods": [{"first_on": "2026-01-01", "last_on": None}],
        }
    ]
    assert json.loads(typed(server_address, "--json", *words, "--yes").out)["counts"]["UNCHANGED"] == 2
