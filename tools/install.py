"""Installs a lock file into this environment with uv, which is several times faster, or else with pip.

`.venv/bin/python tools/install.py requirements.lock` is the first Python that runs on a fresh machine, so it requires
only pip. Both installers reject a file whose hash differs from the lock.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
UV_LOCK = REPOSITORY / "requirements-uv.lock"
PIP = [sys.executable, "-m", "pip", "--disable-pip-version-check"]


def install(lock: Path) -> None:
    """Installs everything that a lock file pins. Exits with pip's code if neither installer succeeds."""
    if not _installed_by_uv(lock):
        print("uv is unavailable here; installing with pip", file=sys.stderr)
        done = subprocess.run([*PIP, "install", "--quiet", "--require-hashes", "--requirement", lock], check=False)
        if done.returncode:
            sys.exit(done.returncode)


def _installed_by_uv(lock: Path) -> bool:
    pinned: list[str | Path] = [*PIP, "install", "--quiet", "--require-hashes", "--requirement", UV_LOCK]
    if subprocess.run(pinned, check=False, stderr=subprocess.DEVNULL).returncode:
        return False
    uv = Path(sys.executable).parent / "uv"
    arguments = ["pip", "install", "--quiet", "--python", sys.executable, "--require-hashes", "--requirement"]
    done = subprocess.run(
        [uv, *arguments, lock], env=os.environ | uv_environment(), check=False, stderr=subprocess.DEVNULL
    )
    return done.returncode == 0


def uv_environment(python: str | Path = sys.executable) -> dict[str, str]:
    """Returns what pip's configuration says about the registry, as variables that uv reads."""
    listed = subprocess.run([python, "-m", "pip", "config", "list"], check=True, capture_output=True, text=True)
    pip = dict(re.findall(r"^[^.\s]*\.([a-z-]+)='(.*)'$", listed.stdout, re.MULTILINE))
    names = {"index-url": "UV_DEFAULT_INDEX", "extra-index-url": "UV_INDEX", "cert": "SSL_CERT_FILE"}
    return {uv: pip[name] for name, uv in names.items() if name in pip and uv not in os.environ}


if __name__ == "__main__":
    install(Path(sys.argv[1]))
