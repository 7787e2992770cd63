"""Parses the stages and countries in the arguments of `migration` commands."""

import typer

from affilia.migration.v1.migration_service_pb2 import MigrationStage
from affilia_views.migration_words import STAGES


def stage_in(text: str) -> "MigrationStage.ValueType":
    """Returns the stage with this name, such as dual-write or DUAL_WRITE."""
    name = text.strip().upper().replace("-", "_")
    if name not in STAGES:
        known = [each.lower().replace("_", "-") for each in STAGES]
        raise typer.BadParameter(f"The stage must be {', '.join(known[:-1])} or {known[-1]}; got {text}.")
    return STAGES[name]


def country_in(text: str) -> str:
    """Returns a country code in upper case. The server checks it."""
    return text.strip().upper()
