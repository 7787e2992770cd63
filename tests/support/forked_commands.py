"""Runs commands of `affilia` in processes that are forked from one that has imported the command line.

Importing it takes longer than most commands. Run as a program, this module reads one request per line, as JSON, and
prints the exit status of each command.
"""

import json
import os
import random
import subprocess
import sys
import tempfile
import threading
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NoReturn

ROOT = Path(__file__).parent.parent.parent


class Forked:
    """A process that forks for every command, one at a time."""

    def __init__(self) -> None:
        self.free = threading.Lock()
        """Held while a command runs."""
        self._process: subprocess.Popen[str] | None = None

    def run(self, words: Sequence[str], environment: Mapping[str, str], seconds: float) -> tuple[int, str, str]:
        """Returns the exit status, output and errors of a command. The caller holds `free`.

        Raises TimeoutExpired.
        """
        process = self._started()
        assert process.stdin is not None
        assert process.stdout is not None
        with tempfile.TemporaryDirectory() as folder:
            out, err = (Path(folder) / name for name in ("out", "err"))
            request = {"words": list(words), "environment": dict(environment), "out": str(out), "err": str(err)}
            timer = threading.Timer(seconds, process.kill)
            timer.start()
            try:
                print(json.dumps(request), file=process.stdin, flush=True)
                status = process.stdout.readline()
            finally:
                timer.cancel()
            if not status:
                self._process = None
                raise subprocess.TimeoutExpired(list(words), seconds)
            return int(status), out.read_text(), err.read_text()

    def _started(self) -> "subprocess.Popen[str]":
        if self._process is None:
            # It ends with its standard input, that is, with the tests.
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.support.forked_commands"],
                cwd=ROOT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
        return self._process


FORKED = Forked()


def main() -> None:
    """Runs commands until the end of standard input."""
    import server.__main__  # noqa: F401 (prepares gRPC, as the program does)
    from affilia_cli import app  # noqa: F401
    from server.serving import add_commands  # noqa: F401

    for line in sys.stdin:
        request = json.loads(line)
        pid = os.fork()
        if pid == 0:
            _become(request)
        print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)


def _become(request: Mapping[str, str]) -> NoReturn:
    """Runs a command in this process, as `python -m server` would."""
    status = 1
    try:
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        for name, number in (("out", 1), ("err", 2)):
            os.dup2(os.open(request[name], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), number)
        os.environ.clear()
        os.environ.update(request["environment"])  # type: ignore[arg-type]
        random.seed()
        sys.argv = [str(ROOT / "server" / "__main__.py"), *request["words"]]
        from server.__main__ import main as affilia

        affilia()
        status = 0
    except SystemExit as ended:
        status = ended.code if isinstance(ended.code, int) else 0 if ended.code is None else 1
        if isinstance(ended.code, str):
            print(ended.code, file=sys.stderr)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


if __name__ == "__main__":
    main()
