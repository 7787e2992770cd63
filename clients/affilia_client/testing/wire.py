"""A TCP connection in two halves, so that it can be cut in the middle."""

import socket
import threading
from contextlib import suppress

CHUNK_BYTES = 65536
AT_ONCE = b"\x01\x00\x00\x00\x00\x00\x00\x00"
"""SO_LINGER of no time at all: closing resets, as when a machine goes away."""


class Wire:
    """Passes bytes between whoever connects to `port` and a port of this machine."""

    def __init__(self, target_port: int) -> None:
        self._target_port = target_port
        self._ends: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]
        threading.Thread(target=self._accept, name="affilia-wire", daemon=True).start()

    def cut(self) -> None:
        """Ends all connections; new ones are taken."""
        with self._lock:
            ends, self._ends = self._ends, set()
        for end in ends:
            with suppress(OSError):
                end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, AT_ONCE)
                end.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Ends all connections, and takes no new ones."""
        with suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self.cut()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listening.accept()
            except OSError:
                return
            threading.Thread(target=self._join, args=(near,), name="affilia-wire", daemon=True).start()

    def _join(self, near: socket.socket) -> None:
        """Passes both ways until either side ends; closes only then, for the other thread still reads."""
        with near, suppress(OSError), socket.create_connection(("127.0.0.1", self._target_port)) as far:
            for end in (near, far):
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._lock:
                self._ends |= {near, far}
            back = threading.Thread(target=self._pass, args=(far, near), name="affilia-wire", daemon=True)
            back.start()
            self._pass(near, far)
            back.join()
            with self._lock:
                self._ends -= {near, far}

    @staticmethod
    def _pass(source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(CHUNK_BYTES):
                target.sendall(data)
        for end in (source, target):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
