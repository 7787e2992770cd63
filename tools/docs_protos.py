"""The protos as generated/ describes them: every message, enum and call with its comment, by full name.

What a comment says is left as it is; what pages make of it stands in the files beside this one.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

# Options are read as what they are only where their extensions are known before the descriptors are parsed.
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
    """A oneof: some of whose fields may be set, one at the most."""

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
    """`values` are names and comments, in order of the proto."""

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
    """Everything under affilia, messages and enums by full name with a leading dot, as fields name their types."""

    messages: dict[str, Message]
    enums: dict[str, Enum]
    services: tuple[Service, ...]


@cache
def read_protos() -> Protos:
    """All of generated/affilia/descriptors.binpb that is ours."""
    messages: dict[str, Message] = {}
    enums: dict[str, Enum] = {}
    services: list[Service] = []
    for file in FileDescriptorSet.FromString(DESCRIPTORS.read_bytes()).file:
        if not file.package.startswith("affilia."):
            continue
        said = {tuple(place.path): " ".join(place.leading_comments.split()) for place in file.source_code_info.location}
        lines = {tuple(place.path): place.leading_comments.strip() for place in file.source_code_info.location}
        for i, message in enumerate(file.message_type):
            for name, found in _messages(f".{file.package}", message, (4, i), said):
                messages[name] = found
        for i, enum in enumerate(file.enum_type):
            enums[f".{file.package}.{enum.name}"] = _enum(enum, (5, i), said)
        for i, service in enumerate(file.service):
            calls = tuple(Call(call, lines.get((6, i, 2, j), "")) for j, call in enumerate(service.method))
            services.append(Service(service.name, file.package, file.name, said[6, i], calls))
    return Protos(messages, enums, tuple(sorted(services, key=lambda service: service.file)))


Said = dict[tuple[int, ...], str]


def _messages(outer: str, proto: DescriptorProto, path: tuple[int, ...], said: Said) -> Iterator[tuple[str, Message]]:
    """A message and those within it."""
    choices = tuple(
        Choice(choice.name, said.get((*path, 8, i), ""), choice.options.Extensions[limits_pb2.required_oneof])
        for i, choice in enumerate(proto.oneof_decl)
    )
    fields = tuple(
        Field(
            field,
            said.get((*path, 2, i), ""),
            choices[field.oneof_index].name if field.HasField("oneof_index") and not field.proto3_optional else "",
        )
        for i, field in enumerate(proto.field)
    )
    real = frozenset(field.oneof for field in fields)
    name = f"{outer}.{proto.name}"
    yield name, Message(proto, said.get(path, ""), fields, tuple(c for c in choices if c.name in real))
    for i, nested in enumerate(proto.nested_type):
        yield from _messages(name, nested, (*path, 3, i), said)


def _enum(proto: EnumDescriptorProto, path: tuple[int, ...], said: Said) -> Enum:
    values = tuple((value.name, said.get((*path, 2, i), "")) for i, value in enumerate(proto.value))
    return Enum(proto, said.get(path, ""), values)


def reached_from(protos: Protos, names: Iterable[str]) -> tuple[list[str], list[str]]:
    """The messages and enums of ours that some messages are made of, in the order in which a reader meets them."""
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
