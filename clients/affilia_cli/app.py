"""The commands and their common options: the server's address, the caller, and how failures are reported."""

import json
import os
import sys
from collections.abc import Callable, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Annotated

import typer

from affilia_cli import (
    amending,
    auditing,
    browsing,
    changing,
    choices,
    correcting,
    enrolling,
    explaining,
    exporting,
    finding,
    history,
    importing,
    limits,
    loading,
    members,
    merging,
    migrating,
    operating,
    premiums,
    requests,
    serving_console,
    watching,
    why,
)
from affilia_cli.choosing import NothingMatches, SeveralMatch
from affilia_cli.console import ERRORS
from affilia_cli.enrollment_file import EnrollmentFileError
from affilia_cli.exit_status import OTHER_ERROR, SEVERAL_MATCH, USAGE
from affilia_cli.local_files import read_regular
from affilia_cli.profiles import cache_folder, profile_named
from affilia_cli.samples.reading import SampleFilesMalformed
from affilia_cli.session import Session
from affilia_cli.token_command import token_of
from affilia_client import TLS, CallFailed, Unavailable
from affilia_views.unreachable import unreachable

DISTRIBUTION = "affilia-server"
JSON_OPTION = "--json"
HINTS = {"LEGACY_HAS_NO_HISTORY": "To see the core's state, add --source core."}
"""What to do with this command line about an error, by reason."""

MAX_TOKEN_BYTES = 1024 * 1024

app = typer.Typer(
    name="affilia",
    help="Affilia, the membership core of a health insurer: server, client and tools.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


def _print_version(asked: bool) -> None:
    if asked:
        try:
            print(f"affilia {version(DISTRIBUTION)}")
        except PackageNotFoundError:
            print("affilia from a source tree")
        raise typer.Exit


@app.callback()
def _common(
    context: typer.Context,
    profile: Annotated[
        str,
        typer.Option(
            envvar="AFFILIA_PROFILE",
            help="Profile with server and token command, from ~/.config/affilia/config.toml or AFFILIA_CONFIG.",
        ),
    ] = "",
    address: Annotated[
        str, typer.Option(envvar="AFFILIA_ADDRESS", help="Public listener of the server.")
    ] = "127.0.0.1:50051",
    internal_address: Annotated[
        str, typer.Option(envvar="AFFILIA_INTERNAL_ADDRESS", help="Internal listener of the server.")
    ] = "127.0.0.1:50052",
    bearer: Annotated[
        str,
        typer.Option("--token", envvar="AFFILIA_TOKEN", help="Token of the caller, or @FILE; see the token command."),
    ] = "",
    ca: Annotated[
        str,
        typer.Option(envvar="AFFILIA_CA", help="PEM file of the CA that signs the server's certificate. Enables TLS."),
    ] = "",
    as_json: Annotated[
        bool,
        typer.Option(
            JSON_OPTION, help="Print responses as JSON, with proto field names. Allowed anywhere in the line."
        ),
    ] = False,
    _version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_print_version, help="Print the version and exit.")
    ] = False,
) -> None:
    if bearer.startswith("@"):
        bearer = read_regular(Path(bearer[1:]), MAX_TOKEN_BYTES).decode().strip()
    if not profile:
        context.obj = Session(address, internal_address, bearer, TLS(ca=ca) if ca else None, as_json)
        return
    chosen = profile_named(profile)

    def value(name: str, given: str, of_profile: str) -> str:
        """Returns an option if it was typed, or else the profile's value, or else the option's."""
        return given if _is_typed(context, name) or not of_profile else of_profile

    if chosen.token_command and not _is_typed(context, "bearer"):
        bearer = token_of(profile, chosen.token_command, cache_folder(os.environ))
    tls = TLS(ca=value("ca", ca, chosen.ca) or None, certificate=chosen.certificate or None, key=chosen.key or None)
    context.obj = Session(
        value("address", address, chosen.address),
        value("internal_address", internal_address, chosen.internal_address),
        bearer,
        None if chosen.plaintext else tls,
        as_json,
    )


def _is_typed(context: typer.Context, name: str) -> bool:
    """Returns whether an option is on the command line, rather than in the environment."""
    source = context.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"


