"""Checks requests against the constraints in the protos, before any operation runs.

The check of a message type is built once, from its descriptor: required fields (`google.api.field_behavior`), UUIDs
(`google.api.field_info`), sizes and ranges (`affilia.type.v1.limits`), required oneofs, known enum values, valid dates,
spans that don't end before they begin, and text without control characters. It finds every violation, not only the
first. The domain checks everything that depends on several fields of a message.
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


def violations(message: Message, path: str = "") -> list[FieldViolation]:
    """Returns what is wrong with a message: at most 100 violations, and one more if there are others.

    `path` is the path of the message in its request. Clears output-only fields, whose content is ignored.
    """
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


@cache
def message_check(descriptor: Descriptor) -> Check:
    """Returns the check of a message type."""
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


def _is_output(field: FieldDescriptor) -> bool:
    return field_behavior_pb2.OUTPUT_ONLY in field.GetOptions().Extensions[field_behavior_pb2.field_behavior]


def _is_required(field: FieldDescriptor) -> bool:
    return field_behavior_pb2.REQUIRED in field.GetOptions().Extensions[field_behavior_pb2.field_behavior]


def _is_required_oneof(oneof: OneofDescriptor) -> bool:
    return bool(oneof.GetOptions().Extensions[limits_pb2.required_oneof])


def _field_check(field: FieldDescriptor) -> Check:
    """Returns the check of a field. The check takes the message that has the field."""
    name, required, check_value = field.name, _is_required(field), _value_check(field)
    if field.is_repeated:
        limits = field.GetOptions().Extensions[limits_pb2.limits]
        max_items = limits.max_items if limits.HasField("max_items") else DEFAULT_MAX_ITEMS
        return _repeated_check(name, required, max_items, _anything if limits.each_alone else check_value)

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
    if field.enum_type is not None:
        return _enum_check(field.enum_type, refuse_zero=field.is_repeated or field.has_presence)
    if field.type == FieldDescriptor.TYPE_STRING:
        return _text_check(field)
    if field.cpp_type in (FieldDescriptor.CPPTYPE_INT32, FieldDescriptor.CPPTYPE_INT64):
        return _number_check(field)
    return _anything


def _anything(value: Any, path: str) -> Iterator[FieldViolation]:
    return iter(())


def _enum_check(enum: EnumDescriptor, *, refuse_zero: bool) -> Check:
    known = {value.number for value in enum.values} - ({0} if refuse_zero else set())

    def check(value: int, path: str) -> Iterator[FieldViolation]:
        if value not in known:
            yield FieldViolation(path, f"must be a value of {enum.name}, got {value}" if value else "is required")

    return check


def _text_check(field: FieldDescriptor) -> Check:
    options = field.GetOptions()
    # An empty string means "not set", except in a list or as the chosen field of a oneof.
    may_be_empty = not field.is_repeated and not field.has_presence
    if options.Extensions[field_info_pb2.field_info].format == field_info_pb2.FieldInfo.UUID4:
        return _uuid_check(may_be_empty=may_be_empty)
    limits = options.Extensions[limits_pb2.limits]
    max_length = limits.max_length if limits.HasField("max_length") else DEFAULT_MAX_LENGTH
    pattern = re.compile(limits.pattern) if limits.HasField("pattern") else None

    def check(value: str, path: str) -> Iterator[FieldViolation]:
        if not value and not may_be_empty:
            yield FieldViolation(path, "must not be empty")
        elif len(value) > max_length:
            yield FieldViolation(path, f"must have at most {max_length} characters, got {len(value)}")
        elif CONTROL_CHARACTERS.search(value):
            yield FieldViolation(path, "must not contain control characters")
        elif value and pattern and not pattern.fullmatch(value):
            yield FieldViolation(path, f"must match {pattern.pattern}")

    return check


def _uuid_check(*, may_be_empty: bool) -> Check:
    def check(value: str, path: str) -> Iterator[FieldViolation]:
        if not UUID_TEXT.fullmatch(value) and not (may_be_empty and not value):
            yield FieldViolation(path, "must be a UUID such as 7d9f2c1a-0b6e-4d5c-8a34-1f2e3d4c5b6a")

    return check


def _number_check(field: FieldDescriptor) -> Check:
    limits = field.GetOptions().Extensions[limits_pb2.limits]
    min_value = limits.min if limits.HasField("min") else None
    max_value = limits.max if limits.HasField("max") and not limits.capped else None
    if min_value is None and max_value is None:
        return _anything
    sentence = _range_sentence(min_value, max_value)

    def check(value: int, path: str) -> Iterator[FieldViolation]:
        if (min_value is not None and value < min_value) or (max_value is not None and value > max_value):
            yield FieldViolation(path, f"{sentence}, got {value}")

    return check


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
