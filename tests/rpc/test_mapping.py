"""Messages of the catalog are mapped to domain values and back, and every enum value has its counterpart."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import pytest
from google.protobuf.descriptor import Descriptor, EnumDescriptor
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from google.type import date_pb2
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from affilia.catalog.v1 import (
    catalog_service_pb2,
    condition_pb2,
    contract_pb2,
    member_pb2,
    member_service_pb2,
    pricing_pb2,
)
from affilia.type.v1 import date_span_pb2, membership_type_pb2
from domain.actors import BEFORE_ACTORS
from domain.catalog.prices import CollectionMethod, EngineParameters
from domain.days import UNBOUNDED_END, UNBOUNDED_START, Days, Span
from domain.members import Addresses, Attributes, Birth, Employments, Facts, HealthRegimes
from domain.membership import MembershipType
from server.checking import violations
from server.mapping import condition, contract, dates, enums, member, pricing
from storage.members import RecordedMember
from tests.support import catalog_strategies as drawn
from tests.support.builders import a_discount, a_module, a_participation, a_rule

TO_PROTO_AND_BACK: list[tuple[Callable[[Any], Message], Callable[[Any], Any], st.SearchStrategy[Any]]] = [
    (dates.date_to_proto, dates.date_from_proto, st.dates()),
    (dates.span_to_proto, dates.span_from_proto, drawn.spans),
    (condition.condition_to_proto, condition.condition_from_proto, drawn.conditions),
    (condition.rule_to_proto, condition.rule_from_proto, drawn.rules),
    (pricing.static_table_row_to_proto, pricing.static_table_row_from_proto, drawn.static_table_rows),
    (pricing.age_grid_row_to_proto, pricing.age_grid_row_from_proto, drawn.age_grid_rows),
    (pricing.participation_to_proto, pricing.participation_from_proto, drawn.participations),
    (pricing.discount_to_proto, pricing.discount_from_proto, drawn.discounts),
    (pricing.version_pricing_to_proto, pricing.version_pricing_from_proto, drawn.version_pricings),
    (pricing.module_pricing_to_proto, pricing.module_pricing_from_proto, drawn.module_pricings),
    (pricing.engine_parameters_to_proto, pricing.engine_parameters_from_proto, drawn.engine_parameters),
    (contract.limit_to_proto, contract.limit_from_proto, drawn.limits),
    (contract.module_to_proto, contract.module_from_proto, drawn.modules),
    (contract.version_to_proto, contract.version_from_proto, drawn.versions),
    (contract.contract_to_proto, contract.contract_from_proto, drawn.contracts),
    (member.address_to_proto, member.address_from_proto, drawn.addresses),
    (member.employment_to_proto, member.employment_from_proto, drawn.employments),
    (member.health_regime_span_to_proto, member.health_regime_span_from_proto, drawn.health_regime_spans),
    (member.attribute_to_proto, member.attribute_from_proto, drawn.attributes),
    (member.facts_to_proto, member.facts_from_proto, drawn.all_facts),
    (member.identifier_to_proto, member.identifier_from_proto, drawn.identifiers),
]


@pytest.mark.parametrize(
    ("to_proto", "from_proto", "values"), TO_PROTO_AND_BACK, ids=[pair[0].__name__ for pair in TO_PROTO_AND_BACK]
)
def test_a_value_survives_the_round_trip_over_the_wire(
    to_proto: Callable[[Any], Message], from_proto: Callable[[Any], Any], values: st.SearchStrategy[Any]
) -> None:
    @settings(deadline=None, max_examples=50, suppress_health_check=[HealthCheck.too_slow])
    @given(values)
    def goes_and_comes_back(value: Any) -> None:
        message = to_proto(value)
        assert from_proto(type(message).FromString(message.SerializeToString())) == value

    goes_and_comes_back()


# ---------------------------------------------------------------------------------------------- days, instants


def test_the_last_day_of_a_span_is_inclusive_on_the_wire() -> None:
    proto = dates.span_to_proto(Span.between(date(2026, 1, 1), date(2026, 1, 31)))
    assert proto.last_on == date_pb2.Date(year=2026, month=1, day=31)


def test_unset_ends_of_a_span_are_unbounded() -> None:
    assert dates.span_from_proto(date_span_pb2.DateSpan()) == Span(UNBOUNDED_START, UNBOUNDED_END)
    from_then_on = dates.span_from_proto(date_span_pb2.DateSpan(first_on=date_pb2.Date(year=1, month=1, day=1)))
    assert from_then_on == Span(1, UNBOUNDED_END)


def test_the_last_day_of_the_calendar_is_not_an_open_end() -> None:
    span = Span.between(None, date.max)
    assert dates.span_from_proto(dates.span_to_proto(span)) == span
    assert dates.span_to_proto(span).HasField("last_on")


def test_days_are_their_spans_in_order() -> None:
    spans = [Span(700_000, 700_010), Span(700_020, UNBOUNDED_END)]
    assert [dates.span_from_proto(span) for span in dates.days_to_proto(Days.of(*reversed(spans)))] == spans


@given(st.datetimes(timezones=st.just(UTC)))
def test_an_instant_keeps_its_microseconds(instant: datetime) -> None:
    assert dates.timestamp_from_proto(dates.timestamp_to_proto(instant)) == instant


def test_an_instant_of_another_time_zone_is_the_same_instant_in_utc() -> None:
    instant = datetime(2026, 3, 1, 1, 30, tzinfo=timezone(timedelta(hours=2)))
    back = dates.timestamp_from_proto(dates.timestamp_to_proto(instant))
    assert (back, back.utcoffset()) == (instant, timedelta(0))


def test_nanoseconds_are_truncated_to_microseconds() -> None:
    assert dates.timestamp_from_proto(Timestamp(seconds=1, nanos=1_999)).microsecond == 1


# ------------------------------------------------------------------------------------------------------- enums

CATALOG_FILES = [
    catalog_service_pb2,
    condition_pb2,
    contract_pb2,
    member_pb2,
    member_service_pb2,
    pricing_pb2,
    membership_type_pb2,
]


def every_enum() -> Iterator[EnumDescriptor]:
    for module in CATALOG_FILES:
        yield from module.DESCRIPTOR.enum_types_by_name.values()
        for message in module.DESCRIPTOR.message_types_by_name.values():
            yield from enums_within(message)


def enums_within(message: Descriptor) -> Iterator[EnumDescriptor]:
    yield from message.enum_types
    for inner in message.nested_types:
        yield from enums_within(inner)


@pytest.mark.parametrize("enum", list(every_enum()), ids=lambda enum: enum.full_name)
def test_every_enum_value_of_the_catalog_is_mapped_in_both_directions(enum: EnumDescriptor) -> None:
    (mapping,) = [m for m in enums.every_mapping() if m.descriptor.full_name == enum.full_name]
    given_numbers = {value.number for value in enum.values if value.number}
    assert given_numbers <= mapping.numbers() <= given_numbers | {0}
    for number in given_numbers:
        assert mapping.to_proto(mapping.from_proto(number)) == number
        assert mapping.given(number) == mapping.from_proto(number)
    assert mapping.given(0) is None


def test_unspecified_has_a_meaning_only_where_the_proto_says_so() -> None:
    catalog = {enum.full_name for enum in every_enum()}
    meant = {m.descriptor.name for m in enums.every_mapping() if 0 in m.numbers() and m.descriptor.full_name in catalog}
    aligned = {"AgeEnd", "CalendarEnd", "CalendarStart"}
    assert meant == {"RemainderPayer", "CollectionMethod", "KeptFacts", *aligned}


def test_an_unspecified_payer_is_the_primary_and_collection_is_direct() -> None:
    participation = pricing.participation_from_proto(pricing_pb2.Participation())
    assert participation.remainder_payer == MembershipType.PRIMARY
    assert participation.collection_method == CollectionMethod.DIRECT_BILLING
    assert participation == a_participation()


def test_unspecified_engine_parameters_are_not_given() -> None:
    assert pricing.engine_parameters_from_proto(pricing_pb2.EngineParameters()) == EngineParameters()
    unset = contract.version_from_proto(contract_pb2.ContractVersion()).engine_parameters
    assert unset is None


# -------------------------------------------------------------------------------------------- what unset means


def test_a_term_start_that_is_unset_is_the_first_of_january() -> None:
    proto = contract_pb2.Contract(contract_id=str(a_module().module_id))
    start = contract.contract_from_proto(proto).term_start
    assert (start.month, start.day) == (1, 1)


def test_an_empty_slot_is_none() -> None:
    assert contract.module_to_proto(a_module(slot=None)).slot == ""
    assert contract.module_from_proto(contract.module_to_proto(a_module(slot=None))).slot is None


def test_a_price_of_zero_is_a_price_and_an_unset_one_is_none() -> None:
    zero = pricing_pb2.FamilyTierPrice(single_minor=0, family_minor=0, couple_minor=0)
    price = pricing.family_tier_price_from_proto(zero)
    assert (price.couple_minor, price.single_with_children_minor) == (0, None)


def test_a_discount_of_zero_percent_is_a_percentage() -> None:
    assert pricing.discount_to_proto(a_discount(percent_bp=0)).WhichOneof("amount") == "percent_bp"
    assert pricing.discount_to_proto(a_discount(flat_minor=0)).WhichOneof("amount") == "flat_minor"


def test_an_empty_grid_is_still_a_price() -> None:
    empty = pricing_pb2.ModulePricing(age_grid=pricing_pb2.AgeGridPrice())
    back = pricing.module_pricing_to_proto(pricing.module_pricing_from_proto(empty))
    assert back.WhichOneof("price") == "age_grid"


# ----------------------------------------------------------------------------------------------------- members


@given(drawn.members, st.datetimes(timezones=st.just(UTC)))
def test_a_member_goes_over_the_wire_without_facts(value: Any, recorded_at: datetime) -> None:
    proto = member.member_to_proto(RecordedMember(value, 1, recorded_at, BEFORE_ACTORS))
    back = member.member_from_proto(proto)
    assert back == replace(value, facts=Facts())
    assert dates.timestamp_from_proto(proto.recorded_at) == recorded_at


@given(drawn.all_facts)
def test_each_kind_of_fact_is_read_from_a_request(facts: Any) -> None:
    wire = member.facts_to_proto(facts)
    request = member_service_pb2.RecordFactsRequest
    born_on = wire.born_on if facts.born_on else None
    read = [
        member.timeline_from_proto(request(birth=member_pb2.Birth(born_on=born_on))),
        member.timeline_from_proto(request(addresses=member_pb2.Addresses(items=wire.addresses))),
        member.timeline_from_proto(request(employments=member_pb2.Employments(items=wire.employments))),
        member.timeline_from_proto(request(health_regimes=member_pb2.HealthRegimes(items=wire.health_regimes))),
        member.timeline_from_proto(request(attributes=member_pb2.Attributes(items=wire.attributes))),
    ]
    assert read == [
        Birth(facts.born_on),
        Addresses(facts.addresses),
        Employments(facts.employments),
        HealthRegimes(facts.health_regimes),
        Attributes(facts.attributes),
    ]


# --------------------------------------------------------------------- what mapping relies on having been said

A_DAY = date_pb2.Date(year=2026, month=1, day=2)
THE_DAY_BEFORE = date_pb2.Date(year=2026, month=1, day=1)


@pytest.mark.parametrize(
    ("message", "fields"),
    [
        (pricing_pb2.FamilyTierPrice(family_minor=0), {"single_minor"}),
        (pricing_pb2.FamilyTierPrice(single_minor=0), {"family_minor"}),
        (pricing_pb2.VersionPricing(), {"scheme"}),
        (condition_pb2.Condition(), {"kind"}),
        (pricing_pb2.AgeGridRow(), {"beneficiary_types"}),
    ],
    ids=["no SINGLE", "no FAMILY", "no scheme", "no kind", "for nobody"],
)
def test_what_domain_values_cannot_express_is_rejected_before_mapping(message: Message, fields: set[str]) -> None:
    assert {violation.field for violation in violations(message)} == fields


def test_a_discount_needs_an_amount_and_days() -> None:
    backwards = date_span_pb2.DateSpan(first_on=A_DAY, last_on=THE_DAY_BEFORE)
    found = {violation.field for violation in violations(pricing_pb2.Discount(discount_id="D", days=backwards))}
    assert found == {"amount", "days.last_on"}


def test_a_rule_keeps_the_order_of_its_parts_over_the_wire() -> None:
    rule = a_rule(applies_to=[MembershipType.PET, MembershipType.CHILD])
    assert condition.rule_from_proto(condition.rule_to_proto(rule)).applies_to == rule.applies_to
