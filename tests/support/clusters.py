"""PostgreSQL clusters that tests back up and restore, of the embedded wheel or of installations on this machine."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from storage.postgres.embedded import UNPRIVILEGED_USER, binaries, let_others_pass

OLDEST_MAJOR = 15
INSTALLATIONS = Path("/usr/lib/postgresql")
"""Where Debian and its relatives keep the programs of each version."""
NEEDED = ("initdb", "pg_ctl", "postgres", "psql", "pg_dump", "pg_restore", "pg_basebackup")


def installations() -> dict[str, Path]:
    """Returns the directories with programs of supported PostgreSQL versions, by name."""
    found = {"wheel": binaries()}
    for version in sorted(INSTALLATIONS.glob("*/bin")) if INSTALLATIONS.is_dir() else ():
        if int(version.parent.name) >= OLDEST_MAJOR and all((version / name).exists() for name in NEEDED):
            found[f"installed-{version.parent.name}"] = version
    return found


class Cluster:
    """A cluster that only listens on a socket in `home`, without passwords. `data` can be replaced while it is
    stopped."""

    def __init__(self, programs: Path, home: Path) -> None:
        self.programs = programs
        self.home = home
        self.data = home / "data"

    def make(self) -> None:
        self._run(
            "initdb", "--pgdata", self.data, "--username=postgres", "--auth=trust", "--encoding=UTF8", "--no-locale"
        )

    def start(self) -> None:
        if os.geteuid() == 0:
            for path in (self.data, *self.data.rglob("*")):
                shutil.chown(path, UNPRIVILEGED_USER)
        self.data.chmod(0o700)
        options = f"-k {self.home} -c listen_addresses=''"
        self._run("pg_ctl", "start", "--pgdata", self.data, "--wait", "--log", self.home / "log", "--options", options)

    def stop(self) -> None:
        self._run("pg_ctl", "stop", "--pgdata", self.data, "--wait", "--mode=fast")

    @property
    def is_running(self) -> bool:
        return (self.data / "postmaster.pid").exists()

    def url(self, role: str, database: str) -> str:
        return f"postgresql://{role}@/{database}?host={self.home}"

    def _run(self, program: str, *arguments: object) -> None:
        """Runs a program of PostgreSQL, which refuses to run as root."""
        user: dict[str, Any] = {"user": UNPRIVILEGED_USER, "extra_groups": []} if os.geteuid() == 0 else {}
        subprocess.run(
            [self.programs / program, *map(str, arguments)],
            cwd=self.home,
            check=True,
            stdout=subprocess.DEVNULL,
            timeout=120,
            **user,
        )


@contextmanager
def a_cluster(programs: Path) -> Iterator[Cluster]:
    """Yields a running new cluster, and stops and removes it at the end."""
    home = Path(tempfile.mkdtemp(prefix="affilia-cluster-"))
    if os.geteuid() == 0:
        home.chmod(0o755)
        shutil.chown(home, UNPRIVILEGED_USER)
        for path in (home, programs):
            let_others_pass(path)
    cluster = Cluster(programs, home)
    try:
        cluster.make()
        cluster.start()
        yield cluster
    finally:
        if cluster.is_running:
            cluster.stop()
        shutil.rmtree(home)
