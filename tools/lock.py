"""The lock files: exact versions with hashes for every supported Python and platform.

`make lock` resolves pyproject.toml with uv in a temporary environment and writes all files; `tools/install.py` installs
them. With the argument `check`, reports where they no longer match pyproject.toml.
"""

import os
import re
import subprocess
import sys
import tomllib
import venv
from pathlib import Path

from tools import compiler
from tools.install import UV_LOCK, uv_environment

REPOSITORY = Path(__file__).resolve().parent.parent
RUN_LOCK = REPOSITORY / "requirements.lock"
DEV_LOCK = REPOSITORY / "requirements-dev.lock"
PROTOC_LOCK = compiler.LOCK
IMAGE_LOCK = REPOSITORY / "requirements-image.lock"
SITE_LOCK = REPOSITORY / "requirements-site.lock"
RUN_EXTRAS = ("embedded", "files", "console")
"""The extras in the run lock, for `make run` and for the documented commands that import enrollment files."""
IMAGE_EXTRAS = ("files", "console", "kafka", "tracing")
"""The extras in the container image: everything that a deployment with its own PostgreSQL may need."""

# A pinned line of a lock: name==version, optionally followed by a marker.
PIN = re.compile(r"^(?P<name>[a-z0-9][a-z0-9.\-]*)==(?P<version>[^\s;\\]+)", re.MULTILINE)


def write(upgrade: list[str]) -> None:
    """Writes all locks. Locked versions stay, except for the named packages, or for all with `--upgrade`."""
    tools = REPOSITORY / ".build" / "lock"
    venv.create(tools, with_pip=True, clear=True)
    subprocess.run([tools / "bin/python", "-m", "pip", "install", "--quiet", _uv()], check=True)
    options = ["--upgrade"] if "--upgrade" in upgrade else [f"--upgrade-package={name}" for name in upgrade]
    resolve: list[str | Path] = [
        tools / "bin/uv", "pip", "compile", "--quiet", "--universal", "--python-version=3.11", "--generate-hashes",
        "--no-emit-index-url", "--no-emit-find-links", "--custom-compile-command=make lock", *options,
    ]  # fmt: skip
    environment = os.environ | uv_environment(tools / "bin/python")
    run_only = [*(f"--extra={name}" for name in RUN_EXTRAS), "--output-file", RUN_LOCK.name]
    subprocess.run([*resolve, "pyproject.toml", *run_only], cwd=REPOSITORY, env=environment, check=True)
    # The run lock constrains the dev lock, so both have the same version of every package they share.
    everything = ["--group=dev", "--all-extras", "--constraint", RUN_LOCK.name, "--output-file", DEV_LOCK.name]
    subprocess.run([*resolve, "pyproject.toml", *everything], cwd=REPOSITORY, env=environment, check=True)
    of_image = [*(f"--extra={name}" for name in IMAGE_EXTRAS), "--constraint", DEV_LOCK.name]
    subprocess.run(
        [*resolve, "pyproject.toml", *of_image, "--output-file", IMAGE_LOCK.name],
        cwd=REPOSITORY,
        env=environment,
        check=True,
    )
    # Separate from the others, and without dependencies, because only its protoc is used.
    alone = ["--group=pyproject.toml:protoc", "--no-deps", "--output-file", PROTOC_LOCK.name]
    subprocess.run([*resolve, *alone], cwd=REPOSITORY, env=environment, check=True)
    for group, lock in (("installer", UV_LOCK), ("site", SITE_LOCK)):
        subprocess.run(
            [*resolve, f"--group=pyproject.toml:{group}", "--output-file", lock.name],
            cwd=REPOSITORY,
            env=environment,
            check=True,
        )
    print(f"{RUN_LOCK.name}: {len(pins(RUN_LOCK))} packages, {DEV_LOCK.name}: {len(pins(DEV_LOCK))}")


def _uv() -> str:
    """Returns the pinned requirement of uv itself."""
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())
    (requirement,) = project["dependency-groups"]["installer"]
    return str(requirement)


def complaints() -> list[str]:
    """Returns how the lock files differ from pyproject.toml: one sentence per difference, empty if they match."""
    from packaging.requirements import Requirement
    from packaging.utils import canonicalize_name

    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())
    extras = project["project"]["optional-dependencies"]
    for_run = project["project"]["dependencies"] + [text for name in RUN_EXTRAS for text in extras[name]]
    for_dev = project["dependency-groups"]["dev"] + [text for texts in extras.values() for text in texts]
    for_image = project["project"]["dependencies"] + [text for name in IMAGE_EXTRAS for text in extras[name]]
    run, dev, image, site = (pins(lock) for lock in (RUN_LOCK, DEV_LOCK, IMAGE_LOCK, SITE_LOCK))
    found = [
        f"{lock.name} does not satisfy {text!r} of pyproject.toml"
        for lock, locked, wanted in (
            (RUN_LOCK, run, for_run),
            (DEV_LOCK, dev, for_run + for_dev),
            (IMAGE_LOCK, image, for_image),
            (SITE_LOCK, site, project["dependency-groups"]["site"]),
        )
        for text in wanted
        if not (requirement := Requirement(text)).specifier.contains(
            locked.get(canonicalize_name(requirement.name), "0")
        )
    ]
    found += [
        f"{DEV_LOCK.name} does not contain {name}=={version} of {lock.name}"
        for lock, locked in ((RUN_LOCK, run), (IMAGE_LOCK, image))
        for name, version in locked.items()
        if dev.get(name) != version
    ]
    if compiler.requirement() != "".join("==".join(pin) for pin in pins(PROTOC_LOCK).items()):
        found.append(f"{PROTOC_LOCK.name} does not satisfy {compiler.requirement()!r} of pyproject.toml")
    if _uv() != "".join("==".join(pin) for pin in pins(UV_LOCK).items()):
        found.append(f"{UV_LOCK.name} does not satisfy {_uv()!r} of pyproject.toml")
    locks = (RUN_LOCK, DEV_LOCK, IMAGE_LOCK, PROTOC_LOCK, UV_LOCK, SITE_LOCK)
    found += [f"{lock.name} contains a registry's address" for lock in locks if "://" in lock.read_text()]
    return found


def pins(lock: Path) -> dict[str, str]:
    """Returns the version of each package in a lock file, by its name."""
    return dict(PIN.findall(lock.read_text()))


if __name__ == "__main__":
    if sys.argv[1:] == ["check"]:
        wrong = complaints()
        sys.exit("\n".join([*wrong, "Run `make lock`."]) if wrong else 0)
    write(sys.argv[1:])
