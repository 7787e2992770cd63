"""Reads the protos from generated/: every message, enum and call with its comment, by full name.

Comments are returned unchanged; the other docs_ modules format them.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

# Imported before the descriptors are parsed, because only options of known extensions are decoded.
from google.api import field_behavior_pb2, field_info_pb2
from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    FieldDescriptorProto,
    FileDescriptorSet,
    MethodDescriptorProto,
)

from affilia.type.v1 import limits_pb2

DESCRIPTORS = Path(__file__).resolve().parent.parent / "generated" / "affilia" / "descriptors.binpb"

Limits = limits_pb2.Limits
REQUIRED, OUTPUT_ONLY = field_behavior_pb2.REQUIRED, field_behavior_pb2.OUTPUT_ONLY


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a message. `oneof` is the name of the choice that it belongs to, or empty."""

    proto: FieldDescriptorProto
    comment: str
    oneof: str

    @property
    def behavior(self) -> frozenset[int]:
        return frozenset(self.proto.options.Extensions[field_behavior_pb2.field_behavior])

    @property
    def limits(self) -> Limits:
        limits: Limits = self.proto.options.Extensions[limits_pb2.limits]
        return limits

    @property
    def is_uuid(self) -> bool:
        info = self.proto.options.Extensions[field_info_pb2.field_info]
        return bool(info.format == field_info_pb2.FieldInfo.UUID4)

    @property
    def is_list(self) -> bool:
        return self.proto.label == FieldDescriptorProto.LABEL_REPEATED


@dataclass(frozen=True, slots=True)
class Choice:
    """A oneof: at most one of its fields is set."""

    name: str
    comment: str
    required: bool


@dataclass(frozen=True, slots=True)
class Message:
    proto: DescriptorProto
    comment: str
    fields: tuple[Field, ...]
    choices: tuple[Choice, ...]


@dataclass(frozen=True, slots=True)
class Enum:
    """`values` are names and comments, in the order of the proto."""

    proto: EnumDescriptorProto
    comment: str
    values: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Call:
    proto: MethodDescriptorProto
    comment: str


@dataclass(frozen=True, slots=True)
class Service:
    """`file` is the path of its proto under protos/."""

    name: str
    package: str
    file: str
    comment: str
    calls: tuple[Call, ...]


@dataclass(frozen=True, slots=True)
class Protos:
    """Our protos. Messages and enums are keyed by full name with a leading dot, as in the type names of fields."""

    messages: dict[str, Message]
    enums: dict[str, Enum]
    services: tuple[Service, ...]


@cache
def read_protos() -> Protos:
    """Reads our protos from generated/affilia/descriptors.binpb."""
    messages: dict[str, Message] = {}
    enums: dict[str, Enum] = {}
    services: list[Service] = []
    for file in FileDescriptorSet.FromString(DESCRIPTORS.read_bytes()).file:
        if not file.package.startswith("affilia."):
            continue
        locations = file.source_code_info.location
        comments = {tuple(each.path): " ".join(each.leading_comments.split()) for each in locations}
        lines = {tuple(each.path): each.leading_comments.strip() for each in locations}
        for i, message in enumerate(file.message_type):
            for name, found in _messages(f".{file.package}", message, (4, i), comments):
                messages[name] = found
        for i, enum in enumerate(file.enum_type):
            enums[f".{file.package}.{enum.name}"] = _enum(enum, (5, i), comments)
        for i, service in enumerate(file.service):
            calls = tuple(Call(call, lines.get((6, i, 2, j), "")) for j, call in enumerate(service.method))
            services.append(Service(service.name, file.package, file.name, comments[6, i], calls))
    return Protos(messages, enums, tuple(sorted(services, key=lambda service: service.file)))


Comments = dict[tuple[int, ...], str]
"""Comments of one file, by the path of the element in its descriptor."""


def _messages(
    outer: str, proto: DescriptorProto, path: tuple[int, ...], comments: Comments
) -> Iterator[tuple[str, Message]]:
    """Yields a message and those nested in it, with their full names."""
    choices = tuple(
        Choice(choice.name, comments.get((*path, 8, i), ""), choice.options.Extensions[limits_pb2.required_oneof])
        for i, choice in enumerate(proto.oneof_decl)
    )
    fields = tuple(
        Field(
            field,
            comments.get((*path, 2, i), ""),
            choices[field.oneof_index].name if field.HasField("oneof_index") and not field.proto3_optional else "",
        )
        for i, field in enumerate(proto.field)
    )
    real = frozenset(field.oneof for field in fields)
    name = f"{outer}.{proto.name}"
    yield name, Message(proto, comments.get(path, ""), fields, tuple(c for c in choices if c.name in real))
    for i, nested in enumerate(proto.nested_type):
        yield from _messages(name, nested, (*path, 3, i), comments)


def _enum(proto: EnumDescriptorProto, path: tuple[int, ...], comments: Comments) -> Enum:
    values = tuple((value.name, comments.get((*path, 2, i), "")) for i, value in enumerate(proto.value))
    return Enum(proto, comments.get(path, ""), values)


def reached_from(protos: Protos, names: Iterable[str]) -> tuple[list[str], list[str]]:
    """Returns the messages and enums that some messages use, directly or not, in the order of first use."""
    messages: list[str] = []
    enums: list[str] = []
    waiting = list(names)
    while waiting:
        name = waiting.pop(0)
        if name in protos.enums and name not in enums:
            enums.append(name)
        if name not in protos.messages or name in messages:
            continue
        messages.append(name)
        waiting += [field.proto.type_name for field in protos.messages[name].fields if field.proto.type_name]
    return [m for m in messages if not protos.messages[m].proto.options.map_entry], enums
