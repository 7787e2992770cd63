"""Verifies bearer tokens (JWT, RFC 7519) and returns their callers.

Claims: `sub` (of a member, their member id), `role` (member, admin or service), `scope` (of a service, separated by
spaces as in RFC 9068), `iss`, `aud`, `exp`, and optionally `nbf` and `on_behalf_of` (the subject for whom the caller
acts). The configured algorithm is used, regardless of the token's header. Verified tokens are cached until they expire
or the keys change.
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

from domain.actors import ActorKind
from operations.call import Caller
from server.errors import Unauthenticated
from server.identity.token_keys import Keys

ROLES = {kind.lower(): kind for kind in (ActorKind.MEMBER, ActorKind.ADMIN, ActorKind.SERVICE)}
MAX_TOKEN_LENGTH = 8 * 1024
MAX_SUBJECT_LENGTH = 200
MAX_INSTANT = 253_402_300_799
"""The end of the year 9999."""
MAX_CACHED = 10_000


class Verified(NamedTuple):
    """A caller, and when its credentials expire, in seconds since the epoch. None: never."""

    caller: Caller
    expires_at: float | None


@dataclass(frozen=True, slots=True)
class Claims:
    """What a valid token must claim."""

    algorithm: str
    issuer: str
    audience: str
    leeway_seconds: float


@dataclass(slots=True)
class Verifier:
    """Verifies tokens and caches the results."""

    keys: Keys
    claims: Claims
    _cached: dict[bytes, tuple[Verified, int]] = field(default_factory=dict)

    async def verified(self, token: str) -> Verified:
        """Returns the caller of a token. Raises Unauthenticated."""
        if len(token) > MAX_TOKEN_LENGTH:
            raise Unauthenticated("The token is too long.")
        digest = hashlib.sha256(token.encode()).digest()
        await self.keys.refresh()  # so that a withdrawn key invalidates cached tokens
        known = self._cached.get(digest)
        if known is not None and known[1] == self.keys.generation and _is_current(known[0], self.claims):
            return known[0]
        verified = await self._verify(token)
        if len(self._cached) >= MAX_CACHED:
            self._cached.clear()
        self._cached[digest] = (verified, self.keys.generation)
        return verified

    async def _verify(self, token: str) -> Verified:
        try:
            key = await self.keys.key(jwt.get_unverified_header(token).get("kid"))
            if key is None:
                raise Unauthenticated("The token is signed with an unknown key.")
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
            raise Unauthenticated(
                _SENTENCES.get(type(wrong), "The token is malformed or its signature is invalid.")
            ) from wrong
        return Verified(_caller(payload), float(min(int(payload["exp"]), MAX_INSTANT)))


_SENTENCES: dict[type[Exception], str] = {
    ExpiredSignatureError: "The token has expired.",
    ImmatureSignatureError: "The token is not valid yet.",
    InvalidAudienceError: "The token is for another audience.",
    InvalidIssuerError: "The token is from another issuer.",
}


def _is_current(verified: Verified, claims: Claims) -> bool:
    return verified.expires_at is None or verified.expires_at + claims.leeway_seconds > time.time()


def _caller(payload: dict[str, Any]) -> Caller:
    kind, subject = ROLES.get(str(payload.get("role"))), str(payload["sub"])
    if kind is None:
        raise Unauthenticated("The token's role must be member, admin or service.")
    if not is_subject(subject):
        raise Unauthenticated(f"The token's subject must have 1 to {MAX_SUBJECT_LENGTH} printable characters.")
    if kind is ActorKind.MEMBER:
        try:
            subject = str(UUID(subject))
        except ValueError as no_id:
            raise Unauthenticated("The subject of a member's token must be a member id.") from no_id
    scopes = payload.get("scope")
    allowed = frozenset(scopes.split()) if isinstance(scopes, str) else frozenset()
    return Caller(kind, subject, allowed, _on_behalf_of(payload))


def _on_behalf_of(payload: dict[str, Any]) -> str:
    claimed = payload.get("on_behalf_of", "")
    if not isinstance(claimed, str) or (claimed and not is_subject(claimed)):
        raise Unauthenticated(
            f"The token's on_behalf_of must be a string of at most {MAX_SUBJECT_LENGTH} printable characters."
        )
    return claimed


def is_subject(text: str) -> bool:
    """Returns whether a text is valid as the subject of a caller."""
    return 0 < len(text) <= MAX_SUBJECT_LENGTH and text.isprintable()
