"""Which ids a request names, by field: for the audit log, which keeps ids and nothing else."""

import re
from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

MOST_IDS = 50
ID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


def ids_of(request: Message) -> dict[str, str]:
    """The ids in the fields of a request and of the messages in it, lists included; the first 50, in field order."""
    found: dict[str, str] = {}
    _collect(request, "", found)
    return found


def _collect(message: Message, path: str, found: dict[str, str]) -> None:
    for field, value in message.ListFields():
        if field.type in (FieldDescriptor.TYPE_MESSAGE, FieldDescriptor.TYPE_STRING):
            if field.is_repeated:
                for place, item in enumerate(value):
                    _note(item, f"{path}{field.name}[{place}]", found)
            else:
                _note(value, path + field.name, found)


def _note(value: Any, path: str, found: dict[str, str]) -> None:
    if len(found) >= MOST_IDS:
        return
    if isinstance(value, Message):
        _collect(value, f"{path}.", found)
    elif isinstance(value, str) and ID.fullmatch(value):
        found[path] = value.lower()
