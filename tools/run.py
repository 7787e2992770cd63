"""Runs a development server and the console, for `make run`.

The server runs in the foreground: its output is printed unchanged, and this program exits with its status. The
console is stopped with it. If the console can't start, for example because another program uses its address, the server
runs without it.
"""

import os
import signal
import subprocess
import sys
from types import FrameType

STOP_SECONDS = 15


def main() -> int:
    affilia = [sys.executable, "-m", "server"]
    server = subprocess.Popen([*affilia, "serve", "--dev", *sys.argv[1:]])
    console = subprocess.Popen([*affilia, "console", "--dev"], start_new_session=True, env=_console_environment())

    def forward(number: int, frame: FrameType | None) -> None:
        server.send_signal(number)

    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, forward)
    signal.signal(signal.SIGINT, lambda *_: None)  # the terminal sends Ctrl-C to the server, too
    try:
        return server.wait()
    finally:
        console.terminate()
        try:
            console.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            console.kill()


def _console_environment() -> dict[str, str]:
    """Returns the environment with the server's addresses, if they aren't the defaults."""
    environment = dict(os.environ)
    for flag, setting, client in (
        ("--listen", "AFFILIA_LISTEN", "AFFILIA_ADDRESS"),
        ("--internal-listen", "AFFILIA_INTERNAL_LISTEN", "AFFILIA_INTERNAL_ADDRESS"),
    ):
        if address := _argument(flag) or os.environ.get(setting, ""):
            environment[client] = address
    return environment


def _argument(flag: str) -> str:
    """Returns the value of a flag in this program's arguments, or an empty string."""
    for n, argument in enumerate(sys.argv[1:], 1):
        name, equals, value = argument.partition("=")
        if name == flag:
            return value if equals else (sys.argv[n + 1] if n + 1 < len(sys.argv) else "")
    return ""


if __name__ == "__main__":
    sys.exit(main())
