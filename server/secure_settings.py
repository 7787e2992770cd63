"""Rejects settings with which the server would be insecure.

With `--dev` there is no authentication, so other machines must not reach the server. Without it, callers of the public
listener need tokens, which must travel over TLS on a network. The internal listener is on the loopback interface, or
requires client certificates.
"""

import ipaddress
from urllib.parse import urlsplit

from operations.scopes import ADMIN, SCOPES
from server.settings import EMBEDDED, Settings

MIN_SECRET_BYTES = 32
SYMMETRIC = ("HS256",)


def is_loopback(address: str) -> bool:
    """Returns whether an address to listen on can only be reached from this machine."""
    if address.startswith("unix:"):
        return True
    host = address.rpartition(":")[0].strip("[]")
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def insecurities(settings: Settings) -> list[str]:
    """Returns one sentence per reason why a server with these settings would be insecure. Empty: it is secure."""
    checks = (check_tokens, _check_listeners, _check_tls, _check_identities, _check_source, _check_database)
    return [sentence for check in checks for sentence in check(settings)]


def check_tokens(settings: Settings) -> list[str]:
    """Returns one sentence per reason why callers couldn't be authenticated securely."""
    keys, secret = settings.token_keys, settings.token_secret.get_secret_value()
    found = []
    if not (keys or secret) and not settings.dev:
        found.append(
            "AFFILIA_TOKEN_KEYS is required to authenticate callers: set a JWKS file or URL, or start with --dev"
        )
    if keys and secret:
        found.append("AFFILIA_TOKEN_SECRET and AFFILIA_TOKEN_KEYS exclude each other: set only one")
    if (keys or secret) and not settings.token_issuer:
        found.append("AFFILIA_TOKEN_ISSUER is required when token keys or a secret are configured")
    if bool(secret) != (settings.token_algorithm in SYMMETRIC) and (keys or secret):
        found.append("AFFILIA_TOKEN_ALGORITHM: HS256 requires AFFILIA_TOKEN_SECRET, others require AFFILIA_TOKEN_KEYS")
    if 0 < len(secret.encode()) < MIN_SECRET_BYTES:
        found.append(f"AFFILIA_TOKEN_SECRET must have at least {MIN_SECRET_BYTES} bytes, got {len(secret.encode())}")
    if (keys or secret) and not settings.token_audience:
        found.append("AFFILIA_TOKEN_AUDIENCE is required when token keys or a secret are configured")
    if keys.startswith("http://") and not is_loopback(f"{urlsplit(keys).hostname}:80"):
        found.append("AFFILIA_TOKEN_KEYS must be an https URL unless its host is the loopback interface")
    return found


def _check_listeners(settings: Settings) -> list[str]:
    found = []
    if not is_loopback(settings.listen):
        if settings.dev:
            found.append(f"AFFILIA_LISTEN: {settings.listen} can be reached from other machines; --dev runs without"
                         " authentication, so it listens on the loopback interface only")  # fmt: skip
        if settings.token_secret.get_secret_value():
            found.append("AFFILIA_TOKEN_SECRET is for development: a reachable server needs AFFILIA_TOKEN_KEYS")
        if not settings.tls_certificate and not settings.plaintext:
            found.append("AFFILIA_TLS_CERTIFICATE is required: without TLS, tokens can be read in transit. If a proxy"
                         " terminates TLS in front of the server, set AFFILIA_PLAINTEXT=true")  # fmt: skip
    if not is_loopback(settings.internal_listen):
        if settings.dev:
            found.append(f"AFFILIA_INTERNAL_LISTEN: {settings.internal_listen} can be reached from other machines;"
                         " --dev listens on the loopback interface only")  # fmt: skip
        if not (settings.internal_client_ca and settings.tls_certificate and settings.internal_identities):
            found.append("AFFILIA_INTERNAL_LISTEN: other machines can reach it, so callers need certificates:"
                         " set AFFILIA_INTERNAL_CLIENT_CA, AFFILIA_INTERNAL_IDENTITIES and TLS")  # fmt: skip
    return found


def _check_tls(settings: Settings) -> list[str]:
    found = []
    if (settings.tls_certificate is None) != (settings.tls_key is None):
        found.append("AFFILIA_TLS_KEY and AFFILIA_TLS_CERTIFICATE must be set together")
    if settings.internal_client_ca and not settings.internal_identities:
        found.append("AFFILIA_INTERNAL_IDENTITIES is required with AFFILIA_INTERNAL_CLIENT_CA")
    if settings.internal_client_ca and not settings.tls_certificate:
        found.append("AFFILIA_TLS_CERTIFICATE is required with AFFILIA_INTERNAL_CLIENT_CA")
    return found


def _check_identities(settings: Settings) -> list[str]:
    return [
        f"AFFILIA_INTERNAL_IDENTITIES: {name} needs at least one scope, or {ADMIN}, got {scopes!r}"
        for name, scopes in settings.internal_identities.items()
        if scopes != ADMIN and (not scopes.split() or set(scopes.split()) - set(SCOPES))
    ]


def _check_source(settings: Settings) -> list[str]:
    source = settings.enrollment_source
    if settings.enrollment_source_token and not settings.enrollment_source_ca and not is_loopback(source):
        return ["AFFILIA_ENROLLMENT_SOURCE_CA is required: a token must not be sent over a network without TLS"]
    return []


def _check_database(settings: Settings) -> list[str]:
    found = []
    if not settings.database_url and not settings.dev:
        found.append("AFFILIA_DATABASE_URL is required without --dev: set the URL of a PostgreSQL database, or"
                     f" {EMBEDDED} for the embedded one, which is for development")  # fmt: skip
    if settings.migration_url and settings.database_url in ("", EMBEDDED):
        found.append("AFFILIA_MIGRATION_URL must not be set with the embedded database, which has its own roles")
    return found
