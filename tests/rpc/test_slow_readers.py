"""Readers that do not read: told so when they do, and given up before that."""

import time
from typing import Any

import grpc
import pytest

from affilia.enrollment.v1 import enrollment_query_service_pb2 as pb
from tests.rpc.conftest import FLOOD, Shell
from tests.support.calls import decoded

ANY_REQUEST = pb.GetEnrollmentGroupRequest(group_id="7d9f2c1a-0b6e-4d5c-8a34-1f2e3d4c5b6a").SerializeToString()


def flooded(shell: Shell) -> Any:
    return shell.channel.unary_stream(FLOOD)(ANY_REQUEST, timeout=30)


def test_a_reader_that_stops_reading_is_given_up_and_told_when_it_reads_on(shell: Shell) -> None:
    call = flooded(shell)
    next(call)
    time.sleep(1.5)
    messages = 0
    with pytest.raises(grpc.RpcError) as failed:
        for _ in call:
            messages += 1
    failure = decoded(failed.value)
    assert (failure.code, failure.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "CONSUMER_TOO_SLOW")
    assert messages * 100_000 < 8 * 1024 * 1024


def test_a_reader_that_reads_slowly_is_let_go_on(shell: Shell) -> None:
    call = flooded(shell)
    until = time.monotonic() + 1.5
    while time.monotonic() < until:
        next(call)
        time.sleep(0.002)
    call.cancel()


def test_one_that_goes_away_while_it_is_given_up_harms_nobody(shell: Shell) -> None:
    calls = [flooded(shell) for _ in range(20)]
    for call in calls:
        next(call)
    time.sleep(1)
    for call in calls:
        call.cancel()
    assert next(flooded(shell)) is not None
