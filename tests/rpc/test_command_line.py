"""The command line against a running server."""

import json
import os
import re
import stat
from io import StringIO
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from rich.table import Table

from affilia.catalog.v1 import catalog_service_pb2
from affilia_cli.console import DataConsole, styled
from tests.conftest import ROOT
from tests.rpc.test_sample_book import HEADER, spanish_copy
from tests.support.calls import Family, admin, new_id
from tests.support.channels import connected_to
from tests.support.command_line import Typed, typed
from tests.support.guarded import guarded_server
from tests.support.identities import ISSUER, SECRET, as_, channel_of, everything, token


@pytest.fixture
def covered(family: Family) -> Family:
    family.submit(
        family.enroll(family.base, "2026-01-01"), family.enroll(family.base, "2026-02-01", "2026-05-31", child=True)
    )
    return family


SAMPLE = ROOT / "tests" / "samples" / "834" / "linuxforhealth" / "enroll-employee-managed-care.834"


def mapping_of(file: Path, family: Family) -> dict[str, Any]:
    """Returns a mapping of the only coverage in the file to the base module of a family."""
    sponsor = file.read_text().partition("N1*P5*")[2].partition("~")[0].split("*")[2]
    line = file.read_text().partition("HD*")[2].partition("~")[0].split("*")[2]
    coverage = {"line": line, "contract_id": family.contract_id, "module_id": family.base}
    return {"namespace": new_id(), "sponsor": sponsor, "coverages": [coverage]}


def name_of(family: Family) -> str:
    return f"{family.contract_id}/{family.primary}"


def test_a_timeline_shows_who_is_on_what_and_when(server_address: str, covered: Family, tmp_path: Path) -> None:
    shown = typed(server_address, "timeline", name_of(covered), "--from", "2026-01-01", "--to", "2026-12-31")
    assert shown.code == 0, shown.err
    _, _, primary, primarys, child, childs, *_ = shown.out.splitlines()
    assert [primary, child] == [covered.primary, covered.child]
    assert ("█▶ open-ended" in primarys, "█▌··" in childs, childs.endswith("·· until 2026-05-31")) == (True, True, True)
    drawing = tmp_path / "family.svg"
    assert typed(server_address, "timeline", name_of(covered), "--svg", str(drawing)).code == 0
    paths = [each for each in ElementTree.parse(drawing).iter() if each.tag.endswith("path")]  # noqa: S314 (our own)
    bars = ["".join(path.itertext()) for path in paths if re.fullmatch(r"c\d", path.get("class", ""))]
    assert [days.rpartition(" ")[2] for days in bars] == ["on", "2026-05-31"], bars


def test_a_timeline_is_shown_as_it_was(server_address: str, covered: Family) -> None:
    covered.submit(covered.leave("2026-06-01"))
    outcome = {
        revision: json.loads(
            typed(server_address, "--json", "timeline", name_of(covered), "--revision", str(revision)).out
        )
        for revision in (1, 2)
    }
    assert "last_on" not in next(p for p in outcome[1]["periods"] if p["member_id"] == covered.primary)["days"]
    assert next(p for p in outcome[2]["periods"] if p["member_id"] == covered.primary)["days"]["last_on"]["month"] == 5


