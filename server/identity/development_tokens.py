"""Creates tokens for development, signed with the shared secret of a server."""

from collections.abc import Collection
from datetime import UTC, datetime, timedelta

import jwt

from server.identity.bearer_tokens import Claims


def mint(secret: str, claims: Claims, role: str, subject: str, scopes: Collection[str], lifetime: timedelta) -> str:
    """Returns a token with a role (member, admin or service) and a subject. Only service tokens need scopes."""
    now = datetime.now(UTC)
    payload = {
        "iss": claims.issuer,
        "aud": claims.audience,
        "sub": subject,
        "role": role,
        "iat": now,
        "nbf": now,
        "exp": now + lifetime,
    }
    if scopes:
        payload["scope"] = " ".join(sorted(scopes))
    return jwt.encode(payload, secret, algorithm=claims.algorithm)
