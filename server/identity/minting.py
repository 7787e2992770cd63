"""Tokens for development: signed with the shared secret that a server verifies them with."""

from collections.abc import Collection
from datetime import UTC, datetime, timedelta

import jwt

from server.identity.bearer import Claims


def mint(secret: str, claims: Claims, role: str, subject: str, scopes: Collection[str], lasts: timedelta) -> str:
    """A token of `role` (member, admin or service) for a subject; a service's has scopes."""
    now = datetime.now(UTC)
    payload = {
        "iss": claims.issuer,
        "aud": claims.audience,
        "sub": subject,
        "role": role,
        "iat": now,
        "nbf": now,
        "exp": now + lasts,
    }
    if scopes:
        payload["scope"] = " ".join(sorted(scopes))
    return jwt.encode(payload, secret, algorithm=claims.algorithm)
