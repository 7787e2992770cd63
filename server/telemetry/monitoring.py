"""The HTTP endpoint for monitoring: /metrics, and the probes /livez and /readyz. All other paths return 404."""

import asyncio
import socket
import threading
from collections.abc import Callable, Coroutine, Iterable, Iterator
from contextlib import contextmanager, suppress
from http import HTTPStatus
from typing import Any, Protocol
from wsgiref.simple_server import WSGIRequestHandler, make_server

from prometheus_client import REGISTRY, CollectorRegistry, make_wsgi_app
from prometheus_client.exposition import ThreadingWSGIServer

from server.addresses import AddressTaken

LOOP_SECONDS = 5.0
"""Both probes fail if the event loop doesn't respond for longer than this."""
REQUEST_SECONDS = 10.0
"""A connection is closed if it sends nothing for longer than this."""

METRICS, LIVEZ, READYZ = "/metrics", "/livez", "/readyz"

WsgiApp = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


class NotPassed(Exception):
    """A probe failed. The text gives the reason."""


class Probes(Protocol):
    """The two probes of a process. They run on its event loop."""

    async def live(self) -> str:
        """Returns the text of the answer. Raises NotPassed if the process must be restarted."""
        ...

    async def ready(self) -> str:
        """Returns the text of the answer. Raises NotPassed if the process must not receive calls."""
        ...


@contextmanager
def monitored(address: str, probes: Probes, registry: CollectorRegistry = REGISTRY) -> Iterator[str]:
    """Serves metrics and probes at http://address. Yields the address with the port that was bound, or "" without one.

    Call it on the event loop that the probes run on. Raises AddressTaken.
    """
    if not address:
        yield ""
        return
    app = _app(make_wsgi_app(registry), probes, asyncio.get_running_loop())
    host, _, port = address.rpartition(":")
    try:
        server = make_server(host.strip("[]"), int(port), app, _server_class(host), handler_class=_Handler)
    except OSError as taken:
        raise AddressTaken(address) from taken
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"{host}:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _app(metrics: WsgiApp, probes: Probes, loop: asyncio.AbstractEventLoop) -> WsgiApp:
    questions = {LIVEZ: probes.live, READYZ: probes.ready}

    def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        if path == METRICS:
            return metrics(environ, start_response)
        question = questions.get(path)
        if question is None:
            status, text = HTTPStatus.NOT_FOUND, "not found"
        elif environ["REQUEST_METHOD"] not in ("GET", "HEAD"):
            status, text = HTTPStatus.METHOD_NOT_ALLOWED, "use GET or HEAD"
        else:
            status, text = _answer(question, loop)
        body = f"{text}\n".encode()
        start_response(
            f"{status.value} {status.phrase}",
            [
                ("Content-Type", "text/plain; charset=utf-8"),
                ("Content-Length", str(len(body))),
                ("Cache-Control", "no-store"),
            ],
        )
        return [] if environ["REQUEST_METHOD"] == "HEAD" else [body]

    return app


def _answer(
    question: Callable[[], Coroutine[Any, Any, str]], loop: asyncio.AbstractEventLoop
) -> tuple[HTTPStatus, str]:
    asked = asyncio.run_coroutine_threadsafe(question(), loop)
    try:
        return HTTPStatus.OK, asked.result(LOOP_SECONDS)
    except NotPassed as failed:
        return HTTPStatus.SERVICE_UNAVAILABLE, str(failed)
    except TimeoutError:
        asked.cancel()
        return HTTPStatus.SERVICE_UNAVAILABLE, f"the event loop did not respond within {LOOP_SECONDS:g} s"


def _server_class(host: str) -> type[ThreadingWSGIServer]:
    """Returns the class of a server that listens on a host's first address."""
    # Without a host, on all interfaces of IPv4.
    family = socket.getaddrinfo(host.strip("[]"), 0, type=socket.SOCK_STREAM)[0][0] if host else socket.AF_INET

    class MonitoringServer(ThreadingWSGIServer):
        address_family = family

    return MonitoringServer


class _Handler(WSGIRequestHandler):
    """Handles a connection without logging its requests."""

    timeout = REQUEST_SECONDS

    def handle(self) -> None:
        """Handles a request. A connection without one, such as a health check by TCP, is closed silently."""
        with suppress(TimeoutError):
            super().handle()

    def log_message(self, format: str, *args: Any) -> None:
        """Logs nothing: probes and scrapes are too frequent."""
