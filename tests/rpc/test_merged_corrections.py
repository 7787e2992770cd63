"""Merging members when a correction of a membership type counts, but the enroll that it corrected was reverted."""

from typing import Any

import grpc
import pytest

from affilia.enrollment.v1 import change_request_pb2
from tests.support.doubled import CHILD, PARTNER, Doubled
from tests.support.insured import Insured


@pytest.fixture
def doubled(server_channel: grpc.Channel, internal: grpc.Channel) -> Doubled:
    """A family in which the primary and the child are enrolled, and the other record is not."""
    doubled = Doubled(Insured(server_channel, internal)).set_up()
    doubled.insured.enroll("2026-01-01")
    doubled.insured.enroll("2026-01-01", child=True)
    return doubled


def correct(doubled: Doubled, kind: Any) -> str:
    """Enrolls the other record, corrects its type, and reverts the enroll. Returns the id of the correction."""
    enrolling = doubled.enrolling(doubled.double, "2026-01-01", kind=PARTNER if kind == CHILD else CHILD)
    enrolled = doubled.submit_as_admin(enrolling).change_request.change_request_id
    correction = change_request_pb2.ScopedChange()
    correction.correct_membership_type.member_id = doubled.double
    correction.correct_membership_type.membership_type = kind
    corrected = doubled.submit_as_admin(correction).change_request.change_request_id
    revert(doubled, enrolled)
    return str(corrected)


def revert(doubled: Doubled, change_request_id: str) -> str:
    """Reverts a request. Returns the id of the revert."""
    change = change_request_pb2.ScopedChange()
    change.revert.change_request_id = change_request_id
    return str(doubled.submit_as_admin(change).change_request.change_request_id)


def test_a_correction_of_the_other_record_does_not_change_the_type_of_the_remaining_one(doubled: Doubled) -> None:
    correction = correct(doubled, PARTNER)
    before = doubled.family.group()
    failure = doubled.rejected(doubled.double, doubled.family.child)
    assert (failure.reason, failure.facts["cause"]) == ("MERGE_NOT_POSSIBLE", "DIFFERENT_TYPES")
    assert doubled.family.group() == before
    revert(doubled, correction)
    doubled.merge_double()
    types = {period.member_id: period.membership_type for period in doubled.family.group().periods}
    assert types[doubled.family.child] == CHILD


def test_a_corrected_record_cannot_be_merged_into_the_primary(doubled: Doubled) -> None:
    correction = correct(doubled, CHILD)
    failure = doubled.rejected(doubled.double, doubled.family.primary)
    assert (failure.reason, failure.facts["cause"]) == ("MERGE_NOT_POSSIBLE", "DIFFERENT_TYPES")
    reverted = revert(doubled, correction)
    doubled.merge(doubled.double, doubled.family.primary)
    change = change_request_pb2.ScopedChange()
    change.revert.change_request_id = reverted
    again = doubled.submit_as_admin(change).change_request
    assert again.verdict == change_request_pb2.VERDICT_REJECTED
    assert [violation.code for violation in again.violations] == [
        change_request_pb2.VIOLATION_CODE_MEMBERSHIP_TYPE_CONFLICT
    ]
    before = doubled.family.group()
    doubled.insured.enroll("2027-01-01", module=doubled.family.plus)
    assert doubled.family.group().revision == before.revision + 1
