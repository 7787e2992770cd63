"""The sample book is well formed, matches its published sources, and loads completely."""

import asyncio
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from affilia.catalog.v1 import condition_pb2, contract_pb2
from affilia.enrollment.v1 import enrollment_query_service_pb2 as query_service
from affilia.enrollment.v1.enrollment_query_service_pb2_grpc import EnrollmentQueryServiceStub
from affilia.type.v1.membership_type_pb2 import MembershipType
from affilia_cli.samples.loading import Summary, load_folder, purpose_of
from affilia_cli.samples.location import sample_book_folder
from affilia_cli.samples.reading import SampleContract, SampleFamily, SampleFilesMalformed, read_samples
from affilia_cli.samples.welcome import FRENCH_CONTRACT, FRENCH_OPTION, FRENCH_PRIMARY, commands_to_try
from affilia_client import AsyncClient, Client
from domain.identity import derived_id
from domain.publishing.warnings import contract_warnings
from server.mapping.contract import contract_from_proto
from tests.conftest import ROOT, ServerProcess
from tests.support.channels import connected_to

SAMPLES = Path(__file__).parents[2] / "samples"
BOOK = {sample.folder.name: sample for sample in read_samples(SAMPLES)}
EVERY_SAMPLE = pytest.mark.parametrize("sample", BOOK.values(), ids=BOOK)

# KALIARTI000045177702: module, grid, then the prices of primary, partner and child.
FRENCH_PRICES = [
    ("Base", "standard", [4148, 4662, 2400]),
    ("Base", "alsace_moselle", [2742, 3085, 1474]),
    ("Option", "standard", [2160, 2434, 1097]),
    ("Option", "alsace_moselle", []),
]
# elcicgsi.ca 2020: module, single, family.
CANADIAN_PRICES = {
    "Dental ON": (8750, 17800),
    "Dental BC": (7400, 14800),
    "Dental QC": (8850, 18000),
    "Health and travel ON": (18400, 38200),
    "Health and travel BC": (14300, 32100),
    "Health and travel QC": (18500, 38600),
}


def modules_by_name(sample: SampleContract) -> dict[str, contract_pb2.Module]:
    """Returns the modules of the contract's first version, by name."""
    return {module.display_name: module for module in sample.contract.versions[0].modules}


def leaves(condition: condition_pb2.Condition) -> Iterator[condition_pb2.Condition]:
    match condition.WhichOneof("kind"):
        case "all_of":
            parts = list(condition.all_of.conditions)
        case "any_of":
            parts = list(condition.any_of.conditions)
        case "negation":
            parts = [condition.negation]
        case _:
            yield condition
            return
    for part in parts:
        yield from leaves(part)


def test_the_book_has_a_few_hundred_families() -> None:
    assert {name: len(sample.families) for name, sample in BOOK.items()} == {
        "belgium-illustrative": 60,
        "canada-family-tiers": 100,
        "france-branch-agreement": 120,
        "spain-illustrative": 60,
    }


@EVERY_SAMPLE
def test_ids_are_derived_from_the_folder_as_documented(sample: SampleContract) -> None:
    folder = sample.folder.name
    assert sample.contract.contract_id == str(derived_id("samples", folder))
    for name, module in modules_by_name(sample).items():
        short_name = name.lower().replace(" and travel", "").replace(" ", "-")
        assert module.module_id == str(derived_id("samples", folder, short_name))


@EVERY_SAMPLE
def test_every_rule_resolves(sample: SampleContract) -> None:
    known = {module.module_id for version in sample.contract.versions for module in version.modules}
    for version in sample.contract.versions:
        rules = [*version.rules, *(rule for module in version.modules for rule in module.rules)]
        assert len({rule.code for rule in rules}) == len(rules)
        for leaf in (leaf for rule in rules for leaf in leaves(rule.condition)):
            assert set(leaf.enrolled_on.module_ids) <= known
            asks_for_sponsor = (leaf.employment, leaf.salary, leaf.tenure)
            assert sample.contract.sponsor_id or not any(each.same_sponsor for each in asks_for_sponsor)


@EVERY_SAMPLE
def test_coverage_of_every_module_ends_with_a_death(sample: SampleContract) -> None:
    assert contract_warnings(contract_from_proto(sample.contract)) == []


@EVERY_SAMPLE
def test_a_limit_is_used_by_modules_of_one_slot_only(sample: SampleContract) -> None:
    slots: dict[tuple[int, str], str] = {}
    for version in sample.contract.versions:
        for module in version.modules:
            for limit in module.limits:
                slot = module.slot or module.module_id
                assert slots.setdefault((limit.kind, limit.benefit), slot) == slot


@EVERY_SAMPLE
def test_every_module_has_a_price_in_the_pricing_scheme_of_its_version(sample: SampleContract) -> None:
    for version in sample.contract.versions:
        products = {row.product_type for row in version.pricing.static_table.rows}
        for module in version.modules:
            assert module.pricing.WhichOneof("price") == version.pricing.WhichOneof("scheme")
            assert not products or module.pricing.static_table.product_type in products


