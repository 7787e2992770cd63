"""Checks requests against the constraints in the protos, before any operation runs.

The check of a message type is built once, from its descriptor: required fields (`google.api.field_behavior`), UUIDs
(`google.api.field_info`), sizes and ranges (`affilia.type.v1.limits`), required oneofs, known enum values, valid dates,
spans that don't end before they begin, and text without control characters. It finds every violation, not only the
first. Almost all requests are valid, so a fast check, which is built from the same declarations, comes before it. The
domain checks everything that depends on several fields of a message.
"""

import re
from collections.abc import Callable, Iterator
from datetime import date
from functools import cache
from typing import Any

from google.api import field_behavior_pb2, field_info_pb2
from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor, OneofDescriptor
from google.protobuf.message import Message

from affilia.type.v1 import limits_pb2
from domain.errors import FieldViolation

MAX_VIOLATIONS = 100
DEFAULT_MAX_LENGTH = 200
DEFAULT_MAX_ITEMS = 1000

UUID_TEXT = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
"""A UUID of any version, in upper or lower case: 8-4-4-4-12 hexadecimal digits."""

CONTROL_CHARACTERS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")

Check = Callable[[Any, str], Iterator[FieldViolation]]
"""Returns the violations of a value, given the value and its path in the request."""

ProblemOf = Callable[[Any], str | None]
"""Returns what is wrong with a single value, or None."""

IsValid = Callable[[Any], object]
"""Returns a true value if a value is valid."""


def violations(message: Message, path: str = "") -> list[FieldViolation]:
    """Returns what is wrong with a message: at most 100 violations, and one more if there are others.

    `path` is the path of the message in its request. Clears output-only fields, whose content is ignored.
    """
    if is_valid(message):
        return []
    found: list[FieldViolation] = []
    for violation in message_check(message.DESCRIPTOR)(message, path):
        if len(found) == MAX_VIOLATIONS:
            found.append(
                FieldViolation(
                    violation.field, f"there are more violations; only the first {MAX_VIOLATIONS} are listed"
                )
            )
            break
        found.append(violation)
    return found


def is_valid(message: Message) -> bool:
    """Returns whether a message has no violations, much faster than listing them. Clears output-only fields."""
    return bool(_validity(message.DESCRIPTOR)(message))


@cache
def message_check(descriptor: Descriptor) -> Check:
    """Returns the check of a message type, which finds every violation."""
    special = _SPECIAL_CHECKS.get(descriptor.full_name)
    if special is not None:
        return special
    fields = [(field.name, _field_check(field)) for field in descriptor.fields if not _is_output(field)]
    outputs = [field.name for field in descriptor.fields if _is_output(field)]
    oneofs = [oneof.name for oneof in descriptor.oneofs if _is_required_oneof(oneof)]

    def check(message: Any, path: str) -> Iterator[FieldViolation]:
        for name in outputs:
            message.ClearField(name)
        for name, check_field in fields:
            yield from check_field(message, f"{path}.{name}" if path else name)
        for name in oneofs:
            if message.WhichOneof(name) is None:
                yield FieldViolation(f"{path}.{name}" if path else name, "must have exactly one of its fields set")

    return check


@cache
def _validity(descriptor: Descriptor) -> IsValid:
    """Returns a function that returns whether a message of this type is valid.

    It only looks at the fields that are set, and counts those that must be.
    """
    special = _SPECIAL_CHECKS.get(descriptor.full_name)
    if special is not None:
        return lambda message: next(special(message, ""), None) is None
    outputs = frozenset(field.number for field in descriptor.fields if _is_output(field))
    inputs = [field for field in descriptor.fields if field.number not in outputs]
    validity_of = {field.number: _field_validity(field) for field in inputs}
    required = {field.number for field in inputs if _must_be_set(field)}
    oneofs = [oneof for oneof in descriptor.oneofs if _is_required_oneof(oneof)]
    # At most one field of a oneof is set.
    counted = required.union(*([field.number for field in oneof.fields] for oneof in oneofs))
    needed_count = len(required) + len(oneofs)

    def is_valid(message: Any) -> bool:
        count = 0
        for field, value in message.ListFields():
            number = field.number
            if number in outputs:
                message.ClearField(field.name)
            elif not validity_of[number](value):
                return False
            elif number in counted:
                count += 1
        return count == needed_count

    return is_valid


