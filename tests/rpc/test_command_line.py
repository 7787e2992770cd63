"""The command line, as a person types it, against a running server."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import grpc
import pytest

from affilia.catalog.v1 import catalog_service_pb2
from tests.conftest import ROOT
from tests.support.calls import Family, new_id
from tests.support.guarded import guarded_server
from tests.support.identities import ISSUER, SECRET, as_, channel_of, token


@pytest.fixture
def covered(family: Family) -> Family:
    family.submit(
        family.enroll(family.base, "2026-01-01"), family.enroll(family.base, "2026-02-01", "2026-05-31", child=True)
    )
    return family


class Typed:
    """What a command said, and how it ended."""

    def __init__(self, done: "subprocess.CompletedProcess[str]") -> None:
        self.code, self.out, self.err = done.returncode, done.stdout, done.stderr


def typed(address: str, *words: str, **environment: str) -> Typed:
    """Runs `affilia` with some words."""
    done = subprocess.run(
        [sys.executable, "-m", "server", "--address", address, *words],
        cwd=ROOT,
        env={**os.environ, "COLUMNS": "120", **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return Typed(done)


SAMPLE = ROOT / "tests" / "samples" / "834" / "linuxforhealth" / "enroll-employee-managed-care.834"


def mapping_of(file: Path, family: Family) -> dict[str, Any]:
    """What the file's only coverage is: the base module of a family's contract."""
    sponsor = file.read_text().partition("N1*P5*")[2].partition("~")[0].split("*")[2]
    line = file.read_text().partition("HD*")[2].partition("~")[0].split("*")[2]
    coverage = {"line": line, "contract_id": family.contract_id, "module_id": family.base}
    return {"namespace": new_id(), "sponsor": sponsor, "coverages": [coverage]}


def name_of(family: Family) -> str:
    return f"{family.contract_id}/{family.primary}"


def test_a_timeline_shows_who_is_on_what_and_when(server_address: str, covered: Family, tmp_path: Path) -> None:
    shown = typed(server_address, "timeline", name_of(covered), "--from", "2026-01-01", "--to", "2026-12-31")
    assert shown.code == 0, shown.err
    lines = [line for line in shown.out.splitlines() if "█" in line]
    assert [covered.primary[:8] in lines[0], covered.child[:8] in lines[1]] == [True, True]
    assert lines[0].rstrip().endswith("▶")
    assert lines[1].rstrip().endswith("·")
    drawing = tmp_path / "family.svg"
    assert typed(server_address, "timeline", name_of(covered), "--svg", str(drawing)).code == 0
    bars = [e for e in ElementTree.parse(drawing).iter() if e.tag.endswith("rect")]  # noqa: S314 (our own)
    assert len(bars) == 2


def test_a_timeline_is_shown_as_it_was(server_address: str, covered: Family) -> None:
    covered.submit(covered.leave("2026-06-01"))
    told = {
        revision: json.loads(
            typed(server_address, "--json", "timeline", name_of(covered), "--revision", str(revision)).out
        )
        for revision in (1, 2)
    }
    assert "last_on" not in next(p for p in told[1]["periods"] if p["member_id"] == covered.primary)["days"]
    assert next(p for p in told[2]["periods"] if p["member_id"] == covered.primary)["days"]["last_on"]["month"] == 5


def test_changes_are_simulated_and_made_and_refusals_have_another_exit_status(
    server_address: str, covered: Family
) -> None:
    words = [name_of(covered), "--module", covered.plus, "--from", "2027-01-01"]
    simulated = typed(server_address, "simulate", *words)
    assert (simulated.code, "APPROVED" in simulated.out) == (0, True)
    assert covered.group().revision == 1
    made = typed(server_address, "enroll", *words)
    assert (made.code, "APPROVED" in made.out) == (0, True), made.err
    assert covered.group().revision == 2
    left = typed(server_address, "leave", name_of(covered), "--from", "2027-06-01")
    assert left.code == 0
    assert covered.group().revision == 3
    refused = typed(
        server_address, "enroll", name_of(covered), "--module", covered.option, "--member", covered.child,
        "--from", "2026-03-01",
    )  # fmt: skip
    assert (refused.code, "REJECTED" in refused.out, "ADULT" in refused.out) == (1, True, True)


def test_coverage_is_explained_with_what_speaks_against_it(server_address: str, covered: Family) -> None:
    shown = typed(server_address, "explain", "coverage", covered.child, "--on", "2026-07-01")
    assert shown.code == 0, shown.err
    assert "COVERAGE_ENDED" in shown.out or "NO_COVERAGE" in shown.out
    assert "ADULT" in shown.out


def test_what_made_it_so_is_told_and_a_member_whom_there_is_not_too(server_address: str, covered: Family) -> None:
    change = covered.leave("2026-06-01")
    change.reason_code = "MOVED"
    covered.submit(change)
    shown = typed(server_address, "explain", "coverage", covered.primary, "--on", "2026-07-01")
    assert ("COVERAGE_ENDED" in shown.out, "MOVED" in shown.out, "revision 2" in shown.out) == (True, True, True)
    unknown = typed(server_address, "explain", "coverage", new_id(), "--on", "2026-07-01")
    assert (unknown.code, "MEMBER_UNKNOWN" in unknown.err) == (1, True)


def test_a_group_is_named_by_its_id_too_and_ids_are_found(server_address: str, covered: Family) -> None:
    group_id = covered.group().group_id
    left = typed(server_address, "leave", group_id, "--from", "2026-09-01")
    assert left.code == 0, left.err
    listed = typed(server_address, "groups", "--contract", covered.contract_id)
    assert (group_id in listed.out, covered.primary in listed.out) == (True, True)
    contracts = typed(server_address, "--json", "contracts")
    assert any(json.loads(line)["contract_id"] == covered.contract_id for line in contracts.out.splitlines())
    with_ids = typed(server_address, "timeline", group_id, "--ids", COLUMNS="160")
    assert (covered.child in with_ids.out, covered.base in with_ids.out) == (True, True), with_ids.out + with_ids.err


def test_the_feed_is_watched_for_so_many_events(server_address: str, covered: Family) -> None:
    words = ["watch", "--from", "beginning", "--contract", covered.contract_id, "--events", "1"]
    shown = typed(server_address, *words)
    assert (shown.code, shown.out.count("POLICY_")) == (0, 1)
    *_, message = typed(server_address, "--json", *words).out.splitlines()
    assert json.loads(message)["events"][0]["key"]["contract_id"] == covered.contract_id


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["timeline", new_id()], 1),
        (["timeline", "nonsense"], 2),
        (["explain", "coverage", "nonsense", "--on", "2026-01-01"], 1),
        (["explain", "coverage", new_id(), "--on", "2026-02-30"], 2),
        (["premiums", "run", "--months", "2026-13"], 2),
        (["watch", "--from", "yesterday"], 2),
        (["groups"], 2),
        (["nothing"], 2),
    ],
)
def test_what_is_wrong_is_told_in_a_sentence_and_without_a_trace(
    server_address: str, words: list[str], code: int
) -> None:
    told = typed(server_address, *words)
    assert told.code == code
    assert "Traceback" not in told.err
    assert told.err


def test_failures_are_told_as_json_too(server_address: str) -> None:
    failed = typed(server_address, "--json", "timeline", new_id())
    content: dict[str, Any] = json.loads(failed.err)
    assert (content["code"], content["reason"]) == ("NOT_FOUND", "GROUP_UNKNOWN")
    assert content["call_id"]


def test_premiums_are_run_with_their_progress_and_listed(server_address: str, covered: Family) -> None:
    ran = typed(server_address, "premiums", "run", "--months", "2026-01..2026-02", "--contract", covered.contract_id)
    assert (ran.code, "1 failed" in ran.out, "PRICE_MISSING" in ran.err) == (1, True, True)
    assert typed(server_address, "premiums", "list", name_of(covered)).code == 0


def test_a_token_is_minted_with_the_servers_secret_only() -> None:
    variables = {
        "AFFILIA_TOKEN_SECRET": SECRET,
        "AFFILIA_TOKEN_ALGORITHM": "HS256",
        "AFFILIA_TOKEN_ISSUER": ISSUER,
    }
    minted = typed("", "token", "service", "claims", "eligibility.read", **variables)
    assert (minted.code, minted.out.count(".")) == (0, 2)
    assert typed("", "token", "service", "claims", "nonsense", **variables).code == 2
    assert typed("", "token", "king", "claims", **variables).code == 2
    assert typed("", "token", "service", "claims").code == 2


def test_the_doctor_says_what_is_well_and_what_is_not(server_address: str) -> None:
    well = typed(server_address, "doctor")
    assert (well.code, "✗" in well.out) == (0, False), well.out
    away = typed("127.0.0.1:1", "doctor")
    assert (away.code, "Is it running?" in away.out) == (1, True)


def test_an_enrollment_file_is_planned_applied_and_reported(
    server_address: str, tmp_path: Path, family: Family
) -> None:
    file, mapping, report = SAMPLE, tmp_path / "mapping.json", tmp_path / "report.json"
    mapping.write_text(json.dumps(mapping_of(file, family)))
    contract = family.contract()
    contract.versions[0].days.first_on.year = 1990
    family.amend(contract)
    words = ["import-834", str(file), "--mapping", str(mapping), "--report", str(report)]
    planned = typed(server_address, *words, "--dry-run")
    assert (planned.code, "ADD" in planned.err) == (0, True), planned.err
    assert json.loads(report.read_text())["applied"] is False
    assert typed(server_address, *words, "--yes").code == 0
    applied = json.loads(report.read_text())
    assert (applied["applied"], applied["counts"]["REJECTED"]) == (True, 0)
    again = typed(server_address, "--json", *words, "--yes")
    assert json.loads(again.out)["counts"]["UNCHANGED"] == 1
    mapping.write_text("{}")
    refused = typed(server_address, *words)
    assert refused.code == 1
    assert "Traceback" not in refused.err


def test_names_are_shown_as_they_are_whatever_brackets_they_hold(server_address: str, covered: Family) -> None:
    contract = covered.contract()
    for module, name in zip(contract.versions[0].modules, ("Basic [/] plan", "Plus [red]", "[link=x]"), strict=True):
        module.display_name = name
    covered.amend(contract)
    shown = typed(server_address, "timeline", name_of(covered))
    assert (shown.code, "Basic [/] plan" in shown.out) == (0, True), shown.err
    explained = typed(server_address, "explain", "coverage", covered.primary, "--on", "2026-02-01")
    assert (explained.code, "Basic [/] plan" in explained.out) == (0, True), explained.err
    refused = typed(
        server_address, "enroll", name_of(covered), "--module", covered.option, "--member", covered.child,
        "--from", "2026-03-01",
    )  # fmt: skip
    assert (refused.code, "[link=x]" in refused.out) == (1, True), refused.err


def test_the_last_day_of_the_calendar_is_no_end(server_address: str, covered: Family) -> None:
    words = ["--module", covered.plus, "--from", "2027-01-01", "--to", "9999-12-31"]
    made = typed(server_address, "enroll", name_of(covered), *words)
    assert (made.code, "▶" in made.out) == (0, True), made.err


def test_a_picture_shows_single_days_gaps_and_nothing_outside(server_address: str, covered: Family) -> None:
    covered.submit(covered.leave("2026-06-10", "2026-06-10", covered.base))
    words = ["timeline", name_of(covered), "--from", "2026-01-01"]
    year = typed(server_address, *words, "--to", "2026-12-31").out
    assert "▒" in year  # a day that is missing among others
    assert typed(server_address, *words, "--to", "2025-12-31").code == 2
    before = typed(server_address, "timeline", name_of(covered), "--from", "2025-01-01", "--to", "2025-12-31")
    assert "█" not in before.out


def test_an_enrollment_file_is_taken_from_who_brings_a_token(tmp_path: Path) -> None:
    with guarded_server(tmp_path) as (server, _), grpc.insecure_channel(server.address) as plain:
        family = Family(channel_of(plain, as_("admin", "ada")))
        contract = family.contract()
        contract.versions[0].days.first_on.year = 1990
        request = catalog_service_pb2.PublishContractRequest(request_id=new_id(), contract=contract)
        family.catalog.PublishContract(request)
        file, mapping = SAMPLE, tmp_path / "mapping.json"
        mapping.write_text(json.dumps(mapping_of(file, family)))
        words = ["import-834", str(file), "--mapping", str(mapping), "--yes"]
        scopes = ("catalog.read", "members.read", "members.write", "enrollment.read", "enrollment.write")
        office = token("service", "office", *scopes, "enrollment.administer")
        taken = typed(server.address, "--json", *words, AFFILIA_TOKEN=office)
        assert (taken.code, json.loads(taken.out)["counts"]["REJECTED"]) == (0, 0), taken.err
        refused = typed(server.address, *words)
        assert (refused.code, "UNAUTHENTICATED" in refused.err + refused.out) == (1, True)
        for wrong in ("@/nowhere/token", "a\nb"):
            told = typed(server.address, "--token", wrong, "contracts")
            assert (told.code, "Traceback" in told.err) == (2, False)
