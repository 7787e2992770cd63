"""Waiting until a server answers checks from memory. Until then, the database answers them."""

import socket
import urllib.request

from tests.support.waiting import wait_until

MAX_LOAD_SECONDS = 600
METRIC = "affilia_checks_from_memory"


def free_address() -> str:
    """Returns an address at which a server can serve its metrics."""
    with socket.socket() as chosen:
        chosen.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{chosen.getsockname()[1]}"


def until_loaded(metrics: str) -> None:
    """Waits until the server with its metrics at an address answers checks from memory."""
    wait_until(lambda: _is_loaded(metrics), "the read model is loaded", seconds=MAX_LOAD_SECONDS)


def _is_loaded(metrics: str) -> bool:
    with urllib.request.urlopen(f"http://{metrics}/metrics", timeout=60) as response:
        return f"{METRIC} 1.0" in response.read().decode().splitlines()
