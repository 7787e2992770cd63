"""The numbers in an INS loop, as identifiers of the person.

Earlier releases stored no identifiers, but derived the ids of members from these numbers. Such an id still counts as an
identifier.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import date

from affilia_cli.enrollment_file.book.book import SystemValue
from affilia_cli.enrollment_file.codes import (
    CLIENT_NUMBER,
    PRIOR_NUMBER,
    SOCIAL_SECURITY,
    SOCIAL_SECURITY_NUMBER,
    SUBSCRIBER_NUMBER,
)
from affilia_cli.enrollment_file.mapping import DependantNumber, Mapping, NumberKind
from affilia_cli.enrollment_file.reading.file import FileMember

MAX_VALUE_CHARACTERS = 100
"""Maximum length of the value of an identifier (`member.proto`)."""

SSN_DIGITS = 9
"""Senders fill all digits with the same one if they don't know a person's number, for example 999999999."""

NUMBER_NAMES = {
    NumberKind.SUBSCRIBER: "subscriber number (REF 0F)",
    NumberKind.CLIENT: "client number (REF 23)",
    NumberKind.SSN: "social security number",
    NumberKind.PERSON: "number (NM109)",
}

Key = tuple[str, str]
"""The kind and value of a key from which the id of a dependant is derived."""


def identifiers_of(member: FileMember, mapping: Mapping) -> tuple[SystemValue, ...]:
    """Returns the identifiers for the numbers of a person, each once."""
    return tuple(dict.fromkeys(_identifiers(mapping, _stated(member, mapping))))


def earlier_identifiers_of(member: FileMember, mapping: Mapping) -> tuple[tuple[SystemValue, ...], ...]:
    """Returns, for each earlier number of a person, the identifiers that it can be, the most likely first."""
    possible = (tuple(_identifiers(mapping, number)) for number in _earlier(member, mapping))
    return tuple(each for each in possible if each)


def family_identifiers(mapping: Mapping, family_numbers: Iterable[str]) -> tuple[SystemValue, ...]:
    """Returns the identifiers of a subscriber with these numbers."""
    return tuple(_identifiers(mapping, ((NumberKind.SUBSCRIBER, number) for number in family_numbers)))


def placeholders_of(member: FileMember, mapping: Mapping) -> tuple[NumberKind, ...]:
    """Returns the kinds of numbers that identify nobody, such as 999999999."""
    return tuple(dict.fromkeys(kind for kind, value in _stated(member, mapping) if _is_placeholder(kind, value)))


def derived_ids(member: FileMember, mapping: Mapping, family_numbers: Sequence[str]) -> Iterator[str]:
    """Yields the member ids that earlier releases derived from the current and earlier numbers of a person.

    `family_numbers` are the current and earlier numbers of a dependant's subscriber.
    """
    if member.is_subscriber:
        yield from map(mapping.subscriber_id, subscriber_numbers(member))
        return
    kinds = ("number", "person", "client") if _has_own_number(member, mapping) else ("person", "client")
    earlier = [(kind, value) for value in _references(member, PRIOR_NUMBER) for kind in kinds]
    if member.incorrect and member.incorrect.person_number:
        earlier.append(("person", member.incorrect.person_number))
    for kind, value in dict.fromkeys((*_number_keys(member, mapping), *earlier)):
        for number in family_numbers:
            yield mapping.dependant_id(number, kind, value)


def ids_derived_from_name(member: FileMember, mapping: Mapping, family_numbers: Sequence[str]) -> Iterator[str]:
    """Yields the ids that can be derived from a dependant's name and date of birth, first from corrected values."""
    if member.is_subscriber:
        return
    names = [(member.first_name, member.last_name, member.born_on)]
    if wrong := member.incorrect:
        earlier = (
            wrong.first_name or member.first_name,
            wrong.last_name or member.last_name,
            wrong.born_on or member.born_on,
        )
        names.insert(0, earlier)
    for first_name, last_name, born_on in dict.fromkeys(names):
        if first_name and born_on:
            for number in family_numbers:
                yield mapping.dependant_id(number, *_name_key(first_name, last_name, born_on))


