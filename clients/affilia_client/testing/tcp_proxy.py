"""A TCP proxy whose connections can be cut."""

import socket
import threading
from contextlib import suppress

CHUNK_BYTES = 65536
LINGER_ZERO = b"\x01\x00\x00\x00\x00\x00\x00\x00"
"""SO_LINGER enabled with a timeout of zero: closing sends a reset, as if the peer had crashed."""


class TcpProxy:
    """Accepts connections on `port` and passes their bytes to another local port and back."""

    def __init__(self, target_port: int) -> None:
        self._target_port = target_port
        self._ends: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]
        threading.Thread(target=self._accept, name="affilia-tcp-proxy", daemon=True).start()

    def cut(self) -> None:
        """Resets all connections. New ones are still accepted."""
        with self._lock:
            ends, self._ends = self._ends, set()
        for end in ends:
            with suppress(OSError):
                end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_ZERO)
                end.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Resets all connections and stops accepting new ones."""
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
            threading.Thread(target=self._join, args=(near,), name="affilia-tcp-proxy", daemon=True).start()

    def _join(self, near: socket.socket) -> None:
        """Passes bytes both ways. Closes the sockets only after both directions ended, because two threads use them."""
        with near, suppress(OSError), socket.create_connection(("127.0.0.1", self._target_port)) as far:
            for end in (near, far):
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._lock:
                self._ends |= {near, far}
            back = threading.Thread(target=self._pass, args=(far, near), name="affilia-tcp-proxy", daemon=True)
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
