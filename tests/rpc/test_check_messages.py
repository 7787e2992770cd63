"""Serialized responses to checks: cached for each finding, and dropped when a member was erased."""

from collections.abc import Sequence
from uuid import uuid4

import pytest

from affilia.eligibility.v1 import eligibility_check_service_pb2 as pb
from domain.eligibility.checks import Question, check
from domain.errors import FieldViolation, RequestMalformed
from operations.eligibility import Answer
from operations.erasure_lease import ErasureLease
from operations.findings import Found
from operations.offers import OffersBook
from server.mapping import eligibility
from server.mapping.eligibility import CheckMessages, answer_to_proto

QUESTION = Question(uuid4(), 739_000)


def found() -> Found:
    return Found(check(QUESTION, (), OffersBook().of, lambda _: 739_000), ())


def responses(messages: CheckMessages, answers: Sequence[Answer]) -> list[pb.CheckEligibilityResponse]:
    return [pb.CheckEligibilityResponse.FromString(messages.of_answer(answer)) for answer in answers]


def test_equal_findings_report_the_position_of_each_check() -> None:
    same = found()
    answers = [Answer(same, 7), Answer(same, 9), Answer(found(), 11)]
    assert responses(CheckMessages(ErasureLease()), answers) == [answer_to_proto(answer) for answer in answers]


def test_a_batch_has_an_outcome_for_each_check_in_order() -> None:
    malformed = RequestMalformed([FieldViolation("checks[1].date", "is required")])
    answers = [Answer(found(), 7), Answer(found(), 7)]
    messages = CheckMessages(ErasureLease())
    for _ in range(2):  # the second time from the cache
        message = messages.of_batch([QUESTION, malformed, QUESTION], answers)
        response = pb.BatchCheckEligibilityResponse.FromString(message)
        assert [outcome.WhichOneof("outcome") for outcome in response.outcomes] == ["answer", "error", "answer"]
        assert response.feed_position == 7


def test_nothing_is_kept_after_an_erasure() -> None:
    lease = ErasureLease()
    messages = CheckMessages(lease)
    messages.of_answer(Answer(found(), 1))
    messages.of_batch([QUESTION], [Answer(found(), 1)])
    lease.forget(1, ())
    messages.of_batch([], [])
    assert messages.size == 0


def test_the_cache_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(eligibility, "MAX_CACHED_MESSAGES", 3)
    messages = CheckMessages(ErasureLease())
    for _ in range(20):
        messages.of_answer(Answer(found(), 1))
        assert messages.size <= 3
