"""Serializes costs. Costs of quotes are assembled from parts, each of which is serialized once.

Protobuf merges messages that follow each other, so a part is an InsuranceCost with some of its fields. It depends only
on its arguments, which contain no data of members. The caches are bounded and never need to be cleared: an amended
contract has other prices.
"""

from datetime import date
from functools import lru_cache
from uuid import UUID

from affilia.pricing.v1 import insurance_cost_pb2 as pb
from domain.members import HealthRegime
from domain.membership import MembershipType
from domain.money import Rounding
from domain.pricing.beneficiaries import Beneficiary
from domain.pricing.costs import Amounts, Sums
from domain.pricing.inquiries import Priced
from domain.pricing.insurance_cost import Component, PricedModule
from domain.pricing.tariffs import Price
from server.mapping.dates import date_to_proto
from server.mapping.insurance_cost import (
    beneficiary_cost_to_proto,
    component_to_proto,
    insurance_cost_to_proto,
    module_cost_to_proto,
    totals_to_proto,
)
from server.mapping.pricing import ROUNDING_STRATEGIES

MAX_CACHED_PARTS = 10_000
"""Maximum number of parts of each kind that a process caches. Most have less than 500 bytes."""

VARINT_BITS = 7


def names_members(priced: Priced) -> bool:
    """Returns whether a cost names members, as that of a policy does."""
    return any(spec.member_id is not None for spec in priced.specs)


def serialized_cost(priced: Priced) -> bytes:
    """Returns a serialized InsuranceCost."""
    if names_members(priced):
        return insurance_cost_to_proto(priced).SerializeToString()
    cost = priced.cost
    parts = [_head(priced.on, cost.currency_code, priced.rounding, is_basic=False), _totals(cost.sums)]
    parts += [_components(each) for each in cost.priced]
    amounts = cost.by_beneficiary()
    for index, kind, age, _, regime in priced.people:
        of_one = amounts[index]
        parts.append(_person(index, kind, age, regime, of_one.untaxed_minor, of_one.taxes_minor))
    for module_id, of_all in cost.by_module().items():
        parts.append(_module(module_id, of_all.untaxed_minor, of_all.taxes_minor))
    return b"".join(parts)


def serialized_totals(priced: Priced) -> bytes:
    """Returns a serialized InsuranceCost in BASIC view, which has less than 200 bytes and names no members."""
    cost = priced.cost
    return _head(priced.on, cost.currency_code, priced.rounding, is_basic=True) + _totals(cost.sums)


def field(number: int, message: bytes) -> bytes:
    """Returns a serialized field that contains a serialized message. The field's number must be less than 16."""
    head, rest = bytearray([number << 3 | 2]), len(message)
    while rest >> VARINT_BITS:
        head.append(rest & 0x7F | 0x80)
        rest >>= VARINT_BITS
    head.append(rest)
    return bytes(head) + message


@lru_cache(MAX_CACHED_PARTS)
def _head(on: date, currency_code: str, rounding: Rounding, *, is_basic: bool) -> bytes:
    message = pb.InsuranceCost(
        on=date_to_proto(on),
        currency_code=currency_code,
        rounding=ROUNDING_STRATEGIES.to_proto(rounding),
        view=pb.COST_VIEW_BASIC if is_basic else pb.COST_VIEW_FULL,
    )
    return message.SerializeToString()


@lru_cache(MAX_CACHED_PARTS)
def _totals(sums: Sums) -> bytes:
    return pb.InsuranceCost(totals=totals_to_proto(sums.by_payer)).SerializeToString()


def _components(each: PricedModule) -> bytes:
    if each.enrollment_id is None:
        return _projected(each.price, each.beneficiary_index)
    return _serialized(each.price, each.beneficiary_index, each.enrollment_id)


@lru_cache(MAX_CACHED_PARTS)
def _projected(price: Price, index: int) -> bytes:
    """Returns the components of a person who isn't enrolled. A price is only equal to itself."""
    return _serialized(price, index, None)


def _serialized(price: Price, index: int, enrollment_id: UUID | None) -> bytes:
    components = [component_to_proto(Component(index, enrollment_id, charge)) for charge in price.charges]
    return pb.InsuranceCost(components=components).SerializeToString()


@lru_cache(MAX_CACHED_PARTS)
def _person(
    index: int, kind: MembershipType, age: int, regime: HealthRegime, untaxed_minor: int, taxes_minor: int
) -> bytes:
    person = Beneficiary(index, kind, age, None, regime)
    message = beneficiary_cost_to_proto(person, None, Amounts(untaxed_minor, taxes_minor))
    return pb.InsuranceCost(beneficiaries=[message]).SerializeToString()


@lru_cache(MAX_CACHED_PARTS)
def _module(module_id: UUID, untaxed_minor: int, taxes_minor: int) -> bytes:
    message = module_cost_to_proto(module_id, Amounts(untaxed_minor, taxes_minor))
    return pb.InsuranceCost(modules=[message]).SerializeToString()
