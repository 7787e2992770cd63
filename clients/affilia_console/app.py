"""The console as an ASGI application: its addresses, and what surrounds every request."""

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.sessions import SessionMiddleware
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from affilia_console.console import Console
from affilia_console.failures import fault_of
from affilia_console.headers import SECURITY_HEADERS, SecurityHeaders
from affilia_console.pages import (
    audit,
    changing,
    contracts,
    erasing,
    families,
    feed,
    files,
    histories,
    invoicing,
    limits,
    merging,
    people,
    premiums,
    publishing,
    recording,
    requests,
    search,
    status,
    why,
    work,
)
from affilia_console.rendering import STATIC
from affilia_console.sessions import Sessions
from affilia_console.settings import ConsoleSettings
from affilia_console.signing_in import CALLBACK, SignIn, SignInFailed
from affilia_console.visits import page
from affilia_views.svg_style import STYLESHEET

SIGN_IN_SECONDS = 600
"""How long signing in can take."""

ROUTES = [
    Route("/", page(search.home)),
    Route("/search", page(search.search), methods=["POST"]),
    Route("/people/{member_id:uuid}", page(people.person)),
    Route("/people/{member_id:uuid}/why", page(why.why)),
    Route("/people/{member_id:uuid}/history", page(histories.of_person)),
    Route("/people/{member_id:uuid}/facts", page(recording.facts), methods=["GET", "POST"]),
    Route("/people/{member_id:uuid}/edit", page(recording.edit), methods=["GET", "POST"]),
    Route("/people/{member_id:uuid}/erase", page(erasing.erase), methods=["GET", "POST"]),
    Route("/people/{member_id:uuid}/merge", page(merging.merge), methods=["GET", "POST"]),
    Route("/merges/{from_id:uuid}/into/{into_id:uuid}", page(merging.merge_into), methods=["GET", "POST"]),
    Route("/families/{group_id:uuid}", page(families.family)),
    Route("/families/{group_id:uuid}/newer", page(families.newer)),
    Route("/families/{group_id:uuid}/compare", page(families.compare)),
    Route("/families/{group_id:uuid}/change", page(changing.begin)),
    Route("/families/{group_id:uuid}/change/{draft_id:uuid}", page(changing.change), methods=["GET", "POST"]),
    Route("/families/{group_id:uuid}/history", page(histories.of_family)),
    Route("/families/{group_id:uuid}/requests", page(requests.requests)),
    Route("/families/{group_id:uuid}/requests/{request_id:uuid}", page(requests.request)),
    Route("/families/{group_id:uuid}/premiums", page(premiums.premiums)),
    Route("/people/{member_id:uuid}/limits", page(limits.limits)),
    Route("/contracts", page(contracts.contracts)),
    Route("/contracts/publish", page(publishing.publish, publishing.MAX_BYTES), methods=["GET", "POST"]),
    Route("/contracts/{contract_id:uuid}", page(contracts.contract)),
    Route("/contracts/{contract_id:uuid}/export", page(publishing.export)),
    Route("/contracts/{contract_id:uuid}/history", page(histories.of_contract)),
    Route("/work", page(work.work)),
    Route("/work/recomputes", page(work.run_again), methods=["POST"]),
    Route("/work/runs", page(work.start_run), methods=["POST"]),
    Route("/work/runs/{run_id:uuid}", page(work.run)),
    Route("/work/runs/{run_id:uuid}/stop", page(work.stop_run), methods=["POST"]),
    Route("/work/invoicing", page(invoicing.invoicing), methods=["GET", "POST"]),
    Route("/work/files", page(files.files, files.MAX_FILE_BYTES), methods=["GET", "POST"]),
    Route("/work/files/{import_id:uuid}", page(files.file_import)),
    Route("/work/files/{import_id:uuid}/apply", page(files.apply), methods=["POST"]),
    Route("/work/files/{import_id:uuid}/limits", page(files.plan_again), methods=["POST"]),
    Route("/work/files/{import_id:uuid}/discard", page(files.discard), methods=["POST"]),
    Route("/work/files/{import_id:uuid}/stop", page(files.stop), methods=["POST"]),
    Route("/work/files/{import_id:uuid}/report.{kind:str}", page(files.report)),
    Route("/feed", page(feed.feed), methods=["GET", "POST"]),
    Route("/audit", page(audit.audit), methods=["GET", "POST"]),
    Route("/status", page(status.server_status)),
    Route("/sign-out", page(status.sign_out), methods=["POST"]),
]


def application(settings: ConsoleSettings) -> Starlette:
    """Returns the application. Its state has the console."""
    sessions = Sessions(settings)
    signing_in = SignIn(settings, settings.provider, sessions.begin) if settings.provider else None

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        yield
        sessions.end_all()

    app = Starlette(
        routes=[
            *ROUTES,
            Route(CALLBACK, _signed_in),
            Route("/signed-out", _signed_out),
            Route("/healthz", _healthy),
            Route("/static/drawing.css", _drawing_styles),
            Mount("/static", StaticFiles(directory=STATIC)),
        ],
        middleware=[
            Middleware(SecurityHeaders),
            Middleware(
                SessionMiddleware,
                secret_key=settings.session_key or secrets.token_urlsafe(32),
                session_cookie="affilia_console_sign_in",
                max_age=SIGN_IN_SECONDS,
                same_site="lax",
                https_only=settings.uses_https,
            ),
        ],
        exception_handlers={
            404: _not_found,
            HTTPException: _malformed,
            SignInFailed: _sign_in_failed,
            Exception: _unexpected,
        },
        lifespan=lifespan,
    )
    app.state.console = Console(settings, sessions, signing_in)
    return app


async def _signed_in(request: Request) -> Response:
    console: Console = request.app.state.console
    if console.signing_in is None:
        return RedirectResponse("/")
    session, response = await console.signing_in.finish(request)
    console.sessions.remember(session, response)
    return response


async def _signed_out(request: Request) -> Response:
    return _console(request).plain_page("You are signed out", "Your session has ended.", "Sign in again", 200)


async def _healthy(request: Request) -> Response:
    """Answers probes. It doesn't check the server, which a restart of the console can't fix."""
    return Response("ok\n", media_type="text/plain")


async def _drawing_styles(request: Request) -> Response:
    """Returns the styles of drawings, which are the same as in files that the command line writes."""
    return Response(STYLESHEET, media_type="text/css")


async def _not_found(request: Request, error: Exception) -> Response:
    return _console(request).plain_page("Not found", "The console has no page with this address.", "Search", 404)


async def _malformed(request: Request, error: Exception) -> Response:
    """Returns a page for a request that Starlette rejects, such as a form with too many fields."""
    assert isinstance(error, HTTPException)  # noqa: S101 (it handles no other)
    return _console(request).plain_page("The request can't be processed", error.detail, "Search", error.status_code)


async def _sign_in_failed(request: Request, error: Exception) -> Response:
    return _console(request).plain_page("Sign-in failed", str(error), "Sign in again", 503)


async def _unexpected(request: Request, error: Exception) -> Response:
    """Returns a page for an error outside of pages. It sets the headers itself, because it bypasses the middleware."""
    failure = fault_of(error)
    response = _console(request).plain_page(
        failure.title, f"{failure.sentence} Call id: {failure.call_id}", "Search", failure.status
    )
    response.headers.update({**SECURITY_HEADERS, "Cache-Control": "no-store"})
    return response


def _console(request: Request) -> Console:
    console: Console = request.app.state.console
    return console
