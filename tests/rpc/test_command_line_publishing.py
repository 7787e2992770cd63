"""Contracts are shown, and checked and published from files, with each finding at its line."""

import json
from pathlib import Path

import pytest
from google.protobuf import json_format
from hypothesis import given, settings
from hypothesis import strategies as st

from affilia.catalog.v1.contract_pb2 import Contract
from affilia_views.json_lines import line_of
from tests.rpc.test_command_line_output import LONG_MODULE
from tests.rpc.test_costs import priced_contract
from tests.support.calls import Family, admin, new_id
from tests.support.command_line import typed
from tests.support.terminal import on_terminal


def fresh(family: Family) -> Contract:
    """Returns a contract that isn't published yet."""
    contract = family.contract()
    contract.contract_id = new_id()
    contract.display_name = f"Contract {contract.contract_id}"
    for module in contract.versions[0].modules:
        module.module_id = new_id()
    return contract


def written(folder: Path, contract: Contract) -> Path:
    file = folder / "contract.json"
    file.write_text(json_format.MessageToJson(contract, ensure_ascii=False))
    return file


def test_a_dry_run_shows_each_finding_at_its_line_and_publishes_nothing(
    server_address: str, family: Family, tmp_path: Path
) -> None:
    contract = fresh(family)
    contract.versions[0].modules[1].module_id = "no id"
    contract.country_code = "fr"
    file = written(tmp_path, contract)
    done = typed(server_address, "contract", "publish", str(file), "--dry-run", COLUMNS="200")
    assert done.code == 1, done.err
    lines = file.read_text().splitlines()
    country, module = (1 + next(n for n, line in enumerate(lines) if text in line) for text in ('"fr"', '"no id"'))
    assert f"✗ {file}:{country}: country_code: must match [A-Z]{{2}}" in done.out
    assert f"✗ {file}:{module}: versions[0].modules[1].module_id: must be a UUID" in done.out
    assert "2 errors, 0 warnings. The server would reject it." in done.out
    assert typed(server_address, "contract", "show", contract.contract_id).code == 1


def test_a_contract_is_published_once(server_address: str, family: Family, tmp_path: Path) -> None:
    contract = fresh(family)
    file = str(written(tmp_path, contract))
    dry = typed(server_address, "contract", "publish", file, "--dry-run", COLUMNS="200")
    assert (dry.code, "0 errors, 3 warnings. The server would accept it." in dry.out) == (0, True), dry.err
    assert f"! {file}:" in dry.out
    published = typed(server_address, "contract", "publish", file)
    assert (published.code, contract.contract_id in published.out) == (0, True), published.err
    again = typed(server_address, "contract", "publish", file, COLUMNS="200")
    assert (again.code, "CONTRACT_EXISTS" in again.out) == (1, True)


def test_a_dry_run_of_an_amendment_changes_nothing(server_address: str, family: Family, tmp_path: Path) -> None:
    file = tmp_path / "contract.json"
    assert typed(server_address, "contract", "export", family.contract_id, str(file)).code == 0
    content = json.loads(file.read_text())
    content["versions"][0]["modules"][0]["slot"] = "other"
    file.write_text(json.dumps(content, indent=1))
    moved = typed(server_address, "contract", "amend", str(file), "--dry-run", COLUMNS="200")
    assert (moved.code, "(SLOT_CHANGED)" in moved.out) == (1, True), moved.err
    found = typed(server_address, "--json", "contract", "amend", str(file), "--dry-run")
    assert (found.code, json.loads(found.out)["errors"][0]["reason"]) == (1, "SLOT_CHANGED")
    content["versions"][0]["modules"][0]["slot"] = "base"
    content["versions"][0]["maxBackdatingDays"] = 7
    file.write_text(json.dumps(content))
    assert typed(server_address, "contract", "amend", str(file), "--dry-run").code == 0
    assert "etag 1" in typed(server_address, "contract", "show", family.contract_id).out


def test_a_contract_is_shown_with_versions_rules_prices_and_people(server_address: str, family: Family) -> None:
    contract = priced_contract(family)
    contract.versions[0].modules[0].display_name = LONG_MODULE
    contract.versions[0].modules[2].rules.extend(family.contract().versions[0].modules[2].rules[:1])
    del contract.versions[0].modules[2].rules[1:]
    later = contract.versions.add()
    later.CopyFrom(contract.versions[0])
    contract.versions[0].days.last_on.CopyFrom(later.days.first_on)
    contract.versions[0].days.last_on.year, contract.versions[0].days.last_on.month = 2026, 12
    contract.versions[0].days.last_on.day = 31
    later.days.first_on.year, later.days.first_on.month, later.days.first_on.day = 2027, 1, 1
    del later.modules[1]
    later.modules[0].network_tier = "WIDE"
    family.amend(contract)
    family.submit(family.enroll(family.base, "2026-01-01"), requester=admin())
    words = "contract", "show", family.contract_id, "--on", "2026-06-01"
    shown = typed(server_address, *words, COLUMNS="200")
    assert shown.code == 0, shown.err
    rows = {line.split("  ")[0].strip(): line.split() for line in shown.out.splitlines()}
    assert rows[LONG_MODULE][-2:] == ["offered", "changed"]
    assert rows[family.plus][-2:] == ["offered", "-"]
    assert "rule ADULT: the member is at least 18 years old" in shown.out
    assert "1 person enrolled" in shown.out
    assert "monthly" in shown.out
    later_on = typed(server_address, *words[:-1], "2027-06-01", "--no-people").out
    assert ("network WIDE" in later_on, "enrolled\n" in later_on) == (True, False)
    assert "No version is in force on 2020-01-01." in typed(server_address, *words[:-1], "2020-01-01").out
    assert json.loads(typed(server_address, "--json", *words).out)["contract"]["contract_id"] == family.contract_id
    on_terminal(server_address, *words)


@pytest.mark.parametrize(
    ("path", "line"),
    [("", 1), ("a", 2), ("list_of", 3), ("list_of[0]", 4), ("list_of[1].b", 7), ("list_of[1].none.c", 6), ("x[3]", 1)],
)
def test_lines_of_paths_are_found(path: str, line: int) -> None:
    text = '{\n "a": "[{\\"",\n "listOf": [\n  1,\n\n  {\n   "b" :\n   []\n  }\n ]\n}'
    assert line_of(text, path) == line + (1 if path.endswith(".b") else 0)


VALUES = st.recursive(
    st.none() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.from_regex("[a-z]{1,3}", fullmatch=True), inner),
    max_leaves=20,
)


@settings(deadline=None)
@given(st.lists(VALUES, min_size=1, max_size=4), st.integers(1, 3))
def test_an_item_is_found_at_its_line_whatever_is_before_it(items: list[object], indent: int) -> None:
    text = json.dumps({"before": items, "items": [*items, "the item"]}, indent=indent)
    (expected,) = [n for n, line in enumerate(text.splitlines(), 1) if line.strip() == '"the item"']
    assert line_of(text, f"items[{len(items)}]") == expected
