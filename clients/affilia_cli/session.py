"""The options that all commands share: the server, the caller, and the format of the output."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import typer
from google.protobuf import json_format
from google.protobuf.message import Message

from affilia_cli.requesters import MEMBER, Claims, acting_admin, claims_of
from affilia_cli.resolving import Resolver
from affilia_client import TLS, AsyncClient, Client, Endpoint

ACTOR = "x-affilia-actor"
"""The metadata key that sets the actor on a --dev server."""


@dataclass(slots=True)
class Session:
    """One run of the command line. Commands find it in `context.obj`."""

    address: str
    internal_address: str
    token: str = field(repr=False)
    tls: TLS | None
    as_json: bool

    @property
    def claims(self) -> Claims:
        """What the token says about the caller."""
        return claims_of(self.token)

    def client(self, admin: str = "") -> Client:
        """Returns a client of the server. The caller closes it.

        Without a token, the server must be a `--dev` server, which records the admin as the actor. Raises BadParameter
        if an admin is given and the token doesn't allow it.
        """
        named = acting_admin(self.claims, admin)
        metadata = {ACTOR: named} if named and not self.token else {}
        if metadata and not (named.isascii() and named.isprintable()):
            raise typer.BadParameter("--admin must have ASCII characters only, because it is sent as metadata.")
        return Client(
            self.address,
            tls=self.tls,
            token=self.token,
            internal=self._internal(),
            metadata=metadata,
        )

    def resolver(self, client: Client) -> Resolver:
        """Returns a resolver of names for a client of this session."""
        return Resolver(client, self.claims.subject if self.claims.role == MEMBER else "")

    def async_client(self) -> AsyncClient:
        """Returns the same client for asyncio. The caller closes it."""
        return AsyncClient(self.address, tls=self.tls, token=self.token, internal=self._internal())

    def print_json(self, message: Message) -> bool:
        """Prints a message as one line of JSON if `--json` was given. Returns whether it did."""
        if self.as_json:
            print(json.dumps(as_dict(message), ensure_ascii=False), flush=True)
        return self.as_json

    def _internal(self) -> Endpoint:
        return Endpoint(self.internal_address, self.tls, self.token)

    def print_parts(self, **parts: bool | Message | Iterable[Message]) -> bool:
        """Prints messages, lists and flags as one JSON object if `--json` was given. Returns whether it was."""
        if self.as_json:
            print(json.dumps({name: _as_json(part) for name, part in parts.items()}, ensure_ascii=False))
        return self.as_json


def _as_json(part: bool | Message | Iterable[Message]) -> Any:
    if isinstance(part, bool):
        return part
    return as_dict(part) if isinstance(part, Message) else [as_dict(each) for each in part]


def as_dict(message: Message) -> dict[str, Any]:
    """Returns a message as values for JSON, with the field names of the protos."""
    content: dict[str, Any] = json_format.MessageToDict(message, preserving_proto_field_name=True)
    return content
