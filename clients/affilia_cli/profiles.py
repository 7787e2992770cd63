"""Profiles: addresses, certificates and tokens of servers, in a TOML file."""

import os
import shlex
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import typer

from affilia_cli.local_files import read_regular

MAX_FILE_BYTES = 1024 * 1024
CONFIG = "AFFILIA_CONFIG"
PATHS = ("ca", "certificate", "key")


@dataclass(frozen=True, slots=True)
class Profile:
    """A server and its caller. Empty fields have the defaults of the command line."""

    name: str
    address: str = ""
    internal_address: str = ""
    ca: str = ""
    """PEM file. Empty for the authorities that the system trusts."""
    certificate: str = ""
    key: str = ""
    plaintext: bool = False
    token_command: tuple[str, ...] = field(default=(), repr=False)


KNOWN = tuple(each.name for each in fields(Profile) if each.name != "name")


def config_path(environment: Mapping[str, str]) -> Path:
    """Returns the path of the file with profiles."""
    if given := environment.get(CONFIG):
        return Path(given)
    return Path(environment.get("XDG_CONFIG_HOME") or Path.home() / ".config", "affilia", "config.toml")


def read_profile(name: str, file: Path) -> Profile:
    """Returns a profile. Raises BadParameter if it doesn't exist or isn't valid. Paths are relative to the file."""
    try:
        content = tomllib.loads(read_regular(file, MAX_FILE_BYTES).decode())
    except FileNotFoundError as missing:
        raise typer.BadParameter(f"--profile {name} requires the file {file}, which doesn't exist.") from missing
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as wrong:
        raise typer.BadParameter(f"{file} is not valid TOML: {wrong}") from wrong
    profiles = content.get("profiles", {})
    values = profiles.get(name) if isinstance(profiles, dict) else None
    if not isinstance(values, dict):
        known = ", ".join(sorted(profiles)) if isinstance(profiles, dict) else ""
        raise typer.BadParameter(f"{file} has no table [profiles.{name}]; its profiles are: {known or 'none'}.")
    return _profile(name, values, file)


def _profile(name: str, values: dict[str, Any], file: Path) -> Profile:
    where = f"[profiles.{name}] in {file}"
    if unknown := values.keys() - set(KNOWN):
        raise typer.BadParameter(
            f"{where} has unknown keys: {', '.join(sorted(unknown))}. Allowed are: {', '.join(KNOWN)}."
        )
    if not isinstance(values.get("plaintext", False), bool):
        raise typer.BadParameter(f"plaintext of {where} must be true or false.")
    for each in ("address", "internal_address", *PATHS):
        if not isinstance(values.get(each, ""), str):
            raise typer.BadParameter(f"{each} of {where} must be a string.")
    if bool(values.get("certificate")) != bool(values.get("key")):
        raise typer.BadParameter(f"{where} must have both certificate and key, or neither.")
    if values.get("plaintext") and any(values.get(each) for each in PATHS):
        raise typer.BadParameter(f"{where} has plaintext = true, so {', '.join(PATHS)} must not be set.")
    paths = {each: str(_path(values[each], file)) for each in PATHS if values.get(each)}
    command = _command(values.get("token_command", ()), where)
    return Profile(name, **{**values, **paths, "token_command": command})


def _path(text: str, file: Path) -> Path:
    return file.parent / Path(text).expanduser()


def _command(value: Any, where: str) -> tuple[str, ...]:
    """Returns the words of a command that is given as one string or as a list of strings."""
    try:
        words: list[Any] = shlex.split(value) if isinstance(value, str) else list(value)
    except (ValueError, TypeError) as wrong:
        raise typer.BadParameter(f"token_command of {where} must be a command or a list of its words.") from wrong
    if not all(isinstance(word, str) for word in words):
        raise typer.BadParameter(f"token_command of {where} must be a command or a list of its words.")
    return tuple(words)


def cache_folder(environment: Mapping[str, str]) -> Path:
    """Returns the folder for tokens that haven't expired."""
    return Path(environment.get("XDG_CACHE_HOME") or Path.home() / ".cache", "affilia", "tokens")


def profile_named(name: str) -> Profile:
    """Returns a profile from the file that the environment names. Raises BadParameter."""
    return read_profile(name, config_path(os.environ))
