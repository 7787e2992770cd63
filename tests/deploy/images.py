"""Builds the image of deploy/Containerfile without a container daemon, and runs it as a container would.

Requires root and buildah. Without a registry, debootstrap builds the base image from Debian packages.
"""

import json
import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.packaging.environments import CACHE, ROOT, fetch, program
from tools import wheels

STORAGE = CACHE / "containers"
BUILDAH = ("--storage-driver", "vfs", "--root", str(STORAGE / "root"), "--runroot", str(STORAGE / "run"))
REGISTRYS_BASE = "docker.io/library/python:3.13-slim-bookworm"
OWN_BASE = "localhost/affilia-base"
IMAGE = "localhost/affilia"
SUITE, PACKAGES = "bookworm", "python3-minimal,python3-venv,ca-certificates"
OF_THE_HOST = ("/etc/pip.conf", "/etc/ssl/certs")
"""Mounted while the image is built, so that pip uses the same registry as this machine."""

IN_A_READ_ONLY_ROOT = """
set -eu
mount --bind "$1" "$1"
mount --bind /dev "$1/dev"
mount --rbind /proc "$1/proc"
mount -o remount,bind,ro "$1"
mount -t tmpfs -o size=64m tmpfs "$1/tmp"
root=$1 user=$2
shift 2
exec "$(PATH=/usr/sbin:/sbin:$PATH command -v chroot)" "$root" \\
    setpriv --no-new-privs --bounding-set=-all --clear-groups --reuid="${user%%:*}" --regid="${user##*:}" "$@"
"""


def buildah(*arguments: str | Path, check: bool = True) -> subprocess.CompletedProcess[str]:
    command = [program("buildah"), *BUILDAH, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=1800, cwd=ROOT)
    assert not check or done.returncode == 0, done.stderr[-3000:]
    return done


def base_image() -> str:
    """Returns the name of a base image: from a registry, or built on this machine."""
    if buildah("pull", "--quiet", REGISTRYS_BASE, check=False).returncode == 0:
        return REGISTRYS_BASE
    if buildah("inspect", "--type", "image", OWN_BASE, check=False).returncode == 0:
        return OWN_BASE
    folder = STORAGE / "base"
    shutil.rmtree(folder, ignore_errors=True)
    debootstrap, mirror = program("debootstrap"), debian_mirror()
    fetch(debootstrap, "--variant=minbase", f"--include={PACKAGES}", SUITE, folder, *mirror)
    for rest in ("var/cache/apt", "var/lib/apt/lists", "usr/share/doc", "usr/share/man", "usr/share/locale"):
        shutil.rmtree(folder / rest, ignore_errors=True)
    container = buildah("from", "scratch").stdout.strip()
    buildah("add", "--quiet", container, folder, "/")
    buildah("commit", "--quiet", "--rm", container, OWN_BASE)
    shutil.rmtree(folder)
    return OWN_BASE


def debian_mirror() -> list[str]:
    """Returns this machine's package mirror as an argument, or nothing if the usual file doesn't configure one."""
    sources = Path("/etc/apt/sources.list.d/debian.sources")
    lines = sources.read_text().splitlines() if sources.exists() else []
    return [line.split()[1] for line in lines if line.startswith("URIs:")][:1]


def build(folder: Path) -> None:
    """Builds the image from the working tree, in a context with only the files that .containerignore allows."""
    if os.geteuid() != 0:
        pytest.skip("building an image needs root on this machine")
    base = base_image()
    context, dist = folder / "context", folder / "context" / "dist"
    dist.mkdir(parents=True)
    for name in wheels.SOURCES:
        wheels.build(name, dist)
    shutil.copy(ROOT / "requirements-image.lock", context)
    volumes = [f"--volume={path}:{path}:ro" for path in OF_THE_HOST if Path(path).exists()]
    buildah(
        *("build", "--isolation", "chroot", "--network", "host", "--format", "docker", "--layers", *volumes),
        *("--build-arg", f"BASE={base}", "--file", ROOT / "deploy" / "Containerfile", "--tag", IMAGE, context),
    )


class Container:
    """The file system and the configuration of the image. `run` starts its programs as its user."""

    def __init__(self) -> None:
        described = json.loads(buildah("inspect", "--type", "image", IMAGE).stdout)
        self.config: dict[str, Any] = described["Docker"]["config"]
        self._name = buildah("from", IMAGE).stdout.strip()
        self.root = Path(buildah("mount", self._name).stdout.strip())

    def start(self, command: Sequence[str], variables: Mapping[str, str], log: Path) -> subprocess.Popen[str]:
        """Starts a program on the image's file system, which is read-only except for /tmp."""
        user, environment = self.config["User"], dict(each.split("=", 1) for each in self.config["Env"])
        return subprocess.Popen(
            ["unshare", "--mount", "sh", "-c", IN_A_READ_ONLY_ROOT, "sh", str(self.root), user, *command],
            env={**environment, **variables},
            stdout=subprocess.PIPE,
            stderr=log.open("ab"),
            text=True,
        )

    def remove(self) -> None:
        buildah("umount", self._name)
        buildah("rm", self._name)
