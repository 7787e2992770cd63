"""Errors: one status for every reason, details that fit on the wire, and nothing that the caller must not see."""

import asyncio
import base64
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
    TooLate,
    WriteConflict,
)
from operations.call import current_call
from server.errors import RETRY_AFTER_SECONDS, STATUS, STATUS_DETAILS, status_of
from server.telemetry.log import LibraryHandler
from tests.rpc.conftest import DOWN, UNARY, Shell
from tests.support.calls import Failure, decoded, new_id
from tests.support.identities import SETTINGS, everything
from tests.support.waiting import wait_until

Request = enrollment_query_service_pb2.GetEnrollmentGroupRequest
Code = grpc.StatusCode
NAME = "Melusine Unverwechselbar"
CALLERS_MOST_TRAILER_BYTES = 8192


def ask(shell: Shell, method: str = UNARY, metadata: Any = (), timeout: float | None = None) -> Any:
    """Calls a unary or streaming method, and returns its answers and the call."""
    data = Request(group_id=new_id()).SerializeToString()
    if method == DOWN:
        call: Any = shell.channel.unary_stream(method)(data, metadata=metadata, timeout=timeout)
        return list(call), call
    return shell.channel.unary_unary(method).with_call(data, metadata=metadata, timeout=timeout)


def failing(shell: Shell, error: Exception, method: str = UNARY) -> Any:
    """Returns the RpcError of a call whose handler raises an exception."""

    async def answer(request: Request) -> Message:
        raise error

    shell.probe.answer = answer
    with pytest.raises(grpc.RpcError) as raised:
        ask(shell, method)
    return raised.value


def detail(error: DomainError, kind: Any) -> Any:
    """Returns the detail of a kind in the status of an error, or None."""
    for packed in status_of(error).details:
        found = kind()
        if packed.Unpack(found):
            return found
    return None


def test_every_reason_has_a_status_and_is_in_the_proto() -> None:
    assert STATUS.keys() == set(Reason)
    numbers = error_reason_pb2.ErrorReason.DESCRIPTOR.values_by_name
    catalogue = {name.removeprefix("ERROR_REASON_") for name in numbers}
    assert catalogue - {"UNSPECIFIED"} == {reason.value for reason in Reason}


def test_retryable_errors_have_a_retry_delay() -> None:
    again = {reason for reason, code in STATUS.items() if code in (Code.UNAVAILABLE, Code.RESOURCE_EXHAUSTED)}
    assert RETRY_AFTER_SECONDS.keys() == again | {Reason.WRITE_CONFLICT}
    delay = detail(WriteConflict(), error_details_pb2.RetryInfo).retry_delay
    assert delay.ToMilliseconds() == 100
    assert detail(ContractUnknown(uuid4()), error_details_pb2.RetryInfo) is None


@pytest.mark.parametrize("method", [UNARY, DOWN])
def test_a_domain_error_arrives_with_its_reason_and_facts(shell: Shell, method: str) -> None:
    error = failing(shell, DatabaseUnavailable(), method)
    assert decoded(error) == Failure(Code.UNAVAILABLE, "DATABASE_UNAVAILABLE", {}, {})
    assert error.details() == "The database is unavailable. Retry with the same request_id."


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


def test_up_to_a_hundred_violations_are_all_reported() -> None:
    reported = detail(
        RequestMalformed([FieldViolation(f"f{i}", "is wrong") for i in range(100)]), error_details_pb2.BadRequest
    )
    assert [v.field for v in reported.field_violations] == [f"f{i}" for i in range(100)]


@pytest.fixture
def happenings() -> Iterator[list[Any]]:
    """The log lines of this test."""
    with structlog.testing.capture_logs() as logged:
        yield logged


def last_call(happenings: list[Any]) -> Any:
    """Returns the log line of the call, which is written just after its caller got the status."""
    return wait_until(
        lambda: next((line for line in happenings if line["event"] == "call"), None), "the call is logged"
    )


