"""What a request must satisfy, read from the protos and checked before any operation runs.

A checker is made once per message type from its descriptor: required fields (`google.api.field_behavior`), UUIDs
(`google.api.field_info`), sizes and ranges (`affilia.type.v1.limits`), required oneofs, known enum values, dates that
exist, spans that do not end before they begin, text without control characters. Every violation is found, not only the
first. What needs more than one field of one message to tell is left to the domain.
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

MOST_VIOLATIONS = 100
DEFAULT_MAX_LENGTH = 200
DEFAULT_MAX_ITEMS = 1000

UUID_TEXT = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
"""Of every version, and in either case; parts of 8-4-4-4-12 hexadecimal digits."""

CONTROL_CHARACTERS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")

Check = Callable[[Any, str], Iterator[FieldViolation]]
"""Checks a value found at a path."""


def violations(message: Message, path: str = "") -> list[FieldViolation]:
    """Everything that is wrong with a message by itself; at most 100, and one that says that there are more.

    `path` is where the message stands in its request.

    Fields that are only for output are cleared: whatever came in them, they mean nothing.
    """
    found: list[FieldViolation] = []
    for violation in message_check(message.DESCRIPTOR)(message, path):
        if len(found) == MOST_VIOLATIONS:
            found.append(FieldViolation(violation.field, "and more: only the first 100 are listed"))
            break
        found.append(violation)
    return found


@cache
def message_check(descriptor: Descriptor) -> Check:
    """The check of one message type."""
    own = _OWN_CHECKS.get(descriptor.full_name)
    if own is not None:
        return own
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
                yield FieldViolation(f"{path}.{name}" if path else name, "exactly one of its fields must be set")

    return check


def _is_output(field: FieldDescriptor) -> bool:
    return field_behavior_pb2.OUTPUT_ONLY in field.GetOptions().Extensions[field_behavior_pb2.field_behavior]


def _is_required(field: FieldDescriptor) -> bool:
    return field_behavior_pb2.REQUIRED in field.GetOptions().Extensions[field_behavior_pb2.field_behavior]


def _is_required_oneof(oneof: OneofDescriptor) -> bool:
    return bool(oneof.GetOptions().Extensions[limits_pb2.required_oneof])


def _field_check(field: FieldDescriptor) -> Check:
    """The check of one field of a message that is given whole."""
    name, required, check_value = field.name, _is_required(field), _value_check(field)
    if field.is_repeated:
        limits = field.GetOptions().Extensions[limits_pb2.limits]
        most = limits.max_items if limits.HasField("max_items") else DEFAULT_MAX_ITEMS
        return _repeated_check(name, required, most, _anything if limits.each_alone else check_value)

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


def _repeated_check(name: str, required: bool, most: int, check_item: Check) -> Check:
    def check(message: Any, path: str) -> Iterator[FieldViolation]:
        items = getattr(message, name)
        if required and not items:
            yield FieldViolation(path, "needs at least one item")
        if len(items) > most:
            yield FieldViolation(path, f"has {len(items)} items; at most {most} are allowed")
            return
        for i, item in enumerate(items):
            yield from check_item(item, f"{path}[{i}]")

    return check


def _value_check(field: FieldDescriptor) -> Check:
    if field.message_type is not None:
        # Looked up when it is needed: messages contain each other.
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
            yield FieldViolation(path, f"{value} is no value of {enum.name}" if value else "is required")

    return check


def _text_check(field: FieldDescriptor) -> Check:
    options = field.GetOptions()
    # An empty text stands for "not given", but for an item of a list, or the chosen field of a oneof.
    may_be_empty = not field.is_repeated and not field.has_presence
    if options.Extensions[field_info_pb2.field_info].format == field_info_pb2.FieldInfo.UUID4:
        return _uuid_check_that(may_be_empty)
    limits = options.Extensions[limits_pb2.limits]
    longest = limits.max_length if limits.HasField("max_length") else DEFAULT_MAX_LENGTH
    pattern = re.compile(limits.pattern) if limits.HasField("pattern") else None

    def check(value: str, path: str) -> Iterator[FieldViolation]:
        if not value and field.is_repeated:
            yield FieldViolation(path, "is empty")
        elif len(value) > longest:
            yield FieldViolation(path, f"has {len(value)} characters; at most {longest} are allowed")
        elif CONTROL_CHARACTERS.search(value):
            yield FieldViolation(path, "holds control characters")
        elif value and pattern and not pattern.fullmatch(value):
            yield FieldViolation(path, f"does not match {pattern.pattern}")

    return check


def _uuid_check_that(may_be_empty: bool) -> Check:
    def check(value: str, path: str) -> Iterator[FieldViolation]:
        if not UUID_TEXT.fullmatch(value) and not (may_be_empty and not value):
            yield FieldViolation(path, "is not a UUID such as 7d9f2c1a-0b6e-4d5c-8a34-1f2e3d4c5b6a")

    return check


def _number_check(field: FieldDescriptor) -> Check:
    limits = field.GetOptions().Extensions[limits_pb2.limits]
    least = limits.min if limits.HasField("min") else None
    most = limits.max if limits.HasField("max") else None
    if least is None and most is None:
        return _anything

    def check(value: int, path: str) -> Iterator[FieldViolation]:
        if least is not None and value < least:
            yield FieldViolation(path, f"is {value}; at least {least} is allowed")
        if most is not None and value > most:
            yield FieldViolation(path, f"is {value}; at most {most} is allowed")

    return check


def _date_check(value: Any, path: str) -> Iterator[FieldViolation]:
    try:
        date(value.year, value.month, value.day)
    except ValueError:
        yield FieldViolation(path, f"{value.year:04}-{value.month:02}-{value.day:02} is no date of the calendar")


def _span_check(value: Any, path: str) -> Iterator[FieldViolation]:
    wrong = False
    for name in ("first_on", "last_on"):
        if value.HasField(name):
            for violation in _date_check(getattr(value, name), f"{path}.{name}"):
                wrong = True
                yield violation
    if not wrong and value.HasField("first_on") and value.HasField("last_on"):
        first, last = value.first_on, value.last_on
        if (last.year, last.month, last.day) < (first.year, first.month, first.day):
            yield FieldViolation(f"{path}.last_on", "precedes first_on")


EARLIEST_SECONDS, LATEST_SECONDS = -62_135_596_800, 253_402_300_799
NANOS = 1_000_000_000


def _timestamp_check(value: Any, path: str) -> Iterator[FieldViolation]:
    if not (EARLIEST_SECONDS <= value.seconds <= LATEST_SECONDS and 0 <= value.nanos < NANOS):
        yield FieldViolation(path, "is no instant between the years 1 and 9999")


MOST_DURATION_SECONDS = 315_576_000_000


def _duration_check(value: Any, path: str) -> Iterator[FieldViolation]:
    if abs(value.seconds) > MOST_DURATION_SECONDS or abs(value.nanos) >= NANOS or value.seconds * value.nanos < 0:
        yield FieldViolation(path, "is no duration of at most 10000 years with its parts of one sign")


_OWN_CHECKS: dict[str, Check] = {
    "google.type.Date": _date_check,
    "affilia.type.v1.DateSpan": _span_check,
    "google.protobuf.Timestamp": _timestamp_check,
    "google.protobuf.Duration": _duration_check,
}
