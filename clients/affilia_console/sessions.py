"""The sessions of people who are signed in. They are kept in memory; the browser only has a signed id."""

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Lock

from itsdangerous import BadSignature, URLSafeSerializer
from starlette.requests import Request
from starlette.responses import Response

from affilia_client import Client, Endpoint
from affilia_console.drafts import Drafts
from affilia_console.imports import Imports
from affilia_console.rights import ADMIN, Rights, rights_in
from affilia_console.settings import ConsoleSettings
from affilia_views.server_names import ServerNames

COOKIE = "affilia_console"
MAX_RECENT = 10
MAX_SESSIONS = 10_000
POLLS = "x-affilia-poll"
"""The header of requests that an open page sends periodically by itself."""
ACTOR = "x-affilia-actor"
"""The metadata key that sets the actor on a --dev server."""


@dataclass(slots=True)
class Person:
    """Who is signed in. `subject` is their id, as in the token. Without sign-in, everyone is an admin."""

    name: str
    subject: str
    role: str = ADMIN
    scopes: frozenset[str] = frozenset()

    @classmethod
    def without_rights(cls, name: str, subject: str) -> "Person":
        """Returns a person without any rights until their token is known."""
        return cls(name, subject, "")

    def take_rights(self, token: str) -> None:
        """Sets role, scopes and subject to those of the access token. A renewed token can have others."""
        rights = rights_in(token)
        self.role, self.scopes, self.subject = rights.role, rights.scopes, rights.subject or self.subject

    @property
    def rights(self) -> Rights:
        return Rights(self.role, self.scopes, self.subject)


@dataclass(slots=True, eq=False)
class Session:
    """One person's session. `token_of` returns an access token that is valid now, or raises SignedOut."""

    session_id: str
    csrf_token: str
    person: Person
    client: Client
    names: ServerNames
    last_used: float
    recent: list[tuple[str, str]] = field(default_factory=list)
    """Addresses and titles of the pages that were opened last, newest first."""
    notices: list[str] = field(default_factory=list)
    """What the next page reports about the last request."""
    imports: Imports = field(default_factory=Imports)
    """The enrollment files that this person uploaded. Others can't see them."""
    drafts: Drafts = field(default_factory=Drafts)
    """The change requests that are being prepared."""

    @property
    def is_busy(self) -> bool:
        """Whether work is in progress for the person, so that the session doesn't count as idle."""
        return self.imports.are_busy

    def close(self) -> None:
        """Stops work in progress and closes the client."""
        self.imports.end()
        self.client.close()

    def visited(self, address: str, title: str) -> None:
        """Records a page for the list of recent ones."""
        self.recent = [(address, title), *(each for each in self.recent if each[0] != address)][:MAX_RECENT]


class Sessions:
    """Creates, finds and ends sessions."""

    def __init__(self, settings: ConsoleSettings, clock: Callable[[], float] = time.monotonic) -> None:
        self._settings = settings
        self._clock = clock
        self._signer = URLSafeSerializer(settings.session_key or secrets.token_urlsafe(32), salt="session")
        self._sessions: dict[str, Session] = {}
        self._lock = Lock()

    def begin(self, person: Person, token: Callable[[], str] | None) -> Session:
        """Creates a session. Without a token, the server must be a `--dev` server."""
        client = self._client(person, token)
        session = Session(secrets.token_urlsafe(32), secrets.token_urlsafe(32), person, client, ServerNames(client), 0)
        session.last_used = self._clock()
        with self._lock:
            self._end_idle()
            self._sessions[session.session_id] = session
        return session

    def find(self, request: Request) -> Session | None:
        """Returns the session of a request, if it hasn't been idle for too long, and marks it as used.

        Requests that an open page sends by itself don't mark it as used, so that people who are away are signed out.
        """
        try:
            session_id = self._signer.loads(request.cookies.get(COOKIE, ""))
        except BadSignature:
            return None
        with self._lock:
            self._end_idle()
            session = self._sessions.get(session_id)
        if session is not None and (POLLS not in request.headers or session.is_busy):
            session.last_used = self._clock()
        return session

    def remember(self, session: Session, response: Response) -> None:
        """Sets the session's cookie."""
        response.set_cookie(
            COOKIE,
            str(self._signer.dumps(session.session_id)),
            httponly=True,
            secure=self._settings.uses_https,
            samesite="lax",
            path="/",
        )

    def end(self, session: Session) -> None:
        """Ends a session and its work."""
        with self._lock:
            self._sessions.pop(session.session_id, None)
        session.close()

    def end_all(self) -> None:
        for session in list(self._sessions.values()):
            self.end(session)

    def _end_idle(self) -> None:
        """Ends sessions that were not used for too long and, beyond the maximum, those used least recently."""
        now, limit = self._clock(), self._settings.idle_minutes * 60
        by_use = sorted(self._sessions.values(), key=lambda each: each.last_used)
        excess = max(0, len(by_use) - MAX_SESSIONS)
        for n, session in enumerate(by_use):
            if n >= excess and (now - session.last_used <= limit or session.is_busy):
                continue
            del self._sessions[session.session_id]
            session.close()

    def _client(self, person: Person, token: Callable[[], str] | None) -> Client:
        tls = self._settings.tls
        return Client(
            self._settings.address,
            tls=tls,
            token=token or "",
            internal=Endpoint(self._settings.internal_address, tls, token or ""),
            metadata={} if token else {ACTOR: person.subject},
        )
