"""Mappings for sponsors' files: which entry matches, which ids are derived, and which mappings are rejected."""

from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest

from affilia_cli.enrollment_file.coverage_mapping import CoverageMapping, Unmapped
from affilia_cli.enrollment_file.findings import MappingMalformed
from affilia_cli.enrollment_file.mapping import Mapping, NumberKind, Starts, mapping_of
from affilia_cli.enrollment_file.reading.file import FileMember
from affilia_cli.enrollment_file.reading.parsing import parse
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
    found = [[outcome(mapping.coverage(each, member, member)) for each in member.coverages] for member in file.members]
    assert found == [[MODULES[2], MODULES[1], "COVERAGE_UNMAPPED"], [MODULES[0], "COVERAGE_UNMAPPED"]]


def outcome(found: CoverageMapping | Unmapped) -> str:
    """Returns the module, or the code of the finding."""
    return found.code if isinstance(found, Unmapped) else found.module_id


SUBSCRIBER = parse(a_file(a_member(status="FT", coverages=[a_coverage(begins="20260101")]))).members[0]
DEPENDANT = replace(SUBSCRIBER, is_subscriber=False, relation="19", benefit_status="", employment_status="")


def stated(benefit: str = "", medicare: str = "", employment: str = "") -> FileMember:
    return replace(SUBSCRIBER, benefit_status=benefit, medicare=medicare, employment_status=employment)


def module_of(mapping: Mapping, member: FileMember, subscriber: FileMember | None = None) -> str:
    return outcome(mapping.coverage(member.coverages[0], member, subscriber or member))


def test_an_entry_asks_for_benefit_status_medicare_plan_and_employment_status() -> None:
    mapping = mapping_of(
        a_mapping(
            {"line": "HMO"},
            {"line": "HMO", "benefit_status": "C"},
            {"line": "HMO", "medicare": "C"},
            {"line": "HMO", "employment_status": "RT"},
        )
    )
    assert module_of(mapping, stated("A", "", "FT")) == MODULES[0]
    assert module_of(mapping, stated("", "E", "AC")) == MODULES[0]
    assert module_of(mapping, stated("C", "", "TE")) == MODULES[1]
    assert module_of(mapping, stated("A", "C", "FT")) == MODULES[2]
    assert module_of(mapping, stated("A", "", "RT")) == MODULES[3]
    assert module_of(mapping, stated("S", "", "RT")) == "STATUS_NOT_MAPPED"


def test_a_former_employee_never_gets_the_module_of_active_employees() -> None:
    entries = [{"line": "HMO", "policy": "P1"}, {"line": "HMO", "employment_status": "TE"}, {"line": "DEN"}]
    mapping = mapping_of(a_mapping(*entries))
    for status in ("C", "S", "T"):
        found = mapping.coverage(SUBSCRIBER.coverages[0], stated(status, "", "TE"), None)
        assert found == Unmapped(
            "STATUS_NOT_MAPPED",
            f"Coverage HMO is not mapped for benefit status {status} (INS05). Add it to the coverages of the mapping.",
        )
    only_former = mapping_of(a_mapping({"line": "HMO", "benefit_status": "C"}))
    assert module_of(only_former, stated("A")) == "STATUS_NOT_MAPPED"
    assert module_of(only_former, stated("C")) == MODULES[0]


def test_the_entry_with_most_fields_wins_and_a_plan_goes_before_a_policy() -> None:
    mapping = mapping_of(
        a_mapping(
            {"line": "HMO", "policy": "P1", "medicare": "A"},
            {"line": "HMO", "plan": "GOLD"},
            {"line": "HMO", "policy": "P1"},
        )
    )
    gold = replace(SUBSCRIBER.coverages[0], plan="GOLD")
    assert module_of(mapping, replace(stated(medicare="A"), coverages=(gold,))) == MODULES[0]
    assert module_of(mapping, replace(stated(), coverages=(gold,))) == MODULES[1]
    assert module_of(mapping, stated()) == MODULES[2]


def test_a_dependant_has_the_subscribers_status_unless_the_file_says_another_one() -> None:
    mapping = mapping_of(
        a_mapping(
            {"line": "HMO"},
            {"line": "HMO", "benefit_status": "C"},
            {"line": "HMO", "employment_status": "RT"},
            {"line": "HMO", "medicare": "A"},
        )
    )
    assert module_of(mapping, DEPENDANT, stated("C", "A", "TE")) == MODULES[1]
    assert module_of(mapping, replace(DEPENDANT, benefit_status="A"), stated("C", "", "TE")) == MODULES[0]
    assert module_of(mapping, DEPENDANT, stated("A", "A", "RT")) == MODULES[2]
    assert module_of(mapping, replace(DEPENDANT, medicare="A"), stated("A")) == MODULES[3]
    assert module_of(mapping, DEPENDANT) == MODULES[0]


def test_an_unmapped_coverage_is_reported_with_what_the_file_says() -> None:
    mapping = mapping_of(a_mapping({"line": "HMO", "plan": "GOLD"}))
    found = mapping.coverage(SUBSCRIBER.coverages[0], stated("A", "B", "RT"), None)
    message = "Coverage HMO under policy P1 is not mapped to a module for Medicare plan B, employment status RT."
    message += " Add it to the coverages of the mapping."
    assert found == Unmapped("COVERAGE_UNMAPPED", message)


def test_a_mapping_without_optional_fields_keeps_starts_and_records_no_disability() -> None:
    mapping = mapping_of(a_mapping({"line": "HMO"}))
    assert (mapping.starts, mapping.disabled) == (Starts.KEEP, "")
    mapping = mapping_of(a_mapping({"line": "HMO"}, starts="FOLLOW", disabled="DISABLED"))
    assert (mapping.starts, mapping.disabled) == (Starts.FOLLOW, "DISABLED")


def test_each_kind_of_number_is_a_system_of_the_mappings_namespace() -> None:
    mapping = mapping_of(a_mapping({"line": "HMO"}))
    found = [mapping.identifier(kind, "7") for kind in NumberKind]
    namespace = "33333333-3333-4333-8333-333333333333"
    assert [each.system for each in found] == [f"834/{namespace}/{kind.name}" for kind in NumberKind]
    assert max(len(each.system) for each in found) <= 60
    assert {each.value for each in found} == {"7"}


def test_every_error_of_a_mapping_is_reported() -> None:
    entry = {"line": "", "benefit_status": "X", "medicare": "Z", "employment_status": "EMPLOYED", "color": "red"}
    content = a_mapping(entry, starts="LATER", disabled=" D", dependant_number="MINE", country=7)
    with pytest.raises(MappingMalformed) as rejected:
        mapping_of(content)
    assert [fault.partition(":")[0] for fault in rejected.value.faults] == [
        "coverages[0].color",
        "coverages[0].line",
        "coverages[0].benefit_status",
        "coverages[0].medicare",
        "coverages[0].employment_status",
        "dependant_number",
        "country",
        "starts",
        "disabled",
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
        ({"starts": "LATER"}, "starts: must be KEEP or FOLLOW, got 'LATER'"),
        ({"starts": ["KEEP"]}, "starts: must be KEEP or FOLLOW, got ['KEEP']"),
        ({"disabled": True}, "disabled: must be a non-empty string"),
        ({"disabled": "x" * 61}, "disabled: must have at most 60 printable characters"),
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
