"""The commands `serve`, `migrate` and `token`, which need the server's settings.

Most imports are local: every command of `affilia` imports this module, and loading the settings, gRPC or the database
driver takes longer than most commands.
"""

import argparse
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from affilia_cli.local_files import write_private

if TYPE_CHECKING:
    from server.settings import Settings


def add_commands(app: typer.Typer) -> None:
    """Adds the server's commands to the command line."""
    app.command(
        "serve",
        add_help_option=False,
        context_settings={"allow_extra_args": True, "ignore_unknown_options": True},
    )(serve)
    app.command("migrate")(migrate)
    app.command("token")(token)


def serve(context: typer.Context) -> None:
    """Serve until SIGTERM. Every setting is a flag: affilia serve --help."""
    settings = settings_from(vars(_flags().parse_args(context.args)))
    if settings.processes == 1:
        from server.process import run
    else:
        from server.processes.parent import run

    run(settings, _load_sample_book if settings.sample_book else None)


def migrate() -> None:
    """Migrate the database to this release and exit. Takes the settings of serve from AFFILIA_... variables.

    Servers also migrate when they start. After this command, they don't need AFFILIA_MIGRATION_URL, the tables' owner.
    """
    from server.settings import EMBEDDED

    settings = _parsed({})  # no listener is opened, so it doesn't matter whether one would be secure
    if settings.database_url in ("", EMBEDDED):
        print("AFFILIA_DATABASE_URL is required. The server migrates the embedded database itself.", file=sys.stderr)
        raise SystemExit(2)
    from server.database_setup import PREPARE_ERRORS, migrate_database

    try:
        migrate_database(settings)
    except PREPARE_ERRORS as failed:
        print(f"affilia cannot migrate: {failed}", file=sys.stderr)
        raise SystemExit(1) from None
    print("The database has the schema of this release.")


async def _load_sample_book(settings: "Settings", address: str) -> str:
    """Loads the sample book through the public listener, as any client would. Returns three commands to try."""
    from affilia_cli.samples.loading import load_folder, purpose_of
    from affilia_cli.samples.location import sample_book_folder
    from affilia_cli.samples.welcome import commands_to_try
    from affilia_client import AsyncClient

    async with AsyncClient(address) as client:
        folder = settings.samples_dir or sample_book_folder()
        summary = await load_folder(
            client, folder, purpose_of(folder), only_missing=True, max_families=settings.sample_families or None
        )
        print(summary.in_words(), file=sys.stderr)
    return commands_to_try(address)


def _flags() -> argparse.ArgumentParser:
    """Returns a parser with one flag for every setting. The environment is the default."""
    from pydantic import SecretStr

    from server.settings import Settings

    parser = argparse.ArgumentParser(prog="affilia serve", description="Serve until SIGTERM.")
    for name, field in Settings.model_fields.items():
        if field.annotation is SecretStr:
            continue  # every user of the machine can read a command line
        flag = "--" + name.replace("_", "-")
        default = "" if field.default in ("", None, ()) else f" Default: {field.default}."
        if field.annotation is bool:
            parser.add_argument(flag, action=argparse.BooleanOptionalAction, default=None, help=field.description)
        else:
            parser.add_argument(flag, default=None, help=f"{field.description}{default}".replace("%", "%%"))
    return parser


def settings_from(given: dict[str, Any]) -> "Settings":
    """Returns the settings from the command line and the environment. Prints why, and exits, if they are unusable."""
    from server.secure_settings import insecurities

    return _checked(_parsed(given), insecurities)


def _checked(settings: "Settings", check: "Callable[[Settings], list[str]]") -> "Settings":
    if found := check(settings):
        print("\n".join(found), file=sys.stderr)
        raise SystemExit(2)
    return settings


def _parsed(given: dict[str, Any]) -> "Settings":
    """Returns settings without checking whether they are secure. Prints why, and exits, if one is malformed."""
    from pydantic import ValidationError

    from server.settings import Settings

    try:
        return Settings(**{name: value for name, value in given.items() if value is not None})
    except ValidationError as wrong:
        for error in wrong.errors():
            name = "_".join(str(part) for part in error["loc"][:1])
            sentence = error["msg"].removeprefix("Value error, ")
            print(f"AFFILIA_{name.upper()}: {sentence}", file=sys.stderr)
        raise SystemExit(2) from None


def token(
    role: Annotated[str, typer.Argument(help="member, admin or service")],
    subject: Annotated[str, typer.Argument(help="member id, or any name for an admin or service")],
    scopes: Annotated[
        list[str] | None, typer.Argument(help="scopes of a service, such as eligibility.read, or all")
    ] = None,
    minutes: Annotated[float, typer.Option(help="Lifetime of the token, in minutes.")] = 60,
    save: Annotated[Path | None, typer.Option(help="Write the token to this file instead.")] = None,
) -> None:
    """Create a token for development, signed with the server's AFFILIA_TOKEN_SECRET."""
    from operations.scopes import SCOPES
    from server.identity.bearer_tokens import ROLES, Claims
    from server.identity.development_tokens import mint
    from server.secure_settings import check_tokens

    settings = _checked(_parsed({"dev": True}), check_tokens)
    secret = settings.token_secret.get_secret_value()
    if not secret:
        raise typer.BadParameter("AFFILIA_TOKEN_SECRET is required to sign tokens")
    if role not in ROLES:
        raise typer.BadParameter(f"role must be one of {', '.join(ROLES)}, got {role}")
    wanted = list(SCOPES) if scopes == ["all"] else scopes or []
    if unknown := [scope for scope in wanted if scope not in SCOPES]:
        raise typer.BadParameter(f"{', '.join(unknown)}: no such scope. Scopes: {', '.join(SCOPES)}")
    if role == "service" and not wanted:
        print("A service token needs at least one scope, or all.", file=sys.stderr)
    claims = Claims(settings.token_algorithm, settings.token_issuer, settings.token_audience, 0)
    minted = mint(secret, claims, role, subject, wanted, timedelta(minutes=minutes))
    if save is None:
        print(minted)
    else:
        write_private(save, minted)
