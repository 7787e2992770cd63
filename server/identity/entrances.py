"""What each listener asks of who enters, and what it shows them, from the settings."""

from dataclasses import dataclass

from server.identity.bearer import Claims, Verifier
from server.identity.callers import ByCertificate, ByPlace, ByToken, Callers
from server.identity.certificates import Certificates
from server.identity.keys import KeySet, SharedSecret
from server.identity.scopes import ADMIN
from server.operations.call import Caller, CallerKind
from server.settings import Settings
from server.system import system

DEVELOPER = system("developer")


@dataclass(frozen=True, slots=True)
class Entrance:
    """How callers are known, over which TLS they come, and what they find beside the services."""

    callers: Callers
    certificates: Certificates | None = None
    reflection: bool = True
    channelz: bool = True
    detailed_health: bool = True


async def public_entrance(settings: Settings) -> Entrance:
    """Tokens; with `--dev` whoever brings none is the developer. Raises KeysUnreadable."""
    return Entrance(
        ByToken(await _verifier(settings), DEVELOPER if settings.dev else None),
        _certificates(settings),
        settings.reflection,
        settings.channelz or settings.dev,
        settings.detailed_health,
    )


def internal_entrance(settings: Settings) -> Entrance:
    """Certificates where an authority is named; else the settings have seen to it that only this machine gets in."""
    if settings.internal_client_ca is None:
        return Entrance(ByPlace())
    identities = {name: _identity(name, may) for name, may in settings.internal_identities.items()}
    certificates = _certificates(settings)
    if certificates is not None:
        certificates.client_ca = settings.internal_client_ca
    return Entrance(ByCertificate(identities), certificates)


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


def _identity(name: str, may: str) -> Caller:
    if may == ADMIN:
        return Caller(CallerKind.ADMIN, name)
    return Caller(CallerKind.SERVICE, name, frozenset(may.split()))
