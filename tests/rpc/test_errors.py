"""Errors: one status for every reason, details that fit on the wire, and nothing told that is not the caller's."""

import asyncio
import base64
import io
import logging
import time
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import grpc
import psycopg
import pytest
import structlog
from google.protobuf.message import Message
from google.rpc import error_details_pb2

from affilia.enrollment.v1 import enrollment_query_service_pb2
from affilia.type.v1 import error_reason_pb2
from domain.errors import (
    ContractUnknown,
    DatabaseUnavailable,
    DomainError,
    FieldViolation,
    Reason,
    RequestMalformed,
    WriteConflict,
)
from server.errors import RETRY_AFTER_SECONDS, STATUS, STATUS_DETAILS, status_of
from server.log import WithoutTexts
from server.operations.call import current_call
from tests.rpc.conftest import DOWN, UNARY, Shell
from tests.support.calls import Failure, decoded, new_id
from tests.support.identities import SETTINGS, everything

Request = enrollment_query_service_pb2.GetEnrollmentGroupRequest
Code = grpc.StatusCode
NAME = "Melusine Unverwechselbar"
CALLERS_MOST_TRAILER_BYTES = 8192


def ask(shell: Shell, method: str = UNARY, metadata: Any = (), timeout: float | None = None) -> Any:
    """Calls a method of either kind; gives all that it answered, and the call."""
    data = Request(group_id=new_id()).SerializeToString()
    if method == DOWN:
        call: Any = shell.channel.unary_stream(method)(data, metadata=metadata, timeout=timeout)
        return list(call), call
    return shell.channel.unary_unary(method).with_call(data, metadata=metadata, timeout=timeout)


def failing(shell: Shell, error: Exception, method: str = UNARY) -> Any:
    """The RpcError of a call in which an exception was raised."""

    async def answer(request: Request) -> Message:
        raise error

    shell.probe.answer = answer
    with pytest.raises(grpc.RpcError) as raised:
        ask(shell, method)
    return raised.value


def detail(error: DomainError, kind: Any) -> Any:
    """The one detail of a kind in an error's status, or None."""
    for packed in status_of(error).details:
        found = kind()
        if packed.Unpack(found):
            return found
    return None


def test_every_reason_has_a_status_and_stands_in_the_catalogue() -> None:
    assert STATUS.keys() == set(Reason)
    numbers = error_reason_pb2.ErrorReason.DESCRIPTOR.values_by_name
    catalogue = {name.removeprefix("ERROR_REASON_") for name in numbers}
    assert catalogue - {"UNSPECIFIED"} == {reason.value for reason in Reason}


def test_whoever_may_try_again_is_told_when() -> None:
    again = {reason for reason, code in STATUS.items() if code in (Code.UNAVAILABLE, Code.RESOURCE_EXHAUSTED)}
    assert RETRY_AFTER_SECONDS.keys() == again | {Reason.WRITE_CONFLICT}
    delay = detail(WriteConflict(), error_details_pb2.RetryInfo).retry_delay
    assert delay.ToMilliseconds() == 100
    assert detail(ContractUnknown(uuid4()), error_details_pb2.RetryInfo) is None


@pytest.mark.parametrize("method", [UNARY, DOWN])
def test_a_domain_error_arrives_with_its_reason_and_facts(shell: Shell, method: str) -> None:
    error = failing(shell, DatabaseUnavailable(), method)
    assert decoded(error) == Failure(Code.UNAVAILABLE, "DATABASE_UNAVAILABLE", {}, {})
    assert error.details() == "The database is away; repeat with the same request id."


@pytest.mark.parametrize(
    "violations",
    [
        [FieldViolation(f"changes[{i}].enroll.days.first_on", "x" * 80) for i in range(101)],
        [FieldViolation("contract." + "condition.negation." * 400, "is wrong")] * 20,
        [FieldViolation("é" * 3000, "\U0001f600" * 3000)] * 3,
    ],
    ids=["many", "deep", "not ASCII"],
)  # fmt: skip
def test_errors_fit_into_what_callers_accept(shell: Shell, violations: list[FieldViolation]) -> None:
    error = failing(shell, RequestMalformed(violations))
    failure = decoded(error)
    assert (failure.code, failure.reason) == (Code.INVALID_ARGUMENT, "REQUEST_MALFORMED")
    assert "more" in list(failure.violations.values())[-1] or len(failure.violations) == 1
    in_base64 = base64.b64encode(dict(error.trailing_metadata())[STATUS_DETAILS])
    percent_encoded = sum(3 if byte >= 0x7F or byte == 0x25 else 1 for byte in error.details().encode())
    everything_else = 400
    assert len(in_base64) + percent_encoded + everything_else < CALLERS_MOST_TRAILER_BYTES


def test_a_few_violations_are_all_told() -> None:
    told = detail(
        RequestMalformed([FieldViolation(f"f{i}", "is wrong") for i in range(100)]), error_details_pb2.BadRequest
    )
    assert [v.field for v in told.field_violations] == [f"f{i}" for i in range(100)]


