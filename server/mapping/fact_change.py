"""Maps changes of facts."""

from datetime import date
from uuid import UUID

from affilia.history.v1 import fact_change_pb2 as pb
from domain.fact_changes import FactChange, FactName, FactValue
from domain.members import Address, Employment, FactKind, HealthRegime
from server.mapping.change_request import FACT_KINDS
from server.mapping.dates import date_to_proto, span_to_proto
from server.mapping.member import HEALTH_REGIMES, address_to_proto, employment_to_proto


def fact_change_to_proto(member_id: UUID, change: FactChange) -> pb.FactChange:
    return pb.FactChange(
        member_id=str(member_id),
        kind=FACT_KINDS.to_proto(change.fact.kind),
        name=change.fact.name,
        days=span_to_proto(change.days) if change.days else None,
        before=fact_value_to_proto(change.fact, change.before),
        after=fact_value_to_proto(change.fact, change.after),
    )


def fact_value_to_proto(fact: FactName, value: FactValue | None) -> pb.FactValue | None:
    """Returns the value of a fact without days, or None if it is unknown."""
    match value:
        case None:
            return None
        case date() if fact.kind is FactKind.DATE_OF_DEATH:
            return pb.FactValue(died_on=date_to_proto(value))
        case date():
            return pb.FactValue(born_on=date_to_proto(value))
        case Address():
            address = address_to_proto(value)
            address.ClearField("days")
            return pb.FactValue(address=address)
        case Employment():
            employment = employment_to_proto(value)
            employment.ClearField("days")
            return pb.FactValue(employment=employment)
        case HealthRegime():
            return pb.FactValue(regime=HEALTH_REGIMES.to_proto(value))
        case _:
            return pb.FactValue(attribute=value)
