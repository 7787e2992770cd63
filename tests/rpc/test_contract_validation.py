"""ValidateContract returns exactly what publishing then returns, and stores nothing."""

from collections.abc import Callable

import grpc
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from affilia.catalog.v1 import catalog_service_pb2 as pb
from affilia.catalog.v1 import condition_pb2, contract_pb2
from affilia.catalog.v1.contract_pb2 import Contract
from tests.scenarios.enrollment_messages import span
from tests.support.calls import Family, failure_of, new_id

Damage = Callable[[Contract, Family], object]

SAME_RULE = condition_pb2.Rule(
    code="MARRIED",
    condition=condition_pb2.Condition(
        negation=condition_pb2.Condition(
            enrolled_on=condition_pb2.EnrolledOnCondition(subject=condition_pb2.SUBJECT_SELF)
        )
    ),
)


def _shorten(contract: Contract, family: Family) -> None:
    """Adds a version after a gap."""
    contract.versions[0].days.CopyFrom(span("2025-01-01", "2025-12-31"))
    contract.versions.add().CopyFrom(contract.versions[0])
    contract.versions[1].days.CopyFrom(span("2026-02-01", None))


DAMAGES: dict[str, Damage] = {
    "country": lambda contract, _: setattr(contract, "country_code", "XX"),
    "no country": lambda contract, _: contract.ClearField("country_code"),
    "time zone": lambda contract, _: setattr(contract, "time_zone", "Mars/Olympus"),
    "no versions": lambda contract, _: contract.ClearField("versions"),
    "reversed days": lambda contract, _: contract.versions[0].days.CopyFrom(span("2026-01-01", "2025-01-01")),
    "no days": lambda contract, _: contract.versions[0].ClearField("days"),
    "gap": _shorten,
    "backdating": lambda contract, _: setattr(contract.versions[0], "max_backdating_days", -1),
    "module id": lambda contract, _: setattr(contract.versions[0].modules[0], "module_id", "no id"),
    "module twice": lambda contract, _: contract.versions[0].modules.append(contract.versions[0].modules[0]),
    "module of another contract": lambda contract, family: setattr(
        contract.versions[0].modules[0], "module_id", family.base
    ),
    "negated enrollment": lambda contract, _: contract.versions[0].modules[1].rules.append(SAME_RULE),
    "rule without code": lambda contract, _: contract.versions[0].rules.add().CopyFrom(condition_pb2.Rule()),
    "limit": lambda contract, _: (
        contract.versions[0]
        .modules[0]
        .limits.add(kind=contract_pb2.LIMIT_KIND_BENEFIT, unit=contract_pb2.LIMIT_UNIT_VISITS, family_amount=3)
    ),
    "price without a scheme": lambda contract, _: (
        contract.versions[0].modules[0].pricing.membership_fees.add(monthly_minor=100)
    ),
    "long name": lambda contract, _: setattr(contract, "display_name", "x" * 201),
}
"""Ways to damage a contract. Some of them exclude others."""


def fresh(family: Family) -> Contract:
    """Returns a contract that can be published."""
    contract = family.contract()
    contract.contract_id = new_id()
    for module in contract.versions[0].modules:
        module.module_id = new_id()
    return contract


def validated(family: Family, **publication: object) -> pb.ValidateContractResponse:
    return family.catalog.ValidateContract(pb.ValidateContractRequest(**publication))  # type: ignore[arg-type]


def assert_same_failure(found: pb.ValidateContractResponse, call: object, request: pb.PublishContractRequest) -> None:
    """Asserts that a call fails for the reasons that its validation found."""
    failure = failure_of(call, request)
    assert {each.reason for each in found.errors} == {failure.reason}
    if failure.reason == "REQUEST_MALFORMED":
        assert {each.field: each.description for each in found.errors} == failure.violations


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sets(st.sampled_from(sorted(DAMAGES)), max_size=3))
@example(set())
@example({"module of another contract"})
@example({"module of another contract", "gap"})
def test_a_contract_has_errors_exactly_if_publishing_it_fails(family: Family, damages: set[str]) -> None:
    contract = fresh(family)
    for each in sorted(damages - {"no versions"}):
        DAMAGES[each](contract, family)
    if "no versions" in damages:
        contract.ClearField("versions")
    request = pb.PublishContractRequest(request_id=new_id(), contract=contract)
    found = validated(family, publish=pb.PublishContractRequest(contract=contract))
    if found.errors:
        assert_same_failure(found, family.catalog.PublishContract, request)
    else:
        assert family.catalog.PublishContract(request).warnings == found.warnings
    assert bool(found.errors) == bool(damages)