def test_changes_are_simulated_and_applied_and_rejections_have_their_own_exit_status(
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
    assert (refused.code, "REJECTED" in refused.out, "ADULT" in refused.out) == (3, True, True)


def test_an_overridden_code_that_the_contract_does_not_have_causes_a_warning(
    server_address: str, covered: Family
) -> None:
    words = [name_of(covered), "--module", covered.option, "--member", covered.child, "--from", "2026-03-01"]
    asked = ["--admin", "ada", "--reason", "a test", "--override", "ADLUT"]
    for command in ("simulate", "enroll"):
        mistyped = typed(server_address, command, *words, *asked)
        assert "--override ADLUT has no effect" in mistyped.out, mistyped.err
    known = typed(server_address, "enroll", *words, *asked[:-1], "ADULT")
    assert (known.code, "has no effect" in known.out) == (0, False), known.err


def test_explanations_of_coverage_include_violations(server_address: str, covered: Family) -> None:
    shown = typed(server_address, "explain", "coverage", covered.child, "--on", "2026-07-01")
    assert shown.code == 0, shown.err
    assert "COVERAGE_ENDED" in shown.out or "NO_COVERAGE" in shown.out
    assert "ADULT" in shown.out


def test_causes_and_unknown_members_are_reported(server_address: str, covered: Family) -> None:
    change = covered.leave("2026-06-01")
    change.reason_code = "MOVED"
    covered.submit(change)
    shown = typed(server_address, "explain", "coverage", covered.primary, "--on", "2026-07-01")
    assert ("COVERAGE_ENDED" in shown.out, "MOVED" in shown.out, "revision 2" in shown.out) == (True, True, True)
    unknown = typed(server_address, "explain", "coverage", new_id(), "--on", "2026-07-01")
    assert (unknown.code, "MEMBER_UNKNOWN" in unknown.err) == (1, True)


def test_a_group_can_be_given_by_its_id_and_ids_are_resolved(server_address: str, covered: Family) -> None:
    group_id = covered.group().group_id
    left = typed(server_address, "leave", group_id, "--from", "2026-09-01")
    assert left.code == 0, left.err
    listed = typed(server_address, "groups", "--contract", covered.contract_id)
    assert (group_id in listed.out, covered.primary in listed.out) == (True, True)
    contracts = typed(server_address, "--json", "contracts")
    assert any(json.loads(line)["contract_id"] == covered.contract_id for line in contracts.out.splitlines())
    with_ids = typed(server_address, "timeline", group_id, "--ids", COLUMNS="160")
    assert (covered.child in with_ids.out, covered.base in with_ids.out) == (True, True), with_ids.out + with_ids.err


def test_watching_the_feed_stops_after_the_given_number_of_events(server_address: str, covered: Family) -> None:
    words = ["watch", "--from", "beginning", "--contract", covered.contract_id, "--events", "1"]
    shown = typed(server_address, *words)
    assert (shown.code, shown.out.count("POLICY_")) == (0, 1)
    *_, message = typed(server_address, "--json", *words).out.splitlines()
    assert json.loads(message)["events"][0]["key"]["contract_id"] == covered.contract_id


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["timeline", new_id()], 1),
        (["timeline", "nonsense"], 1),
        (["family", "nonsense/nonsense"], 1),
        (["member", "record", new_id(), "weight", "80"], 2),
        (["member", "record", new_id(), "born", "--clear", "2000-01-01"], 2),
        (["member", "record", new_id(), "attribute", "student"], 2),
        (["history", new_id(), "--kind", "nonsense"], 2),
        (["find"], 2),
        (["why", new_id()], 1),
        (["explain", "coverage", "nonsense", "--on", "2026-01-01"], 1),
        (["explain", "coverage", new_id(), "--on", "2026-02-30"], 2),
        (["premiums", "run", "--months", "2026-13"], 2),
        (["watch", "--from", "yesterday"], 2),
        (["groups"], 2),
        (["nothing"], 2),
    ],
)
def test_errors_are_one_sentence_without_a_traceback(server_address: str, words: list[str], code: int) -> None:
    outcome = typed(server_address, *words)
    assert outcome.code == code
    assert "Traceback" not in outcome.err
    assert outcome.err


def test_failures_can_be_printed_as_json(server_address: str) -> None:
    failed = typed(server_address, "--json", "timeline", new_id())
    content: dict[str, Any] = json.loads(failed.err)
    assert (content["code"], content["reason"]) == ("NOT_FOUND", "GROUP_UNKNOWN")
    assert content["call_id"]


def test_premiums_are_run_with_their_progress_and_listed(server_address: str, covered: Family) -> None:
    ran = typed(server_address, "premiums", "run", "--months", "2026-01..2026-02", "--contract", covered.contract_id)
    assert (ran.code, "1 failed" in ran.out, "PRICE_MISSING" in ran.err) == (1, True, True)
    assert typed(server_address, "premiums", "list", name_of(covered)).code == 0


def test_minting_a_token_needs_the_secret_of_the_server() -> None:
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


@pytest.mark.parametrize(
    ("address", "sentence"),
    [
        ("127.0.0.1:1", "No server answers at 127.0.0.1:1: the connection was refused. Start the server or"),
        ("nowhere.invalid:50051", "No server answers at nowhere.invalid:50051: its name can't be resolved. Correct"),
    ],
)
def test_a_missing_server_is_reported_with_address_and_cause(address: str, sentence: str) -> None:
    failed = typed(address, "contracts")
    assert (failed.code, failed.out) == (1, "")
    assert failed.err.startswith(f"UNAVAILABLE: {sentence}")
    assert "UNKNOWN" not in failed.err


def test_the_doctor_reports_what_works_and_what_does_not(server_address: str) -> None:
    well = typed(server_address, "doctor")
    assert (well.code, "✗" in well.out) == (0, False), well.out
    away = typed("127.0.0.1:1", "doctor")
    assert (away.code, "No server answers" in away.out) == (1, True)


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


