"""Who can reach a server, and what it must ask of them: the settings that would leave a door open are refused.

With `--dev` nobody is asked for anything, so nobody else may reach it. Without it, callers of the public listener bring
tokens, and over a network those travel in TLS; the internal listener is on this machine, or asks for certificates.
"""

import ipaddress
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from server.settings import Settings

EMBEDDED = "embedded"
"""Asks for the embedded database by name."""

SHORTEST_SECRET = 32
SYMMETRIC = ("HS256",)


def is_loopback(address: str) -> bool:
    """Whether an address to listen on can only be reached from this machine."""
    if address.startswith("unix:"):
        return True
    host = address.rpartition(":")[0].strip("[]")
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def refusals(settings: "Settings") -> list[str]:
    """Why a server would be unsafe with these settings, each as a sentence; none: it is not."""
    parts = (_of_tokens, _of_listeners, _of_tls, _of_identities, _of_source, _of_database)
    return [sentence for part in parts for sentence in part(settings)]


def _of_tokens(settings: "Settings") -> list[str]:
    keys, secret = settings.token_keys, settings.token_secret.get_secret_value()
    wrong = []
    if not (keys or secret) and not settings.dev:
        wrong.append(
            "AFFILIA_TOKEN_KEYS: without keys nobody can be identified; name a JWKS file or URL, or start with --dev"
        )
    if keys and secret:
        wrong.append("AFFILIA_TOKEN_SECRET: goes without AFFILIA_TOKEN_KEYS; one of them verifies tokens")
    if (keys or secret) and not settings.token_issuer:
        wrong.append("AFFILIA_TOKEN_ISSUER: whose tokens are believed must be said")
    if bool(secret) != (settings.token_algorithm in SYMMETRIC) and (keys or secret):
        wrong.append("AFFILIA_TOKEN_ALGORITHM: HS256 goes with AFFILIA_TOKEN_SECRET, others with AFFILIA_TOKEN_KEYS")
    if 0 < len(secret.encode()) < SHORTEST_SECRET:
        wrong.append(f"AFFILIA_TOKEN_SECRET: needs {SHORTEST_SECRET} bytes or more")
    if (keys or secret) and not settings.token_audience:
        wrong.append("AFFILIA_TOKEN_AUDIENCE: for whom tokens must be must be said")
    if keys.startswith("http://") and not is_loopback(f"{urlsplit(keys).hostname}:80"):
        wrong.append("AFFILIA_TOKEN_KEYS: keys that come over a network need https")
    return wrong


def _of_listeners(settings: "Settings") -> list[str]:
    wrong = []
    if not is_loopback(settings.listen):
        if settings.dev:
            wrong.append(f"AFFILIA_LISTEN: {settings.listen} can be reached from other machines; --dev asks nobody who"
                         " they are, so it listens on the loopback interface only")  # fmt: skip
        if settings.token_secret.get_secret_value():
            wrong.append("AFFILIA_TOKEN_SECRET: is for development; a reachable server needs AFFILIA_TOKEN_KEYS")
        if not settings.tls_certificate and not settings.plaintext:
            wrong.append("AFFILIA_TLS_CERTIFICATE: a reachable server needs TLS, or tokens can be read on their way;"
                         " or AFFILIA_PLAINTEXT=true where a proxy before it has it")  # fmt: skip
    if not is_loopback(settings.internal_listen):
        if settings.dev:
            wrong.append(f"AFFILIA_INTERNAL_LISTEN: {settings.internal_listen} can be reached from other machines;"
                         " --dev listens on the loopback interface only")  # fmt: skip
        if not (settings.internal_client_ca and settings.tls_certificate and settings.internal_identities):
            wrong.append("AFFILIA_INTERNAL_LISTEN: where other machines reach it, callers show certificates;"
                         " see AFFILIA_INTERNAL_CLIENT_CA, AFFILIA_INTERNAL_IDENTITIES")  # fmt: skip
    return wrong


def _of_tls(settings: "Settings") -> list[str]:
    wrong = []
    if (settings.tls_certificate is None) != (settings.tls_key is None):
        wrong.append("AFFILIA_TLS_KEY: certificate and key go together")
    if settings.internal_client_ca and not settings.internal_identities:
        wrong.append("AFFILIA_INTERNAL_IDENTITIES: says which certificates may do what; without it none may anything")
    if settings.internal_client_ca and not settings.tls_certificate:
        wrong.append("AFFILIA_TLS_CERTIFICATE: the internal listener shows one to those who show theirs")
    return wrong


def _of_identities(settings: "Settings") -> list[str]:
    from server.identity.scopes import ADMIN, SCOPES

    return [
        f"AFFILIA_INTERNAL_IDENTITIES: {name} may {may or 'nothing'}, which is neither {ADMIN} nor scopes"
        for name, may in settings.internal_identities.items()
        if may != ADMIN and (not may.split() or set(may.split()) - set(SCOPES))
    ]


def _of_source(settings: "Settings") -> list[str]:
    source = settings.enrollment_source
    if settings.enrollment_source_token and not settings.enrollment_source_ca and not is_loopback(source):
        return ["AFFILIA_ENROLLMENT_SOURCE_CA: a token that goes over a network needs TLS"]
    return []


def _of_database(settings: "Settings") -> list[str]:
    wrong = []
    if not settings.database_url and not settings.dev:
        wrong.append("AFFILIA_DATABASE_URL: the embedded database is for development; name a PostgreSQL, or ask for it"
                     f" with AFFILIA_DATABASE_URL={EMBEDDED}")  # fmt: skip
    if settings.migration_url and settings.database_url in ("", EMBEDDED):
        wrong.append("AFFILIA_MIGRATION_URL: the embedded database has roles of its own")
    return wrong
