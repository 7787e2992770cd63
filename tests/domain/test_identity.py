"""Derived ids: their texts are those of the UUIDs."""

from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from domain.identity import group_id, group_id_text


@given(st.uuids(), st.uuids())
def test_the_text_of_a_group_id_does_not_depend_on_the_case_of_its_parts(contract_id: UUID, primary_id: UUID) -> None:
    expected = str(group_id(contract_id, primary_id))
    assert group_id_text(str(contract_id), str(primary_id)) == expected
    assert group_id_text(str(contract_id).upper(), str(primary_id).upper()) == expected
