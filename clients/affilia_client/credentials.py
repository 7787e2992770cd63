"""Who calls, and over what: certificates for the channel, a token for each call."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import grpc

Token = str | Callable[[], str]
"""A bearer token, or what gives one: it is asked at every attempt, so that a token that ran out is replaced."""

AsyncToken = Token | Callable[[], Awaitable[str]]

Metadata = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class TLS:
    """An encrypted channel. Each is PEM, or the path of a file of it.

    `ca`: who signs the server's certificate; without it, whom the system trusts. `certificate` with `key`: who we are,
    where the server asks for that.
    """

    ca: bytes | str | Path | None = None
    certificate: bytes | str | Path | None = None
    key: bytes | str | Path | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if (self.certificate is None) != (self.key is None):
            raise ValueError("a certificate needs its key, and a key its certificate")

    def channel_credentials(self) -> grpc.ChannelCredentials:
        """Reads the files, as they are now."""
        return grpc.ssl_channel_credentials(_pem(self.ca), _pem(self.key), _pem(self.certificate))


def _pem(source: bytes | str | Path | None) -> bytes | None:
    return source if source is None or isinstance(source, bytes) else Path(source).read_bytes()


class Identity:
    """What every attempt of a call brings along, beside its request."""

    def __init__(self, token: Token, always: Mapping[str, str]) -> None:
        self._token = token
        self._always = tuple(always.items())

    def metadata(self) -> Metadata:
        """Asks for the token."""
        return _bearer(self._token if isinstance(self._token, str) else self._token()) + self._always


class AsyncIdentity:
    """The same, where the token may have to be waited for."""

    def __init__(self, token: AsyncToken, always: Mapping[str, str]) -> None:
        self._token = token
        self._always = tuple(always.items())

    async def metadata(self) -> Metadata:
        """Asks for the token."""
        token = self._token if isinstance(self._token, str) else self._token()
        return _bearer(token if isinstance(token, str) else await token) + self._always


def _bearer(token: str) -> Metadata:
    return (("authorization", f"Bearer {token}"),) if token else ()
