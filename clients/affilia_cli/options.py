"""Arguments and options that several commands share."""

from typing import Annotated

import typer

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
