"""The object that tests get from the fixture `affilia`: addresses, clients, faults, and loading of contracts."""

from pathlib import Path
from types import TracebackType
from typing import Any, Self

from affilia_client.async_client import AsyncClient
from affilia_client.client import Client
from affilia_client.testing.faults import Faults
from affilia_client.testing.link import FaultyLink
from affilia_client.testing.own_server import load_folder


class Affilia(Faults):
    """A server, and a proxy before it that injects faults.

    Calls to `address` and `internal_address` go through the proxy; `server_address` and `server_internal_address` are
    the server's own. All tests of a session share the server and its data, so use ids of your own in each test.
    """

    def __init__(self, server_address: str, server_internal_address: str) -> None:
        super().__init__()
        self.server_address = server_address
        self.server_internal_address = server_internal_address
        self._links = [FaultyLink(each, self) for each in (server_address, server_internal_address)]
        self.address, self.internal_address = (link.address for link in self._links)

    def client(self, **options: Any) -> Client:
        """Returns a client of this server. `options` are the keyword arguments of Client."""
        return Client(self.address, **{"internal": self.internal_address, **options})

    def async_client(self, **options: Any) -> AsyncClient:
        """Returns an asynchronous client of this server. `options` are the keyword arguments of AsyncClient."""
        return AsyncClient(self.address, **{"internal": self.internal_address, **options})

    def load(self, folder: Path | str) -> None:
        """Loads contracts, and families if there are any, from a folder in the format of the sample book.

        The folder has a `contract.json`, and optionally a `families.csv`, or it has subfolders with these files. Faults
        don't apply. Loading a folder again changes nothing. Raises LoadFailed, ServerNotFound.
        """
        load_folder(self.server_address, Path(folder))

    def close(self) -> None:
        """Closes the proxy. The server keeps running."""
        for link in self._links:
            link.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
