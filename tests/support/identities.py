"""Settings of servers that require tokens, and tokens for them."""

from datetime import timedelta
from typing import Any, NamedTuple

import grpc
import jwt

from operations.scopes import SCOPES
from server.identity.bearer_tokens import Claims
from server.identity.development_tokens import mint

SECRET = "a secret of the tests, long enough"
ISSUER = "tests"
SETTINGS: dict[str, Any] = {
    "dev": False,
    "database_url": "embedded",
    "token_secret": SECRET,
    "token_algorithm": "HS256",
    "token_issuer": ISSUER,
}
VARIABLES = {"AFFILIA_TOKEN_SECRET": SECRET}
FLAGS = ("--no-dev", "--token-algorithm", "HS256", "--token-issuer", ISSUER)

Metadata = tuple[tuple[str, str], ...]


def token(
    role: str,
    subject: str,
    *scopes: str,
    minutes: float = 240,
    issuer: str = ISSUER,
    audience: str = "affilia",
    secret: str = SECRET,
    **more_claims: Any,
) -> str:
    """Returns a token that a server with these settings accepts, unless an argument is changed."""
    claims = Claims("HS256", issuer, audience, 0)
    minted = mint(secret, claims, role, subject, scopes, timedelta(minutes=minutes))
    payload = jwt.decode(minted, options={"verify_signature": False})
    return jwt.encode({**payload, **more_claims}, secret, algorithm="HS256")


def bearing(bearer: str) -> Metadata:
    """Returns the metadata of a call with a token."""
    return (("authorization", f"Bearer {bearer}"),)


def as_(role: str, subject: str, *scopes: str, **changed: Any) -> Metadata:
    """Returns the metadata of a call with a token for a role, subject and scopes."""
    return bearing(token(role, subject, *scopes, **changed))


def everything() -> Metadata:
    """Returns the metadata of a service with all scopes."""
    return as_("service", "everything", *SCOPES)


class _Details(NamedTuple):
    method: str
    timeout: float | None
    metadata: Any
    credentials: Any
    wait_for_ready: Any
    compression: Any


class _Bearing(grpc.UnaryUnaryClientInterceptor, grpc.UnaryStreamClientInterceptor):
    def __init__(self, metadata: Metadata) -> None:
        self._metadata = metadata

    def _with(self, details: Any) -> Any:
        metadata = [*(details.metadata or ()), *self._metadata]
        return _Details(
            details.method, details.timeout, metadata, details.credentials, details.wait_for_ready, details.compression
        )

    def intercept_unary_unary(self, continuation: Any, details: Any, request: Any) -> Any:
        return continuation(self._with(details), request)

    def intercept_unary_stream(self, continuation: Any, details: Any, request: Any) -> Any:
        return continuation(self._with(details), request)


def channel_of(channel: grpc.Channel, metadata: Metadata) -> Any:
    """Returns a channel whose calls all carry the metadata."""
    return grpc.intercept_channel(channel, _Bearing(metadata))
