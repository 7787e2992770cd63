"""Finds the ids in requests and responses for the audit log, which records ids only.

It only reads fields that are declared as ids. A name, an identifier or a custom fact can look like an id, but must not
remain in the log after its member is erased.
"""

import re
from collections.abc import Callable, Iterator
from functools import cache
from itertools import islice

from google.api import field_info_pb2
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

ID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
ID_BYTES = re.compile(ID.pattern.encode())

ABOUT = frozenset({"member_id", "primary_id", "group_id", "contract_id", "change_request_id", "run_id"})
"""The fields of a response that identify its subjects."""

MAX_REJECTED_IDS = 1000
"""Maximum number of ids recorded of a rejected call, because anyone can send those."""


def ids_of(request: Message) -> dict[str, str]:
    """Returns all ids in a request and its nested messages and lists, by field."""
    return dict(_ids(request, "", _is_id))


def ids_reported(response: Message) -> dict[str, str]:
    """Returns the ids that a response reports, each once, by the first field that has it."""
    first: dict[str, str] = {}
    for path, value in _ids(response, "response.", _is_subject):
        first.setdefault(value, path)
    return {path: value for value, path in first.items()}


def ids_in_bytes(data: bytes) -> dict[str, str]:
    """Returns the ids in bytes that aren't a valid message, each once. Protobuf encodes strings verbatim."""
    found = dict.fromkeys(match[0].decode().lower() for match in ID_BYTES.finditer(data))
    return {f"bytes[{i}]": value for i, value in enumerate(found)}


def bounded(ids: dict[str, str]) -> tuple[dict[str, str], int]:
    """Returns the first ids of a rejected call, and how many more there are."""
    return dict(islice(ids.items(), MAX_REJECTED_IDS)), max(0, len(ids) - MAX_REJECTED_IDS)


@cache
def _is_id(field: FieldDescriptor) -> bool:
    """Returns whether a field of a request has ids. `requester_id` is only a UUID if the requester is a member."""
    declared = field.GetOptions().Extensions[field_info_pb2.field_info].format
    return declared == field_info_pb2.FieldInfo.UUID4 or field.name == "requester_id"


def _is_subject(field: FieldDescriptor) -> bool:
    return field.name in ABOUT


def _ids(message: Message, path: str, is_id: Callable[[FieldDescriptor], bool]) -> Iterator[tuple[str, str]]:
    for field, value in message.ListFields():
        is_message = field.type == FieldDescriptor.TYPE_MESSAGE
        if not is_message and not (field.type == FieldDescriptor.TYPE_STRING and is_id(field)):
            continue
        items = enumerate(value) if field.is_repeated else [(None, value)]
        for index, item in items:
            name = path + field.name if index is None else f"{path}{field.name}[{index}]"
            if isinstance(item, Message):
                yield from _ids(item, f"{name}.", is_id)
            elif isinstance(item, str) and ID.fullmatch(item):
                yield name, item.lower()
