"""How the settings of a server are divided among its processes, and how processes share an address."""

import socket
from typing import Any

import pytest

from server.addresses import AddressTaken, reserved
from server.processes.messages import Order, Report
from server.processes.sharing import settings_of_process
from server.serving import settings_from
from server.settings import Settings

DEV: dict[str, Any] = {"dev": True}


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"processes": 2, "listen": "unix:/run/affilia.sock"}, "must be 1 with unix:/run/affilia.sock"),
        ({"processes": 2, "internal_listen": "unix:/run/affilia.sock"}, "can't share a unix socket"),
        ({"processes": 4, "pool_size": 7}, "AFFILIA_PROCESSES: must be at most 3 with AFFILIA_POOL_SIZE=7"),
        ({"processes": 0}, "AFFILIA_PROCESSES: "),
        ({"processes": 2, "metrics_listen": "127.0.0.1:65534"}, "AFFILIA_METRICS_LISTEN: must leave 2 ports"),
    ],
)
def test_settings_that_processes_cannot_share_are_rejected(
    given: dict[str, Any], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        settings_from({**DEV, **given})
    assert sentence in capsys.readouterr().err


def test_a_unix_socket_is_accepted_with_one_process() -> None:
    assert Settings(**DEV, listen="unix:/run/affilia.sock").processes == 1


def test_processes_share_connections_and_worker_processes() -> None:
    settings = Settings(
        **DEV, processes=3, pool_size=20, compute_workers=7, premium_engine="processes:6", metrics_listen="127.0.0.1:90"
    )
    second = settings_of_process(settings, 2)
    assert (second.pool_size, second.compute_workers, second.premium_engine) == (6, 2, "processes:2")
    assert second.metrics_listen == "127.0.0.1:92"


def test_every_process_has_a_worker_of_each_kind() -> None:
    settings = Settings(**DEV, processes=4, compute_workers=1, premium_engine="processes:1", metrics_listen="[::1]:0")
    fourth = settings_of_process(settings, 4)
    assert (fourth.compute_workers, fourth.premium_engine, fourth.metrics_listen) == (1, "processes:1", "[::1]:0")


def test_a_dask_cluster_is_not_divided() -> None:
    settings = Settings(**DEV, processes=2, premium_engine="dask://scheduler:8786")
    assert settings_of_process(settings, 1).premium_engine == "dask://scheduler:8786"


def test_a_process_receives_all_settings_and_secrets() -> None:
    settings = Settings(
        **DEV,
        processes=2,
        token_secret="x" * 32,
        kafka_properties={"security.protocol": "SSL"},
        recompute_pauses=(1.0, 2.0),
        legacy_sources=("ES",),
        data_dir="somewhere",
    )
    assert Order.of(Order(2, settings).line()) == Order(2, settings)
    assert "x" * 32 not in repr(Order(2, settings))


@pytest.mark.parametrize("report", [Report(), Report(metrics_address="127.0.0.1:9101"), Report(failure="A\nsentence.")])
def test_a_report_is_one_line(report: Report) -> None:
    assert report.line().count("\n") == 1
    assert Report.of(report.line()) == report


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "0.0.0.0", "[::]"])  # noqa: S104 (nothing listens)
def test_a_reserved_port_is_free_for_processes_that_share_it(host: str) -> None:
    with reserved(f"{host}:0") as address, reserved("127.0.0.1:0") as other:
        port = int(address.rpartition(":")[2])
        assert address == f"{host}:{port}"
        assert port not in (0, int(other.rpartition(":")[2]))
        with (
            _listening(port, reuse_port=True),
            _listening(port, reuse_port=True),
            pytest.raises(OSError, match="in use"),
        ):
            _listening(port, reuse_port=False)


@pytest.mark.parametrize("reuse_port", [True, False])
def test_a_port_on_which_another_server_listens_cannot_be_reserved(reuse_port: bool) -> None:
    with (
        _listening(0, reuse_port=reuse_port) as other,
        pytest.raises(AddressTaken, match="Cannot listen on"),
        reserved(f"127.0.0.1:{other.getsockname()[1]}"),
    ):
        pass


def _listening(port: int, *, reuse_port: bool) -> socket.socket:
    listening = socket.socket()
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, int(reuse_port))
    try:
        listening.bind(("127.0.0.1", port))
        listening.listen()
    except OSError:
        listening.close()
        raise
    return listening
