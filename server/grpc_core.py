"""Prepares gRPC's C core. It imports nothing that takes time, because every command of `affilia` begins with it."""

import os

CORE_ENVIRONMENT = {
    "GRPC_VERBOSITY": "NONE",
    "GRPC_ENABLE_FORK_SUPPORT": "0",
    "GRPC_EXPERIMENTS": "-event_engine_listener",
}
"""Environment variables that gRPC's C core reads when it is loaded.

By default, the core writes lines of plain text to stderr, and anyone who can connect can choose their content (a failed
handshake, the text of a GOAWAY frame). Errors of gRPC's Python layer are logged like all others.

With fork support, the core stops and restarts its threads at every fork. The server forks only to start programs, as
uvloop does, but a thread that waited for the GIL in between blocked the whole server for a minute, and new connections
failed.

With the event engine, which newer cores use by default, each call goes through several threads of the core. Without it,
the thread that polls for calls also reads the sockets, and the event loop writes to them. This takes less CPU time per
call, with one caller and with many. A core that no longer has this option ignores it.
"""


def prepare_grpc_core() -> None:
    """Sets the environment of gRPC's C core, except variables that are set already. Call it before importing gRPC."""
    for name, value in CORE_ENVIRONMENT.items():
        os.environ.setdefault(name, value)
