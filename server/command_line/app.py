"""The commands, and what is common to them: where the server is, who asks, and how failures are told."""

import json
import sys
from pathlib import Path
from typing import Annotated

import grpc
import typer

from affilia_client import CallFailed
from server.command_line import browsing, enrolling, explaining, files, operating, premiums, serving, watching
from server.command_line.context import ERRORS, Asking

FAILED, USAGE = 1, 2

app = typer.Typer(
    name="affilia",
    help="The membership core of a health insurer: serve it, ask it, look at it.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    add_completion=False,
)
app.command(
    "serve",
    add_help_option=False,
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True},
)(serving.serve)
app.command("token")(serving.token)
app.command("load")(files.load)
app.command("import-834")(files.import_file)
app.command("enroll")(enrolling.enroll)
app.command("leave")(enrolling.leave)
app.command("simulate")(enrolling.simulate)
app.command("timeline")(enrolling.timeline)
app.add_typer(explaining.app, name="explain")
app.command("contracts")(browsing.contracts)
app.command("groups")(browsing.groups)
app.command("watch")(watching.watch)
app.add_typer(premiums.app, name="premiums")
app.command("doctor")(operating.doctor)


@app.callback()
def _common(
    context: typer.Context,
    address: Annotated[
        str, typer.Option(envvar="AFFILIA_ADDRESS", help="Public listener of the server.")
    ] = "127.0.0.1:50051",
    internal_address: Annotated[
        str, typer.Option(envvar="AFFILIA_INTERNAL_ADDRESS", help="Its internal listener.")
    ] = "127.0.0.1:50052",
    bearer: Annotated[
        str, typer.Option("--token", envvar="AFFILIA_TOKEN", help="Who asks: a token, or @FILE; see the command token.")
    ] = "",
    ca: Annotated[
        str, typer.Option(envvar="AFFILIA_CA", help="Who signs the server's certificate, PEM: speaks TLS.")
    ] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Answers as JSON, with the names of the protos.")] = False,
) -> None:
    if bearer.startswith("@"):
        bearer = Path(bearer[1:]).read_text().strip()
    context.obj = Asking(address, internal_address, bearer, ca, as_json)


def main() -> None:
    """Runs the command line. Failed calls are told with everything that the server said of them."""
    try:
        app(prog_name="affilia")
    except CallFailed as failed:
        _tell(failed, as_json="--json" in sys.argv)
        raise SystemExit(FAILED) from None
    except files.REFUSALS as refused:
        ERRORS.print(str(refused), style="red", markup=False)
        raise SystemExit(FAILED) from None
    except BrokenPipeError:
        raise SystemExit(FAILED) from None
    except (OSError, ValueError) as wrong:  # a file that is not there, a token or an instant that cannot be sent
        ERRORS.print(str(wrong), style="red", markup=False)
        raise SystemExit(USAGE) from None


def _tell(failed: CallFailed, *, as_json: bool) -> None:
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
    what = f"{failed.code.name}/{failed.reason}" if failed.reason else failed.code.name
    message = failed.message.partition(": ")[0] + ":" if failed.violations else failed.message
    ERRORS.print(f"{what}: {message}", style="bold red", markup=False)
    for violation in failed.violations:
        ERRORS.print(f"  {violation.field}: {violation.description}", markup=False)
    for name, value in failed.facts.items():
        ERRORS.print(f"  {name} = {value}", style="dim", markup=False)
    if failed.retry_after_seconds:
        ERRORS.print(f"  try again in {failed.retry_after_seconds:g} s", style="dim")
    if failed.code is grpc.StatusCode.UNAVAILABLE and not failed.reason:
        ERRORS.print("  Is the server running, and where? affilia doctor looks.")
    if failed.call_id:
        ERRORS.print(f"  call {failed.call_id}", style="dim")
