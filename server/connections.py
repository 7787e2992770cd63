"""Counts the calls on each TCP connection of a client, and closes connections.

gRPC's Python server can't reset a single stream or close a connection. The operating system can: shutting down the
socket makes gRPC drop everything that it still has to send there, and frees the memory.
"""

import ipaddress
import os
import socket
import stat
from pathlib import Path
from urllib.parse import unquote

DESCRIPTORS = Path("/dev/fd")

Endpoint = tuple[str, int]
"""Address and port of one side of a connection. An IPv4-mapped IPv6 address is written as IPv4."""


class Connections:
    """The connections of one listener, by gRPC's name of the peer (`ipv4:192.0.2.1:40000`)."""

    def __init__(self) -> None:
        self._calls: dict[str, int] = {}

    def begin(self, peer: str) -> None:
        """Counts a call."""
        self._calls[peer] = self._calls.get(peer, 0) + 1

    def end(self, peer: str) -> None:
        """Stops counting a call."""
        left = self._calls[peer] - 1
        if left:
            self._calls[peer] = left
        else:
            del self._calls[peer]

    def calls(self, peer: str) -> int:
        """Returns how many calls are open on a connection."""
        return self._calls.get(peer, 0)


def close(peer: str, listening_port: int) -> bool:
    """Closes a peer's connection to a port of this process. Returns whether there was one.

    Call it in a thread: it takes time in proportion to the number of open descriptors.
    """
    wanted = endpoint_of(peer)
    if wanted is None:
        return False
    return any(_shut_down(int(entry.name), wanted, listening_port) for entry in DESCRIPTORS.iterdir())


def _shut_down(descriptor: int, wanted: Endpoint, listening_port: int) -> bool:
    """Shuts down a descriptor if it is a socket between an endpoint and a port of this process."""
    try:
        if not stat.S_ISSOCK(os.fstat(descriptor).st_mode):
            return False
        # A duplicate, because the number can be reused for another file at any time.
        with socket.socket(fileno=os.dup(descriptor)) as duplicate:
            if _endpoint(duplicate.getpeername()) != wanted or duplicate.getsockname()[1] != listening_port:
                return False
            duplicate.shutdown(socket.SHUT_RDWR)
            return True
    except (OSError, IndexError):  # already closed, not connected, or a socket of another family
        return False


def endpoint_of(peer: str) -> Endpoint | None:
    """Returns the endpoint of gRPC's name of a peer, or None for a unix socket."""
    family, _, rest = peer.partition(":")
    host, _, port = unquote(rest).rpartition(":")
    if family not in ("ipv4", "ipv6") or not port.isdigit():
        return None
    return _endpoint((host.strip("[]"), int(port)))


def _endpoint(name: object) -> Endpoint | None:
    if not isinstance(name, tuple) or len(name) < 2:
        return None
    try:
        address = ipaddress.ip_address(name[0].partition("%")[0])
    except ValueError:
        return None
    mapped = getattr(address, "ipv4_mapped", None)
    return str(mapped or address), name[1]