@EVERY_SAMPLE
def test_every_family_requests_modules_that_its_members_may_have(sample: SampleContract) -> None:
    offered = {module.module_id: module.membership_types for module in sample.contract.versions[0].modules}
    for family in sample.families:
        for enroll in (change.enroll for member in family.members for change in member.enrolls):
            assert enroll.membership_type in offered[enroll.module_id]


def test_france_has_the_published_prices() -> None:
    modules = modules_by_name(BOOK["france-branch-agreement"])
    types = ["PRIMARY", "PARTNER", "CHILD"]
    for name, grid, prices in FRENCH_PRICES:
        rows = getattr(modules[name].pricing.age_grid, grid)
        assert [row.monthly_minor for row in rows] == prices
        assert [[MembershipType.Name(each) for each in row.beneficiary_types] for row in rows] == [
            [f"MEMBERSHIP_TYPE_{each}"] for each in types[: len(prices)]
        ]
        assert all(row.min_age == 0 and not row.HasField("max_age") for row in rows)
    assert all([tax.rate_bp for tax in module.pricing.taxes] == [1327] for module in modules.values())


def test_canada_has_the_published_prices() -> None:
    tiers = {name: module.pricing.family_tier for name, module in modules_by_name(BOOK["canada-family-tiers"]).items()}
    assert {name: (tier.single_minor, tier.family_minor) for name, tier in tiers.items()} == CANADIAN_PRICES


def test_only_ontario_has_taxes_and_the_second_is_applied_to_the_first() -> None:
    for name, module in modules_by_name(BOOK["canada-family-tiers"]).items():
        taxes = [(tax.rate_bp, tax.base) for tax in module.pricing.taxes]
        assert taxes == ([(200, 1), (800, 2)] if name.endswith("ON") else [])


HEADER = "family,role,name,born_on,country,postal_code,employer,status,modules,enrolled_from,enrolled_to"
MALFORMED_ROWS = [
    ("F,PRIMARY,,,,,,,Dental,2025-01-01,", "name: must not be empty"),
    ("F,BOSS,P,,,,,,Dental,2025-01-01,", "role: 'BOSS' is not one of PRIMARY"),
    ("F,PRIMARY,P,2025-02-30,,,,,Dental,2025-01-01,", "born_on: day is out of range for month"),
    ("F,PRIMARY,P,,,28001,,,Dental,2025-01-01,", "country: is required if postal_code is set"),
    ("F,PRIMARY,P,,Spain,,,,Dental,2025-01-01,", "country: 'Spain' is not a country"),
    ("F,PRIMARY,P,,,,ACME,,Dental,2025-01-01,", "status: is required if employer is set"),
    ("F,PRIMARY,P,,,,,,Dentist,2025-01-01,", "modules: the contract has no module 'Dentist'"),
    ("F,PRIMARY,P,,,,,,Dental,,", "enrolled_from: is required if modules is set"),
    ("F,PRIMARY,P,,,,,,Dental,2025-01-01,2024-12-31", "enrolled_to: must not be before enrolled_from"),
    ("F,PRIMARY,P,,,,,,Dental,2025-01-01", "the row must have as many cells as the header has columns"),
    ("F,CHILD,C,,,,,,Dental,2025-01-01,", "family 'F' must have exactly one PRIMARY row, got 0"),
    ("F,PRIMARY,P,,,,,,,,", "family 'F' has no modules"),
]


def spanish_copy(folder: Path, families: str) -> Path:
    """Writes a copy of the Spanish contract with new ids and the given families."""
    folder.mkdir(exist_ok=True)
    contract = BOOK["spain-illustrative"].contract
    text = (SAMPLES / "spain-illustrative" / "contract.json").read_text(encoding="utf-8")
    for known in (contract.contract_id, *(module.module_id for module in contract.versions[0].modules)):
        text = text.replace(known, str(uuid4()))
    (folder / "contract.json").write_text(text, encoding="utf-8")
    (folder / "families.csv").write_text(families, encoding="utf-8")
    return folder


@pytest.mark.parametrize(("row", "fault"), MALFORMED_ROWS)
def test_a_malformed_row_is_reported_with_file_and_line(row: str, fault: str, tmp_path: Path) -> None:
    folder = spanish_copy(tmp_path, f"{HEADER}\n{row}\n")
    with pytest.raises(SampleFilesMalformed) as malformed:
        read_samples(folder)
    assert any(each.startswith(f"{folder / 'families.csv'}:2: {fault}") for each in malformed.value.faults)


def test_all_errors_in_all_files_are_reported_together(tmp_path: Path) -> None:
    spanish_copy(tmp_path / "one", "\n".join([HEADER, *(row for row, _ in MALFORMED_ROWS[:3])]))
    spanish_copy(tmp_path / "two", "family,role,name,modules,hat\n")
    shutil.copytree(SAMPLES / "france-branch-agreement", tmp_path / "three")
    contract = tmp_path / "three" / "contract.json"
    text = contract.read_text(encoding="utf-8").replace("SERVICE_TYPE_OPTION", "SERVICE_TYPE_OPTIONAL")
    contract.write_text(text, encoding="utf-8")
    line = next(n for n, each in enumerate(text.splitlines(), 1) if "SERVICE_TYPE_OPTIONAL" in each)
    with pytest.raises(SampleFilesMalformed) as malformed:
        read_samples(tmp_path)
    report = str(malformed.value)
    assert [f"{tmp_path / 'one' / 'families.csv'}:{n}: " in report for n in (2, 3, 4)] == [True] * 3
    assert f"{tmp_path / 'two' / 'families.csv'}:1: column 'enrolled_from' is missing" in report
    assert f"{contract}:{line}: Invalid enum value SERVICE_TYPE_OPTIONAL" in report
    assert len(malformed.value.faults) == 6


