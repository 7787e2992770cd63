"""Names that people type: which of several matches they mean."""

import pytest

from affilia_views.matching import Match, begins_words, closest


def match(*names: str) -> Match:
    return Match("member", names[0], names[0], names)


DUPONT, DUPONTEL = match("Marie-Claire Dupont", "payroll:17"), match("Marie-Claire Dupontel", "payroll:18")


@pytest.mark.parametrize("text", ["dup ma", "MARIE", "claire-dupont", "Márie", "payroll 17", "payroll:17"])
def test_words_can_be_shortened_and_case_accents_and_punctuation_do_not_matter(text: str) -> None:
    assert begins_words(text, DUPONT)


@pytest.mark.parametrize("text", ["upont", "marie durand", "", "   ", "---", "%", "payroll:18"])
def test_other_texts_match_nothing(text: str) -> None:
    assert not begins_words(text, DUPONT)


def test_a_whole_name_wins_over_the_beginning_of_another() -> None:
    assert closest("dupont marie claire", [DUPONTEL, DUPONT]) == [DUPONT]
    assert closest("marie dupont", [DUPONTEL, DUPONT]) == [DUPONTEL, DUPONT]


def test_an_identical_name_wins_over_the_same_words() -> None:
    module, capability = match("Dental"), match("DENTAL")
    assert closest("DENTAL", [module, capability]) == [capability]
    assert closest("Dental", [module, capability]) == [module]
    assert closest("dental", [module, capability]) == [module, capability]


def test_names_of_punctuation_only_match_when_they_are_identical() -> None:
    strange = match("***")
    assert begins_words("***", strange)
    assert not begins_words("**", strange)
    assert closest("***", [strange, DUPONT]) == [strange]
