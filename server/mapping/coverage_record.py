"""Maps coverage records.

Most fields of a record are the same for many members. They are serialized once and parsed into each message, which
takes less time than setting them.
"""

from collections.abc import Iterable
from functools import lru_cache
from typing import Any
from uuid import UUID

from affilia.eligibility.v1 import coverage_pb2
from affilia.enrollment.v1 import enrollment_group_pb2
from domain.days import Span
from domain.eligibility.checks import Finding
from domain.eligibility.coverage import CoverageRecord, locator_of
from domain.eligibility.payment_order import PaymentRule
from domain.eligibility.terms import term_id_text
from domain.membership import MembershipType
from server.mapping.dates import span_to_proto
from server.mapping.enums import MEMBERSHIP_TYPES, EnumMapping

PAYMENT_RULES = EnumMapping(coverage_pb2.PaymentRule.DESCRIPTOR, PaymentRule)
MAX_PREPARED = 10_000


def record_to_proto(record: CoverageRecord) -> coverage_pb2.CoverageRecord:
    message = coverage_pb2.CoverageRecord()
    _set_record(message, record)
    return message


def records_to_proto(records: Iterable[CoverageRecord]) -> list[coverage_pb2.CoverageRecord]:
    return [record_to_proto(record) for record in records]


def in_payment_order_to_proto(finding: Finding) -> list[coverage_pb2.CoverageRecord]:
    """Converts the records of a finding with the rule that put each after the previous one."""
    messages: list[coverage_pb2.CoverageRecord] = []
    for i, record in enumerate(finding.records):
        messages.append(record_to_proto(record))
        _set_rule(messages[-1], finding, i)
    return messages


def add_in_payment_order(messages: Any, finding: Finding) -> None:
    """Adds the same to a repeated field, without copying the messages."""
    for i, record in enumerate(finding.records):
        message = messages.add()
        _set_record(message, record)
        _set_rule(message, finding, i)


def _set_rule(message: coverage_pb2.CoverageRecord, finding: Finding, index: int) -> None:
    """Sets the rule that put a record after the previous one, if the records are in order."""
    rule = finding.decided_by[index] if finding.decided_by else None
    if rule is not None:
        message.decided_by = PAYMENT_RULES.to_proto(rule)


def _set_record(message: coverage_pb2.CoverageRecord, record: CoverageRecord) -> None:
    """Sets the fields of an empty message."""
    run, offer = record.run, record.offer
    contract_id, primary_id = run.key
    group, member = str(run.group_id), str(run.member_id)
    term, module = term_id_text(group, offer.term.start), _text_of(run.module_id)
    message.MergeFromString(
        _prepared(
            contract_id,
            run.module_id,
            run.membership_type,
            offer.term,
            record.days,
            offer.network_tier,
            offer.capabilities,
        )
    )
    message.locator = locator_of(group, member, module, term, record.days.start)
    message.group_id = group
    message.key.primary_id = member if primary_id == run.member_id else str(primary_id)
    message.member_id = member
    message.term_id = term
    message.revision = run.revision


@lru_cache(MAX_PREPARED)
def _prepared(
    contract_id: UUID,
    module_id: UUID,
    membership_type: MembershipType,
    term: Span,
    days: Span,
    network_tier: str,
    capabilities: tuple[str, ...],
) -> bytes:
    """Returns the fields that are the same for many members."""
    return coverage_pb2.CoverageRecord(
        key=enrollment_group_pb2.GroupKey(contract_id=str(contract_id)),
        module_id=str(module_id),
        membership_type=MEMBERSHIP_TYPES.to_proto(membership_type),
        term=span_to_proto(term),
        days=span_to_proto(days),
        network_tier=network_tier,
        capabilities=capabilities,
    ).SerializeToString()


_text_of = lru_cache(MAX_PREPARED)(str)
"""Converts the id of a module. Cached, because there are few of them."""
