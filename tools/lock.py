"""The lock files: exact versions with hashes for every supported Python and platform.

`make lock` resolves pyproject.toml anew and writes all files; pip alone installs from them. uv only resolves here, out
of a throw-away venv, and is needed nowhere else. With `check`, says whether the files still answer to pyproject.toml.
"""

import os
import re
import subprocess
import sys
import tomllib
import venv
from pathlib import Path

from tools import compiler

REPOSITORY = Path(__file__).resolve().parent.parent
RUN_LOCK = REPOSITORY / "requirements.lock"
DEV_LOCK = REPOSITORY / "requirements-dev.lock"
PROTOC_LOCK = compiler.LOCK
UV = "uv==0.13.8"

# A pinned line of a lock: name==version, then perhaps a marker.
PIN = re.compile(r"^(?P<name>[a-z0-9][a-z0-9.\-]*)==(?P<version>[^\s;\\]+)", re.MULTILINE)


def write(upgrade: list[str]) -> None:
    """Writes all locks. Versions already locked stay, but for the packages named, or all with `--upgrade`."""
    tools = REPOSITORY / ".build" / "lock"
    venv.create(tools, with_pip=True, clear=True)
    subprocess.run([tools / "bin/python", "-m", "pip", "install", "--quiet", UV], check=True)
    options = ["--upgrade"] if "--upgrade" in upgrade else [f"--upgrade-package={name}" for name in upgrade]
    resolve: list[str | Path] = [
        tools / "bin/uv", "pip", "compile", "--quiet", "--universal", "--python-version=3.11", "--generate-hashes",
        "--no-emit-index-url", "--no-emit-find-links", "--custom-compile-command=make lock", *options,
    ]  # fmt: skip
    environment = os.environ | _registry(tools)
    run_only = [*resolve, "pyproject.toml", "--output-file", RUN_LOCK.name]
    subprocess.run(run_only, cwd=REPOSITORY, env=environment, check=True)
    # The run lock binds the dev lock, so that both agree wherever they overlap.
    both = [
        "--group=dev",
        "--extra=kafka",
        "--extra=dask",
        "--extra=tracing",
        "--constraint",
        RUN_LOCK.name,
        "--output-file",
        DEV_LOCK.name,
    ]
    subprocess.run([*resolve, "pyproject.toml", *both], cwd=REPOSITORY, env=environment, check=True)
    # Apart from the others and without its dependencies: protoc is all that is used of it.
    alone = ["--group=pyproject.toml:protoc", "--no-deps", "--output-file", PROTOC_LOCK.name]
    subprocess.run([*resolve, *alone], cwd=REPOSITORY, env=environment, check=True)
    print(f"{RUN_LOCK.name}: {len(_pins(RUN_LOCK))} packages, {DEV_LOCK.name}: {len(_pins(DEV_LOCK))}")


def _registry(tools: Path) -> dict[str, str]:
    """What pip is told by its configuration about the registry, in uv's words."""
    listed = subprocess.run(
        [tools / "bin/python", "-m", "pip", "config", "list"], check=True, capture_output=True, text=True
    )
    pip = dict(re.findall(r"^[^.\s]*\.([a-z-]+)='(.*)'$", listed.stdout, re.MULTILINE))
    words = {"index-url": "UV_DEFAULT_INDEX", "extra-index-url": "UV_INDEX", "cert": "SSL_CERT_FILE"}
    return {uv: pip[name] for name, uv in words.items() if name in pip and uv not in os.environ}


def complaints() -> list[str]:
    """What in the lock files no longer fits pyproject.toml; empty when all is well."""
    from packaging.requirements import Requirement
    from packaging.utils import canonicalize_name

    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())
    run, dev = _pins(RUN_LOCK), _pins(DEV_LOCK)
    found = [
        f"{lock.name}: {text!r} of pyproject.toml is not met"
        for lock, pins, wanted in (
            (RUN_LOCK, run, project["project"]["dependencies"]),
            (DEV_LOCK, dev, project["project"]["dependencies"] + project["dependency-groups"]["dev"]),
        )
        for text in wanted
        if not (requirement := Requirement(text)).specifier.contains(pins.get(canonicalize_name(requirement.name), "0"))
    ]
    found += [
        f"{DEV_LOCK.name} has not {name}=={version} of {RUN_LOCK.name}"
        for name, version in run.items()
        if dev.get(name) != version
    ]
    if compiler.wanted() != "".join("==".join(pin) for pin in _pins(PROTOC_LOCK).items()):
        found.append(f"{PROTOC_LOCK.name}: {compiler.wanted()!r} of pyproject.toml is not met")
    locks = (RUN_LOCK, DEV_LOCK, PROTOC_LOCK)
    found += [f"{lock.name} names a registry" for lock in locks if "://" in lock.read_text()]
    return found


def _pins(lock: Path) -> dict[str, str]:
    return dict(PIN.findall(lock.read_text()))


if __name__ == "__main__":
    if sys.argv[1:] == ["check"]:
        wrong = complaints()
        sys.exit("\n".join([*wrong, "Run `make lock`."]) if wrong else 0)
    write(sys.argv[1:])
