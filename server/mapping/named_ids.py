"""Which ids a request names, by field: for the audit log, which keeps ids and nothing else."""

import re
from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

MOST_IDS = 20
ID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


def ids_of(request: Message) -> dict[str, str]:
    """The ids in the fields of a request and of the messages in it, not those of lists; at most 20, in field order."""
    found: dict[str, str] = {}
    _collect(request, "", found)
    return found


def _collect(message: Message, path: str, found: dict[str, str]) -> None:
    for field, value in message.ListFields():
        if len(found) >= MOST_IDS or _is_list(value):
            continue
        if field.type == FieldDescriptor.TYPE_MESSAGE:
            _collect(value, f"{path}{field.name}.", found)
        elif field.type == FieldDescriptor.TYPE_STRING and ID.fullmatch(value):
            found[path + field.name] = value.lower()


def _is_list(value: Any) -> bool:
    return not isinstance(value, Message | str | bytes | bool | int | float)
