"""Maps accumulators.

The term and the limits are the same for many members. They are serialized once and parsed into each message, which
takes less time than setting them.
"""

from collections.abc import Iterable
from functools import lru_cache
from typing import Any, NamedTuple
from uuid import UUID

from affilia.eligibility.v1 import accumulator_pb2
from domain.catalog.contract import LimitUnit
from domain.days import Span
from domain.eligibility.accumulators import Accumulator
from domain.eligibility.terms import term_id_text
from operations.findings import MemberAccumulators
from server.mapping.contract import LIMIT_UNITS
from server.mapping.dates import span_to_proto

MAX_PREPARED = 10_000


class Owner(NamedTuple):
    """A member within a term of a policy, whose usage is counted. Ids are texts."""

    group_id: str
    member_id: str
    term_id: str
    term: Span


def owner_of(group_id: UUID, member_id: UUID, term: Span) -> Owner:
    group = str(group_id)
    return Owner(group, str(member_id), term_id_text(group, term.start), term)


def accumulators_to_proto(found: Iterable[MemberAccumulators]) -> list[accumulator_pb2.Accumulator]:
    messages: list[accumulator_pb2.Accumulator] = []
    for of_policy in found:
        owner = _owner_of(of_policy)
        for each in of_policy.accumulators:
            messages.append(accumulator_pb2.Accumulator())
            set_accumulator(messages[-1], each, owner)
    return messages


def add_accumulators(messages: Any, found: Iterable[MemberAccumulators]) -> None:
    """Adds the same to a repeated field, without copying the messages."""
    for of_policy in found:
        owner = _owner_of(of_policy)
        for each in of_policy.accumulators:
            set_accumulator(messages.add(), each, owner)


def _owner_of(of_policy: MemberAccumulators) -> Owner:
    run, offer = of_policy.record.run, of_policy.record.offer
    return owner_of(run.group_id, run.member_id, offer.term)


def set_accumulator(message: accumulator_pb2.Accumulator, found: Accumulator, owner: Owner) -> None:
    """Sets the fields of an empty message."""
    code, unit, individual_limit, family_limit, usage = found
    message.MergeFromString(_prepared(owner.term, code, unit, individual_limit, family_limit))
    message.group_id, message.member_id, message.term_id = owner.group_id, owner.member_id, owner.term_id
    _set_counter(message.individual, usage.individual, found.individual_remaining)
    _set_counter(message.family, usage.family, found.family_remaining)
    message.met = found.is_met


def _set_counter(counter: accumulator_pb2.Counter, used: int, remaining: int | None) -> None:
    counter.used = used
    if remaining is not None:
        counter.remaining = remaining


@lru_cache(MAX_PREPARED)
def _prepared(term: Span, code: str, unit: LimitUnit, individual_limit: int | None, family_limit: int | None) -> bytes:
    """Returns the fields that are the same for many members."""
    return accumulator_pb2.Accumulator(
        term=span_to_proto(term),
        code=code,
        unit=LIMIT_UNITS.to_proto(unit),
        individual=accumulator_pb2.Counter(limit=individual_limit),
        family=accumulator_pb2.Counter(limit=family_limit),
    ).SerializeToString()
