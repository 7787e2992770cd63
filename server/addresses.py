"""Reserves an address, so that several processes can listen on it."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

WILDCARDS = ("", "0.0.0.0", "[::]")  # noqa: S104 (they are compared, not listened on)


class AddressTaken(Exception):
    """The server can't listen on a configured address."""

    def __init__(self, address: str) -> None:
        super().__init__(f"Cannot listen on {address}: is another server running there?")


@contextmanager
def reserved(address: str) -> Iterator[str]:
    """Reserves `host:port` for processes that listen on it with SO_REUSEPORT. Yields it, with a free port instead of 0.

    The reservation receives no connections, because it doesn't listen. While it exists, the system doesn't choose the
    port for other programs, even if no process listens. Raises AddressTaken.
    """
    host, _, port = address.rpartition(":")
    with ExitStack() as sockets:
        number = int(port)
        try:
            for family, name in _names(host):
                if number:
                    # With SO_REUSEPORT, this process could listen beside another server that uses it, too.
                    with _bound(family, name, number, reuse_port=False):
                        pass
                held = sockets.enter_context(_bound(family, name, number, reuse_port=True))
                number = held.getsockname()[1]
        except OSError as taken:
            raise AddressTaken(address) from taken
        yield f"{host}:{number}"


def _names(host: str) -> list[tuple[socket.AddressFamily, str]]:
    """Returns the families and addresses on which gRPC listens for a host. For all interfaces, it uses one socket."""
    if host in WILDCARDS:
        return [(socket.AF_INET6, "::")] if socket.has_dualstack_ipv6() else [(socket.AF_INET, "0.0.0.0")]  # noqa: S104
    found = socket.getaddrinfo(host.strip("[]"), None, type=socket.SOCK_STREAM)
    return list(dict.fromkeys((family, str(name[0])) for family, _, _, _, name in found))


def _bound(family: socket.AddressFamily, name: str, port: int, *, reuse_port: bool) -> socket.socket:
    """Returns a socket that is bound, but doesn't listen. Raises OSError."""
    bound = socket.socket(family, socket.SOCK_STREAM)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # ignores connections of a server that has ended
        if reuse_port:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if family == socket.AF_INET6:
            bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, name != "::")
        bound.bind((name, port))
    except OSError:
        bound.close()
        raise
    return bound
