"""Queries, and which members match them, compared with a slow and obvious model."""

from datetime import date
from typing import Any
from uuid import UUID

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from domain.errors import RequestMalformed
from domain.member_search import (
    EVERY_NAME,
    MAX_WORDS,
    IndexEntry,
    Rank,
    birth_term,
    index_entries,
    initials_term,
    pair_terms,
    parsed_query,
    rank,
    spellings,
    word_term,
)
from domain.members import Facts, Member, MemberKind
from domain.names import normalized_name, words_of

ID = UUID("7d9f2c1a-0b6e-4d5c-8a34-1f2e3d4c5b6a")
WORDS = st.text("abé", min_size=1, max_size=4)
NAMES = st.lists(WORDS, max_size=4).map(" ".join)
QUERIES = st.lists(WORDS, min_size=1, max_size=3).map(" ".join)


@st.composite
def matches(draw: Any) -> tuple[str, str]:
    """A query, and a name that it matches."""
    name = draw(st.lists(WORDS, min_size=1, max_size=6))
    chosen = draw(st.permutations(name))[: draw(st.integers(1, len(name)))]
    prefixes = [word[: draw(st.integers(1, len(word)))] for word in chosen]
    return " ".join(draw(st.permutations([*prefixes, *prefixes[: draw(st.integers(0, 1))]]))), " ".join(name)


def member(name: str, **facts: Any) -> Member:
    return Member(ID, MemberKind.PERSON, name, Facts(**facts))


def found(query: str, name: str, ids: set[UUID] = frozenset(), values: set[str] = frozenset()) -> Rank | None:  # type: ignore[assignment]  # empty
    return rank(parsed_query(query), normalized_name(name), ids, values)


def model(query: str, name: str, values: set[str]) -> Rank | None:
    """Returns the rank of a member whose identifiers have some values, word by word."""
    if query in values:
        return Rank.ID
    by_identifier = False
    for token in query.split():
        if token in values:
            by_identifier = True
        elif not all(any(word.startswith(part) for word in words_of(name)) for part in words_of(token)):
            return None
    if by_identifier:
        return Rank.ID
    return Rank.WHOLE_NAME if sorted(words_of(query)) == sorted(words_of(name)) else Rank.PREFIXES


@given(QUERIES, NAMES, st.sets(WORDS, max_size=2))
@example("ab ab", "ab", set())
@example("a ab", "ab ba", {"a ab"})
def test_members_match_as_in_the_model(query: str, name: str, values: set[str]) -> None:
    assert found(query, name, values=values) is model(query, name, values)


@pytest.mark.parametrize(
    ("query", "name", "expected"),
    [
        ("dup ma", "Marie-Claire Dupont", Rank.PREFIXES),
        ("dupont, marie-claire", "Marie-Claire Dupont", Rank.WHOLE_NAME),
        ("DUPONT claire marie", "Marie-Claire Dupont", Rank.WHOLE_NAME),
        ("dupont marie", "Marie-Claire Dupont", Rank.PREFIXES),
        ("upont", "Marie-Claire Dupont", None),
        ("dupont x", "Marie-Claire Dupont", None),
        ("müller - jürgen", "Jurgen MULLER", Rank.WHOLE_NAME),
        ("王", "王小明", Rank.PREFIXES),
        ("小明", "王小明", None),
    ],
)
def test_words_match_the_beginnings_of_words(query: str, name: str, expected: Rank | None) -> None:
    assert found(query, name) is expected


@pytest.mark.parametrize("text", [str(ID), str(ID).upper(), f"{{{ID}}}", f"{{{ID}}}".upper(), f"  urn:uuid:{ID} "])
def test_an_id_matches_in_every_common_spelling(text: str) -> None:
    assert found(text, "Anna", ids={ID}) is Rank.ID
    assert found(f"ann {text}", "Anna", ids={ID}) is Rank.ID
    assert found(f"bert {text}", "Anna", ids={ID}) is None
    assert found(text, "Anna", ids={UUID(int=1)}) is None


def test_an_identifier_matches_exactly_and_can_contain_spaces_and_punctuation() -> None:
    assert found("EMP-47/11", "Anna", values={"EMP-47/11"}) is Rank.ID
    assert found("emp-47/11", "Anna", values={"EMP-47/11"}) is None
    assert found(" 47 11 AB ", "Anna", values={"47 11 AB"}) is Rank.ID
    assert found("anna 4711", "Anna Bell", values={"4711"}) is Rank.ID


@pytest.mark.parametrize("text", ["", " ", "%", "_", "- ' ,", "🎉", "\u0301", "\u202e"])
def test_a_query_without_letters_and_digits_is_rejected(text: str) -> None:
    with pytest.raises(RequestMalformed) as rejected:
        parsed_query(text)
    assert [violation.field for violation in rejected.value.violations] == ["query"]


def test_the_number_of_words_is_limited() -> None:
    assert len(parsed_query("a " * MAX_WORDS).words) == MAX_WORDS
    for text in ("a " * (MAX_WORDS + 1), "a-" * (MAX_WORDS + 1), f"{ID} " * (MAX_WORDS + 1)):
        with pytest.raises(RequestMalformed):
            parsed_query(text)


@given(matches())
def test_prefixes_are_beginnings_of_different_words(match: tuple[str, str]) -> None:
    """So each pair of them finds the name by the term of the pair."""
    query, name = match
    asked = parsed_query(query)
    words = set(words_of(name))
    beginnings = [{word for word in words if word.startswith(prefix)} for prefix in asked.prefixes]
    assert all(beginnings)
    assert len(set().union(*beginnings)) == sum(map(len, beginnings))


@given(matches())
def test_a_matching_name_has_every_term_by_which_it_can_be_found(match: tuple[str, str]) -> None:
    query, name = match
    asked = parsed_query(query)
    assert found(query, name) is not None
    terms = {entry.term for entry in index_entries(member(name))}
    assert EVERY_NAME in terms
    assert pair_terms(asked.prefixes) <= terms
    for prefix in asked.prefixes:
        assert any(term.startswith(word_term(prefix)) for term in terms)
        if len(prefix) >= 2:
            assert initials_term(prefix) in terms
    if found(query, name) is Rank.WHOLE_NAME and (names := spellings(asked.words)):
        assert normalized_name(name) in names


def test_an_erased_member_has_no_entries() -> None:
    assert index_entries(member("Anna", erased_on=date(2026, 1, 1))) == set()
    assert index_entries(member("")) == set()
    born_on = date(2014, 3, 2)
    assert index_entries(member("", born_on=born_on)) == {IndexEntry(birth_term(born_on), "")}


@given(st.text(max_size=200) | st.lists(st.text("abc", min_size=3, max_size=3), min_size=40).map(" ".join))
def test_an_entry_fits_into_a_page_of_the_index(name: str) -> None:
    for entry in index_entries(member(name)):
        assert len(entry.term.encode()) + len(entry.name.encode()) < 2500
