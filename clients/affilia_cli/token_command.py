"""Runs the command of a profile that prints a token, and caches the token until it expires.

Tokens are never printed: neither in errors nor in the output of commands.
"""

import base64
import hashlib
import json
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

import typer

from affilia_cli.local_files import read_regular, replace_private

TIMEOUT_SECONDS = 120
MAX_TOKEN_BYTES = 1024 * 1024
MARGIN_SECONDS = 30
"""A token that expires within this time is no longer used."""


def token_of(profile: str, command: Sequence[str], cache: Path) -> str:
    """Returns the token that a command prints, or the cached one. Raises BadParameter if the command fails.

    The output is cached only if it is a JWT with an instant of expiry.
    """
    digest = hashlib.sha256(json.dumps([profile, *command]).encode()).hexdigest()
    file = cache / digest
    if (cached := _cached(file)) and _expires_at(cached) > time.time() + MARGIN_SECONDS:
        return cached
    token = _run(profile, command)
    if _expires_at(token) > time.time() + MARGIN_SECONDS:
        _store(file, token)
    return token


def _cached(file: Path) -> str:
    """Returns the content of a cached token, or an empty string if there is none."""
    try:
        return read_regular(file, MAX_TOKEN_BYTES).decode("ascii")
    except (FileNotFoundError, UnicodeDecodeError):
        return ""


def _store(file: Path, token: str) -> None:
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    replace_private(file, token)


def _run(profile: str, command: Sequence[str]) -> str:
    of_profile = f"The token command of profile {profile}"
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, timeout=TIMEOUT_SECONDS, check=False
        )
    except subprocess.TimeoutExpired as late:
        raise typer.BadParameter(f"{of_profile} didn't end within {TIMEOUT_SECONDS} s.") from late
    except OSError as failed:
        raise typer.BadParameter(f"{of_profile} could not be run: {failed.strerror}: {command[0]}") from failed
    if done.returncode:
        raise typer.BadParameter(f"{of_profile} failed with status {done.returncode}.")
    try:
        token = done.stdout.decode("ascii").strip()
    except UnicodeDecodeError:
        token = ""
    if not token or not token.isprintable() or " " in token:
        raise typer.BadParameter(f"{of_profile} must print one token and nothing else.")
    return token


def _expires_at(token: str) -> float:
    """Returns when a JWT expires, in seconds since 1970, or 0 if it has no expiry. Doesn't verify the token."""
    try:
        payload = token.split(".")[1]
        content = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        return float(content["exp"])
    except (IndexError, ValueError, KeyError, TypeError):
        return 0.0