def _field_validity(field: FieldDescriptor) -> IsValid:
    """Returns a function that returns whether the value of a field, which is set, has no violations."""
    is_valid_value = _value_validity(field)
    if not field.is_repeated:
        return is_valid_value
    limits = field.GetOptions().Extensions[limits_pb2.limits]
    max_items = _max_items(field)
    if limits.each_alone:
        return lambda items: len(items) <= max_items
    return lambda items: len(items) <= max_items and all(map(is_valid_value, items))


def _value_validity(field: FieldDescriptor) -> IsValid:
    if field.GetOptions().Extensions[limits_pb2.limits].reported:
        return lambda value: True
    if _is_uuid(field):
        return UUID_TEXT.fullmatch  # an empty text either isn't set or isn't valid
    if field.message_type is None:
        problem_of = _problem_of(field)
        return lambda value: problem_of(value) is None
    inner, found = field.message_type, list[IsValid]()

    def is_valid(message: Any) -> object:
        if not found:  # on first use, because messages can contain each other
            found.append(_validity(inner))
        return found[0](message)

    return is_valid


def _is_uuid(field: FieldDescriptor) -> bool:
    return bool(field.GetOptions().Extensions[field_info_pb2.field_info].format == field_info_pb2.FieldInfo.UUID4)


def _must_be_set(field: FieldDescriptor) -> bool:
    """Returns whether a field is required, or has no presence and its default value has a violation."""
    if _is_required(field) or field.is_repeated or field.has_presence:
        return _is_required(field)
    return _problem_of(field)(field.default_value) is not None


def _is_output(field: FieldDescriptor) -> bool:
    return field_behavior_pb2.OUTPUT_ONLY in field.GetOptions().Extensions[field_behavior_pb2.field_behavior]


def _is_required(field: FieldDescriptor) -> bool:
    return field_behavior_pb2.REQUIRED in field.GetOptions().Extensions[field_behavior_pb2.field_behavior]


def _is_required_oneof(oneof: OneofDescriptor) -> bool:
    return bool(oneof.GetOptions().Extensions[limits_pb2.required_oneof])


def _max_items(field: FieldDescriptor) -> int:
    limits = field.GetOptions().Extensions[limits_pb2.limits]
    return limits.max_items if limits.HasField("max_items") else DEFAULT_MAX_ITEMS


def _field_check(field: FieldDescriptor) -> Check:
    """Returns the check of a field. The check takes the message that has the field."""
    name, required, check_value = field.name, _is_required(field), _value_check(field)
    if field.is_repeated:
        each_alone = field.GetOptions().Extensions[limits_pb2.limits].each_alone
        return _repeated_check(name, required, _max_items(field), _anything if each_alone else check_value)

    def check(message: Any, path: str) -> Iterator[FieldViolation]:
        if field.has_presence:
            if message.HasField(name):
                yield from check_value(getattr(message, name), path)
            elif required:
                yield FieldViolation(path, "is required")
        else:
            value = getattr(message, name)
            if value or not required:
                yield from check_value(value, path)
            else:
                yield FieldViolation(path, "is required")

    return check


def _repeated_check(name: str, required: bool, max_items: int, check_item: Check) -> Check:
    def check(message: Any, path: str) -> Iterator[FieldViolation]:
        items = getattr(message, name)
        if required and not items:
            yield FieldViolation(path, "must have at least one item")
        if len(items) > max_items:
            yield FieldViolation(path, f"must have at most {max_items} items, got {len(items)}")
            return
        for i, item in enumerate(items):
            yield from check_item(item, f"{path}[{i}]")

    return check


def _value_check(field: FieldDescriptor) -> Check:
    if field.GetOptions().Extensions[limits_pb2.limits].reported:
        return _anything
    if field.message_type is not None:
        # The check is looked up on first use, because messages can contain each other.
        inner = field.message_type
        return lambda value, path: message_check(inner)(value, path)  # noqa: PLW0108
    return _check_of(_problem_of(field))


def _check_of(problem_of: ProblemOf) -> Check:
    """Returns the check of a value that has at most one violation."""

    def check(value: Any, path: str) -> Iterator[FieldViolation]:
        problem = problem_of(value)
        if problem is not None:
            yield FieldViolation(path, problem)

    return check


def _problem_of(field: FieldDescriptor) -> ProblemOf:
    """Returns what is wrong with a value of a field that has no messages."""
    if field.enum_type is not None:
        return _enum_problem(field.enum_type, refuse_zero=field.is_repeated or field.has_presence)
    if field.type == FieldDescriptor.TYPE_STRING:
        return _text_problem(field)
    if field.cpp_type in (FieldDescriptor.CPPTYPE_INT32, FieldDescriptor.CPPTYPE_INT64):
        return _number_problem(field)
    return _no_problem


