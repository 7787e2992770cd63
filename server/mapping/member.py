"""Maps members and their facts."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from affilia.catalog.v1 import member_pb2 as pb
from affilia.catalog.v1 import member_service_pb2 as service_pb
from domain.fact_spans import ClearedDays, FactsUpdate
from domain.members import (
    Address,
    Addresses,
    Attribute,
    Attributes,
    Birth,
    Death,
    Employment,
    Employments,
    Facts,
    FactTimeline,
    HealthRegime,
    HealthRegimes,
    HealthRegimeSpan,
    Identifier,
    Member,
    MemberKind,
    Salary,
)
from server.mapping.actors import actor_to_proto
from server.mapping.condition import EMPLOYMENT_STATUSES
from server.mapping.dates import (
    date_from_proto,
    date_to_proto,
    span_from_proto,
    span_to_proto,
    timestamp_to_proto,
)
from server.mapping.enums import EnumMapping
from storage.members import RecordedMember

MEMBER_KINDS = EnumMapping(pb.MemberKind.DESCRIPTOR, MemberKind)
HEALTH_REGIMES = EnumMapping(pb.HealthRegime.DESCRIPTOR, HealthRegime)


def member_to_proto(recorded: RecordedMember) -> pb.Member:
    """Returns a member without facts; `facts_to_proto` returns these."""
    member = recorded.member
    return pb.Member(
        member_id=str(member.member_id),
        kind=MEMBER_KINDS.to_proto(member.kind),
        display_name=member.display_name,
        recorded_at=timestamp_to_proto(recorded.recorded_at),
        erased_on=date_to_proto(member.facts.erased_on) if member.facts.erased_on else None,
        identifiers=[identifier_to_proto(identifier) for identifier in member.identifiers],
        etag=recorded.etag,
        actor=actor_to_proto(recorded.actor),
    )


def member_with_facts_to_proto(recorded: RecordedMember) -> service_pb.MemberWithFacts:
    return service_pb.MemberWithFacts(member=member_to_proto(recorded), facts=facts_to_proto(recorded.member.facts))


def member_from_proto(member: pb.Member) -> Member:
    """Returns a member without facts."""
    return Member(
        UUID(member.member_id),
        MEMBER_KINDS.from_proto(member.kind),
        member.display_name,
        Facts(),
        tuple(identifier_from_proto(identifier) for identifier in member.identifiers),
    )


def identifier_to_proto(identifier: Identifier) -> pb.Identifier:
    return pb.Identifier(system=identifier.system, value=identifier.value)


def identifier_from_proto(identifier: pb.Identifier) -> Identifier:
    return Identifier(identifier.system, identifier.value)


def resolved_identifiers_to_proto(
    identifiers: Sequence[Identifier], owners: Mapping[Identifier, UUID]
) -> service_pb.ResolveIdentifiersResponse:
    """Converts the owners of identifiers to a response in the order of the identifiers, which must be different."""
    return service_pb.ResolveIdentifiersResponse(
        resolved_identifiers=[
            service_pb.ResolvedIdentifier(identifier=identifier_to_proto(each), member_id=str(owners[each]))
            for each in identifiers
            if each in owners
        ],
        unknown_identifiers=[identifier_to_proto(each) for each in identifiers if each not in owners],
    )


def facts_to_proto(facts: Facts) -> pb.MemberFacts:
    return pb.MemberFacts(
        born_on=date_to_proto(facts.born_on) if facts.born_on else None,
        died_on=date_to_proto(facts.died_on) if facts.died_on else None,
        addresses=[address_to_proto(address) for address in facts.addresses],
        employments=[employment_to_proto(employment) for employment in facts.employments],
        health_regimes=[health_regime_span_to_proto(item) for item in facts.health_regimes],
        attributes=[attribute_to_proto(item) for item in facts.attributes],
    )


def facts_from_proto(facts: pb.MemberFacts) -> Facts:
    return Facts(
        date_from_proto(facts.born_on) if facts.HasField("born_on") else None,
        tuple(address_from_proto(address) for address in facts.addresses),
        tuple(employment_from_proto(employment) for employment in facts.employments),
        tuple(health_regime_span_from_proto(item) for item in facts.health_regimes),
        tuple(attribute_from_proto(item) for item in facts.attributes),
        date_from_proto(facts.died_on) if facts.HasField("died_on") else None,
    )


def update_from_proto(request: service_pb.RecordFactsRequest) -> FactsUpdate:
    cleared = tuple(ClearedDays(span_from_proto(each.days), each.name) for each in request.cleared)
    return FactsUpdate(timeline_from_proto(request), request.spans, cleared)


def timeline_from_proto(request: service_pb.RecordFactsRequest) -> FactTimeline:
    """Returns the timeline of the one kind of fact in a request."""
    match request.WhichOneof("facts"):
        case "birth":
            known = request.birth.HasField("born_on")
            return Birth(date_from_proto(request.birth.born_on) if known else None)
        case "death":
            known = request.death.HasField("died_on")
            return Death(date_from_proto(request.death.died_on) if known else None)
        case "addresses":
            return Addresses(tuple(address_from_proto(item) for item in request.addresses.items))
        case "employments":
            return Employments(tuple(employment_from_proto(item) for item in request.employments.items))
        case "health_regimes":
            return HealthRegimes(tuple(health_regime_span_from_proto(item) for item in request.health_regimes.items))
        case "attributes":
            return Attributes(tuple(attribute_from_proto(item) for item in request.attributes.items))
        case kind:
            raise ValueError(f"validation accepted a request without facts: {kind}")


def address_from_proto(item: pb.Address) -> Address:
    return Address(span_from_proto(item.days), item.country_code, item.postal_code)


def address_to_proto(item: Address) -> pb.Address:
    return pb.Address(days=span_to_proto(item.days), country_code=item.country_code, postal_code=item.postal_code)


def employment_from_proto(item: pb.Employment) -> Employment:
    known = item.HasField("salary")
    return Employment(
        span_from_proto(item.days),
        item.employer_id,
        EMPLOYMENT_STATUSES.from_proto(item.status),
        Salary(item.salary.yearly_minor, item.salary.currency_code) if known else None,
    )


def employment_to_proto(item: Employment) -> pb.Employment:
    salary = item.salary
    return pb.Employment(
        days=span_to_proto(item.days),
        employer_id=item.employer_id,
        status=EMPLOYMENT_STATUSES.to_proto(item.status),
        salary=(pb.Salary(yearly_minor=salary.yearly_minor, currency_code=salary.currency_code) if salary else None),
    )


def health_regime_span_from_proto(item: pb.HealthRegimeSpan) -> HealthRegimeSpan:
    return HealthRegimeSpan(span_from_proto(item.days), HEALTH_REGIMES.from_proto(item.regime))


def health_regime_span_to_proto(item: HealthRegimeSpan) -> pb.HealthRegimeSpan:
    return pb.HealthRegimeSpan(days=span_to_proto(item.days), regime=HEALTH_REGIMES.to_proto(item.regime))


def attribute_from_proto(item: pb.Attribute) -> Attribute:
    return Attribute(span_from_proto(item.days), item.name, item.value)


def attribute_to_proto(item: Attribute) -> pb.Attribute:
    return pb.Attribute(days=span_to_proto(item.days), name=item.name, value=item.value)