@pytest.fixture
def happenings() -> Iterator[list[Any]]:
    """What is logged while the test runs."""
    with structlog.testing.capture_logs() as logged:
        yield logged


def last_call(happenings: list[Any]) -> Any:
    """The line of the last call; it is written just after its caller has heard."""
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        for line in happenings:
            if line["event"] == "call":
                return line
        time.sleep(0.01)
    raise AssertionError("the call was not logged")


@pytest.mark.parametrize("method", [UNARY, DOWN])
def test_an_exceptions_text_is_neither_told_nor_logged(shell: Shell, happenings: list[Any], method: str) -> None:
    error = failing(shell, ValueError(f"no such person: {NAME}"), method)
    assert (error.code(), decoded(error).reason) == (Code.INTERNAL, "DEFECT")
    assert last_call(happenings)["status"] == "INTERNAL"
    (defect,) = [line for line in happenings if line["event"] == "defect"]
    assert defect["error"] == "ValueError"
    assert any("answer" in frame for frame in defect["where"])
    for text in (str(happenings), error.details(), str(error.trailing_metadata())):
        assert NAME not in text


def test_libraries_log_no_exceptions_text() -> None:
    lines = io.StringIO()
    handler = logging.StreamHandler(lines)
    handler.setFormatter(WithoutTexts("%(levelname)s %(name)s"))
    logger = logging.getLogger("some.library")
    logger.addHandler(handler)
    try:
        raise ValueError(NAME)
    except ValueError:
        logger.exception("while serving %s", NAME)
    finally:
        logger.removeHandler(handler)
    assert NAME not in lines.getvalue()
    assert "ERROR some.library" in lines.getvalue()
    assert "ValueError" in lines.getvalue()


@pytest.mark.parametrize("error", [TimeoutError(), psycopg.errors.QueryCanceled(NAME)])
def test_what_took_too_long_is_told_so(shell: Shell, error: Exception) -> None:
    assert decoded(failing(shell, error)) == Failure(Code.DEADLINE_EXCEEDED, "TOO_LATE", {}, {})


def test_a_call_without_a_deadline_gets_one(shell: Shell, happenings: list[Any]) -> None:
    async def answer(request: Request) -> Message:
        await asyncio.sleep(30)
        raise AssertionError("unreachable")

    shell.probe.answer = answer
    began = time.monotonic()
    with pytest.raises(grpc.RpcError) as raised:
        ask(shell)
    assert time.monotonic() - began < 5
    assert decoded(raised.value).reason == "TOO_LATE"
    assert last_call(happenings)["status"] == "DEADLINE_EXCEEDED"


def test_a_cancelled_call_is_cancelled_within_and_logged_as_such(shell: Shell, happenings: list[Any]) -> None:
    within: list[str] = []

    async def answer(request: Request) -> Message:
        try:
            within.append("began")
            await asyncio.sleep(30)
        except asyncio.CancelledError:
            within.append("cancelled")
            raise
        raise AssertionError("unreachable")

    shell.probe.answer = answer
    future: Any = shell.channel.unary_unary(UNARY).future(Request(group_id=new_id()).SerializeToString(), timeout=20)
    while not within:
        time.sleep(0.01)
    future.cancel()
    assert last_call(happenings)["status"] == "CANCELLED"
    assert within == ["began", "cancelled"]


@pytest.mark.parametrize("method", [UNARY, DOWN])
def test_a_call_is_one_line_with_its_method_status_and_peer(shell: Shell, happenings: list[Any], method: str) -> None:
    ask(shell, method)
    line = last_call(happenings)
    assert (line["method"], line["status"], line["peer"]) == (method, "OK", "ipv4")
    assert line["milliseconds"] >= 0


@pytest.mark.parametrize("sent", ["abc-1", "a b", "x" * 65, "<script>", None])
def test_a_harmless_request_id_is_kept_and_others_are_replaced(shell: Shell, sent: str | None) -> None:
    _, call = ask(shell, metadata=(("x-request-id", sent),) if sent else ())
    told = dict(call.trailing_metadata())["x-request-id"]
    assert (told == sent) is (sent == "abc-1")
    assert told


def test_today_is_what_the_metadata_says_with_dev_and_only_then(shell: Shell) -> None:
    todays: list[str] = []

    async def answer(request: Request) -> Message:
        todays.append(str(current_call().today_override))
        return enrollment_query_service_pb2.GetEnrollmentGroupResponse()

    shell.probe.answer = answer
    ask(shell, metadata=(("x-affilia-today", "2026-03-01"),))
    strict, somebody = Shell(**SETTINGS), everything()
    strict.probe.answer = answer
    ask(strict, metadata=(("x-affilia-today", "2026-03-01"), *somebody))
    ask(strict, metadata=(("x-affilia-today", "2026-02-30"), *somebody))
    strict.stop()
    assert todays == ["2026-03-01", "None", "None"]
    with pytest.raises(grpc.RpcError) as raised:
        ask(shell, metadata=(("x-affilia-today", "2026-02-30"),))
    assert set(decoded(raised.value).violations) == {"x-affilia-today"}
