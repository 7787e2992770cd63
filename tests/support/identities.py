"""Servers that ask for tokens, and tokens for them."""

from datetime import timedelta
from typing import Any, NamedTuple

import grpc

from server.identity.bearer import Claims
from server.identity.minting import mint
from server.identity.scopes import SCOPES

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
    minutes: float = 5,
    issuer: str = ISSUER,
    audience: str = "affilia",
    secret: str = SECRET,
) -> str:
    """A token of somebody, that a server with those settings believes; or not, where something is changed."""
    claims = Claims("HS256", issuer, audience, 0)
    return mint(secret, claims, role, subject, scopes, timedelta(minutes=minutes))


def bearing(bearer: str) -> Metadata:
    """Metadata of a call that brings a token."""
    return (("authorization", f"Bearer {bearer}"),)


def as_(role: str, subject: str, *scopes: str, **changed: Any) -> Metadata:
    """Metadata of a call by somebody."""
    return bearing(token(role, subject, *scopes, **changed))


def everything() -> Metadata:
    """A service that may whatever a service can."""
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
    """A channel on which every call is somebody's."""
    return grpc.intercept_channel(channel, _Bearing(metadata))
