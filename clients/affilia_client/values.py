"""Converts whole messages to and from Python values, including days, instants and amounts at any depth.

    change = from_python(ScopedChange, {"enroll": {"member_id": member_id, "days": (date(2026, 1, 1), None)}})
    to_python(change)["enroll"]["days"]

The keyword arguments of calls are converted by the same rules:

| message or field | Python value |
|---|---|
| google.type.Date | `date` |
| google.protobuf.Timestamp | `datetime` with a time zone |
| DateSpan | `(first day, last day)`, both included, None for unbounded |
| YearMonth | `date` of the first of the month |
| MonthSpan | `(first month, last month)` |
| field that ends in `_minor` | minor units, `Money`, or `Decimal` if a `currency_code` is set beside or around it |
| enum | number or name |
| any other message | the message, or a mapping of its fields |
| repeated field | list |

None stands for an unset field.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from functools import cache
from typing import Any, TypeVar

from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor
from google.protobuf.descriptor_pb2 import DescriptorProto, FieldDescriptorProto
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from affilia.type.v1.date_span_pb2 import DateSpan
from affilia.type.v1.year_month_pb2 import MonthSpan, YearMonth
from affilia_client.dates import (
    date_from_proto,
    date_to_proto,
    instant_from_proto,
    instant_to_proto,
    span_from_proto,
    span_to_proto,
)
from affilia_client.money import Money, amount_from_minor, amount_to_minor

M = TypeVar("M", bound=Message)

Days = tuple[date | None, date | None]
"""First and last day, both included. None means unbounded."""

CURRENCY = "currency_code"


def from_python(kind: type[M], values: Mapping[str, Any]) -> M:
    """Returns a message with these fields.

    Raises TypeError for unknown fields and values of the wrong type, and ValueError for values that can't be converted.
    The messages of both name the field.
    """
    return message_of(kind, values, kind.DESCRIPTOR.name)


def to_python(message: Message, currency_code: str = "") -> Any:
    """Returns a message as a dictionary with all fields, or as the corresponding Python value.

    Amounts become `Money` in the currency set beside them or in a message around them, or else in `currency_code`.
    Without a currency, they remain integers in minor units.
    """
    convert = TO_PYTHON.get(message.DESCRIPTOR.full_name)
    if convert is not None:
        return convert(message)
    currency = getattr(message, CURRENCY, "") or currency_code
    return {name: _read(field, message, currency) for name, field in _fields(message.DESCRIPTOR).items()}


@dataclass(frozen=True, slots=True)
class _Field:
    """What the conversion needs to know about a field. `message` and `enum` are None for fields of other types."""

    name: str
    is_converted: bool
    is_amount: bool
    is_repeated: bool
    is_map: bool
    has_presence: bool
    message: Descriptor | None
    enum: EnumDescriptor | None


@cache
def _fields(descriptor: Descriptor) -> dict[str, _Field]:
    described = DescriptorProto()
    descriptor.CopyToProto(described)
    # Every supported protobuf version has these labels. `is_repeated` is too new, and `label` is deprecated.
    repeated = {field.name for field in described.field if field.label == FieldDescriptorProto.LABEL_REPEATED}
    return {field.name: _field(field, is_repeated=field.name in repeated) for field in descriptor.fields}


def _field(field: FieldDescriptor, *, is_repeated: bool) -> _Field:
    is_amount, message = field.name.endswith("_minor"), field.message_type
    is_map = message is not None and bool(message.GetOptions().map_entry)
    return _Field(
        name=field.name,
        is_converted=is_amount or (message is not None and not is_map),
        is_amount=is_amount,
        is_repeated=is_repeated,
        is_map=is_map,
        has_presence=field.has_presence,
        message=message,
        enum=field.enum_type,
    )


def message_of(kind: type[M], values: Mapping[str, Any], path: str, currency: str = "") -> M:
    """Returns a message with these fields. Errors name it by `path`. `currency` is set by the messages around it."""
    fields = _fields(kind.DESCRIPTOR)
    currency = values.get(CURRENCY) or currency
    converted = {}
    for name, value in values.items():
        field = fields.get(name)
        if field is None:
            raise TypeError(f"{path} has no field {name!r}")
        if value is not None:
            converted[name] = _written(field, value, path, currency) if field.is_converted else value
    try:
        return kind(**converted)
    except (TypeError, ValueError) as wrong:
        raise type(wrong)(f"{path}: {wrong}") from wrong


def _written(field: _Field, value: Any, path: str, currency: str) -> Any:
    path = f"{path}{' ' if path.endswith('()') else '.'}{field.name}"
    if not field.is_repeated:
        return _written_item(field, value, path, currency)
    if isinstance(value, (str, bytes, Mapping, Message)) or not isinstance(value, Iterable):
        raise TypeError(f"{path} must be a list, got {value!r}")
    return [_written_item(field, item, f"{path}[{n}]", currency) for n, item in enumerate(value)]


def _written_item(field: _Field, value: Any, path: str, currency: str) -> Any:
    if isinstance(value, Message):
        return value
    if field.message is None:
        return _minor(value, path, currency)
    if isinstance(value, Mapping):
        return message_of(GetMessageClass(field.message), value, path, currency)
    name = field.message.full_name
    if name not in FROM_PYTHON:
        raise TypeError(f"{path} must be a {field.message.name} or a mapping of its fields, got {value!r}")
    expected, is_valid, convert = FROM_PYTHON[name]
    if not is_valid(value):
        raise TypeError(f"{path} must be {expected}, got {value!r}")
    try:
        return convert(value)
    except ValueError as wrong:
        raise ValueError(f"{path}: {wrong}") from wrong


def _minor(value: Any, path: str, currency: str) -> Any:
    """Converts an amount to minor units. Returns other values unchanged, for protobuf to check."""
    if isinstance(value, Money):
        if currency and value.currency_code != currency:
            raise ValueError(f"{path}: the amount is in {value.currency_code}, but {CURRENCY} is {currency}")
        value, currency = value
    if not isinstance(value, Decimal):
        return value
    if not currency:
        raise ValueError(f"{path}: pass Money(amount, currency_code), because no {CURRENCY} is set beside or around it")
    try:
        return amount_to_minor(value, currency)
    except ValueError as wrong:
        raise ValueError(f"{path}: {wrong}") from wrong


def _read(field: _Field, message: Message, currency: str) -> Any:
    if field.has_presence and not message.HasField(field.name):
        return None
    value = getattr(message, field.name)
    if field.is_map:
        return dict(value)
    return (
        [_read_item(field, item, currency) for item in value]
        if field.is_repeated
        else _read_item(field, value, currency)
    )


def _read_item(field: _Field, value: Any, currency: str) -> Any:
    if field.message is not None:
        return to_python(value, currency)
    if field.enum is not None:
        known = field.enum.values_by_number.get(value)
        return known.name if known else value
    return Money(amount_from_minor(value, currency), currency) if field.is_amount and currency else value


def _month_to_proto(month: date) -> YearMonth:
    first = date_to_proto(month)
    if first.day != 1:
        raise ValueError(f"a month is given by its first day, got {month}")
    return YearMonth(year=first.year, month=first.month)


def _month_from_proto(month: YearMonth) -> date:
    return date(month.year, month.month, 1)


def _is_date(value: Any) -> bool:
    return isinstance(value, date)


def _is_pair(value: Any) -> bool:
    return isinstance(value, tuple) and len(value) == 2 and all(each is None or _is_date(each) for each in value)


def _is_whole_pair(value: Any) -> bool:
    return _is_pair(value) and None not in value


FROM_PYTHON: dict[str, tuple[str, Callable[[Any], bool], Callable[[Any], Message]]] = {
    "google.type.Date": ("a date", _is_date, date_to_proto),
    "google.protobuf.Timestamp": ("a datetime", lambda value: isinstance(value, datetime), instant_to_proto),
    DateSpan.DESCRIPTOR.full_name: ("a tuple of first and last day", _is_pair, lambda days: span_to_proto(*days)),
    YearMonth.DESCRIPTOR.full_name: ("a date", _is_date, _month_to_proto),
    MonthSpan.DESCRIPTOR.full_name: (
        "a tuple of first and last month",
        _is_whole_pair,
        lambda months: MonthSpan(first=_month_to_proto(months[0]), last=_month_to_proto(months[1])),
    ),
}
"""For each message with a corresponding Python value: the expected value, a test for it, and its conversion."""

TO_PYTHON: dict[str, Callable[[Any], Any]] = {
    "google.type.Date": date_from_proto,
    "google.protobuf.Timestamp": instant_from_proto,
    "google.protobuf.Any": lambda packed: packed,
    DateSpan.DESCRIPTOR.full_name: span_from_proto,
    YearMonth.DESCRIPTOR.full_name: _month_from_proto,
    MonthSpan.DESCRIPTOR.full_name: lambda months: (_month_from_proto(months.first), _month_from_proto(months.last)),
}
"""The Python values that correspond to messages. An Any remains a message, because its type may be unknown here."""
