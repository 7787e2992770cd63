"""Runs the command line as a person does: on a pseudo-terminal of 80 columns."""

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable
from select import select
from types import TracebackType

from rich.cells import cell_len

from tests.conftest import ROOT

COLUMNS, ROWS = 80, 24
SECONDS = 60
STYLE = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]")


class Terminal:
    """A running command on a terminal. Its output has no styles."""

    def __init__(self, address: str, *words: str, rows: int = ROWS, stdin_too: bool = True) -> None:
        ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", rows, COLUMNS, 0, 0))
        environment = {name: value for name, value in os.environ.items() if name not in {"COLUMNS", "LINES", "CI"}}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "server", "--address", address, *words],
            cwd=ROOT,
            env={**environment, "TERM": "xterm-256color"},
            stdin=theirs if stdin_too else subprocess.DEVNULL,
            stdout=theirs,
            stderr=theirs,
        )
        os.close(theirs)
        self._terminal = ours
        self._raw = b""

    @property
    def out(self) -> str:
        return STYLE.sub("", self._raw.decode("utf-8", "replace")).replace("\r\n", "\n")

    @property
    def lines(self) -> list[str]:
        return [line.rstrip() for line in self.out.splitlines()]

    def until(self, text: str) -> str:
        """Returns the output when it contains a text."""
        self._read(lambda: text in self.out)
        assert text in self.out, self.out
        return self.out

    def press(self, keys: str) -> None:
        os.write(self._terminal, keys.encode())

    def end(self) -> int:
        """Returns the exit status, after reading all output."""
        self._read(lambda: False)
        return self._process.wait(SECONDS)

    def _read(self, is_enough: Callable[[], bool]) -> None:
        ends = time.monotonic() + SECONDS
        while not is_enough() and time.monotonic() < ends:
            if not select([self._terminal], [], [], 1.0)[0]:
                continue
            try:
                chunk = os.read(self._terminal, 65536)
            except OSError:  # Linux reports the end of the other side as an error
                return
            if not chunk:
                return
            self._raw += chunk

    def __enter__(self) -> "Terminal":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.wait(SECONDS)
        os.close(self._terminal)


def on_terminal(address: str, *words: str) -> list[str]:
    """Runs a command to its end and returns its lines, none of which is wider than the terminal."""
    with Terminal(address, *words) as terminal:
        terminal.end()
        lines = terminal.lines
    assert [line for line in lines if cell_len(line) > COLUMNS] == []
    return lines


def words_of(lines: list[str]) -> str:
    """Returns text without the line breaks and indents that wrapping adds."""
    return " ".join(" ".join(lines).split())