@pytest.mark.parametrize("damage", DAMAGES)
def test_each_kind_of_error_is_found(family: Family, damage: str) -> None:
    contract = fresh(family)
    DAMAGES[damage](contract, family)
    found = validated(family, publish=pb.PublishContractRequest(contract=contract))
    assert found.errors
    assert all(each.field.startswith("contract.") and each.description for each in found.errors)


def test_validating_stores_nothing(family: Family) -> None:
    contract = fresh(family)
    first = validated(family, publish=pb.PublishContractRequest(contract=contract))
    assert first == validated(family, publish=pb.PublishContractRequest(contract=contract))
    assert [each.code for each in first.warnings] == [pb.PUBLICATION_WARNING_CODE_NOT_LIMITED_TO_LIFE] * 3
    request = pb.GetContractRequest(contract_id=contract.contract_id)
    assert failure_of(family.catalog.GetContract, request).reason == "CONTRACT_UNKNOWN"


def test_all_modules_that_are_taken_are_listed_with_their_paths(family: Family) -> None:
    contract = family.contract()
    contract.contract_id = new_id()
    found = validated(family, publish=pb.PublishContractRequest(contract=contract))
    assert {(each.reason, each.field) for each in found.errors} == {
        ("MODULE_TAKEN", f"contract.versions[0].modules[{n}].module_id") for n in range(3)
    }
    assert found.warnings


def test_a_published_contract_conflicts(family: Family) -> None:
    request = pb.PublishContractRequest(request_id=new_id(), contract=family.contract())
    found = validated(family, publish=request)
    assert [each.field for each in found.errors] == ["contract.contract_id"]
    assert_same_failure(found, family.catalog.PublishContract, request)


def added(family: Family, first: str) -> pb.AddContractVersionRequest:
    version = family.contract().versions[0]
    version.days.CopyFrom(span(first, None))
    return pb.AddContractVersionRequest(request_id=new_id(), contract_id=family.contract_id, version=version)


@pytest.mark.parametrize("first", ["2024-01-01", "2027-01-01"])
def test_a_new_version_is_validated_against_the_published_ones(family: Family, first: str) -> None:
    request = added(family, first)
    found = validated(family, add_version=request)
    if first > "2025":
        assert not found.errors
        assert family.catalog.AddContractVersion(request).warnings == found.warnings
    else:
        assert [each.field for each in found.errors] == ["version.days.first_on"]
        assert_same_failure(found, family.catalog.AddContractVersion, request)  # type: ignore[arg-type]


def test_paths_in_a_new_version_are_those_of_the_request(family: Family) -> None:
    request = added(family, "2027-01-01")
    request.version.modules.append(request.version.modules[0])
    found = validated(family, add_version=request)
    assert_same_failure(found, family.catalog.AddContractVersion, request)  # type: ignore[arg-type]
    assert all(each.field.startswith("version.") for each in found.errors)


def amendment(family: Family, etag: str) -> pb.AmendContractRequest:
    return pb.AmendContractRequest(
        request_id=new_id(), contract_id=family.contract_id, versions=family.contract().versions, etag=etag
    )


@pytest.mark.parametrize(
    ("etag", "slot", "contract_id", "field"),
    [
        ("1", "base", "", ""),
        ("9", "base", "", "etag"),
        ("", "base", "", "etag"),
        ("1", "other", "", "versions[0].modules[0].module_id"),
        ("1", "base", new_id(), "contract_id"),
    ],
)
def test_amendments_are_validated(family: Family, etag: str, slot: str, contract_id: str, field: str) -> None:
    request = amendment(family, etag)
    request.versions[0].modules[0].slot = slot
    request.contract_id = contract_id or request.contract_id
    found = validated(family, amend=request)
    assert [each.field for each in found.errors] == ([field] if field else [])
    if field:
        assert_same_failure(found, family.catalog.AmendContract, request)  # type: ignore[arg-type]
    else:
        assert family.catalog.AmendContract(request).warnings == found.warnings


def test_a_publication_is_required(family: Family) -> None:
    failure = failure_of(family.catalog.ValidateContract, pb.ValidateContractRequest())
    assert (failure.code, list(failure.violations)) == (grpc.StatusCode.INVALID_ARGUMENT, ["publication"])


def test_violations_beyond_a_thousand_are_counted_as_one(family: Family) -> None:
    contract = fresh(family)
    modules = contract.versions[0].modules
    for _ in range(8):
        for module in (contract_pb2.Module.FromString(each.SerializeToString()) for each in modules[:3]):
            module.module_id = new_id()
            modules.append(module)
    for module in modules:
        for n in range(40):
            rule = module.rules.add()
            rule.CopyFrom(SAME_RULE)
            rule.code = f"RULE_{n}"
    found = validated(family, publish=pb.PublishContractRequest(contract=contract))
    assert len(found.errors) == 1001
    assert "more violations" in found.errors[-1].description
