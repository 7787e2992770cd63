"""Random messages of any type, right or with a few faults, by the declarations in the protos."""

import re
from random import Random
from typing import Any
from uuid import UUID

from google.api import field_behavior_pb2, field_info_pb2
from google.protobuf import message_factory
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from affilia.type.v1 import limits_pb2

MAX_DEPTH = 4
MAX_ITEMS = 3
TEXTS = ("A1", "ES", "EUR", "en", "a@b.cd", "2026-01", "x", "Europe/Madrid", "123456", "ABCDEFGH", "1.0")
WRONG_TEXTS = ("", "\0", "a\x07", "x" * 3000, "not a UUID", "\ud7ff", " ")
WRONG_NUMBERS = (-(2**31), -1, 0, 1, 2**31 - 1)


def random_message(random: Random, descriptor: Descriptor, fault_rate: float, depth: int = 0) -> Message:
    """Returns a message in which each value has a fault with this probability. With 0, it has none."""
    message: Any = message_factory.GetMessageClass(descriptor)()
    special = SPECIAL.get(descriptor.full_name)
    if special is not None:
        special(random, message, random.random() < fault_rate)
        return message  # type: ignore[no-any-return]
    for field in _chosen(random, descriptor, fault_rate, depth):
        if field.is_repeated:
            items = [_value(random, field, fault_rate, depth) for _ in range(random.randint(1, MAX_ITEMS))]
            if depth <= 1 and random.random() < fault_rate:
                items = random.choice(([], items[:1] * (_max_items(field) + 1)))
            getattr(message, field.name).extend(items)
        elif field.message_type is not None:
            getattr(message, field.name).CopyFrom(_value(random, field, fault_rate, depth))
        else:
            setattr(message, field.name, _value(random, field, fault_rate, depth))
    return message  # type: ignore[no-any-return]


def _chosen(random: Random, descriptor: Descriptor, fault_rate: float, depth: int) -> list[FieldDescriptor]:
    """Returns the fields to set: those that are required, some others, and at most one of each oneof."""
    chosen = []
    for field in descriptor.fields:
        if field.containing_oneof is None or len(field.containing_oneof.fields) == 1:
            needed = _is_required(field) or (not field.has_presence and _minimum(field) > 0)
            if (needed and random.random() >= fault_rate) or random.random() < 0.5 - depth / 8:
                chosen.append(field)
    for oneof in descriptor.oneofs:
        required = oneof.GetOptions().Extensions[limits_pb2.required_oneof]
        if len(oneof.fields) > 1 and random.random() >= (fault_rate if required else 0.5):
            leaves = [field for field in oneof.fields if not _is_nested(field)]
            chosen.append(random.choice((depth >= MAX_DEPTH and leaves) or list(oneof.fields)))
    return chosen


def _value(random: Random, field: FieldDescriptor, fault_rate: float, depth: int) -> Any:
    faulty = random.random() < fault_rate
    limits = field.GetOptions().Extensions[limits_pb2.limits]
    if field.message_type is not None:
        return random_message(random, field.message_type, fault_rate, depth + 1)
    if field.enum_type is not None:
        numbers = [value.number for value in field.enum_type.values if value.number] or [0]
        return random.choice((0, 99, -1)) if faulty else random.choice(numbers)
    if field.type == FieldDescriptor.TYPE_BOOL:
        return random.random() < 0.5
    if field.type == FieldDescriptor.TYPE_STRING:
        if faulty:
            return random.choice(WRONG_TEXTS)
        if field.GetOptions().Extensions[field_info_pb2.field_info].format == field_info_pb2.FieldInfo.UUID4:
            return str(UUID(int=random.getrandbits(128)))
        return _text(random, limits)
    if field.cpp_type in (FieldDescriptor.CPPTYPE_INT32, FieldDescriptor.CPPTYPE_INT64):
        if faulty:
            return random.choice(WRONG_NUMBERS)
        low = limits.min if limits.HasField("min") else 0
        return random.randint(low, min(low + 100, limits.max) if limits.HasField("max") else low + 100)
    raise AssertionError(f"{field.full_name}: no random values for fields of this type")


def _text(random: Random, limits: Any) -> str:
    longest = limits.max_length if limits.HasField("max_length") else 200
    fitting = [
        text
        for text in TEXTS
        if len(text) <= longest and (not limits.HasField("pattern") or re.fullmatch(limits.pattern, text))
    ]
    assert fitting, f"no text of this module matches {limits.pattern}"
    return random.choice(fitting)


def _max_items(field: FieldDescriptor) -> int:
    limits = field.GetOptions().Extensions[limits_pb2.limits]
    return limits.max_items if limits.HasField("max_items") else 1000


def _minimum(field: FieldDescriptor) -> int:
    limits = field.GetOptions().Extensions[limits_pb2.limits]
    return limits.min if limits.HasField("min") else 0


def _is_required(field: FieldDescriptor) -> bool:
    return field_behavior_pb2.REQUIRED in field.GetOptions().Extensions[field_behavior_pb2.field_behavior]


def _is_nested(field: FieldDescriptor) -> bool:
    """Returns whether a field has messages that can contain messages of the same type."""
    return field.message_type is not None and any(
        inner.message_type is not None and inner.message_type.full_name not in SPECIAL
        for inner in field.message_type.fields
    )


def _date(random: Random, date: Any, faulty: bool) -> None:
    date.year, date.month, date.day = random.randint(1, 9999), random.randint(1, 12), random.randint(1, 28)
    if faulty:
        setattr(date, random.choice(("year", "month", "day")), random.choice((-1, 0, 32, 10_000)))


def _span(random: Random, span: Any, faulty: bool) -> None:
    if random.random() < 0.8:
        _date(random, span.first_on, False)
        span.first_on.year = min(span.first_on.year, 5000)
    if random.random() < 0.5:
        _date(random, span.last_on, faulty)
        if not faulty:
            span.last_on.year = max(span.last_on.year, 5001)


def _timestamp(random: Random, instant: Any, faulty: bool) -> None:
    instant.seconds = random.choice((2**62, -(2**62))) if faulty else random.randint(0, 2**33)
    instant.nanos = random.randint(0, 999_999_999)


def _duration(random: Random, duration: Any, faulty: bool) -> None:
    duration.seconds, duration.nanos = random.randint(1, 1000), -1 if faulty else 1


SPECIAL: dict[str, Any] = {
    "google.type.Date": _date,
    "affilia.type.v1.DateSpan": _span,
    "google.protobuf.Timestamp": _timestamp,
    "google.protobuf.Duration": _duration,
}
