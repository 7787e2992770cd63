"""The serialized form of a group's state that is stored with its revision and returned unchanged.

It is the message `EnrollmentGroup`, serialized, after a byte with the version of the mapping. A server ignores views of
other versions: set a new version whenever `group_to_proto` maps the same state to a different message.
"""

from affilia.enrollment.v1 import enrollment_group_pb2 as pb
from domain.enrollment.history import GroupState
from server.mapping.enrollment_group import group_to_proto

VERSION = 1
GROUP_TAG = b"\x0a"
"""The tag of the field `group` of GetEnrollmentGroupResponse: field 1, length-delimited."""


def view_of_group(state: GroupState) -> bytes:
    """Returns the view to store of a state."""
    return bytes((VERSION,)) + group_to_proto(state).SerializeToString()


def group_of_view(view: bytes) -> pb.EnrollmentGroup:
    """Returns the group of a view that this process has made."""
    return pb.EnrollmentGroup.FromString(view[1:])


def response_of_view(view: bytes) -> bytes | None:
    """Returns a GetEnrollmentGroupResponse, serialized; None if the view has another version."""
    if view[0] != VERSION:
        return None
    return GROUP_TAG + _varint(len(view) - 1) + view[1:]


def _varint(number: int) -> bytes:
    encoded = bytearray()
    while number > 0x7F:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)
