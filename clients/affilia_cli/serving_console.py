"""The command `console`: serves the web pages for the back office."""

import os
from typing import Annotated

import typer

from affilia_cli.session import Session


def console(
    context: typer.Context,
    listen: Annotated[
        str, typer.Option(envvar="AFFILIA_CONSOLE_LISTEN", help="Address on which the console listens.")
    ] = "127.0.0.1:8080",
    dev: Annotated[
        bool,
        typer.Option(
            "--dev", envvar="AFFILIA_CONSOLE_DEV", help="Turn sign-in off, for a --dev server on this machine."
        ),
    ] = False,
    read_only: Annotated[
        bool, typer.Option("--read-only", envvar="AFFILIA_CONSOLE_READ_ONLY", help="Hide and reject every write.")
    ] = False,
    issuer: Annotated[
        str, typer.Option(envvar="AFFILIA_CONSOLE_ISSUER", help="OpenID Connect provider at which people sign in.")
    ] = "",
    client_id: Annotated[
        str, typer.Option(envvar="AFFILIA_CONSOLE_CLIENT_ID", help="The console's client id at the provider.")
    ] = "affilia-console",
    scopes: Annotated[
        str, typer.Option(envvar="AFFILIA_CONSOLE_SCOPES", help="Scopes to request from the provider.")
    ] = "openid profile",
    public_url: Annotated[
        str,
        typer.Option(
            envvar="AFFILIA_CONSOLE_PUBLIC_URL",
            help="URL at which browsers reach the console, if it is behind a proxy.",
        ),
    ] = "",
    idle_minutes: Annotated[
        float, typer.Option(envvar="AFFILIA_CONSOLE_IDLE_MINUTES", help="Sign people out after this time without use.")
    ] = 30,
) -> None:
    """Serve the console, the back office's web pages.

    The secrets are read from the environment only: AFFILIA_CONSOLE_CLIENT_SECRET, the console's secret at the provider,
    and AFFILIA_CONSOLE_SESSION_KEY, which signs cookies (set the same one for several consoles behind a proxy).
    """
    try:
        from affilia_console.serving import AddressTaken, serve
        from affilia_console.settings import ConsoleSettings, Provider, SettingsUnusable
    except ModuleNotFoundError as missing:
        needs = f"The console needs {missing.name}. Install it with: pip install 'affilia-server[console]'"
        raise typer.BadParameter(needs) from None
    session: Session = context.obj
    secret = os.environ.get("AFFILIA_CONSOLE_CLIENT_SECRET", "")
    try:
        settings = ConsoleSettings(
            listen=listen,
            address=session.address,
            internal_address=session.internal_address,
            tls=session.tls,
            dev=dev,
            read_only=read_only,
            idle_minutes=idle_minutes,
            public_url=public_url,
            provider=Provider(issuer, client_id, secret, scopes) if issuer else None,
            session_key=os.environ.get("AFFILIA_CONSOLE_SESSION_KEY", ""),
        )
        serve(settings)
    except (SettingsUnusable, AddressTaken) as wrong:
        raise typer.BadParameter(str(wrong)) from None
