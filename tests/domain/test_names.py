"""Names are compared regardless of case, accents and punctuation, in every script."""
# ruff: noqa: RUF001 (letters of other scripts and typographic quotation marks are the point)

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.names import MAX_NAME_LENGTH, normalized_name, words_of

EUROPEAN = st.text(
    st.characters(min_codepoint=0x20, max_codepoint=0x24F, exclude_characters="ŉǰ") | st.sampled_from("ßẞıİœæøłđ'’-")
)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Marie-Claire Dupont", ("marie", "claire", "dupont")),
        ("O'Brien", ("o", "brien")),
        ("D’Angelo", ("d", "angelo")),
        ("Jürgen Weiß", ("jurgen", "weiss")),
        ("JÜRGEN WEISS", ("jurgen", "weiss")),
        ("Işık İnan", ("isik", "inan")),
        ("Søren Łukasz Đorđe Þór Æbelø", ("soren", "lukasz", "dorde", "thor", "aebelo")),
        ("José" + unicodedata.normalize("NFD", "é"), ("josee",)),
        ("ﬁona ＷＩＤＥ", ("fiona", "wide")),
        ("Σίσυφος ΣΊΣΥΦΟΣ", ("σισυφοσ", "σισυφοσ")),
        ("王小明", ("王小明",)),
        ("田中 太郎", ("田中", "太郎")),
        ("مُحَمَّد", ("محمد",)),
        ("\u202bיִצְחָק\u202c", ("יצחק",)),
        ("Du\u00adpont\u200d \u200eMarie", ("dupont", "marie")),
        ("Anna 🎉 Bell👩‍👩‍👧", ("anna", "bell")),
        ("100%_sure\\", ("100", "sure")),
        ('"; DROP TABLE member; --', ("drop", "table", "member")),
        ("Louis XIV 2nd ²", ("louis", "xiv", "2nd", "2")),
        ("", ()),
        (" -'’.,\u0301 🎉", ()),
    ],
)
def test_words_are_compared_in_one_form(text: str, words: tuple[str, ...]) -> None:
    assert words_of(text) == words


@given(st.text())
def test_words_consist_of_letters_and_digits_and_stay_the_same_when_normalized_again(text: str) -> None:
    words = words_of(text)
    assert all(word and word.isalnum() for word in words)
    assert words_of(" ".join(words)) == words
    assert words_of("-".join(words)) == words


@given(EUROPEAN)
def test_case_and_composition_do_not_matter(text: str) -> None:
    words = words_of(text)
    assert words_of(text.upper()) == words
    assert words_of(text.casefold()) == words
    assert words_of(unicodedata.normalize("NFD", text)) == words
    assert words_of(unicodedata.normalize("NFC", text)) == words


@given(EUROPEAN, EUROPEAN)
def test_text_without_letters_and_digits_separates_words(before: str, after: str) -> None:
    assert words_of(f"{before}_{after}") == words_of(before) + words_of(after)
    assert words_of(f"{before} \u0301 {after}") == words_of(before) + words_of(after)


@given(st.text(max_size=200) | st.just("\ufdfa" * 200))
def test_a_normalized_name_is_bounded(name: str) -> None:
    normalized = normalized_name(name)
    assert len(normalized) <= MAX_NAME_LENGTH
    assert words_of(normalized) == tuple(normalized.split(" ") if normalized else ())
    if len(normalized) < MAX_NAME_LENGTH // 2:
        assert normalized == " ".join(words_of(name))
