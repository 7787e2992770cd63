"""Replaces the ids of merged members in requests, and reports them in responses.

All of it is in this file, instead of being part of each mapping: a field of a request names a member if it is declared
as an id and has a name such as `member_id`, `primary_ids` or `from_member_id`. A response reports merged members if it
has the field `merged_into` (for requests that name one member) or `merged_members`. Methods whose responses have
neither take ids as they are: they reject those of merged members, or handle them themselves.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from functools import cache
from typing import Any, NamedTuple

from google.api import field_info_pb2
from google.protobuf import timestamp_pb2
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from affilia.type.v1 import merged_member_pb2
from operations.member_aliases import MemberAliases, MergedId

MEMBER_FIELD = re.compile(r"(.*_)?(member|primary)_ids?")

SINGLE, SEVERAL = "merged_into", "merged_members"
"""The fields of responses that report merged members."""

INSTANTS = ("as_of", "instant")
"""The fields of requests for an earlier state: a merge that was recorded later doesn't count."""

Resolve = Callable[[str], str | None]
"""Returns the member into whom a member was merged, or None if the member wasn't merged."""


def names_member(field: FieldDescriptor) -> bool:
    """Returns whether a field of a request has the ids of members."""
    declared = field.GetOptions().Extensions[field_info_pb2.field_info].format
    return declared == field_info_pb2.FieldInfo.UUID4 and MEMBER_FIELD.fullmatch(field.name) is not None


def can_name_members(descriptor: Descriptor) -> bool:
    """Returns whether a message, or one inside it, has a field with the ids of members."""
    return bool(_parts(descriptor))


def reports_merged(response: Descriptor) -> bool:
    """Returns whether a response reports merged members, so that the ids in its request are replaced."""
    return SINGLE in response.fields_by_name or SEVERAL in response.fields_by_name


def resolved(request: Any, aliases: MemberAliases) -> tuple[Any, tuple[MergedId, ...]]:
    """Returns a request with the ids of the members into whom the members it names were merged.

    Also returns the replaced ids, in order. If there are none, the request is returned as it is; it is never changed.
    Texts that aren't ids don't change: items of batches are validated one by one, later.
    """
    if not aliases or not _any_merged(request, parts := _parts(request.DESCRIPTOR), aliases):
        return request, ()
    copy = type(request)()
    copy.CopyFrom(request)
    until = _instant(request)
    return copy, tuple(_replace(copy, parts, lambda member_id: aliases.into(member_id, until)))


class _Part(NamedTuple):
    """A field that has ids of members, or messages in which some are: these have the parts `inner`."""

    name: str
    is_list: bool
    inner: "tuple[_Part, ...]" = ()


@cache
def _parts(descriptor: Descriptor) -> tuple[_Part, ...]:
    return _parts_within(descriptor, frozenset())


def _parts_within(descriptor: Descriptor, outer: frozenset[str]) -> tuple[_Part, ...]:
    found, names = [], outer | {descriptor.full_name}
    for field in descriptor.fields:
        if names_member(field):
            found.append(_Part(field.name, field.is_repeated))
        elif field.message_type is not None and field.message_type.full_name not in names:
            inner = _parts_within(field.message_type, names)
            found += [_Part(field.name, field.is_repeated, inner)] if inner else []
    return tuple(found)


def _any_merged(message: Any, parts: tuple[_Part, ...], aliases: MemberAliases) -> bool:
    for name, is_list, inner in parts:
        value = getattr(message, name)
        if not inner:
            found = any(map(aliases.__contains__, value)) if is_list else value in aliases
        elif is_list:
            found = any(_any_merged(item, inner, aliases) for item in value)
        else:
            found = message.HasField(name) and _any_merged(value, inner, aliases)
        if found:
            return True
    return False


def _replace(message: Any, parts: tuple[_Part, ...], into: Resolve, item: int | None = None) -> Iterator[MergedId]:
    """Replaces ids. `item` is the position of the message in the outermost list that contains it."""
    for name, is_list, inner in parts:
        if is_list:
            values = getattr(message, name)
            for i, value in enumerate(values):
                outermost = i if item is None else item
                if inner:
                    yield from _replace(value, inner, into, outermost)
                elif other := into(value):
                    values[i] = other
                    yield MergedId(value, other, outermost)
        elif not inner:
            member_id = getattr(message, name)
            if other := into(member_id):
                setattr(message, name, other)
                yield MergedId(member_id, other, item)
        elif message.HasField(name):
            yield from _replace(getattr(message, name), inner, into, item)


def _instant(request: Message) -> datetime | None:
    for field in request.DESCRIPTOR.fields:
        is_instant = field.name in INSTANTS and field.message_type is timestamp_pb2.Timestamp.DESCRIPTOR
        if is_instant and request.HasField(field.name):
            return getattr(request, field.name).ToDatetime(UTC)  # type: ignore[no-any-return]
    return None


def reporting(response: Any, response_type: Any, merged: Sequence[MergedId]) -> Any:
    """Returns a response, as a message or as bytes, that also reports the merged members of its request."""
    report = merged_report(response_type, merged)
    if isinstance(response, bytes):
        return response + report.SerializeToString()  # protobuf merges concatenated messages
    response.MergeFrom(report)
    return response


def merged_report(response_type: Any, merged: Sequence[MergedId]) -> Any:
    """Returns a response that only reports merged members, each once."""
    if SINGLE in response_type.DESCRIPTOR.fields_by_name:
        return response_type(**{SINGLE: merged[0].merged_into})
    return response_type(**{SEVERAL: merged_to_proto(merged)})


def merged_to_proto(merged: Sequence[MergedId]) -> list[merged_member_pb2.MergedMember]:
    """Converts merged ids, each once."""
    pairs = dict.fromkeys((each.member_id.lower(), each.merged_into) for each in merged)
    return [merged_member_pb2.MergedMember(member_id=each, merged_into=into) for each, into in pairs]
