"""The fast check of requests finds a fault exactly when the complete check does."""

from random import Random
from typing import Any

import pytest
from google.protobuf import descriptor_pool
from google.protobuf.descriptor import Descriptor
from hypothesis import given, settings
from hypothesis import strategies as st

from server.checking import is_valid, message_check
from server.services import INTERNAL, PUBLIC
from tests.support.random_requests import random_message

REQUESTS = [
    method.input_type
    for service in (*PUBLIC, *INTERNAL)
    for method in descriptor_pool.Default().FindServiceByName(service.name).methods
]
RARELY, OFTEN = 0.02, 0.2


def copied(message: Any) -> Any:
    copy = type(message)()
    copy.CopyFrom(message)
    return copy


@pytest.mark.parametrize("kind", REQUESTS, ids=lambda kind: kind.name)
@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 2**32), fault_rate=st.sampled_from((0, RARELY, OFTEN)))
def test_the_fast_check_agrees_with_the_complete_one(kind: Descriptor, seed: int, fault_rate: float) -> None:
    message = random_message(Random(seed), kind, fault_rate)
    checked = copied(message)
    found = list(message_check(kind)(checked, ""))
    assert is_valid(message) is (not found)
    if not found:
        assert message == checked  # both have cleared the same output-only fields


@pytest.mark.parametrize("kind", REQUESTS, ids=lambda kind: kind.name)
def test_random_requests_without_faults_are_valid_and_with_many_they_are_not(kind: Descriptor) -> None:
    assert not list(message_check(kind)(random_message(Random(1), kind, 0), ""))
    if any(field.name != "consistency_token" for field in kind.fields):
        assert any(list(message_check(kind)(random_message(Random(seed), kind, 1), "")) for seed in range(50))
