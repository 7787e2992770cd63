"""Mappings of sponsors' words: which entry fits, which ids come of numbers, and what a mapping may not say."""

from typing import Any
from uuid import UUID

import pytest

from server.enrollment_file.findings import MappingMalformed
from server.enrollment_file.mapping import mapping_of
from server.enrollment_file.parsing import parse
from tests.support.enrollment_file import a_coverage, a_file, a_member

CONTRACT = "11111111-1111-4111-8111-111111111111"
MODULES = [f"2222222{n}-2222-4222-8222-222222222222" for n in range(4)]


def a_mapping(*coverages: dict[str, str], **more: Any) -> dict[str, Any]:
    entries = [{"contract_id": CONTRACT, "module_id": MODULES[i], **entry} for i, entry in enumerate(coverages)]
    return {"namespace": "33333333-3333-4333-8333-333333333333", "sponsor": "1", "coverages": entries, **more}


def test_the_entry_that_says_more_goes_before_the_others() -> None:
    mapping = mapping_of(
        a_mapping({"line": "HMO"}, {"line": "HMO", "policy": "P1"}, {"line": "HMO", "plan": "GOLD"}, {"line": "DEN"})
    )
    told = [
        a_coverage(plan="GOLD", begins="20260101"),
        a_coverage(begins="20260101"),
        a_coverage("LTC", begins="20260101"),
    ]
    file = parse(a_file(a_member(coverages=told), a_member("S2", policy="P2", coverages=told[1:])))
    found = [[mapping.coverage(each, member, member) for each in member.coverages] for member in file.members]
    assert [[each and each.module_id for each in entries] for entries in found] == [
        [MODULES[2], MODULES[1], None],
        [MODULES[0], None],
    ]


def test_ids_depend_on_sponsor_namespace_and_every_number_and_on_nothing_else() -> None:
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
        ({"sponsor": ""}, "sponsor: needs a text"),
        ({"coverages": []}, "coverages: needs at least one item"),
        ({"coverages": [3]}, "coverages[0]: is no JSON object"),
        ({"relations": {"19": "PRIMARY"}}, "relations.19"),
        ({"relations": {"19": "COUSIN"}}, "relations.19"),
        ({"relations": []}, "relations: is no JSON object"),
        ({"dependant_number": "MINE"}, "dependant_number: 'MINE'"),
        ({"dependent_number": "OWN"}, "dependent_number: is unknown"),
    ],
)
def test_a_mapping_that_cannot_be_meant_is_refused_with_the_place(change: dict[str, Any], fault: str) -> None:
    with pytest.raises(MappingMalformed) as refused:
        mapping_of({**a_mapping({"line": "HMO"}), **change})
    assert any(each.startswith(fault) for each in refused.value.faults)


@pytest.mark.parametrize("content", [None, [], "text", {}])
def test_what_is_no_mapping_at_all_is_refused(content: Any) -> None:
    with pytest.raises(MappingMalformed):
        mapping_of(content)
