"""Server status, which open pages poll, and signing out."""

from html import escape

from starlette.responses import HTMLResponse, RedirectResponse, Response

from affilia_client import CallFailed, HealthStatus
from affilia_console.visits import Visit

TIMEOUT_SECONDS = 3.0


def server_status(visit: Visit) -> Response:
    """Returns a banner if the server doesn't serve, and nothing otherwise."""
    try:
        status = visit.client.check_health(timeout=TIMEOUT_SECONDS)
    except CallFailed:
        return _banner(
            "The server is unavailable. This page shows the last response. The console reconnects automatically."
        )
    if status is not HealthStatus.SERVING:
        return _banner("The server is starting or stopping, or can't reach its database. Try again in a moment.")
    return HTMLResponse("")


def _banner(sentence: str) -> Response:
    return HTMLResponse(f'<p class="banner bad">{escape(sentence)}</p>')


def sign_out(visit: Visit) -> Response:
    """Ends the session."""
    visit.console.sessions.end(visit.session)
    return RedirectResponse("/signed-out", 303)
