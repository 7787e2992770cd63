"""Authentication: insecure settings, rotating keys, replaced certificates."""

import asyncio
import hmac
import http.server
import json
import threading
import time
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import grpc
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from structlog.testing import capture_logs

from affilia.enrollment.v1 import enrollment_query_service_pb2 as pb
from server.identity.listener_access import internal_access
from server.identity.token_keys import KeySet
from server.secure_settings import insecurities
from server.settings import Settings
from tests.rpc.conftest import UNARY, Shell
from tests.support.calls import decoded, new_id
from tests.support.certificates import Authority
from tests.support.identities import SETTINGS, Metadata, as_, bearing
from tests.support.waiting import wait_until

Code = grpc.StatusCode
REQUEST = pb.GetEnrollmentGroupRequest(group_id=new_id()).SerializeToString()
NOW = b"\x08\x02"
WATCH = "/affilia.enrollment.v1.EnrollmentQueryService/WatchEnrollments"
READER = "enrollment.read"
KEYS: dict[str, Any] = {"token_keys": "keys.json", "token_issuer": "me", "database_url": "postgresql:///"}
REACHABLE: dict[str, Any] = {**KEYS, "listen": "0.0.0.0:1"}


def status(channel: Any, metadata: Metadata = ()) -> grpc.StatusCode:
    try:
        channel.unary_unary(UNARY)(REQUEST, metadata=metadata, timeout=60)
    except grpc.RpcError as error:
        return decoded(error).code
    return Code.OK


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({}, "AFFILIA_TOKEN_KEYS"),
        ({"dev": True, "listen": "0.0.0.0:1"}, "AFFILIA_LISTEN"),
        ({"dev": True, "listen": "[::]:1"}, "AFFILIA_LISTEN"),
        ({"dev": True, "internal_listen": "10.0.0.1:1"}, "AFFILIA_INTERNAL_LISTEN"),
        ({**KEYS, "token_issuer": ""}, "AFFILIA_TOKEN_ISSUER"),
        ({**KEYS, "token_algorithm": "HS256"}, "AFFILIA_TOKEN_ALGORITHM"),
        ({**KEYS, "token_keys": "http://keys.example/jwks"}, "https"),
        ({**KEYS, "token_secret": "x" * 32}, "AFFILIA_TOKEN_SECRET"),
        ({**SETTINGS, "token_secret": "short"}, "32 bytes"),
        ({**SETTINGS, "listen": "0.0.0.0:1"}, "AFFILIA_TOKEN_SECRET"),
        ({**SETTINGS, "token_algorithm": "RS256"}, "AFFILIA_TOKEN_ALGORITHM"),
        ({**KEYS, "database_url": ""}, "AFFILIA_DATABASE_URL"),
        (REACHABLE, "AFFILIA_TLS_CERTIFICATE"),
        ({**REACHABLE, "tls_certificate": "a.crt"}, "AFFILIA_TLS_KEY"),
        ({**KEYS, "internal_listen": "0.0.0.0:2"}, "AFFILIA_INTERNAL_CLIENT_CA"),
        ({**KEYS, "internal_client_ca": "ca.pem"}, "AFFILIA_INTERNAL_IDENTITIES"),
        ({**KEYS, "internal_identities": {"ops": "Admin"}}, "at least one scope, or admin, got 'Admin'"),
        ({**KEYS, "internal_identities": {"ops": ""}}, "at least one scope, or admin, got ''"),
        ({**KEYS, "token_audience": ""}, "AFFILIA_TOKEN_AUDIENCE"),
        ({**KEYS, "token_keys": "http://localhost:x@evil.example/jwks"}, "https"),
        ({**KEYS, "enrollment_source": "far:1", "enrollment_source_token": "t"}, "AFFILIA_ENROLLMENT_SOURCE_CA"),
    ],
)
def test_insecure_settings_are_rejected(settings: dict[str, Any], sentence: str) -> None:
    assert sentence in "\n".join(insecurities(Settings(**settings)))


