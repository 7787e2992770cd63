"""Sessions end when they are idle, and those used least recently end first when there are too many."""

from collections.abc import Iterator

import pytest
from starlette.requests import Request
from starlette.responses import Response

from affilia_console import sessions as sessions_module
from affilia_console.sessions import COOKIE, Person, Session, Sessions
from affilia_console.settings import ConsoleSettings

ADA = Person("Ada", "ada")


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def sessions(clock: Clock) -> Iterator[Sessions]:
    kept = Sessions(ConsoleSettings(dev=True, idle_minutes=30), clock)
    yield kept
    kept.end_all()


def request_of(sessions: Sessions, session: Session) -> Request:
    """Returns a request that sends the session's cookie."""
    response = Response()
    sessions.remember(session, response)
    cookie = response.headers["set-cookie"].partition(";")[0]
    return request_with(cookie)


def request_with(cookie: str) -> Request:
    return Request({"type": "http", "headers": [(b"cookie", cookie.encode())]})


def test_a_used_session_stays_and_an_idle_one_ends(sessions: Sessions, clock: Clock) -> None:
    session = sessions.begin(ADA, None)
    request = request_of(sessions, session)
    clock.now = 29 * 60
    assert sessions.find(request) is session
    clock.now = 58 * 60
    assert sessions.find(request) is session
    clock.now = 89 * 60
    assert sessions.find(request) is None


def test_a_session_that_was_ended_is_not_found(sessions: Sessions) -> None:
    session = sessions.begin(ADA, None)
    request = request_of(sessions, session)
    sessions.end(session)
    assert sessions.find(request) is None


def test_a_forged_cookie_finds_nothing(sessions: Sessions) -> None:
    session = sessions.begin(ADA, None)
    assert sessions.find(request_with(f"{COOKIE}={session.session_id}")) is None
    assert sessions.find(request_with(f"{COOKIE}=ImFiYyI.forged")) is None


def test_beyond_the_maximum_the_session_used_least_recently_ends(
    sessions: Sessions, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sessions_module, "MAX_SESSIONS", 2)
    found = []
    for second in range(3):
        clock.now = second
        found.append(request_of(sessions, sessions.begin(ADA, None)))
    assert [sessions.find(request) is not None for request in found] == [False, True, True]


def test_recent_pages_are_listed_once_and_newest_first(sessions: Sessions) -> None:
    session = sessions.begin(ADA, None)
    for n in (1, 2, 1):
        session.visited(f"/people/{n}", f"Person {n}")
    assert session.recent == [("/people/1", "Person 1"), ("/people/2", "Person 2")]
