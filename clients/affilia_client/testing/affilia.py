"""What a test has of Affilia: addresses that answer, clients of them, and faults at will."""

from types import TracebackType
from typing import Any, Self

from affilia_client.async_client import AsyncClient
from affilia_client.client import Client
from affilia_client.testing.faults import Faults
from affilia_client.testing.link import FaultyLink


class Affilia(Faults):
    """`address` and `internal_address` are those that faults happen on; `server_address` is the server's own.

    The server keeps what earlier tests wrote, as a database does: take ids of your own.
    """

    def __init__(self, server_address: str, server_internal_address: str) -> None:
        super().__init__()
        self.server_address = server_address
        self.server_internal_address = server_internal_address
        self._links = [FaultyLink(each, self) for each in (server_address, server_internal_address)]
        self.address, self.internal_address = (link.address for link in self._links)

    def client(self, **how: Any) -> Client:
        """A client of this server; `how` is what Client takes by name."""
        return Client(self.address, **{"internal_address": self.internal_address, **how})

    def async_client(self, **how: Any) -> AsyncClient:
        """The same for tasks."""
        return AsyncClient(self.address, **{"internal_address": self.internal_address, **how})

    def close(self) -> None:
        """The server stays; the way to it ends."""
        for link in self._links:
            link.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
