"""`python -m server serve` and `token`: the command line of the server."""

import argparse
import asyncio
import os
import sys
from datetime import timedelta

from pydantic import SecretStr, ValidationError

from server.settings import Settings


def parser() -> argparse.ArgumentParser:
    """One flag for every setting; what is not given comes from the environment."""
    top = argparse.ArgumentParser(prog="affilia", description="The membership core of a health insurer.")
    commands = top.add_subparsers(dest="command", required=True)
    serve = commands.add_parser("serve", help="serve until SIGTERM")
    for name, field in Settings.model_fields.items():
        flag = "--" + name.replace("_", "-")
        text = f"{field.description} Default: {field.default}." if field.default != "" else field.description
        if field.annotation is SecretStr:
            continue  # everybody on the machine can read a command line
        if field.annotation is bool:
            serve.add_argument(flag, action=argparse.BooleanOptionalAction, default=None, help=field.description)
        else:
            serve.add_argument(flag, default=None, help=text)
    token = commands.add_parser("token", help="a token for development, signed with AFFILIA_TOKEN_SECRET")
    token.add_argument("role", choices=["member", "admin", "service"])
    token.add_argument("subject", help="a member's id, or any name of an admin or service")
    token.add_argument("scopes", nargs="*", help="of a service, such as enrollment.read; all: every one there is")
    token.add_argument("--minutes", type=float, default=60, help="how long it lasts; default: 60")
    return top


def settings_from(given: dict[str, object]) -> Settings:
    """The settings of a command line and the environment. Ends the process with a sentence where they are wrong."""
    try:
        return Settings(**{name: value for name, value in given.items() if value is not None})  # type: ignore[arg-type]
    except ValidationError as wrong:
        for error in wrong.errors():
            name = "_".join(str(part) for part in error["loc"][:1])
            sentence = error["msg"].removeprefix("Value error, ")
            # What settings say together names the variables itself.
            print(f"AFFILIA_{name.upper()}: {sentence}" if name else sentence, file=sys.stderr)
        raise SystemExit(2) from None


def print_token(role: str, subject: str, scopes: list[str], minutes: float) -> None:
    """Prints a token that a server with the same AFFILIA_TOKEN_… variables believes."""
    from server.identity.bearer import Claims
    from server.identity.minting import mint
    from server.identity.policy import SCOPES

    settings = settings_from({"dev": True})  # a token asks for no database and no listener
    secret = settings.token_secret.get_secret_value()
    if not secret:
        print("AFFILIA_TOKEN_SECRET: a token is signed with the secret that the server verifies with", file=sys.stderr)
        raise SystemExit(2)
    wanted = list(SCOPES) if scopes == ["all"] else scopes
    if unknown := [scope for scope in wanted if scope not in SCOPES]:
        print(f"{', '.join(unknown)}: no such scope; there are {', '.join(SCOPES)}", file=sys.stderr)
        raise SystemExit(2)
    claims = Claims(settings.token_algorithm, settings.token_issuer, settings.token_audience, 0)
    print(mint(secret, claims, role, subject, wanted, timedelta(minutes=minutes)))


def main() -> None:
    given = vars(parser().parse_args())
    if given.pop("command") == "token":
        print_token(**given)
        return
    settings = settings_from(given)
    # gRPC's handlers for forks do nothing but get in the way: the server never forks, it only starts programs.
    os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")
    # After the settings: what a wrong flag needs should not wait for gRPC and the database's driver.
    import uvloop

    from domain.errors import DatabaseUnavailable
    from server.identity.certificates import CertificateUnreadable
    from server.identity.keys import KeysUnreadable
    from server.listener import AddressTaken
    from server.process import serve
    from server.tracing import TracingMissing
    from server.workers.premium_running import DaskMissing
    from server.workers.relaying import KafkaMissing
    from storage.embedded import EmbeddedDatabaseFailed
    from storage.migrations import DatabaseTooOld, RoleTooStrong

    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(serve(settings))
    except (
        AddressTaken,
        EmbeddedDatabaseFailed,
        CertificateUnreadable,
        DatabaseTooOld,
        DatabaseUnavailable,
        KeysUnreadable,
        RoleTooStrong,
        TracingMissing,
        KafkaMissing,
        DaskMissing,
    ) as failed:
        print(f"affilia cannot serve: {failed}", file=sys.stderr)
        raise SystemExit(1) from None


if __name__ == "__main__":
    main()
