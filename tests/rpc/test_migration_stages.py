"""Mapping contracts and moving stages."""

from tests.support.migration import DUAL_WRITE, TRANSLATE, Spain
from tests.support.spanish import FLEX


def test_the_first_mapping_begins_the_migration(spain: Spain) -> None:
    spain.row("P", "PRIMARY", FLEX, "2024-03-01")
    assert spain.map().stage == TRANSLATE
    assert spain.periods(spain.group()) == ["P PRIMARY BASE 2024-03-01 -"]
    spain.move_to(DUAL_WRITE)
    assert spain.stage == DUAL_WRITE
