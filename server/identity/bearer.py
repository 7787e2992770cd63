"""Bearer tokens (JWT, RFC 7519): from a token to the caller that it speaks of.

Claims: `sub` (a member's is their member id), `role` (member, admin or service), `scope` (a service's, separated by
spaces, as in RFC 9068), and `iss`, `aud`, `exp`; `nbf` where it is there. The algorithm is the configured one, whatever
the token says. A token that was verified is remembered until it expires or the keys change.
"""

import hashlib
import time
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from uuid import UUID

import jwt
from jwt.exceptions import (
    ExpiredSignatureError,
    ImmatureSignatureError,
    InvalidAudienceError,
    InvalidIssuerError,
    PyJWTError,
)

from server.errors import Unauthenticated
from server.identity.keys import Keys
from server.operations.call import Caller, CallerKind

ROLES = {kind.lower(): kind for kind in (CallerKind.MEMBER, CallerKind.ADMIN, CallerKind.SERVICE)}
LONGEST_TOKEN = 8 * 1024
LONGEST_SUBJECT = 200
LAST_INSTANT = 253_402_300_799
"""The end of the year 9999."""
MOST_REMEMBERED = 10_000


class Verified(NamedTuple):
    """A caller, and until when (seconds since the epoch) they can be believed to be; None: without end."""

    caller: Caller
    expires_at: float | None


@dataclass(frozen=True, slots=True)
class Claims:
    """What a token must say to be believed, whoever signed it."""

    algorithm: str
    issuer: str
    audience: str
    leeway_seconds: float


@dataclass(slots=True)
class Verifier:
    """Verifies tokens."""

    keys: Keys
    claims: Claims
    _remembered: dict[bytes, tuple[Verified, int]] = field(default_factory=dict)

    async def verified(self, token: str) -> Verified:
        """Raises Unauthenticated."""
        if len(token) > LONGEST_TOKEN:
            raise Unauthenticated("The token is too long.")
        mark = hashlib.sha256(token.encode()).digest()
        await self.keys.refresh()  # a key that was taken back is not believed, though the token be remembered
        known = self._remembered.get(mark)
        if known is not None and known[1] == self.keys.generation and _still_good(known[0], self.claims):
            return known[0]
        verified = await self._verify(token)
        if len(self._remembered) >= MOST_REMEMBERED:
            self._remembered.clear()
        self._remembered[mark] = (verified, self.keys.generation)
        return verified

    async def _verify(self, token: str) -> Verified:
        try:
            key = await self.keys.key(jwt.get_unverified_header(token).get("kid"))
            if key is None:
                raise Unauthenticated("The token is signed with a key that is not known.")
            payload = jwt.decode(
                token,
                key,
                algorithms=[self.claims.algorithm],
                audience=self.claims.audience,
                issuer=self.claims.issuer,
                leeway=self.claims.leeway_seconds,
                options={"require": ["exp", "sub", "aud", "iss"], "enforce_minimum_key_length": True},
            )
        except (PyJWTError, ValueError, TypeError, OverflowError, RecursionError) as wrong:
            raise Unauthenticated(_SENTENCES.get(type(wrong), "The token cannot be believed.")) from wrong
        return Verified(_caller(payload), float(min(int(payload["exp"]), LAST_INSTANT)))


_SENTENCES: dict[type[Exception], str] = {
    ExpiredSignatureError: "The token has expired.",
    ImmatureSignatureError: "The token is not valid yet.",
    InvalidAudienceError: "The token is for another audience.",
    InvalidIssuerError: "The token is from another issuer.",
}


def _still_good(verified: Verified, claims: Claims) -> bool:
    return verified.expires_at is None or verified.expires_at + claims.leeway_seconds > time.time()


def _caller(payload: dict[str, Any]) -> Caller:
    kind, subject = ROLES.get(str(payload.get("role"))), str(payload["sub"])
    if kind is None:
        raise Unauthenticated("The token names no role: member, admin or service.")
    if not 0 < len(subject) <= LONGEST_SUBJECT or not subject.isprintable():
        raise Unauthenticated("The token names no subject.")
    if kind is CallerKind.MEMBER:
        try:
            subject = str(UUID(subject))
        except ValueError as no_id:
            raise Unauthenticated("A member's token names a subject that is no member id.") from no_id
    scopes = payload.get("scope")
    return Caller(kind, subject, frozenset(scopes.split()) if isinstance(scopes, str) else frozenset())
