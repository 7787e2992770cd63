"""How each listener learns who calls: from a token, from a client's certificate, or from where it listens."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from server.errors import NotAllowed, Unauthenticated
from server.identity.bearer import Verified, Verifier
from server.operations.call import Caller
from server.rpc_types import Context
from server.system import system

AUTHORIZATION = "authorization"
BEARER = "bearer "


class Credentials(NamedTuple):
    """What a call brings to say who it is: kept, because a call that has ended cannot be asked any more."""

    token: str | None
    names: tuple[str, ...]
    """Of the client's certificate: its subject's alternative names, and its common name."""


def credentials_of(context: Context) -> Credentials:
    """Raises Unauthenticated where there is an `authorization` that is no bearer token."""
    token = None
    for name, value in context.invocation_metadata() or ():
        if name == AUTHORIZATION:
            text = value if isinstance(value, str) else ""
            if token is not None or not text.lower().startswith(BEARER):
                raise Unauthenticated("authorization holds no single bearer token.")
            token = text[len(BEARER) :].strip()
    return Credentials(token, ())


def names_of(context: Context) -> tuple[str, ...]:
    """The names in the certificate that the client has proved to own; none without mutual TLS."""
    proved: Mapping[str, Any] = context.auth_context() or {}
    found = [*proved.get("x509_subject_alternative_name", ()), *proved.get("x509_common_name", ())]
    return tuple(name.decode(errors="replace") if isinstance(name, bytes) else str(name) for name in found)


class Callers(Protocol):
    """Who brings some credentials."""

    def credentials(self, context: Context) -> Credentials:
        """What the call brings. Raises Unauthenticated."""
        ...

    async def caller(self, credentials: Credentials) -> Verified:
        """Raises Unauthenticated, NotAllowed."""
        ...


@dataclass(frozen=True, slots=True)
class ByToken:
    """Whoever has a token; without one, `otherwise` (a `--dev` server's developer) or nobody."""

    verifier: Verifier | None
    otherwise: Caller | None

    def credentials(self, context: Context) -> Credentials:
        return credentials_of(context)

    async def caller(self, credentials: Credentials) -> Verified:
        if credentials.token is not None and self.verifier is not None:
            return await self.verifier.verified(credentials.token)
        if self.otherwise is not None:
            return Verified(self.otherwise, None)
        raise Unauthenticated("The call brings no token; send metadata authorization: Bearer <token>.")


@dataclass(frozen=True, slots=True)
class ByCertificate:
    """Those whose certificate names them, as the settings say what they are."""

    identities: Mapping[str, Caller]

    def credentials(self, context: Context) -> Credentials:
        return Credentials(None, names_of(context))

    async def caller(self, credentials: Credentials) -> Verified:
        for name in credentials.names:
            if name in self.identities:
                return Verified(self.identities[name], None)
        raise NotAllowed


@dataclass(frozen=True, slots=True)
class ByPlace:
    """Everybody: the listener can only be reached from this machine."""

    def credentials(self, context: Context) -> Credentials:
        return NOTHING

    async def caller(self, credentials: Credentials) -> Verified:
        return Verified(LOOPBACK, None)


NOTHING = Credentials(None, ())
LOOPBACK = system("loopback")
