"""The endpoint of a deployment's internal listener, which has its own credentials."""

from dataclasses import dataclass, field

from affilia_client.credentials import TLS, Token


@dataclass(frozen=True, slots=True)
class Endpoint:
    """The address of a listener and the credentials for it.

    Servers don't authenticate callers of an internal listener on the loopback interface. On other interfaces, callers
    need `tls` with a client certificate.
    """

    address: str
    tls: TLS | None = None
    token: Token = field(default="", repr=False)


def internal_endpoint(internal: "str | Endpoint") -> Endpoint:
    """Returns the endpoint passed to a client.

    An address alone has no credentials, because those of the public listener are never sent to another listener.
    """
    return Endpoint(internal) if isinstance(internal, str) else internal


def missing_internal() -> RuntimeError:
    """Returns the error for calls to the internal listener from a client without its address."""
    return RuntimeError(
        "This method is served on the internal listener only. Give its address to the client, for example"
        ' Client("affilia.example:443", internal="127.0.0.1:50052").'
    )
