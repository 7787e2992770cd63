"""Maps enums by their names, which are the same in protos and domain. Only mapping knows UNSPECIFIED."""

import re
from collections.abc import Iterable, Iterator
from enum import StrEnum
from typing import Any, Generic, TypeVar

from google.protobuf.descriptor import EnumDescriptor

from affilia.type.v1 import membership_type_pb2
from domain.membership import MembershipType

E = TypeVar("E", bound=StrEnum)

_MAPPINGS: list["EnumMapping[Any]"] = []


class EnumMapping(Generic[E]):
    """One proto enum and the domain enum with the same names.

    `enum` are the domain's values that the proto has: all of a type, or some. `unspecified` is the meaning of
    UNSPECIFIED, if the proto gives it one. Otherwise validation rejects it.
    """

    def __init__(self, descriptor: EnumDescriptor, enum: Iterable[E], unspecified: E | None = None) -> None:
        self.descriptor = descriptor
        prefix = re.sub(r"(?<!^)(?=[A-Z])", "_", descriptor.name).upper() + "_"
        self._to_proto = {value: descriptor.values_by_name[prefix + value.name].number for value in enum}
        self._from_proto = {number: value for value, number in self._to_proto.items()}
        if unspecified is not None:
            self._from_proto[0] = unspecified
        _MAPPINGS.append(self)

    def to_proto(self, value: E) -> Any:
        """Returns the number on the wire."""
        return self._to_proto[value]

    def from_proto(self, number: int) -> E:
        """Returns the domain's value of a number that validation has accepted."""
        return self._from_proto[number]

    def given(self, number: int) -> E | None:
        """Returns the domain's value, or None for UNSPECIFIED."""
        return self._from_proto[number] if number else None

    def numbers(self) -> set[int]:
        """Returns every number that is mapped."""
        return set(self._from_proto)


def every_mapping() -> Iterator[EnumMapping[Any]]:
    """Returns the mappings of all modules imported so far, for the test that covers every enum."""
    return iter(_MAPPINGS)


MEMBERSHIP_TYPES = EnumMapping(membership_type_pb2.MembershipType.DESCRIPTOR, MembershipType)
