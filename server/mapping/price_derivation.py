"""Maps the steps by which prices are derived."""

from affilia.pricing.v1 import price_derivation_pb2 as pb
from domain.pricing.charging import Step, StepKind
from domain.pricing.schemes.rows import PriceRow
from server.mapping.enums import EnumMapping

PRICE_STEP_KINDS = EnumMapping(pb.PriceStepKind.DESCRIPTOR, StepKind)


def price_row_to_proto(row: PriceRow) -> pb.PriceRow:
    return pb.PriceRow(
        table=row.table, min_age=row.min_age, max_age=row.max_age, listed_minor=row.listed_minor, free=row.is_free
    )


def price_step_to_proto(step: Step) -> pb.PriceStep:
    return pb.PriceStep(
        kind=PRICE_STEP_KINDS.to_proto(step.kind),
        code=step.code,
        of_minor=step.of_minor,
        rate_bp=step.rate_bp,
        minor=step.minor,
    )