@pytest.mark.parametrize("method", [UNARY, DOWN])
def test_the_text_of_an_exception_is_neither_returned_nor_logged(
    shell: Shell, happenings: list[Any], method: str
) -> None:
    error = failing(shell, ValueError(f"no such person: {NAME}"), method)
    assert (error.code(), decoded(error).reason) == (Code.INTERNAL, "DEFECT")
    assert last_call(happenings)["status"] == "INTERNAL"
    (defect,) = [line for line in happenings if line["event"] == "defect"]
    assert defect["error"] == "ValueError"
    assert any("answer" in frame for frame in defect["where"])
    for text in (str(happenings), error.details(), str(error.trailing_metadata())):
        assert NAME not in text


def test_an_unexpected_error_of_the_database_is_logged_with_its_sqlstate(shell: Shell, happenings: list[Any]) -> None:
    assert decoded(failing(shell, psycopg.errors.UndefinedTable(NAME))).reason == "DEFECT"
    last_call(happenings)
    (defect,) = [line for line in happenings if line["event"] == "defect"]
    assert (defect["error"], defect["sqlstate"]) == ("UndefinedTable", "42P01")
    assert NAME not in str(happenings)


def test_log_lines_of_libraries_omit_the_text_of_exceptions(happenings: list[Any]) -> None:
    logger, handler = logging.getLogger("some.library"), LibraryHandler()
    logger.addHandler(handler)
    try:
        raise ValueError(NAME)
    except ValueError:
        logger.exception("while serving %s", NAME)
        logger.warning("without an exception, %s", NAME)
    finally:
        logger.removeHandler(handler)
    failed, warned = happenings
    assert NAME not in str(happenings)
    assert (failed["log_level"], failed["logger"], failed["error"]) == ("error", "some.library", "ValueError")
    assert (warned["log_level"], warned["logger"]) == ("warning", "some.library")


@pytest.mark.parametrize("error", [TimeoutError(), TooLate()])
def test_timeouts_are_reported_as_too_late(shell: Shell, error: Exception) -> None:
    assert decoded(failing(shell, error)) == Failure(Code.DEADLINE_EXCEEDED, "TOO_LATE", {}, {})


def test_a_call_without_a_deadline_gets_the_default_deadline(hasty_shell: Shell, happenings: list[Any]) -> None:
    async def answer(request: Request) -> Message:
        await asyncio.sleep(3600)
        raise AssertionError("unreachable")

    hasty_shell.probe.answer = answer
    began = time.monotonic()
    with pytest.raises(grpc.RpcError) as raised:
        ask(hasty_shell)
    assert time.monotonic() - began < 60  # of 3600
    assert decoded(raised.value).reason == "TOO_LATE"
    assert last_call(happenings)["status"] == "DEADLINE_EXCEEDED"


def test_a_cancelled_call_cancels_its_handler_and_is_logged_as_cancelled(shell: Shell, happenings: list[Any]) -> None:
    within: list[str] = []

    async def answer(request: Request) -> Message:
        try:
            within.append("began")
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            within.append("cancelled")
            raise
        raise AssertionError("unreachable")

    shell.probe.answer = answer
    future: Any = shell.channel.unary_unary(UNARY).future(Request(group_id=new_id()).SerializeToString(), timeout=300)
    wait_until(lambda: within, "the call has begun")
    future.cancel()
    assert last_call(happenings)["status"] == "CANCELLED"
    assert within == ["began", "cancelled"]


@pytest.mark.parametrize("method", [UNARY, DOWN])
def test_a_call_is_logged_in_one_line_with_method_status_and_peer(
    shell: Shell, happenings: list[Any], method: str
) -> None:
    ask(shell, method)
    line = last_call(happenings)
    assert (line["method"], line["status"], line["peer"]) == (method, "OK", "ipv4")
    assert line["milliseconds"] >= 0


@pytest.mark.parametrize("sent", ["abc-1", "a b", "x" * 65, "<script>", None])
def test_a_harmless_request_id_is_kept_and_others_are_replaced(shell: Shell, sent: str | None) -> None:
    _, call = ask(shell, metadata=(("x-request-id", sent),) if sent else ())
    reported = dict(call.trailing_metadata())["x-request-id"]
    assert (reported == sent) is (sent == "abc-1")
    assert reported


def test_only_a_development_server_takes_today_from_the_metadata(shell: Shell) -> None:
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
