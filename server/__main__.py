"""`python -m server serve`: the command line of the server."""

import argparse
import asyncio
import os
import sys

from pydantic import SecretStr, ValidationError

from server.settings import Settings


def parser() -> argparse.ArgumentParser:
    """One flag for every setting; what is not given comes from the environment."""
    top = argparse.ArgumentParser(prog="affilia", description="The membership core of a health insurer.")
    serve = top.add_subparsers(dest="command", required=True).add_parser("serve", help="serve until SIGTERM")
    for name, field in Settings.model_fields.items():
        flag = "--" + name.replace("_", "-")
        text = f"{field.description} Default: {field.default}." if field.default != "" else field.description
        if field.annotation is SecretStr:
            continue  # everybody on the machine can read a command line
        if field.annotation is bool:
            serve.add_argument(flag, action=argparse.BooleanOptionalAction, default=None, help=field.description)
        else:
            serve.add_argument(flag, default=None, help=text)
    return top


def settings_from(arguments: list[str]) -> Settings:
    """The settings of a command line and the environment. Ends the process with a sentence where they are wrong."""
    given = vars(parser().parse_args(arguments))
    given.pop("command")
    try:
        return Settings(**{name: value for name, value in given.items() if value is not None})
    except ValidationError as wrong:
        for error in wrong.errors():
            name = "_".join(str(part) for part in error["loc"][:1])
            sentence = error["msg"].removeprefix("Value error, ")
            # What settings say together names the variables itself.
            print(f"AFFILIA_{name.upper()}: {sentence}" if name else sentence, file=sys.stderr)
        raise SystemExit(2) from None


def main() -> None:
    settings = settings_from(sys.argv[1:])
    # gRPC's handlers for forks do nothing but get in the way: the server never forks, it only starts programs.
    os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")
    # After the settings: what a wrong flag needs should not wait for gRPC and the database's driver.
    import uvloop

    from domain.errors import DatabaseUnavailable
    from server.identity.certificates import CertificateUnreadable
    from server.identity.keys import KeysUnreadable
    from server.listener import AddressTaken
    from server.process import serve
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
        KafkaMissing,
        DaskMissing,
    ) as failed:
        print(f"affilia cannot serve: {failed}", file=sys.stderr)
        raise SystemExit(1) from None


if __name__ == "__main__":
    main()