def test_names_with_brackets_are_printed_unchanged(server_address: str, covered: Family) -> None:
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
    assert (refused.code, "[link=x]" in refused.out) == (3, True), refused.err


def test_the_last_day_of_the_calendar_is_shown_as_open_ended(server_address: str, covered: Family) -> None:
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


def test_applying_an_enrollment_file_needs_a_token(tmp_path: Path) -> None:
    with guarded_server(tmp_path) as (server, _), connected_to(server.address) as plain:
        family = Family(channel_of(plain, as_("admin", "ada")), requester=admin(name="ada"))
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
            outcome = typed(server.address, "--token", wrong, "contracts")
            assert (outcome.code, "Traceback" in outcome.err) == (2, False)


SPANISH_PARENT = "F,PRIMARY,Parent,1980-01-01,ES,28001,,,Salud Esencial,2025-01-01,"


def test_files_are_loaded_in_the_name_of_the_admin_or_else_of_the_program(tmp_path: Path) -> None:
    scopes = ("catalog.read", "members.read", "members.write", "enrollment.read", "enrollment.write")
    tokens = {
        "ada": token("admin", "ada"),
        "grace": token("admin", "grace"),
        "program": token("service", "office", *scopes, "enrollment.administer"),
    }
    with guarded_server(tmp_path) as (server, _), connected_to(server.address) as plain:
        for named, bearer in tokens.items():
            family = Family(channel_of(plain, as_("admin", "ada")))
            contract = family.contract()
            contract.versions[0].days.first_on.year = 1990
            request = catalog_service_pb2.PublishContractRequest(request_id=new_id(), contract=contract)
            family.catalog.PublishContract(request)
            mapping = tmp_path / f"{named}.json"
            mapping.write_text(json.dumps(mapping_of(SAMPLE, family)))
            folder = spanish_copy(tmp_path / named, f"{HEADER}\n")
            if named == "program":  # Only admins publish contracts.
                refused = typed(server.address, "sample", "load", str(folder), AFFILIA_TOKEN=bearer)
                assert (refused.code, "NOT_ALLOWED" in refused.err) == (1, True), refused.err
                assert typed(server.address, "sample", "load", str(folder), AFFILIA_TOKEN=tokens["ada"]).code == 0
            (folder / "families.csv").write_text(f"{HEADER}\n{SPANISH_PARENT}\n")
            loaded_id = json.loads((folder / "contract.json").read_text())["contractId"]
            for words, contract_id, program in (
                (["import-834", str(SAMPLE), "--mapping", str(mapping), "--yes"], family.contract_id, "834 "),
                (["sample", "load", str(folder)], loaded_id, "bulk-load"),
            ):
                done = typed(server.address, *words, AFFILIA_TOKEN=bearer)
                assert done.code == 0, done.out + done.err
                question = ["requests", "--contract", contract_id, "--json"]
                found = typed(server.address, *question, AFFILIA_TOKEN=tokens["ada"])
                requesters = [each["requester"] for each in json.loads(found.out)["change_requests"]]
                assert requesters, done.out + done.err
                for each in requesters:
                    assert each["role"] == "REQUESTER_ROLE_ADMIN"
                    assert each["requester_id"].startswith(program if named == "program" else named)


def test_the_requester_of_a_change_comes_from_the_token(tmp_path: Path) -> None:
    with guarded_server(tmp_path) as (server, _), connected_to(server.address) as plain:
        family = Family(channel_of(plain, as_("admin", "ada"))).set_up()
        Family(channel_of(plain, everything()), **family.ids()).submit(family.enroll(family.base, "2026-01-01"))
        scopes = ("catalog.read", "enrollment.read", "enrollment.write", "enrollment.administer")
        tokens = {
            "admin": token("admin", "ada"),
            "member": token("member", family.primary),
            "service": token("service", "portal", *scopes),
        }

        def leaves(role: str, *words: str) -> Typed:
            line = ["leave", name_of(family), "--from", "2027-06-01", *words, "--json"]
            return typed(server.address, *line, AFFILIA_TOKEN=tokens[role])

        def requester(role: str, *words: str) -> tuple[str, str]:
            done = leaves(role, *words)
            assert done.code == 0, done.err
            found = json.loads(done.out)["change_request"]["requester"]
            return found["role"].removeprefix("REQUESTER_ROLE_"), found["requester_id"]

        assert requester("admin", "--reason", "asked") == ("ADMIN", "ada")
        assert requester("member") == ("MEMBER", family.primary)
        assert requester("service") == ("MEMBER", family.primary)
        assert requester("service", "--admin", "grace", "--reason", "asked") == ("ADMIN", "grace")
        for role in ("admin", "member"):
            refused = leaves(role, "--admin", "grace", "--reason", "asked")
            assert (refused.code, "--admin is not allowed" in refused.err) == (2, True), refused.err
        without_reason = leaves("admin")
        assert (without_reason.code, "--reason is required" in without_reason.err) == (2, True), without_reason.err


