"""How each listener authenticates callers, and which diagnostic services it offers, from the settings."""

from dataclasses import dataclass

from domain.actors import ActorKind
from operations.call import Caller
from operations.scopes import ADMIN
from server.identity.authenticators import (
    Authenticator,
    CertificateAuthenticator,
    LoopbackAuthenticator,
    TokenAuthenticator,
)
from server.identity.bearer_tokens import Claims, Verifier
from server.identity.certificates import Certificates
from server.identity.token_keys import KeySet, SharedSecret
from server.settings import Settings
from server.system import system

DEVELOPER = system("dev")


@dataclass(frozen=True, slots=True)
class ListenerAccess:
    """The authenticator and TLS certificates of a listener, and what it serves besides our services."""

    authenticator: Authenticator
    certificates: Certificates | None = None
    reflection: bool = True
    channelz: bool = True
    detailed_health: bool = True


async def public_access(settings: Settings) -> ListenerAccess:
    """Requires tokens. With `--dev`, callers without one get the subject `dev`, or the one that they choose.

    Raises KeysUnreadable.
    """
    return ListenerAccess(
        TokenAuthenticator(await _verifier(settings), DEVELOPER if settings.dev else None),
        _certificates(settings),
        settings.reflection,
        settings.channelz or settings.dev,
        settings.detailed_health,
    )


def internal_access(settings: Settings) -> ListenerAccess:
    """Requires certificates if a CA is configured. Otherwise the settings restrict the listener to this machine."""
    if settings.internal_client_ca is None:
        return ListenerAccess(LoopbackAuthenticator())
    identities = {name: _identity(name, scopes) for name, scopes in settings.internal_identities.items()}
    certificates = _certificates(settings)
    if certificates is not None:
        certificates.client_ca = settings.internal_client_ca
    return ListenerAccess(CertificateAuthenticator(identities), certificates)


async def _verifier(settings: Settings) -> Verifier | None:
    claims = Claims(
        settings.token_algorithm, settings.token_issuer, settings.token_audience, settings.token_leeway_seconds
    )
    if secret := settings.token_secret.get_secret_value():
        return Verifier(SharedSecret(secret.encode()), claims)
    if not settings.token_keys:
        return None
    keys = KeySet(settings.token_keys, settings.token_algorithm)
    await keys.load()
    return Verifier(keys, claims)


def _certificates(settings: Settings) -> Certificates | None:
    if settings.tls_certificate is None or settings.tls_key is None:
        return None
    return Certificates(settings.tls_certificate, settings.tls_key)


def _identity(name: str, scopes: str) -> Caller:
    if scopes == ADMIN:
        return Caller(ActorKind.ADMIN, name)
    return Caller(ActorKind.SERVICE, name, frozenset(scopes.split()))
