"""The page of settings, from server/settings.py."""

from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from pydantic.fields import FieldInfo

from server.settings import Settings
from tools.docs_services import GENERATED

BEGINNING = """\
# Configuration

Each setting is an environment variable and a flag of `affilia serve`; the flag takes precedence. The server reads them
once, when it starts. If a setting is invalid, the server prints one sentence about it and exits with status 2.

| variable | flag | default | allowed | meaning |
|---|---|---|---|---|
"""


def settings_page() -> str:
    """Returns the page, in the order of server/settings.py: the most important settings first."""
    prefix = Settings.model_config.get("env_prefix", "")
    rows = [_row(prefix, name, field) for name, field in Settings.model_fields.items()]
    return f"{GENERATED}\n{BEGINNING}" + "\n".join(rows) + "\n"


def _row(prefix: str, name: str, field: FieldInfo) -> str:
    flag = name.replace("_", "-")
    flags = f"`--{flag}`, `--no-{flag}`" if field.annotation is bool else f"`--{flag}`"
    meaning = (field.description or "").replace("|", r"\|")
    return f"| `{prefix}{name.upper()}` | {flags} | {_default(field.default)} | {_allowed(field)} | {meaning} |"


def _default(value: Any) -> str:
    match value:
        case bool():
            return "on" if value else "off"
        case "" | () | {}:
            return ""
        case tuple():
            return f"`{','.join(f'{item:g}' for item in value)}`"
        case float():
            return f"`{value:g}`"
        case Path():
            return f"`{value.as_posix()}`"
        case _:
            return f"`{value}`"


def _allowed(field: FieldInfo) -> str:
    if get_origin(field.annotation) is Literal:
        return ", ".join(f"`{choice}`" for choice in get_args(field.annotation))
    if field.annotation is bool:
        return "`1` or `0`"
    bounds = {type(bound).__name__: bound for bound in field.metadata}
    parts = []
    for name, words in (("Ge", "at least"), ("Gt", "more than"), ("Le", "at most")):
        if name in bounds:
            parts.append(f"{words} {getattr(bounds[name], name.lower())}")
    return ", ".join(parts)
