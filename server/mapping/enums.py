"""Enums on the wire and in the domain: the same names, mapped by one mechanism. Only mapping knows UNSPECIFIED."""

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

    `enum` holds the domain's values that the proto knows: all of a type, or only some. `unspecified` is what
    UNSPECIFIED stands for, where the proto gives it a meaning; otherwise it is refused before mapping, or absent
    from answers.
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
        """The number on the wire."""
        return self._to_proto[value]

    def from_proto(self, number: int) -> E:
        """The domain's value of a number that was checked to be one."""
        return self._from_proto[number]

    def given(self, number: int) -> E | None:
        """The domain's value, or None for UNSPECIFIED where that means "not given"."""
        return self._from_proto[number] if number else None

    def numbers(self) -> set[int]:
        """Every number that is mapped."""
        return set(self._from_proto)


def every_mapping() -> Iterator[EnumMapping[Any]]:
    """All mappings of the modules loaded so far; for the test that walks every enum."""
    return iter(_MAPPINGS)


MEMBERSHIP_TYPES = EnumMapping(membership_type_pb2.MembershipType.DESCRIPTOR, MembershipType)
