"""Reads a small document from a file or URL within a time limit, however slowly the other side responds.

A socket timeout limits each read, so a server that sends one byte per second could take hours. And a waiting thread of
asyncio's pool would delay the exit of the process. So documents are read in daemon threads, and a connection that takes
too long is shut down, which ends its thread.
"""

import asyncio
import http.client
import socket
import threading
import time
import urllib.request
from contextlib import suppress
from pathlib import Path
from typing import Any

MAX_SECONDS = 5.0
MAX_BYTES = 1024 * 1024


async def fetch(source: str, max_seconds: float = MAX_SECONDS) -> bytes:
    """Returns the document at a path or http(s) URL. Raises OSError (as TimeoutError is), HTTPException, ValueError."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[bytes] = loop.create_future()

    def read() -> None:
        try:
            text = _read_url(source, max_seconds) if is_url(source) else Path(source).read_bytes()
        except Exception as failed:
            _settle(loop, done, None, failed)
        else:
            _settle(loop, done, text, None)

    threading.Thread(target=read, name="fetching", daemon=True).start()
    return await asyncio.wait_for(done, max_seconds)


def is_url(source: str) -> bool:
    return source.startswith(("https://", "http://"))


def _settle(
    loop: asyncio.AbstractEventLoop, done: "asyncio.Future[bytes]", text: bytes | None, failed: Exception | None
) -> None:
    """Passes a thread's result to the event loop, unless the loop or the waiting task has ended."""

    def settle() -> None:
        if done.done():
            return
        if failed is not None:
            done.set_exception(failed)
        elif text is not None:
            done.set_result(text)

    with suppress(RuntimeError):  # the loop is closed
        loop.call_soon_threadsafe(settle)


def _read_url(url: str, max_seconds: float) -> bytes:
    deadline = _Deadline(max_seconds)
    try:
        opener = urllib.request.build_opener(_Http(deadline), _Https(deadline))
        with opener.open(url, timeout=max_seconds) as response:
            text: bytes = response.read(MAX_BYTES)
        deadline.check()
        return text
    except (OSError, http.client.HTTPException):
        deadline.check()  # a connection that the deadline shut down looks like one that the server closed
        raise
    finally:
        deadline.cancel()


class _Deadline:
    """Shuts down the connections of one request when its time limit has passed."""

    def __init__(self, seconds: float) -> None:
        self._at = time.monotonic() + seconds
        self._sockets: list[socket.socket] = []
        self._timer = threading.Timer(seconds, self._shut_down)
        self._timer.daemon = True
        self._timer.start()

    def applies_to(self, connected: socket.socket) -> None:
        """Applies the deadline to a socket. Raises TimeoutError."""
        self._sockets.append(connected)
        self.check()

    def check(self) -> None:
        """Raises TimeoutError if the time limit has passed: the document may be incomplete."""
        if time.monotonic() >= self._at:
            raise TimeoutError("the response took too long")

    def cancel(self) -> None:
        self._timer.cancel()

    def _shut_down(self) -> None:
        for connected in self._sockets:
            with suppress(OSError):
                # Shut down the socket below TLS, because the TLS state belongs to the reading thread.
                socket.socket.shutdown(connected, socket.SHUT_RDWR)


class _Http(urllib.request.HTTPHandler):
    """Opens HTTP connections with a deadline."""

    def __init__(self, deadline: _Deadline) -> None:
        super().__init__()
        self._deadline = deadline

    def http_open(self, request: urllib.request.Request) -> http.client.HTTPResponse:
        deadline = self._deadline

        class Connection(http.client.HTTPConnection):
            def connect(self) -> None:
                super().connect()
                deadline.applies_to(self.sock)

        return self.do_open(Connection, request)


class _Https(urllib.request.HTTPSHandler):
    """Opens HTTPS connections with a deadline. The handshake has the timeout of the connection."""

    def __init__(self, deadline: _Deadline) -> None:
        super().__init__()
        self._deadline = deadline

    def https_open(self, request: urllib.request.Request) -> http.client.HTTPResponse:
        deadline = self._deadline

        class Connection(http.client.HTTPSConnection):
            def connect(self) -> None:
                super().connect()
                deadline.applies_to(self.sock)

        connection: Any = Connection
        return self.do_open(connection, request)
