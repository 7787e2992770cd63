"""Authenticators: each listener identifies callers by token, by certificate, or not at all on loopback."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, Protocol

from domain.errors import FieldViolation, RequestMalformed
from operations.call import Caller
from server.errors import NotAllowed, Unauthenticated
from server.identity.bearer_tokens import MAX_SUBJECT_LENGTH, Verified, Verifier, is_subject
from server.rpc_types import Context
from server.system import system

AUTHORIZATION = "authorization"
BEARER = "bearer "
ACTOR = "x-affilia-actor"


class Credentials(NamedTuple):
    """The credentials of a call. They are kept because a call that has ended can't be asked for them."""

    token: str | None
    names: tuple[str, ...]
    """Subject alternative names, then the common name, of the client's certificate."""
    asserted_actor: str = ""
    """The subject chosen by a caller of a `--dev` server. Empty if none was chosen."""


NO_CREDENTIALS = Credentials(None, ())

Metadata = Iterable[tuple[str, Any]]
"""The metadata of a call: pairs of name and value."""


def credentials_of(metadata: Metadata) -> Credentials:
    """Returns the bearer token of a call. Raises Unauthenticated if `authorization` isn't a single bearer token."""
    token = None
    for name, value in metadata:
        if name == AUTHORIZATION:
            text = value if isinstance(value, str) else ""
            if token is not None or not text.lower().startswith(BEARER):
                raise Unauthenticated("Metadata authorization must be a single bearer token: Bearer <token>.")
            token = text[len(BEARER) :].strip()
    return NO_CREDENTIALS if token is None else Credentials(token, ())


def asserted_actor(metadata: Metadata) -> str:
    """Returns the subject set in the metadata of a call, or an empty string. Raises RequestMalformed."""
    found = [value for name, value in metadata if name == ACTOR]
    if not found:
        return ""
    if len(found) > 1 or not is_subject(str(found[0])):
        wrong = f"must be a single subject of 1 to {MAX_SUBJECT_LENGTH} printable characters"
        raise RequestMalformed([FieldViolation(ACTOR, wrong)])
    return str(found[0])


def names_of(context: Context) -> tuple[str, ...]:
    """Returns the names in the client's verified certificate. Empty without mutual TLS."""
    properties: Mapping[str, Any] = context.auth_context() or {}
    found = [*properties.get("x509_subject_alternative_name", ()), *properties.get("x509_common_name", ())]
    return tuple(name.decode(errors="replace") if isinstance(name, bytes) else str(name) for name in found)


class Authenticator(Protocol):
    """Identifies callers by their credentials."""

    def credentials(self, context: Context, metadata: Metadata) -> Credentials:
        """Returns the credentials of a call. Raises Unauthenticated."""
        ...

    async def authenticate(self, credentials: Credentials) -> Verified:
        """Returns the caller with these credentials. Raises Unauthenticated, NotAllowed."""
        ...


@dataclass(frozen=True, slots=True)
class TokenAuthenticator:
    """Identifies callers by their token.

    Callers without a token are rejected. With `--dev`, they are identified as `otherwise`, with the subject from their
    metadata.
    """

    verifier: Verifier | None
    otherwise: Caller | None

    def credentials(self, context: Context, metadata: Metadata) -> Credentials:
        credentials = credentials_of(metadata)
        if self.otherwise is not None and (actor := asserted_actor(metadata)):
            return credentials._replace(asserted_actor=actor)
        return credentials

    async def authenticate(self, credentials: Credentials) -> Verified:
        if credentials.token is not None and self.verifier is not None:
            return await self.verifier.verified(credentials.token)
        if self.otherwise is not None:
            actor = credentials.asserted_actor
            return Verified(replace(self.otherwise, subject=actor) if actor else self.otherwise, None)
        raise Unauthenticated("The call has no token. Send the metadata authorization: Bearer <token>.")


@dataclass(frozen=True, slots=True)
class CertificateAuthenticator:
    """Identifies callers by the names in their certificates, as configured."""

    identities: Mapping[str, Caller]

    def credentials(self, context: Context, metadata: Metadata) -> Credentials:
        return Credentials(None, names_of(context))

    async def authenticate(self, credentials: Credentials) -> Verified:
        for name in credentials.names:
            if name in self.identities:
                return Verified(self.identities[name], None)
        raise NotAllowed


@dataclass(frozen=True, slots=True)
class LoopbackAuthenticator:
    """Accepts everyone, because the listener can only be reached from this machine."""

    def credentials(self, context: Context, metadata: Metadata) -> Credentials:
        return NO_CREDENTIALS

    async def authenticate(self, credentials: Credentials) -> Verified:
        return Verified(LOOPBACK, None)


LOOPBACK = system("loopback")