@pytest.mark.parametrize(
    "settings",
    [
        {"dev": True},
        {"dev": True, "listen": "unix:/run/affilia.sock"},
        KEYS,
        {**REACHABLE, "plaintext": True},
        {**REACHABLE, "tls_certificate": "a.crt", "tls_key": "a.key"},
        {**KEYS, "token_keys": "http://127.0.0.1:1/jwks"},
    ],
)
def test_secure_settings_are_accepted(settings: dict[str, Any]) -> None:
    assert insecurities(Settings(**settings)) == []


# ------------------------------------------------------------------------------------------------------- keys


class Signer:
    """A key of a token issuer."""

    def __init__(self, key_id: str) -> None:
        self.key_id = key_id
        self.key = rsa.generate_private_key(public_exponent=65537, key_size=2048)

    def published(self) -> dict[str, Any]:
        described: dict[str, Any] = jwt.algorithms.RSAAlgorithm.to_jwk(self.key.public_key(), as_dict=True)
        return {**described, "kid": self.key_id, "use": "sig", "alg": "RS256"}

    def token(self, algorithm: str = "RS256", key: Any = None, **claims: Any) -> Metadata:
        payload = {
            **{"iss": "me", "aud": "affilia", "sub": "claims", "role": "service", "scope": READER},
            "exp": datetime.now(UTC) + timedelta(hours=4),
            **claims,
        }
        payload = {name: value for name, value in payload.items() if value is not None}
        return bearing(jwt.encode(payload, key or self.key, algorithm=algorithm, headers={"kid": self.key_id}))


def publish(path: Path, *signers: Signer) -> None:
    path.write_text(json.dumps({"keys": [{"kty": "unheard-of"}, *(signer.published() for signer in signers)]}))


def wait_for_status(shell: Shell, metadata: Metadata, expected: grpc.StatusCode) -> None:
    wait_until(lambda: status(shell.channel, metadata) == expected, f"calls end with {expected}")


def still_authenticates_with_unreadable_keys(shell: Shell, metadata: Metadata) -> None:
    """Asserts that calls are authenticated before and after the server has tried to read its damaged keys."""

    def has_tried() -> bool:
        assert status(shell.channel, metadata) == Code.OK
        return any(line["event"] == "token_keys_unreadable" for line in logged)

    with capture_logs() as logged:
        wait_until(has_tried, "the server has tried to read the damaged keys")
        assert status(shell.channel, metadata) == Code.OK


def test_keys_in_a_file_rotate_without_a_restart(tmp_path: Path) -> None:
    old, new, stranger = Signer("old"), Signer("new"), Signer("old")
    path = tmp_path / "keys.json"
    publish(path, old)
    shell = Shell(**{**KEYS, "dev": False, "token_keys": str(path)})
    try:
        assert status(shell.channel, old.token()) == Code.OK
        assert status(shell.channel, stranger.token()) == Code.UNAUTHENTICATED
        assert status(shell.channel, new.token()) == Code.UNAUTHENTICATED
        publish(path, old, new)
        wait_for_status(shell, new.token(), Code.OK)
        kept = old.token()
        assert status(shell.channel, kept) == Code.OK
        publish(path, new)
        wait_for_status(shell, kept, Code.UNAUTHENTICATED)
        path.write_text("{ half a file")
        still_authenticates_with_unreadable_keys(shell, new.token())
    finally:
        shell.stop()


def signed_with_what_is_public(signer: Signer, public: bytes) -> Metadata:
    """Returns a token that is signed by HMAC with the public key, which a careless verifier would accept."""
    ((_, honest),) = signer.token()
    _, payload, _ = honest.removeprefix("Bearer ").split(".")
    header = urlsafe_b64encode(json.dumps({"alg": "HS256", "kid": signer.key_id}).encode()).rstrip(b"=").decode()
    signature = hmac.digest(public, f"{header}.{payload}".encode(), "sha256")
    return bearing(f"{header}.{payload}.{urlsafe_b64encode(signature).rstrip(b'=').decode()}")


