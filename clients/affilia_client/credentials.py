"""Who calls, and over what: certificates for the channel, a token for each call."""

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import grpc

Token = str | Callable[[], str]
"""A bearer token, or what gives one: it is asked at every call, and when the client itself repeats one after a while
(not at gRPC's own quick repetitions)."""

AsyncToken = Token | Callable[[], Awaitable[str]]

Metadata = tuple[tuple[str, str], ...]

NAME = re.compile(r"[a-z0-9_.-]+")


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
        self._always = _always(always)

    def metadata(self) -> Metadata:
        """Asks for the token."""
        return _bearer(self._token if isinstance(self._token, str) else self._token()) + self._always


class AsyncIdentity:
    """The same, where the token may have to be waited for."""

    def __init__(self, token: AsyncToken, always: Mapping[str, str]) -> None:
        self._token = token
        self._always = _always(always)

    async def metadata(self) -> Metadata:
        """Asks for the token."""
        token = self._token if isinstance(self._token, str) else self._token()
        return _bearer(token if isinstance(token, str) else await token) + self._always


def _bearer(token: str) -> Metadata:
    """Raises ValueError for what cannot be sent: gRPC would say INTERNAL, as if the server were at fault."""
    token = token.strip()  # files end in a line break
    if not all(" " <= letter <= "~" for letter in token):
        raise ValueError("the token holds what a token cannot hold: line breaks, or letters that are not ASCII")
    return (("authorization", f"Bearer {token}"),) if token else ()


def _always(metadata: Mapping[str, str]) -> Metadata:
    """Raises ValueError for names that cannot be sent."""
    for name in metadata:
        if not NAME.fullmatch(name):
            raise ValueError(f"{name} is no name of metadata: small letters, digits, - _ and .")
    return tuple(metadata.items())