def _no_problem(value: Any) -> None:
    return None


def _anything(value: Any, path: str) -> Iterator[FieldViolation]:
    return iter(())


def _enum_problem(enum: EnumDescriptor, *, refuse_zero: bool) -> ProblemOf:
    known = {value.number for value in enum.values} - ({0} if refuse_zero else set())

    def problem_of(value: int) -> str | None:
        if value in known:
            return None
        return f"must be a value of {enum.name}, got {value}" if value else "is required"

    return problem_of


def _text_problem(field: FieldDescriptor) -> ProblemOf:
    # An empty string means "not set", except in a list or as the chosen field of a oneof.
    may_be_empty = not field.is_repeated and not field.has_presence
    if _is_uuid(field):
        return _uuid_problem(may_be_empty=may_be_empty)
    limits = field.GetOptions().Extensions[limits_pb2.limits]
    max_length = limits.max_length if limits.HasField("max_length") else DEFAULT_MAX_LENGTH
    pattern = re.compile(limits.pattern) if limits.HasField("pattern") else None

    def problem_of(value: str) -> str | None:
        if not value:
            return None if may_be_empty else "must not be empty"
        if len(value) > max_length:
            return f"must have at most {max_length} characters, got {len(value)}"
        if CONTROL_CHARACTERS.search(value):
            return "must not contain control characters"
        if pattern and not pattern.fullmatch(value):
            return f"must match {pattern.pattern}"
        return None

    return problem_of


def _uuid_problem(*, may_be_empty: bool) -> ProblemOf:
    def problem_of(value: str) -> str | None:
        if UUID_TEXT.fullmatch(value) or (may_be_empty and not value):
            return None
        return "must be a UUID such as 7d9f2c1a-0b6e-4d5c-8a34-1f2e3d4c5b6a"

    return problem_of


def _number_problem(field: FieldDescriptor) -> ProblemOf:
    limits = field.GetOptions().Extensions[limits_pb2.limits]
    min_value = limits.min if limits.HasField("min") else None
    max_value = limits.max if limits.HasField("max") and not limits.capped else None
    if min_value is None and max_value is None:
        return _no_problem
    sentence = _range_sentence(min_value, max_value)

    def problem_of(value: int) -> str | None:
        if (min_value is not None and value < min_value) or (max_value is not None and value > max_value):
            return f"{sentence}, got {value}"
        return None

    return problem_of


def _range_sentence(min_value: int | None, max_value: int | None) -> str:
    if max_value is None:
        return f"must be at least {min_value}"
    return f"must be at most {max_value}" if min_value is None else f"must be between {min_value} and {max_value}"


def _date_check(value: Any, path: str) -> Iterator[FieldViolation]:
    try:
        date(value.year, value.month, value.day)
    except ValueError:
        yield FieldViolation(path, f"must be a valid date, got {value.year:04}-{value.month:02}-{value.day:02}")


def _span_check(value: Any, path: str) -> Iterator[FieldViolation]:
    are_dates = True
    for name in ("first_on", "last_on"):
        if value.HasField(name):
            for violation in _date_check(getattr(value, name), f"{path}.{name}"):
                are_dates = False
                yield violation
    if are_dates and value.HasField("first_on") and value.HasField("last_on"):
        first, last = value.first_on, value.last_on
        if (last.year, last.month, last.day) < (first.year, first.month, first.day):
            yield FieldViolation(f"{path}.last_on", "must not be before first_on")


MIN_TIMESTAMP_SECONDS, MAX_TIMESTAMP_SECONDS = -62_135_596_800, 253_402_300_799
NANOS = 1_000_000_000


def _timestamp_check(value: Any, path: str) -> Iterator[FieldViolation]:
    if not (MIN_TIMESTAMP_SECONDS <= value.seconds <= MAX_TIMESTAMP_SECONDS and 0 <= value.nanos < NANOS):
        yield FieldViolation(path, "must be an instant between the years 1 and 9999")


MAX_DURATION_SECONDS = 315_576_000_000


def _duration_check(value: Any, path: str) -> Iterator[FieldViolation]:
    if abs(value.seconds) > MAX_DURATION_SECONDS or abs(value.nanos) >= NANOS or value.seconds * value.nanos < 0:
        yield FieldViolation(path, "must be at most 10000 years, with seconds and nanos of the same sign")


_SPECIAL_CHECKS: dict[str, Check] = {
    "google.type.Date": _date_check,
    "affilia.type.v1.DateSpan": _span_check,
    "google.protobuf.Timestamp": _timestamp_check,
    "google.protobuf.Duration": _duration_check,
}
