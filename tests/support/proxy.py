"""A TCP proxy to the database that can stop forwarding while its connections stay open."""

import asyncio
import threading
from pathlib import Path
from typing import Any

from psycopg.conninfo import conninfo_to_dict


class BlackHole:
    """Forwards connections to its port to a unix socket, or to a host and port, until `swallow` is called."""

    def __init__(self, socket: Path | None = None, host: str = "", port: int = 0) -> None:
        self._to = (socket, host, port)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._passes = asyncio.Event()
        self._passes.set()
        self._cut_at: int | None = None
        self.connections = 0
        self.port: int = asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result(60)

    async def _listen(self) -> int:
        server = await asyncio.start_server(self._forward, "127.0.0.1", 0)
        port: int = server.sockets[0].getsockname()[1]
        return port

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self._passes.wait()
        socket, host, port = self._to
        opened = asyncio.open_unix_connection(socket) if socket else asyncio.open_connection(host, port)
        theirs_in, theirs_out = await opened
        self.connections += 1
        try:
            await asyncio.gather(self._pump(reader, theirs_out, cuts=True), self._pump(theirs_in, writer))
        finally:
            self.connections -= 1

    async def _pump(self, from_: asyncio.StreamReader, to: asyncio.StreamWriter, *, cuts: bool = False) -> None:
        try:
            while data := await from_.read(65536):
                await self._passes.wait()
                if cuts and self._cut_at is not None and len(data) > self._cut_at:
                    to.write(data[: self._cut_at])
                    await to.drain()
                    data, self._cut_at = data[self._cut_at :], None
                    self._passes.clear()
                    await self._passes.wait()
                to.write(data)
                await to.drain()
        except OSError:
            return
        finally:
            to.close()

    def swallow(self) -> None:
        self._loop.call_soon_threadsafe(self._passes.clear)

    def swallow_within(self, size: int) -> None:
        """Stops forwarding after the first `size` bytes of the next larger piece that a client sends."""
        self._cut_at = size

    def pass_again(self) -> None:
        self._loop.call_soon_threadsafe(self._passes.set)

    def stop(self) -> None:
        asyncio.run_coroutine_threadsafe(self._end_connections(), self._loop).result(60)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _end_connections(self) -> None:
        pumps = asyncio.all_tasks() - {asyncio.current_task()}
        for pump in pumps:
            pump.cancel()
        await asyncio.gather(*pumps, return_exceptions=True)


def hole_before(url: str) -> BlackHole:
    """Returns a proxy to the database with this URL."""
    parts: dict[str, Any] = conninfo_to_dict(url)
    host, port = parts.get("host", "localhost"), int(parts.get("port") or 5432)
    return BlackHole(Path(host, f".s.PGSQL.{port}")) if host.startswith("/") else BlackHole(None, host, port)
