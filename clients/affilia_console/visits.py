"""One request of one person: finds the session, checks forms, runs the page, and reports failures."""

import hmac
from collections.abc import Awaitable, Callable, Iterable, Mapping, Set
from dataclasses import dataclass
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import URL, FormData, UploadFile
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from affilia_client import CallFailed, Client, Unauthenticated
from affilia_console.console import Console
from affilia_console.failures import TITLES, Failure, Refused, failure_of, fault_of
from affilia_console.reverted import reverted_among
from affilia_console.sessions import Session
from affilia_console.tokens import SignedOut
from affilia_views.history import Described
from affilia_views.server_names import ServerNames

CSRF_FIELD = "csrf"
FORGED = "The form was not submitted from this session.", "Open the page again and submit the form there."
MAX_FILES, MAX_FIELDS = 2, 2000
MEBIBYTE = 1024 * 1024


@dataclass(slots=True, eq=False)
class Visit:
    """A request with the session of the person who sent it. `form` is empty unless the request is a POST."""

    request: Request
    console: Console
    session: Session
    form: FormData

    @property
    def client(self) -> Client:
        """The client that calls the server with this person's token."""
        return self.session.client

    @property
    def names(self) -> ServerNames:
        return self.session.names

    @property
    def is_htmx(self) -> bool:
        """Whether htmx asks for a part of a page rather than for a whole one."""
        return "hx-request" in self.request.headers

    @property
    def query(self) -> Mapping[str, str]:
        return self.request.query_params

    def path(self, name: str) -> str:
        """Returns a parameter of the path, which always has it."""
        return str(self.request.path_params[name])

    def text(self, name: str) -> str:
        """Returns a field of the form without surrounding spaces; empty if it is missing."""
        value = self.form.get(name, "")
        return value.strip() if isinstance(value, str) else ""

    def upload(self, name: str) -> UploadFile | None:
        """Returns a file of the form, or None if no file was chosen."""
        value = self.form.get(name)
        return value if isinstance(value, UploadFile) and value.filename else None

    def page(self, template: str, *, status: int = 200, **values: Any) -> Response:
        """Returns a page. Its template finds the visit as `visit`."""
        notices, self.session.notices = self.session.notices, []
        content = self.console.templates.get_template(template).render(visit=self, notices=notices, **values)
        return HTMLResponse(content, status)

    def goes_to(self, address: str, notice: str = "") -> Response:
        """Redirects to another page after a form was processed, so that reloading doesn't send the form again."""
        if notice:
            self.session.notices.append(notice)
        return RedirectResponse(address, 303)

    def remember(self, title: str) -> None:
        """Lists this page among the recent ones."""
        self.session.visited(self.request.url.path, title)

    def denied(self, what: str, *methods: str) -> str:
        """Returns why this person can't call these methods of the server, or "" if they can."""
        return self.session.person.rights.denied(what, *methods)

    def reverted_among(self, entries: Iterable[Described]) -> Set[str]:
        """Returns the ids of the requests among entries of a history that have been reverted."""
        return reverted_among(self.client, (each.entry for each in entries))

    def check_writable(self) -> None:
        """Raises Refused if the console is read-only."""
        if self.console.settings.read_only:
            raise Refused("This console is read-only.", "To allow changes, start it without --read-only.")


Page = Callable[[Visit], Response]


def page(show: Page, max_bytes: int = MEBIBYTE) -> Callable[[Request], Awaitable[Response]]:
    """Returns the endpoint of a page. `show` runs in a thread, because it calls the server and waits.

    Forms of more than `max_bytes` are rejected without being stored.

    Requests without a session are sent to the sign-in page. Forms without the session's CSRF token are rejected. Failed
    calls become error pages with reason, sentence and call id.
    """

    async def endpoint(request: Request) -> Response:
        console: Console = request.app.state.console
        session = console.sessions.find(request)
        if session is None:
            return await _sign_in_first(console, request)
        form = FormData()
        try:
            shown = show
            if request.method == "POST":
                if await _is_too_large(request, max_bytes):
                    shown = _refused(f"The form is larger than {max_bytes // MEBIBYTE} MiB.", "Upload a smaller file.")
                else:
                    form = await request.form(max_files=MAX_FILES, max_fields=MAX_FIELDS, max_part_size=max_bytes)
                    if not _has_csrf_token(request, form, session):
                        shown = _refused(*FORGED)
            return await run_in_threadpool(_shown, shown, Visit(request, console, session, form))
        finally:
            await form.close()

    endpoint.__name__ = getattr(show, "__name__", "page")
    return endpoint


async def _sign_in_first(console: Console, request: Request) -> Response:
    if console.settings.dev:
        session = console.begin_development_session()
        response: Response = RedirectResponse(_address(request.url), 307)
        console.sessions.remember(session, response)
        return response
    if "hx-request" in request.headers:
        return Response(headers={"HX-Refresh": "true"})  # the browser loads the page again, and signs in
    if request.method != "GET":  # browsers don't let a form redirect to the provider (form-action 'self')
        return console.plain_page(
            TITLES[401], "Your session has ended. What you submitted was not processed.", "Sign in again", 401
        )
    return await console.sign_in(request, _address(request.url))


def _address(url: URL) -> str:
    return f"{url.path}?{url.query}" if url.query else url.path


def _has_csrf_token(request: Request, form: FormData, session: Session) -> bool:
    sent = form.get(CSRF_FIELD) or request.headers.get("x-csrf-token", "")
    return isinstance(sent, str) and hmac.compare_digest(sent.encode(), session.csrf_token.encode())


async def _is_too_large(request: Request, max_bytes: int) -> bool:
    """Returns whether a form is too large. If so, discards its body, so that the browser reads the response."""
    length = request.headers.get("content-length", "")
    if length.isdigit() and int(length) <= max_bytes:
        return False
    async for _ in request.stream():
        pass
    return True


def _refused(sentence: str, advice: str) -> Page:
    """Returns a page that rejects the form."""

    def refuse(visit: Visit) -> Response:
        raise Refused(sentence, advice)

    return refuse


def _shown(show: Page, visit: Visit) -> Response:
    try:
        return show(visit)
    except (SignedOut, Unauthenticated) as error:
        visit.console.sessions.end(visit.session)
        return _failure(visit, failure_of(error))
    except (CallFailed, Refused) as error:
        return _failure(visit, failure_of(error))
    except Exception as error:  # a defect of the console, which must not result in an empty page
        return _failure(visit, fault_of(error))


def _failure(visit: Visit, failure: Failure) -> Response:
    return visit.page("failure.html", status=failure.status, failure=failure)
