"""What a server prints when it is ready."""

from collections.abc import Awaitable, Callable, Iterable

from server.settings import Settings

Prepare = Callable[[Settings, str], Awaitable[str]]
"""Prepares a server before it reports ready, given its settings and the address of its public listener. Returns text to
print after that report, which may be empty."""


def announce(settings: Settings, public: str, internal: str, metrics: Iterable[str], advice: str) -> None:
    """Prints that the server is ready, its addresses and, unless they are empty, its metrics addresses and advice."""
    print(f"affilia is ready: {public} (public), {internal} (internal)", flush=True)
    for address in filter(None, metrics):
        print(f"metrics: http://{address}/metrics", flush=True)
    if settings.dev:
        print(
            "WARNING --dev: the server runs without authentication. Anyone who can connect can do anything, and"
            " x-affilia-today and x-affilia-actor set the current day and the actor of a call. Use it on loopback only,"
            " and never with real data.",
            flush=True,
        )
    if advice:
        print(advice, flush=True)
