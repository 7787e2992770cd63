"""`serve` and `token`: what needs the server's settings."""

import argparse
import os
import sys
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import SecretStr, ValidationError

from server.settings import Settings


def serve(context: typer.Context) -> None:
    """Serve until SIGTERM; a flag for every setting: affilia serve --help."""
    settings = settings_from(vars(_flags().parse_args(context.args)))
    # gRPC's handlers for forks do nothing but get in the way: the server never forks, it only starts programs.
    os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")
    # After the settings: what a wrong flag needs should not wait for gRPC and the database's driver.
    from server.process import run

    run(settings)


def _flags() -> argparse.ArgumentParser:
    """One flag for every setting; what is not given comes from the environment."""
    parser = argparse.ArgumentParser(prog="affilia serve", description="Serve until SIGTERM.")
    for name, field in Settings.model_fields.items():
        if field.annotation is SecretStr:
            continue  # everybody on the machine can read a command line
        flag = "--" + name.replace("_", "-")
        default = "" if field.default in ("", None) else f" Default: {field.default}."
        if field.annotation is bool:
            parser.add_argument(flag, action=argparse.BooleanOptionalAction, default=None, help=field.description)
        else:
            parser.add_argument(flag, default=None, help=f"{field.description}{default}".replace("%", "%%"))
    return parser


def settings_from(given: dict[str, Any]) -> Settings:
    """The settings of a command line and the environment. Ends the process with a sentence where they are wrong."""
    try:
        return Settings(**{name: value for name, value in given.items() if value is not None})
    except ValidationError as wrong:
        for error in wrong.errors():
            name = "_".join(str(part) for part in error["loc"][:1])
            sentence = error["msg"].removeprefix("Value error, ")
            # What settings say together names the variables itself.
            print(f"AFFILIA_{name.upper()}: {sentence}" if name else sentence, file=sys.stderr)
        raise SystemExit(2) from None


def token(
    role: Annotated[str, typer.Argument(help="member, admin or service")],
    subject: Annotated[str, typer.Argument(help="a member's id, or any name of an admin or service")],
    scopes: Annotated[
        list[str] | None, typer.Argument(help="of a service, such as eligibility.read; all: every one there is")
    ] = None,
    minutes: Annotated[float, typer.Option(help="How long it lasts.")] = 60,
    save: Annotated[Path | None, typer.Option(help="Writes it into a file instead.")] = None,
) -> None:
    """A token for development, signed with AFFILIA_TOKEN_SECRET, which a server must have, too."""
    from server.identity.bearer import ROLES, Claims
    from server.identity.minting import mint
    from server.identity.scopes import SCOPES

    settings = settings_from({"dev": True})  # a token asks for no database and no listener
    secret = settings.token_secret.get_secret_value()
    if not secret:
        raise typer.BadParameter("AFFILIA_TOKEN_SECRET is not set: with it a token is signed, and verified")
    if role not in ROLES:
        raise typer.BadParameter(f"{role} is no role; there are {', '.join(ROLES)}")
    wanted = list(SCOPES) if scopes == ["all"] else scopes or []
    if unknown := [scope for scope in wanted if scope not in SCOPES]:
        raise typer.BadParameter(f"{', '.join(unknown)}: no such scope; there are {', '.join(SCOPES)}")
    if role == "service" and not wanted:
        print("a service without scopes may nothing; name some, or: all", file=sys.stderr)
    claims = Claims(settings.token_algorithm, settings.token_issuer, settings.token_audience, 0)
    minted = mint(secret, claims, role, subject, wanted, timedelta(minutes=minutes))
    if save is None:
        print(minted)
    else:
        save.touch(mode=0o600)
        save.write_text(minted)
