"""What every command knows: which server it speaks to, as whom, and whether its answers are for people or programs."""

import json
from dataclasses import dataclass, field
from typing import Any

from google.protobuf import json_format
from google.protobuf.message import Message
from rich.console import Console

from affilia_client import TLS, Client

CONSOLE = Console(highlight=False, soft_wrap=True)
"""Answers; in JSON where a command is told so."""

ERRORS = Console(stderr=True, highlight=False, soft_wrap=True)
"""What went wrong, and how far something is."""


@dataclass(slots=True)
class Asking:
    """How the commands after it are asked."""

    address: str
    internal_address: str
    token: str = field(repr=False)
    ca: str
    as_json: bool

    def client(self) -> Client:
        """A client of the server; to be closed."""
        tls = TLS(ca=self.ca) if self.ca else None
        return Client(self.address, tls=tls, token=self.token, internal_address=self.internal_address)

    def tell(self, message: Message) -> bool:
        """Prints a message as JSON where that is asked for; says whether it did."""
        if self.as_json:
            print(json.dumps(as_dict(message), ensure_ascii=False), flush=True)
        return self.as_json


def as_dict(message: Message) -> dict[str, Any]:
    """A message as JSON-able values, with the names of the protos."""
    content: dict[str, Any] = json_format.MessageToDict(message, preserving_proto_field_name=True)
    return content
