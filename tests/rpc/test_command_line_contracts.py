"""Contracts are exported, edited and amended on the command line, and publication warnings are printed."""

import json
from pathlib import Path

import pytest

from affilia.catalog.v1.catalog_service_pb2 import PublicationWarning
from affilia_cli.samples.loading import Summary
from affilia_cli.showing import show_warnings
from affilia_views.words import warning_words
from tests.support.calls import Family
from tests.support.command_line import typed

WARNING = PublicationWarning(field="versions[0].modules[1]", message="Coverage doesn't end when a death is recorded.")


def test_an_exported_contract_is_edited_and_amended(server_address: str, family: Family, tmp_path: Path) -> None:
    file = tmp_path / "contract.json"
    assert typed(server_address, "contract", "export", family.contract_id, str(file)).code == 0
    content = json.loads(file.read_text())
    content["versions"][0]["modules"][2]["rules"][0]["condition"]["age"]["minYears"] = 21
    file.write_text(json.dumps(content))
    amended = typed(server_address, "contract", "amend", str(file), "--admin", "ada")
    assert amended.code == 0, amended.err
    assert "rule ADULT" in amended.out
    assert "21" in amended.out
    stale = typed(server_address, "contract", "amend", str(file))
    assert (stale.code, "ETAG_MISMATCH" in stale.out) == (1, True), stale.err


def test_amending_with_the_same_versions_says_that_nothing_differs(
    server_address: str, family: Family, tmp_path: Path
) -> None:
    file = tmp_path / "contract.json"
    file.write_text(typed(server_address, "contract", "export", family.contract_id).out)
    amended = typed(server_address, "contract", "amend", str(file))
    assert (amended.code, "nothing differs" in amended.out) == (0, True), amended.err


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b'{"nonsense": 1}', b"\xff"])
def test_a_file_that_is_no_contract_is_rejected(server_address: str, tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "contract.json"
    file.write_bytes(content)
    refused = typed(server_address, "contract", "amend", str(file))
    assert (refused.code, "is not a contract" in refused.err, "Traceback" in refused.err) == (2, True, False)


def test_publication_warnings_name_the_part_of_the_contract(capsys: pytest.CaptureFixture[str]) -> None:
    sentence = "versions[0].modules[1]: Coverage doesn't end when a death is recorded."
    show_warnings([WARNING])
    assert capsys.readouterr().err.splitlines() == [f"! {sentence}"]
    summary = Summary("folder", contracts=1, families=1, warnings=[f"spain, {warning_words(WARNING)}"])
    assert summary.in_words().splitlines()[1:] == [f"  warning: spain, {sentence}"]


def test_many_warnings_of_a_load_are_counted() -> None:
    summary = Summary("folder", contracts=1, warnings=["one", "two", "three"])
    assert summary.in_words(2).splitlines()[1:] == [
        "  warning: one",
        "  warning: two",
        "  and 1 more; redirect the output, or add --json, to see all of them",
    ]
