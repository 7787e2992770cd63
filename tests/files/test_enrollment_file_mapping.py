"""Mappings for sponsors' files: which entry matches, which ids are derived, and which mappings are rejected."""

from typing import Any
from uuid import UUID

import pytest

from affilia_cli.enrollment_file.findings import MappingMalformed
from affilia_cli.enrollment_file.mapping import mapping_of
from affilia_cli.enrollment_file.parsing import parse
from tests.support.enrollment_file import a_coverage, a_file, a_member

CONTRACT = "11111111-1111-4111-8111-111111111111"
MODULES = [f"2222222{n}-2222-4222-8222-222222222222" for n in range(4)]


def a_mapping(*coverages: dict[str, str], **more: Any) -> dict[str, Any]:
    entries = [{"contract_id": CONTRACT, "module_id": MODULES[i], **entry} for i, entry in enumerate(coverages)]
    return {"namespace": "33333333-3333-4333-8333-333333333333", "sponsor": "1", "coverages": entries, **more}


def test_the_most_specific_entry_wins() -> None:
    mapping = mapping_of(
        a_mapping({"line": "HMO"}, {"line": "HMO", "policy": "P1"}, {"line": "HMO", "plan": "GOLD"}, {"line": "DEN"})
    )
    coverages = [
        a_coverage(plan="GOLD", begins="20260101"),
        a_coverage(begins="20260101"),
        a_coverage("LTC", begins="20260101"),
    ]
    file = parse(a_file(a_member(coverages=coverages), a_member("S2", policy="P2", coverages=coverages[1:])))
    found = [[mapping.coverage(each, member, member) for each in member.coverages] for member in file.members]
    assert [[each and each.module_id for each in entries] for entries in found] == [
        [MODULES[2], MODULES[1], None],
        [MODULES[0], None],
    ]


def test_ids_depend_only_on_sponsor_namespace_and_numbers() -> None:
    mapping = mapping_of(a_mapping({"line": "HMO"}))
    assert mapping.subscriber_id("S1") == mapping_of(a_mapping({"line": "DEN"}, country="FR")).subscriber_id("S1")
    others = [
        mapping.subscriber_id("S1"),
        mapping.subscriber_id("S2"),
        mapping_of(a_mapping({"line": "HMO"}, sponsor="2")).subscriber_id("S1"),
        mapping_of(a_mapping({"line": "HMO"}, namespace=CONTRACT)).subscriber_id("S1"),
        mapping.dependant_id("S1", "person", "1"),
        mapping.dependant_id("S1", "name", "1"),
        mapping.dependant_id("S2", "person", "1"),
    ]
    assert len(set(others)) == len(others)
    assert {UUID(each).version for each in others} == {5}


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"namespace": "x"}, "namespace: 'x' is not a UUID"),
        ({"sponsor": ""}, "sponsor: must be a non-empty string"),
        ({"coverages": []}, "coverages: must have at least one item"),
        ({"coverages": [3]}, "coverages[0]: must be a JSON object"),
        ({"relations": {"19": "PRIMARY"}}, "relations.19"),
        ({"relations": {"19": "COUSIN"}}, "relations.19"),
        ({"relations": []}, "relations: must be a JSON object"),
        ({"dependant_number": "MINE"}, "dependant_number: must be SUBSCRIBER or OWN, got 'MINE'"),
        ({"dependent_number": "OWN"}, "dependent_number: unknown field"),
    ],
)
def test_an_invalid_mapping_is_rejected_with_the_field(change: dict[str, Any], fault: str) -> None:
    with pytest.raises(MappingMalformed) as rejected:
        mapping_of({**a_mapping({"line": "HMO"}), **change})
    assert any(each.startswith(fault) for each in rejected.value.faults)


@pytest.mark.parametrize("content", [None, [], "text", {}])
def test_other_json_is_rejected(content: Any) -> None:
    with pytest.raises(MappingMalformed):
        mapping_of(content)
