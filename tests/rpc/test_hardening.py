"""Random requests and misbehaving callers get a meaningful status, and the server keeps serving."""

import gzip
import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf import descriptor_pool, message_factory
from google.protobuf.descriptor import FieldDescriptor, MethodDescriptor
from google.protobuf.message import Message

from server.services import INTERNAL, PUBLIC
from tests.conftest import ServerProcess
from tests.support.calls import Family, new_id
from tests.support.channels import connected_to
from tests.support.identities import FLAGS, VARIABLES, as_, channel_of, everything

METHODS: list[MethodDescriptor] = [
    method
    for service in (*PUBLIC, *INTERNAL)
    for method in descriptor_pool.Default().FindServiceByName(service.name).methods
]
DEFECTS = (grpc.StatusCode.INTERNAL, grpc.StatusCode.UNKNOWN)
TRIES = 150

STRINGS = ["", "x", "é\U0001f600", "a" * 300, "\x7f", "not-a-uuid", "0001-01-01", "' OR 1=1 --", "%s", "[A-Z]"]
NUMBERS = [0, 1, -1, 2**31 - 1, -(2**31), 12, 31, 2026]
LONG_NUMBERS = [*NUMBERS, 2**63 - 1, -(2**63)]


def random_message(message: Message, draw: random.Random, depth: int = 0) -> Message:
    """Fills some fields with values that their type allows, often extreme, sometimes realistic."""
    for field in message.DESCRIPTOR.fields:
        if draw.random() < (0.25 if depth < 5 else 0.7):
            continue
        if field.is_repeated:
            for _ in range(draw.choice([0, 1, 2])):
                if field.message_type is None:
                    getattr(message, field.name).append(random_value(field, draw))
                elif depth < 6:
                    random_message(getattr(message, field.name).add(), draw, depth + 1)
        elif field.message_type is None:
            setattr(message, field.name, random_value(field, draw))
        elif depth < 6:
            getattr(message, field.name).SetInParent()
            random_message(getattr(message, field.name), draw, depth + 1)
    return message


def random_value(field: Any, draw: random.Random) -> Any:
    if field.enum_type is not None:
        return draw.choice([*(v.number for v in field.enum_type.values), 99])
    match field.cpp_type:
        case FieldDescriptor.CPPTYPE_STRING:
            return new_id() if field.name.endswith("_id") and draw.random() < 0.8 else draw.choice(STRINGS)
        case FieldDescriptor.CPPTYPE_BOOL:
            return draw.random() < 0.5
        case FieldDescriptor.CPPTYPE_INT64:
            return draw.choice(LONG_NUMBERS)
        case _:
            return draw.choice(NUMBERS)


@pytest.fixture(scope="module")
def channels(server: ServerProcess) -> Iterator[dict[bool, grpc.Channel]]:
    """The channels, by whether they are internal."""
    with connected_to(server.address) as public, connected_to(server.internal_address) as internal:
        yield {False: public, True: internal}


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.full_name)
def test_no_request_causes_a_defect(channels: dict[bool, grpc.Channel], method: MethodDescriptor) -> None:
    service = method.containing_service.full_name
    channel = channels[service in {each.name for each in INTERNAL}]
    send = channel.unary_stream if method.server_streaming else channel.unary_unary
    call: Any = send(f"/{service}/{method.name}")
    draw = random.Random(method.full_name)
    # Without fields, every message is valid, and the call does all the work that it requests.
    for n in range(TRIES if method.input_type.fields else 3):
        message = random_message(message_factory.GetMessageClass(method.input_type)(), draw)
        data = bytearray(message.SerializeToString())
        if n % 3 == 0 and data:
            for _ in range(draw.randint(1, 4)):
                data[draw.randrange(len(data))] = draw.randrange(256)
        try:
            answer = call(bytes(data), timeout=10)  # some calls wait for their deadline
            if method.server_streaming:
                next(answer)
                answer.cancel()
        except grpc.RpcError as error:
            code = error.code()
            assert code not in DEFECTS, f"try {n}: {code} {error.details()} for {message}"


def test_a_message_that_exceeds_the_limit_when_decompressed_is_rejected(family: Family) -> None:
    change = family.leave("2026-01-01")
    change.note = "x" * 20_000_000
    request = family.request(change)
    assert len(gzip.compress(request.SerializeToString())) < 100_000
    with pytest.raises(grpc.RpcError) as raised:
        family.requests.SubmitChangeRequest(request, compression=grpc.Compression.Gzip)
    error: Any = raised.value
    assert error.code() == grpc.StatusCode.RESOURCE_EXHAUSTED


def test_cancelled_calls_release_their_resources(family: Family) -> None:
    group = family.submit(family.enroll(family.base, "2026-01-01")).group

    def cancelled(n: int) -> None:
        future = family.requests.SubmitChangeRequest.future(
            family.request(family.enroll(family.plus if n % 2 else family.base, "2026-02-01"))
        )
        if n % 3:
            family.group()
        future.cancel()

    with ThreadPoolExecutor(32) as threads:
        list(threads.map(cancelled, range(600)))
    assert family.group(revision=1) == group
    with ThreadPoolExecutor(32) as threads:
        answers = list(threads.map(lambda _: family.group(), range(64)))
    assert len(answers) == 64


def test_only_a_development_server_accepts_another_today(tmp_path: Path) -> None:
    server = ServerProcess(tmp_path, *FLAGS, "--database-url", "embedded", environment=VARIABLES)
    with connected_to(server.address) as channel:
        office = Family(channel_of(channel, as_("admin", "ada"))).set_up()
        family = Family(channel_of(channel, everything()), **office.ids())
        contract = family.contract()
        contract.versions[0].max_backdating_days = 0
        office.amend(contract)
        request = family.request(family.enroll(family.base, "2025-01-02"))
        answer = family.requests.SubmitChangeRequest(request, metadata=(("x-affilia-today", "2025-01-02"),))
        assert [v.code for v in answer.change_request.violations] == [3]
        family.requests.SubmitChangeRequest(request, metadata=(("x-affilia-today", "nonsense"),))
    server.stop()