def subscriber_numbers(member: FileMember) -> tuple[str, ...]:
    """Returns REF 0F, then REF Q4, which can be its earlier value."""
    values = [value for code in (SUBSCRIBER_NUMBER, PRIOR_NUMBER) for value in _references(member, code)]
    return tuple(dict.fromkeys(value for value in values if value))


def dependant_keys(member: FileMember, mapping: Mapping) -> Iterator[Key]:
    """Yields the keys from which a dependant's id can be derived, the most reliable first."""
    yield from _number_keys(member, mapping)
    if member.born_on and member.first_name:
        yield _name_key(member.first_name, member.last_name, member.born_on)


def _has_own_number(member: FileMember, mapping: Mapping) -> bool:
    """Returns whether REF 0F is the person's own number, not that of their subscriber."""
    return member.is_subscriber or mapping.dependant_number is DependantNumber.OWN


def _stated(member: FileMember, mapping: Mapping) -> Iterator[tuple[NumberKind, str]]:
    if _has_own_number(member, mapping):
        yield NumberKind.SUBSCRIBER, member.reference(SUBSCRIBER_NUMBER)
    yield NumberKind.SSN, member.reference(SOCIAL_SECURITY_NUMBER)
    yield _person_kind(member.person_number_qualifier), member.person_number
    yield NumberKind.CLIENT, member.reference(CLIENT_NUMBER)


def _earlier(member: FileMember, mapping: Mapping) -> Iterator[list[tuple[NumberKind, str]]]:
    """Yields, for each earlier number, the kinds that it can be. REF Q4 doesn't say whose number it replaces."""
    kinds = [NumberKind.SUBSCRIBER] if _has_own_number(member, mapping) else []
    kinds += [NumberKind.PERSON, NumberKind.CLIENT, NumberKind.SSN]
    for value in _references(member, PRIOR_NUMBER):
        yield [(kind, value) for kind in kinds]
    if member.incorrect:
        yield [(_person_kind(member.incorrect.person_number_qualifier), member.incorrect.person_number)]


def _person_kind(qualifier: str) -> NumberKind:
    return NumberKind.SSN if qualifier == SOCIAL_SECURITY else NumberKind.PERSON


def _identifiers(mapping: Mapping, numbers: Iterable[tuple[NumberKind, str]]) -> Iterator[SystemValue]:
    for kind, text in numbers:
        value = _normalized(kind, text)
        is_storable = value and value.isprintable() and len(value) <= MAX_VALUE_CHARACTERS
        if is_storable and not _is_placeholder(kind, value):
            yield mapping.identifier(kind, value)


def _normalized(kind: NumberKind, text: str) -> str:
    return (kind is NumberKind.SSN and _nine_digits(text)) or text.strip()


def _is_placeholder(kind: NumberKind, number: str) -> bool:
    """Returns whether the number of a person is one digit nine times, with or without separators."""
    return kind in (NumberKind.SSN, NumberKind.PERSON) and len(set(_nine_digits(number))) == 1


def _nine_digits(text: str) -> str:
    """Returns the digits of a number that has nine of them, or an empty string."""
    digits = text.replace("-", "").replace(" ", "")
    return digits if len(digits) == SSN_DIGITS and digits.isdigit() else ""


def _references(member: FileMember, qualifier: str) -> list[str]:
    return [value for code, value in member.references if code == qualifier]


def _number_keys(member: FileMember, mapping: Mapping) -> Iterator[Key]:
    if mapping.dependant_number is DependantNumber.OWN and (own := member.reference(SUBSCRIBER_NUMBER)):
        yield "number", own
    if member.person_number and not _is_placeholder(_person_kind(member.person_number_qualifier), member.person_number):
        yield "person", member.person_number
    if client_number := member.reference(CLIENT_NUMBER):
        yield "client", client_number


def _name_key(first_name: str, last_name: str, born_on: date) -> Key:
    return "name", f"{first_name.upper()} {last_name.upper()} {born_on.isoformat()}"


def number_name(identifier: SystemValue) -> str:
    """Returns the name of a number of the file, such as "client number (REF 23)"."""
    return NUMBER_NAMES[NumberKind(identifier.system.rpartition("/")[2])]
