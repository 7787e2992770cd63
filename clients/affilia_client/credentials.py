"""Credentials: TLS certificates for the channel, and a token for each call."""

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import grpc

Token = str | Callable[[], str]
"""A bearer token, or a function that returns one. The function is called for every call and every retry by this client,
but not for gRPC's own immediate retries."""

AsyncToken = Token | Callable[[], Awaitable[str]]

Metadata = tuple[tuple[str, str], ...]

NAME = re.compile(r"[a-z0-9_.-]+")


@dataclass(frozen=True, slots=True)
class TLS:
    """The certificates of an encrypted channel. Each field is PEM data, or the path of a PEM file.

    `ca` is the authority that signs the server's certificate; it defaults to those that the system trusts.
    `certificate` and `key` identify this client, if the server requires client certificates.
    """

    ca: bytes | str | Path | None = None
    certificate: bytes | str | Path | None = None
    key: bytes | str | Path | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if (self.certificate is None) != (self.key is None):
            raise ValueError("certificate and key must be set together")

    def channel_credentials(self) -> grpc.ChannelCredentials:
        """Reads the files and returns the credentials."""
        return grpc.ssl_channel_credentials(_pem(self.ca), _pem(self.key), _pem(self.certificate))


def _pem(source: bytes | str | Path | None) -> bytes | None:
    return source if source is None or isinstance(source, bytes) else Path(source).read_bytes()


class Identity:
    """The metadata of every attempt of a call."""

    def __init__(self, token: Token, metadata: Mapping[str, str]) -> None:
        self._token = token
        self._metadata = checked_metadata(metadata)

    def metadata(self) -> Metadata:
        """Returns the metadata, with a fresh token if a function provides it."""
        return _bearer(self._token if isinstance(self._token, str) else self._token()) + self._metadata


class AsyncIdentity:
    """The same for asyncio, where the token may be awaitable."""

    def __init__(self, token: AsyncToken, metadata: Mapping[str, str]) -> None:
        self._token = token
        self._metadata = checked_metadata(metadata)

    async def metadata(self) -> Metadata:
        """Returns the metadata, with a fresh token if a function provides it."""
        token = self._token if isinstance(self._token, str) else self._token()
        return _bearer(token if isinstance(token, str) else await token) + self._metadata


def _bearer(token: str) -> Metadata:
    """Raises ValueError for a token that can't be sent, for which gRPC would misleadingly report INTERNAL."""
    token = token.strip()  # token files usually end with a line break
    if not all(" " <= letter <= "~" for letter in token):
        raise ValueError(
            "The token contains characters that can't be sent. It must be printable ASCII without line breaks."
        )
    return (("authorization", f"Bearer {token}"),) if token else ()


def checked_metadata(metadata: Mapping[str, str]) -> Metadata:
    """Returns metadata in the form that gRPC needs. Raises ValueError for invalid names."""
    for name in metadata:
        if not NAME.fullmatch(name):
            raise ValueError(
                f"Metadata name {name!r} is invalid. Use lowercase letters, digits, hyphens, underscores and dots."
            )
    return tuple(metadata.items())
