"""Unexpected errors in the console itself: a page with a call id, and a line in the log."""

import logging
import re
from collections.abc import Iterator

import pytest
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.testclient import TestClient

from affilia_console.app import application
from affilia_console.settings import ConsoleSettings
from affilia_console.visits import Visit, page

CALL_ID = re.compile("[0-9a-f]{8}-[0-9a-f-]{27}")


def broken(visit: Visit) -> Response:
    raise RuntimeError("the drawing has no lanes")


async def broken_outside(request: Request) -> Response:
    raise RuntimeError("the cookie has no name")


@pytest.fixture
def client() -> Iterator[TestClient]:
    app = application(ConsoleSettings(dev=True, address="127.0.0.1:1", internal_address="127.0.0.1:1"))
    app.router.routes[:0] = [Route("/broken", page(broken)), Route("/broken-outside", broken_outside)]
    with TestClient(app, raise_server_exceptions=False) as client:
        yield client


def test_a_form_with_too_many_fields_is_rejected_with_a_page(client: TestClient) -> None:
    client.get("/work/files")
    answer = client.post("/search", data={f"field{n}": "" for n in range(3000)})
    assert answer.status_code == 400
    assert "Too many fields" in answer.text
    assert "<h1>" in answer.text


@pytest.mark.parametrize("address", ["/broken", "/broken-outside"])
def test_an_unexpected_error_has_a_page_and_a_line_in_the_log(
    client: TestClient, caplog: pytest.LogCaptureFixture, address: str
) -> None:
    with caplog.at_level(logging.ERROR, "affilia_console"):
        answer = client.get(f"{address}?name=secret")
    assert answer.status_code == 500
    assert "The console could not show this page" in answer.text
    assert "the drawing" not in answer.text
    assert answer.headers["x-frame-options"] == "DENY"
    assert answer.headers["cache-control"] == "no-store"
    (record,) = [each for each in caplog.records if each.name == "affilia_console"]
    assert record.exc_info
    (logged,) = CALL_ID.findall(record.getMessage())
    assert logged in answer.text
    assert "secret" not in caplog.text
