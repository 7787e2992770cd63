"""InterchangeService.ReserveControlNumbers over the wire: no number is reserved twice, on any server."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import psycopg
import pytest

from affilia.interchange.v1 import interchange_service_pb2 as pb
from affilia.interchange.v1.interchange_service_pb2_grpc import InterchangeServiceStub
from affilia_cli.enrollment_file.acknowledging import control_numbers_of, envelope_of, write_acknowledgements
from affilia_cli.enrollment_file.reading.parsing import parse
from affilia_client import AlreadyExists, Client, PreconditionFailed
from tests.conftest import ServerProcess
from tests.support.calls import failure_of, new_id
from tests.support.enrollment_file import a_file, a_member

THREADS = 8
CALLS = 80
MAX_NUMBER = 999_999_999


@pytest.fixture
def two_servers(own_database_url: str, tmp_path: Path) -> Iterator[tuple[ServerProcess, ServerProcess]]:
    flags = ("--database-url", own_database_url)
    servers = (ServerProcess(tmp_path / "0", *flags), ServerProcess(tmp_path / "1", *flags))
    yield servers
    for each in servers:
        each.kill()


def set_last(database_url: str, last: int) -> None:
    with psycopg.connect(database_url) as connection:
        connection.execute("UPDATE control_number SET last = %s", [last])


def numbers_of(reserved: pb.ReserveControlNumbersResponse) -> range:
    return range(reserved.first, reserved.first + reserved.count)


def test_concurrent_reservations_on_two_servers_never_overlap_even_after_a_crash(
    two_servers: tuple[ServerProcess, ServerProcess],
) -> None:
    with Client(two_servers[0].address) as first, Client(two_servers[1].address) as second:

        def reserve(n: int) -> range:
            client = (first, second)[n % 2]
            return numbers_of(client.interchange.reserve_control_numbers(count=1 + n % 7))

        with ThreadPoolExecutor(THREADS) as threads:
            reserved = list(threads.map(reserve, range(CALLS)))
        two_servers[0].kill()
        reserved.append(numbers_of(second.interchange.reserve_control_numbers(count=1000)))
    numbers = [number for part in reserved for number in part]
    assert [len(part) for part in reserved] == [*(1 + n % 7 for n in range(CALLS)), 1000]
    assert len(set(numbers)) == len(numbers)
    assert (min(numbers), max(numbers) <= MAX_NUMBER) == (1, True)


def test_concurrent_retries_return_the_same_numbers(server_address: str) -> None:
    request = pb.ReserveControlNumbersRequest(request_id=new_id(), count=3)
    with Client(server_address) as client, ThreadPoolExecutor(THREADS) as threads:
        answers = list(threads.map(lambda _: client.interchange.reserve_control_numbers(request), range(THREADS)))
        assert all(each == answers[0] for each in answers)
        later = client.interchange.reserve_control_numbers(count=1)
        assert later.first not in numbers_of(answers[0])


def test_a_request_id_with_another_count_is_rejected(server_address: str) -> None:
    request_id = new_id()
    with Client(server_address) as client:
        client.interchange.reserve_control_numbers(request_id=request_id, count=3)
        with pytest.raises(AlreadyExists) as raised:
            client.interchange.reserve_control_numbers(request_id=request_id, count=4)
    assert raised.value.reason == "REQUEST_ID_REUSED"


def test_exhausted_numbers_are_an_error_and_the_last_ones_can_be_reserved(
    two_servers: tuple[ServerProcess, ServerProcess], own_database_url: str
) -> None:
    set_last(own_database_url, MAX_NUMBER - 5)
    retried = new_id()
    with Client(two_servers[0].address) as client:
        with pytest.raises(PreconditionFailed) as raised:
            client.interchange.reserve_control_numbers(count=6)
        assert (raised.value.reason, raised.value.facts["requested"], raised.value.facts["left"]) == (
            "CONTROL_NUMBERS_EXHAUSTED",
            "6",
            "5",
        )
        last_five = numbers_of(client.interchange.reserve_control_numbers(count=5, request_id=retried))
        assert last_five[-1] == MAX_NUMBER
        with pytest.raises(PreconditionFailed) as raised:
            client.interchange.reserve_control_numbers(count=1)
        assert raised.value.facts["left"] == "0"
        again = client.interchange.reserve_control_numbers(count=5, request_id=retried)
        assert numbers_of(again) == last_five


def test_each_acknowledgement_has_its_own_control_number(server_address: str, tmp_path: Path) -> None:
    content = a_file(a_member()).replace(b"*0*P*:", b"*1*P*:")
    envelope = envelope_of(content)
    assert envelope is not None
    numbers = []
    with Client(server_address) as client:
        for _ in range(2):
            for path in write_acknowledgements(tmp_path, envelope, parse(content), control_numbers_of(client)):
                numbers.append(path.read_text().split("*")[13])
    assert len(set(numbers)) == len(numbers) == 4


@pytest.mark.parametrize("count", [0, -1, 1001])
def test_a_count_outside_of_1_to_1000_is_rejected(server_channel: grpc.Channel, count: int) -> None:
    stub: Any = InterchangeServiceStub(server_channel)
    request = pb.ReserveControlNumbersRequest(request_id=new_id(), count=count)
    failure = failure_of(stub.ReserveControlNumbers, request)
    assert failure.code == grpc.StatusCode.INVALID_ARGUMENT
    assert set(failure.violations) == {"count"}


def test_a_request_without_an_id_is_rejected(server_channel: grpc.Channel) -> None:
    stub: Any = InterchangeServiceStub(server_channel)
    failure = failure_of(stub.ReserveControlNumbers, pb.ReserveControlNumbersRequest(count=1))
    assert set(failure.violations) == {"request_id"}
