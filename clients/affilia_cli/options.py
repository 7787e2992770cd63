"""Arguments and options that several commands share."""

from typing import Annotated

import typer

from affilia.enrollment.v1 import enrollment_group_pb2
from affilia.premium.v1 import premium_entry_pb2

Member = Annotated[str, typer.Argument(help="Member: a name, an identifier (SYSTEM:VALUE or VALUE), or an id.")]
Family = Annotated[
    str,
    typer.Argument(
        help="Family: the name, identifier or id of its primary or a member, a group id, or CONTRACT/PRIMARY."
    ),
]
On = Annotated[str, typer.Option(help="Day, such as 2026-03-01. Today is that of each contract.")]
From = Annotated[str, typer.Option("--from", help="Recorded from this day, month (2026-03) or instant on.")]
To = Annotated[str, typer.Option("--to", help="Recorded until the end of this day or month, or before this instant.")]
Admin = Annotated[
    str,
    typer.Option(help="Act as the admin with this name. Only with a service's token, or without one (--dev server)."),
]
Country = Annotated[str, typer.Argument(help="Code of the country, such as ES.")]
MappedContract = Annotated[
    str, typer.Option("--contract", help="Only groups of this contract: its name, its sponsor's id, or its id.")
]
PremiumView = Annotated[
    str, typer.Option("--view", help="With --json: full entries, or basic ones, which don't explain their amounts.")
]
Source = Annotated[str, typer.Option(help="Read legacy or core, whatever the stage of the country's migration says.")]

SOURCES: "dict[str, enrollment_group_pb2.SourceOfTruth.ValueType]" = {
    "": enrollment_group_pb2.SOURCE_OF_TRUTH_UNSPECIFIED,
    "legacy": enrollment_group_pb2.SOURCE_OF_TRUTH_FORCE_LEGACY,
    "core": enrollment_group_pb2.SOURCE_OF_TRUTH_FORCE_CORE,
}


def source_of_truth(text: str) -> "enrollment_group_pb2.SourceOfTruth.ValueType":
    """Returns the source given with `--source`. Raises BadParameter."""
    if text.lower() not in SOURCES:
        raise typer.BadParameter(f"--source must be legacy or core, got {text}.")
    return SOURCES[text.lower()]


VIEWS: "dict[str, premium_entry_pb2.PremiumView.ValueType]" = {
    "basic": premium_entry_pb2.PREMIUM_VIEW_BASIC,
    "full": premium_entry_pb2.PREMIUM_VIEW_FULL,
}


def premium_view(text: str, *, as_json: bool) -> "premium_entry_pb2.PremiumView.ValueType":
    """Returns the view given with `--view`. By default, entries are complete in JSON only. Raises BadParameter."""
    chosen = text.lower() or ("full" if as_json else "basic")
    if chosen not in VIEWS:
        raise typer.BadParameter(f"--view must be basic or full, got {text}.")
    return VIEWS[chosen]
