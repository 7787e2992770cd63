"""Keys at the URL of a slow server: reading them takes a limited time and delays nothing else."""

import asyncio
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from affilia.enrollment.v1 import enrollment_query_service_pb2 as pb
from server.identity.bounded_fetch import fetch
from server.identity.token_keys import KeySet
from tests.conftest import ServerProcess
from tests.rpc.conftest import UNARY
from tests.support.calls import decoded, new_id
from tests.support.channels import connected_to
from tests.support.identities import bearing
from tests.support.waiting import wait_until

REQUEST = pb.GetEnrollmentGroupRequest(group_id=new_id()).SerializeToString()
DOCUMENT = b'{"keys": [' + b" " * 100_000 + b"]}"
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(DOCUMENT)


class Issuer:
    """A server of keys. After `trickles_after` bytes it sends the rest of an answer byte by byte, with pauses."""

    def __init__(self) -> None:
        self.body = DOCUMENT
        self.trickles_after: int | None = None
        self.silent = False
        self.connections = 0
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._closed = threading.Event()
        threading.Thread(target=self._accept, daemon=True).start()
        self.url = f"http://127.0.0.1:{self._listening.getsockname()[1]}/keys.json"

    def _accept(self) -> None:
        while not self._closed.is_set():
            try:
                connection, _ = self._listening.accept()
            except OSError:
                return
            threading.Thread(target=self._answer, args=[connection], daemon=True).start()

    def _answer(self, connection: socket.socket) -> None:
        self.connections += 1
        with connection:
            try:
                connection.recv(65536)
                if self.silent:
                    self._closed.wait(300)
                    return
                answer = HEAD.replace(str(len(DOCUMENT)).encode(), str(len(self.body)).encode()) + self.body
                at_once = len(answer) if self.trickles_after is None else self.trickles_after
                connection.sendall(answer[:at_once])
                for i in range(at_once, len(answer)):
                    connection.sendall(answer[i : i + 1])
                    if self._closed.wait(0.05):
                        return
            except OSError:
                return
            finally:
                self.connections -= 1

    def close(self) -> None:
        self._closed.set()
        self._listening.close()


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    served = Issuer()
    yield served
    served.close()


def be_silent(issuer: Issuer) -> None:
    issuer.silent = True


def trickle_the_head(issuer: Issuer) -> None:
    issuer.trickles_after = 9


def trickle_the_body(issuer: Issuer) -> None:
    issuer.trickles_after = len(HEAD) + 5


@pytest.mark.parametrize("behave", [be_silent, trickle_the_head, trickle_the_body])
def test_fetching_a_document_that_arrives_too_slowly_is_given_up(
    issuer: Issuer, behave: Callable[[Issuer], None]
) -> None:
    behave(issuer)
    began = time.monotonic()
    with pytest.raises(TimeoutError):
        asyncio.run(fetch(issuer.url, max_seconds=0.5))
    assert time.monotonic() - began < 60  # the whole document would take more than an hour
    wait_until(lambda: "fetching" not in [thread.name for thread in threading.enumerate()], "its thread has ended")
    wait_until(lambda: issuer.connections == 0 or issuer.silent, "its connection is closed")


def test_a_document_that_arrives_in_time_is_complete(issuer: Issuer) -> None:
    assert asyncio.run(fetch(issuer.url)) == DOCUMENT


def test_a_file_can_be_fetched(tmp_path: Path) -> None:
    (tmp_path / "keys.json").write_bytes(DOCUMENT)
    assert asyncio.run(fetch(str(tmp_path / "keys.json"))) == DOCUMENT


def test_the_next_call_reads_the_keys_if_a_call_ends_while_reading_them(issuer: Issuer) -> None:
    issuer.silent = True

    async def scenario() -> None:
        keys = KeySet(issuer.url, "RS256")
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await keys.refresh()
        issuer.silent, issuer.body = False, b'{"keys": []}'
        await keys.refresh()
        assert keys.generation == 1

    asyncio.run(scenario())


@contextmanager
def serving(folder: Path, issuer: Issuer) -> Iterator[ServerProcess]:
    flags = ["--no-dev", "--database-url", "embedded", "--token-keys", issuer.url, "--token-issuer", "me"]
    server = ServerProcess(folder, *flags, "--drain-seconds", "300")
    try:
        yield server
    finally:
        if server.process.poll() is None:
            server.kill()


def test_a_slow_issuer_delays_neither_calls_nor_the_shutdown(tmp_path: Path, issuer: Issuer) -> None:
    known = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    published = jwt.algorithms.RSAAlgorithm.to_jwk(known.public_key(), as_dict=True)
    issuer.body = json.dumps({"keys": [{**published, "kid": "known", "use": "sig", "alg": "RS256"}]}).encode()
    claims = {"iss": "me", "aud": "affilia", "sub": "x", "role": "service", "scope": "enrollment.read", "exp": 2**40}
    good, unknown = (
        bearing(jwt.encode(claims, known, algorithm="RS256", headers={"kid": kid})) for kid in ("known", "unknown")
    )
    with serving(tmp_path, issuer) as server, connected_to(server.address) as channel:
        trickle_the_body(issuer)
        call: Any = channel.unary_unary(UNARY)

        def keys_are_being_read() -> bool:
            call.future(REQUEST, metadata=unknown, timeout=60)
            return issuer.connections > 0

        wait_until(keys_are_being_read, "an unknown key has the keys read again")
        with pytest.raises(grpc.RpcError) as answered:
            call(REQUEST, metadata=good, timeout=60)
        assert decoded(answered.value).code == grpc.StatusCode.NOT_FOUND  # let in by the key that was known before
        with pytest.raises(grpc.RpcError) as refused:
            call(REQUEST, metadata=unknown, timeout=60)
        assert decoded(refused.value).code == grpc.StatusCode.UNAUTHENTICATED

        wait_until(keys_are_being_read, "an unknown key has the keys read again")
        assert server.stop(60) == 0  # of 300