def test_only_the_configured_algorithm_is_accepted(tmp_path: Path) -> None:
    signer = Signer("one")
    path = tmp_path / "keys.json"
    publish(path, signer)
    shell = Shell(**{**KEYS, "dev": False, "token_keys": str(path)})
    public = signer.key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    try:
        assert status(shell.channel, signer.token()) == Code.OK
        assert status(shell.channel, signer.token("PS256")) == Code.UNAUTHENTICATED
        assert status(shell.channel, signed_with_what_is_public(signer, public)) == Code.UNAUTHENTICATED
        assert status(shell.channel, signer.token(nbf=datetime.now(UTC) + timedelta(hours=2))) == Code.UNAUTHENTICATED
        assert status(shell.channel, signer.token(nbf=datetime.now(UTC) + timedelta(seconds=10))) == Code.OK
        for missing in ("exp", "iss", "aud", "sub"):
            lacking: dict[str, Any] = {missing: None}
            assert status(shell.channel, signer.token(**lacking)) == Code.UNAUTHENTICATED
    finally:
        shell.stop()


@pytest.fixture
def published(tmp_path: Path) -> Iterator[tuple[Path, str, http.server.HTTPServer]]:
    """A folder, its URL, and the server that serves it."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *args: Any) -> None:
            super().__init__(*args, directory=str(tmp_path))

        def log_message(self, *_: Any) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Quiet)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield tmp_path, f"http://127.0.0.1:{server.server_port}", server
    server.shutdown()
    server.server_close()


def test_keys_at_a_url_are_read_again_for_an_unknown_key_and_kept_while_it_is_unavailable(
    published: tuple[Path, str, http.server.HTTPServer],
) -> None:
    folder, url, server = published
    old, new = Signer("old"), Signer("new")
    publish(folder / "keys.json", old)
    shell = Shell(**{**KEYS, "dev": False, "token_keys": f"{url}/keys.json"})
    try:
        assert status(shell.channel, old.token()) == Code.OK
        publish(folder / "keys.json", old, new)
        wait_for_status(shell, new.token(), Code.OK)
        server.shutdown()
        assert status(shell.channel, Signer("third").token()) == Code.UNAUTHENTICATED
        assert status(shell.channel, new.token()) == Code.OK
    finally:
        shell.stop()


def test_a_token_that_practically_never_expires_causes_no_defect(tmp_path: Path) -> None:
    signer, path = Signer("one"), tmp_path / "keys.json"
    publish(path, signer)
    shell = Shell(**{**KEYS, "dev": False, "token_keys": str(path)})
    try:
        assert status(shell.channel, signer.token(exp=10**400)) in (Code.OK, Code.UNAUTHENTICATED)
        path.write_text('{"keys": []}')
        wait_for_status(shell, signer.token(), Code.UNAUTHENTICATED)
    finally:
        shell.stop()


def test_unreadable_keys_do_not_replace_the_known_ones(tmp_path: Path) -> None:
    signer, path = Signer("one"), tmp_path / "keys.json"
    publish(path, signer)
    shell = Shell(**{**KEYS, "dev": False, "token_keys": str(path)})
    try:
        for damage in ("[" * 100_000, '{"keys": 7}', "\0", ""):
            path.write_text(damage)
            still_authenticates_with_unreadable_keys(shell, signer.token())
    finally:
        shell.stop()


def test_keys_at_a_url_are_not_read_for_each_call(published: tuple[Path, str, http.server.HTTPServer]) -> None:
    folder, url, _ = published
    signer = Signer("one")
    publish(folder / "keys.json", signer)

    async def asked() -> int:
        keys = KeySet(f"{url}/keys.json", "RS256")
        await keys.load()
        first = keys.generation
        publish(folder / "keys.json", signer, Signer("two"))
        for _ in range(50):
            await keys.refresh()
            assert await keys.key("one") is not None
        return keys.generation - first

    assert asyncio.run(asked()) == 0


def test_a_server_does_not_start_without_its_keys(tmp_path: Path) -> None:
    with pytest.raises(Exception, match="cannot be read"):
        Shell(**{**KEYS, "dev": False, "token_keys": str(tmp_path / "nowhere.json")})


def test_a_stream_ends_when_the_token_of_its_caller_expires() -> None:
    shell = Shell(**{**SETTINGS, "token_leeway_seconds": 0})
    try:
        began = time.monotonic()
        stream = shell.channel.unary_stream(WATCH)(
            NOW, metadata=as_("service", "reader", "enrollment.watch", minutes=8 / 60), timeout=300
        )
        next(stream)
        with pytest.raises(grpc.RpcError) as raised:
            next(stream)
        assert decoded(raised.value).code == Code.UNAUTHENTICATED
        assert 1 < time.monotonic() - began < 120  # of 300
    finally:
        shell.stop()


# ------------------------------------------------------------------------------------------------ certificates


def secure(address: str, authority: bytes, client: tuple[Path, Path] | None = None) -> Any:
    key, certificate = (client[1].read_bytes(), client[0].read_bytes()) if client else (None, None)
    credentials = grpc.ssl_channel_credentials(authority, key, certificate)
    port = address.rpartition(":")[2]
    return grpc.secure_channel(f"localhost:{port}", credentials)


def test_a_certificate_is_replaced_without_a_restart(tmp_path: Path) -> None:
    first, second = Authority(tmp_path / "first"), Authority(tmp_path / "second")
    at, key_at = first.sign("affilia", "server")
    shell = Shell(**{**SETTINGS, "tls_certificate": at, "tls_key": key_at})
    reader = as_("service", "reader", READER)
    try:
        address = shell.listener.address
        with secure(address, first.pem) as channel:
            assert status(channel, reader) == Code.OK
            new, new_key = second.sign("affilia", "server")
            at.write_bytes(new.read_bytes())  # for a moment without its key: the old pair serves on
            with secure(address, first.pem) as between:
                assert status(between, reader) == Code.OK
            key_at.write_bytes(new_key.read_bytes())
            with secure(address, second.pem) as after:
                assert status(after, reader) == Code.OK
            with secure(address, first.pem) as late:
                assert status(late, reader) == Code.UNAVAILABLE
            assert status(channel, reader) == Code.OK  # existing connections stay open
        assert status(shell.channel, reader) == Code.UNAVAILABLE  # plaintext connections are rejected
    finally:
        shell.stop()


def test_internal_callers_have_the_scopes_that_the_settings_give_their_certificates(tmp_path: Path) -> None:
    authority, stranger = Authority(tmp_path / "ours"), Authority(tmp_path / "theirs")
    at, key_at = authority.sign("affilia")
    settings: dict[str, Any] = {
        "tls_certificate": at,
        "tls_key": key_at,
        "internal_client_ca": authority.path,
        "internal_identities": {"reader.internal": READER, "ops.internal": "admin", "mute.internal": "pricing.read"},
    }
    access = internal_access(Settings(dev=True, **settings))
    shell = Shell(access, **settings)
    try:
        for name, expected in (
            ("reader.internal", Code.OK),
            ("mute.internal", Code.PERMISSION_DENIED),
            ("nobody.internal", Code.PERMISSION_DENIED),
        ):
            with secure(shell.listener.address, authority.pem, authority.sign(name)) as channel:
                assert status(channel) == expected
                # A token gives nobody more than their certificate does.
                assert status(channel, as_("service", "reader", READER)) == expected
        for client in (None, stranger.sign("reader.internal")):
            with secure(shell.listener.address, authority.pem, client) as channel:
                assert status(channel) == Code.UNAVAILABLE
    finally:
        shell.stop()
