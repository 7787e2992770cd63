"""What all pages share: settings, sessions, templates and how people sign in."""

from dataclasses import dataclass, field

from jinja2 import Environment
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from affilia_console.rendering import environment
from affilia_console.sessions import Person, Session, Sessions
from affilia_console.settings import ConsoleSettings
from affilia_console.signing_in import SignIn

DEVELOPER = Person("Developer", "developer")


@dataclass(slots=True, eq=False)
class Console:
    """One per process."""

    settings: ConsoleSettings
    sessions: Sessions
    signing_in: SignIn | None
    templates: Environment = field(default_factory=environment)

    def begin_development_session(self, person: Person = DEVELOPER) -> Session:
        """Begins a session without sign-in, for a `--dev` server."""
        return self.sessions.begin(person, None)

    def plain_page(self, title: str, sentence: str, link: str, status: int) -> Response:
        """Returns a page that doesn't require a session. Its link leads to the start page."""
        template = self.templates.get_template("plain.html")
        return HTMLResponse(template.render(title=title, sentence=sentence, link=link), status)

    async def sign_in(self, request: Request, then: str) -> Response:
        """Redirects the browser to the provider and, after sign-in, to the address `then`."""
        assert self.signing_in is not None  # noqa: S101 (the settings have a provider unless they are for development)
        return await self.signing_in.begin(request, then)