def _add_commands() -> None:
    app.command("find")(finding.find)
    app.add_typer(members.app, name="member")
    app.command("family")(enrolling.timeline)
    app.command("timeline", hidden=True)(enrolling.timeline)
    app.command("history")(history.history)
    app.command("why")(why.why)
    app.command("choices")(choices.choices)
    app.command("simulate")(enrolling.simulate)
    app.command("enroll")(enrolling.enroll)
    app.command("leave")(enrolling.leave)
    app.command("change")(changing.change)
    app.command("revert")(correcting.revert)
    app.command("correct-type")(correcting.correct_type)
    app.command("merge")(merging.merge)
    app.command("requests")(requests.requests)
    app.add_typer(explaining.app, name="explain")
    app.add_typer(premiums.app, name="premiums")
    app.command("limits")(limits.limits)
    app.command("contracts")(browsing.contracts)
    app.add_typer(amending.app, name="contract")
    app.add_typer(migrating.app, name="migration")
    app.command("groups")(browsing.groups)
    app.command("watch")(watching.watch)
    app.command("audit")(auditing.audit)
    app.command("import-834")(importing.import_file)
    app.command("export-834")(exporting.export_file)
    app.add_typer(loading.app, name="sample")
    app.command("doctor")(operating.doctor)
    app.command("console")(serving_console.console)


def main(add_server_commands: Callable[[typer.Typer], None] = lambda app: None) -> None:
    """Runs the command line. The server adds its own commands, which come first in the help.

    Failed calls are reported with all details from the server.
    """
    add_server_commands(app)
    _add_commands()
    arguments = _json_first(sys.argv[1:])
    as_json = arguments[:1] == [JSON_OPTION]
    try:
        app(args=arguments, prog_name="affilia")
    except CallFailed as failed:
        _print_failure(failed, as_json=as_json)
        raise SystemExit(OTHER_ERROR) from None
    except SeveralMatch as several:
        _print_matches(several, as_json=as_json)
        raise SystemExit(SEVERAL_MATCH) from None
    except (EnrollmentFileError, NothingMatches, SampleFilesMalformed) as failed:
        ERRORS.print(str(failed), style="red")
        raise SystemExit(OTHER_ERROR) from None
    except BrokenPipeError:
        raise SystemExit(OTHER_ERROR) from None
    except (OSError, ValueError) as wrong:  # such as a missing file, or a token with a line break
        ERRORS.print(str(wrong), style="red")
        raise SystemExit(USAGE) from None


def _json_first(arguments: Sequence[str]) -> list[str]:
    """Returns the arguments with `--json` moved to the front, where typer expects it, unless it follows a `--`."""
    end = arguments.index("--") if "--" in arguments else len(arguments)
    before = [each for each in arguments[:end] if each != JSON_OPTION]
    asked = [JSON_OPTION] if len(before) < end else []
    return [*asked, *before, *arguments[end:]]


def _print_matches(several: SeveralMatch, *, as_json: bool) -> None:
    if as_json:
        matches = [{"kind": each.kind, "id": each.id, "description": each.description} for each in several.matches]
        content = {"message": str(several), "matches": matches, "has_more": several.has_more}
        print(json.dumps(content, ensure_ascii=False), file=sys.stderr)
    else:
        several.show()


def _print_failure(failed: CallFailed, *, as_json: bool) -> None:
    if as_json:
        content = {
            "code": failed.code.name,
            "reason": failed.reason,
            "message": failed.message,
            "facts": failed.facts,
            "violations": [each._asdict() for each in failed.violations],
            "retry_after_seconds": failed.retry_after_seconds,
            "call_id": failed.call_id,
        }
        print(json.dumps(content, ensure_ascii=False), file=sys.stderr)
        return
    title = f"{failed.code.name}/{failed.reason}" if failed.reason else failed.code.name
    message = failed.message.partition(": ")[0] + ":" if failed.violations else failed.message
    if isinstance(failed, Unavailable) and not failed.reason:
        message = unreachable(failed.message)
    ERRORS.print(f"{title}: {message}", style="bold red")
    for violation in failed.violations:
        ERRORS.print(f"  {violation.field}: {violation.description}")
    for name, value in failed.facts.items():
        ERRORS.print(f"  {name} = {value}", style="dim")
    if failed.reason in HINTS:
        ERRORS.print(f"  {HINTS[failed.reason]}")
    if failed.retry_after_seconds:
        ERRORS.print(f"  retry after {failed.retry_after_seconds:g} s", style="dim")
    if failed.call_id:
        ERRORS.print(f"  call {failed.call_id}", style="dim")