MARKUP = "[/x] [red]DOE\\[/]"
"""A name that is a tag without a beginning, a style, and an escape before a tag."""


def test_names_are_never_interpreted_as_markup(server_address: str, tmp_path: Path, family: Family) -> None:
    """Names are printed unchanged in the plan, in the report, and in every command that shows what the file stored."""
    file, mapping = tmp_path / "markup.834", tmp_path / "mapping.json"
    file.write_text(SAMPLE.read_text().replace("*SMITH*", f"*{MARKUP}*"))
    assert MARKUP in file.read_text()
    mapping.write_text(json.dumps(mapping_of(file, family)))
    contract = family.contract()
    contract.versions[0].days.first_on.year = 1990
    for module in contract.versions[0].modules:
        module.display_name = f"{MARKUP} module"
    family.amend(contract)
    words = ["import-834", str(file), "--mapping", str(mapping), "--today", "1996-07-01"]
    planned = typed(server_address, *words, "--dry-run", COLUMNS="200")
    assert (planned.code, "Traceback" in planned.err, "[/x]" in planned.err) == (0, False, True), planned.err
    applied = typed(server_address, *words, "--yes", COLUMNS="200")
    assert (applied.code, "Traceback" in applied.err, "[/x]" in applied.out) == (0, False, True), applied.err
    group = json.loads(typed(server_address, "--json", "groups", "--contract", family.contract_id).out)
    member = group["key"]["primary_id"]
    for shown in (
        typed(server_address, "groups", "--contract", family.contract_id, COLUMNS="200"),
        typed(server_address, "timeline", group["group_id"], COLUMNS="200"),
        typed(server_address, "contracts", COLUMNS="200"),
        typed(server_address, "explain", "coverage", member, "--on", "1997-01-01", COLUMNS="200"),
        typed(server_address, "simulate", group["group_id"], "--leave", "--from", "1998-01-01", COLUMNS="200"),
    ):
        assert (shown.code, "Traceback" in shown.err, "[/x]" in shown.out) == (0, False, True), shown.out + shown.err


def test_control_characters_are_not_printed() -> None:
    shown = StringIO()
    console = DataConsole(file=shown, width=80, force_terminal=True, color_system=None)
    title = "\x1b]0;owned\x07 \u202eeman"
    table = Table("name", title=title)
    table.add_row(title)
    console.print(table)
    console.print(title)
    console.print(styled((title, "bold"), "tab\tand\nline"))
    assert not set(shown.getvalue()) & set("\x1b\x07\u202e\r") - {"\x1b"}
    assert "\x1b]" not in shown.getvalue()


@pytest.mark.parametrize("what", ["pipe", "device", "folder", "nothing"])
def test_only_regular_files_are_read(server_address: str, tmp_path: Path, family: Family, what: str) -> None:
    path, mapping = tmp_path / what, tmp_path / "mapping.json"
    mapping.write_text(json.dumps(mapping_of(SAMPLE, family)))
    if what == "pipe":
        os.mkfifo(path)
    elif what == "folder":
        path.mkdir()
    elif what == "device":
        path = Path("/dev/zero")
    read = typed(server_address, "import-834", str(path), "--mapping", str(mapping), "--dry-run")
    outcome = typed(server_address, "import-834", str(SAMPLE), "--mapping", str(path), "--dry-run")
    for refused in (read, outcome):
        assert (refused.code, "Traceback" in refused.err) == (2, False), refused.err
        assert str(path) in refused.err.replace("\n", "")


def test_files_with_personal_data_are_readable_by_their_owner_only(
    server_address: str, tmp_path: Path, covered: Family
) -> None:
    mapping, report, drawing = (tmp_path / name for name in ("mapping.json", "report.json", "family.svg"))
    mapping.write_text(json.dumps(mapping_of(SAMPLE, covered)))
    for readable in (report, drawing):
        readable.touch(mode=0o644)
    words = ["import-834", str(SAMPLE), "--mapping", str(mapping), "--dry-run", "--report", str(report)]
    assert typed(server_address, *words).code == 0
    assert typed(server_address, "timeline", name_of(covered), "--svg", str(drawing)).code == 0
    for written in (report, drawing):
        assert written.stat().st_size
        assert stat.S_IMODE(written.stat().st_mode) == 0o600
    assert typed(server_address, *words[:-1], "/dev/null").code == 2
