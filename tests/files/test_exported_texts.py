"""Texts of exported files: names in parts, plain letters, and relations and plans that an import reads back."""

from uuid import uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from affilia_cli.enrollment_export.outbound_mapping import outbound_mapping
from affilia_cli.enrollment_export.texts import (
    MAX_FIRST_NAME,
    MAX_LAST_NAME,
    MAX_MIDDLE_NAME,
    is_sendable,
    name_parts,
    plain,
)
from affilia_cli.enrollment_file.findings import MappingMalformed
from affilia_cli.enrollment_file.mapping import Mapping, mapping_of

WORDS = st.lists(st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=20), max_size=12)


def a_mapping(*coverages: dict[str, str], **more: object) -> Mapping:
    """Returns a mapping whose entries have new modules, unless they name one."""
    contract_id = str(uuid4())
    listed = [{"line": "HLT", "contract_id": contract_id, "module_id": str(uuid4())} | each for each in coverages]
    payer = {"id": "987654321", "name": "INSURER"}
    return mapping_of({"namespace": str(uuid4()), "sponsor": "123456789", "coverages": listed, "payer": payer, **more})


@given(WORDS)
@settings(deadline=None)
def test_the_parts_of_a_name_fit_and_are_joined_to_the_same_name(words: list[str]) -> None:
    name = " ".join(words)
    parts = name_parts(name)
    if parts is None:
        assert not words or len(name) > MAX_LAST_NAME
        return
    assert " ".join(filter(None, (parts.first, parts.middle, parts.last))) == name
    assert len(parts.first) <= MAX_FIRST_NAME
    assert len(parts.middle) <= MAX_MIDDLE_NAME
    assert 1 <= len(parts.last) <= MAX_LAST_NAME


@given(st.text())
@settings(deadline=None)
def test_plain_texts_stay_as_they_are(text: str) -> None:
    assert plain(plain(text)) == plain(text)


@given(st.text(st.characters(min_codepoint=0xC0, max_codepoint=0xFF, exclude_characters="\xd7\xf7")))
@settings(deadline=None)
def test_western_european_letters_can_be_written(text: str) -> None:
    assert is_sendable(plain(text))


@pytest.mark.parametrize(
    ("text", "written"),
    [("Zoë  Łukasz", "Zoe Lukasz"), ("Straße", "Strasse"), ("O\u2019Neil", "O'Neil"), ("A*B~C:D^E", "A B C D E")],
)
def test_accents_and_separators_are_replaced(text: str, written: str) -> None:
    assert plain(text) == written


def test_each_membership_type_has_its_usual_relation() -> None:
    relations = outbound_mapping(a_mapping({}, relations={"60": "PET", "38": "ASCENDANT"})).relations
    assert relations == {"PRIMARY": "18", "PARTNER": "01", "CHILD": "19", "ASCENDANT": "03", "PET": "60"}


def test_a_module_is_written_with_an_entry_that_an_import_maps_to_it() -> None:
    one, other = str(uuid4()), str(uuid4())
    mapping = a_mapping(
        {"module_id": one},
        {"module_id": other},  # the same fields as the entry before, which therefore applies
        {"module_id": other, "plan": "GOLD"},
        {"module_id": one, "plan": "GOLD", "benefit_status": "C"},
    )
    outbound = outbound_mapping(mapping)
    assert {module_id: (each.plan, each.benefit_status) for module_id, each in outbound.coverages.items()} == {
        one: ("", ""),
        other: ("GOLD", ""),
    }


@pytest.mark.parametrize(
    ("more", "field"),
    [
        ({"payer": {"id": "9", "name": "X"}}, "payer.id"),
        ({"payer": {"id": "987", "name": "A*B"}}, "payer.name"),
        ({"sender": "X" * 16}, "sender"),
        ({"sponsor": "1" * 16}, "sponsor"),
        ({"receiver": "É"}, "receiver"),
    ],
)
def test_a_mapping_whose_parties_cannot_be_written_is_refused(more: dict[str, object], field: str) -> None:
    with pytest.raises(MappingMalformed, match=field):
        outbound_mapping(a_mapping({}, **more))


def test_a_mapping_without_a_payer_cannot_be_exported() -> None:
    mapping = a_mapping({})
    without = mapping_of(
        {
            "namespace": str(mapping.namespace),
            "sponsor": "1",
            "coverages": [
                {"line": "HLT", "contract_id": mapping.contract_ids[0], "module_id": mapping.coverages[0].module_id}
            ],
        }
    )
    with pytest.raises(MappingMalformed, match="payer: required"):
        outbound_mapping(without)