def test_a_folder_without_samples_is_rejected(tmp_path: Path) -> None:
    with pytest.raises(SampleFilesMalformed, match=r"no contract\.json in this folder"):
        read_samples(tmp_path)


def load(server_address: str, folder: Path) -> Summary:
    async def loaded() -> Summary:
        async with AsyncClient(server_address) as client:
            return await load_folder(client, folder, purpose_of(folder), show_progress=False)

    return asyncio.run(loaded())


def revisions(server_address: str, families: tuple[SampleFamily, ...]) -> list[int]:
    with connected_to(server_address) as channel:
        stub = EnrollmentQueryServiceStub(channel)
        requests = [query_service.GetEnrollmentGroupRequest(key=family.key) for family in families]
        return [stub.GetEnrollmentGroup(request).group.revision for request in requests]


def test_a_server_approves_the_whole_book_and_loading_it_again_changes_nothing(server_address: str) -> None:
    first = load(server_address, SAMPLES)
    assert first.problems == []
    assert (first.contracts, first.families, first.members, first.approved) == (4, 340, 954, 340)
    french = BOOK["france-branch-agreement"].families
    assert revisions(server_address, french) == [1] * len(french)
    assert load(server_address, SAMPLES) == first
    assert revisions(server_address, french) == [1] * len(french)


def test_a_rejected_family_is_reported_and_the_others_are_loaded(server_address: str, tmp_path: Path) -> None:
    rows = [
        "OLD,PRIMARY,Parent,1960-01-01,ES,28001,,,Salud Esencial,2025-01-01,",
        "OLD,CHILD,Grown child,1990-01-01,ES,28001,,,Salud Esencial,2025-01-01,",
        "FINE,PRIMARY,Parent,1980-01-01,ES,28001,,,Salud Esencial,2025-01-01,",
    ]
    summary = load(server_address, spanish_copy(tmp_path, "\n".join([HEADER, *rows])))
    assert (summary.approved, summary.rejected, summary.failed) == (1, 1, 0)
    assert summary.problems[0].startswith("OLD rejected: RULE_NOT_SATISFIED CHILD_AGE Grown child: ")


def test_an_interrupted_load_resumes_when_repeated(server_address: str, tmp_path: Path) -> None:
    rows = [f"F{n},PRIMARY,Parent,1980-01-01,ES,28001,,,Salud Esencial,2025-01-01," for n in range(5)]
    folder = spanish_copy(tmp_path, "\n".join([HEADER, *rows[:2]]))
    assert load(server_address, folder).approved == 2
    (folder / "families.csv").write_text("\n".join([HEADER, *rows]), encoding="utf-8")
    assert load(server_address, folder).approved == 5
    assert revisions(server_address, read_samples(folder)[0].families) == [1] * 5


def test_a_server_loads_only_the_first_families_of_each_contract(tmp_path: Path) -> None:
    server = ServerProcess(tmp_path, "--sample-book", "--sample-families", "2")
    assert server.process.stdout is not None
    assert any("Three commands to try" in line for line in server.process.stdout)
    assert "sample book: 4 contracts, 8 families, " in server.log.read_text()
    with Client(server.address) as client:
        groups = list(client.enrollment.all_enrollment_groups(contract_id=FRENCH_CONTRACT))
    first = BOOK["france-branch-agreement"].families[:2]
    assert {group.key.primary_id for group in groups} == {family.key.primary_id for family in first}
    assert server.stop() == 0


def test_the_command_line_finds_the_sample_book_of_the_repository() -> None:
    assert sample_book_folder() == SAMPLES.resolve()


def test_the_command_line_loads_the_sample_book_without_a_folder(server_address: str) -> None:
    command = [sys.executable, "-m", "server", "--address", server_address, "--json", "sample", "load"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    summary = json.loads(done.stdout)
    assert (summary["contracts"], summary["approved"], summary["problems"]) == (4, 340, [])


def test_the_commands_to_try_use_the_sample_book() -> None:
    sample = BOOK["france-branch-agreement"]
    (family,) = [each for each in sample.families if each.key.primary_id == FRENCH_PRIMARY]
    assert family.key.contract_id == FRENCH_CONTRACT
    enrolled = {change.enroll.module_id for member in family.members for change in member.enrolls}
    assert FRENCH_OPTION in enrolled
    commands = [line for line in commands_to_try("127.0.0.1:6000").splitlines() if "--address 127.0.0.1:6000" in line]
    assert [f"{FRENCH_CONTRACT}/{FRENCH_PRIMARY}" in command for command in commands] == [True] * 3
