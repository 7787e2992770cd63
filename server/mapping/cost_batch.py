"""Maps batches of inquiries. Each is checked separately, so that a malformed one fails alone."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from affilia.pricing.v1 import cost_provider_service_pb2 as pb
from affilia.pricing.v1 import insurance_cost_pb2
from domain.errors import DomainError, RequestMalformed
from domain.pricing.inquiries import Priced
from operations.costs import Inquiry
from server.checking import violations
from server.errors import status_of
from server.mapping.insurance_cost import inquiry_from_proto, insurance_cost_to_proto


@dataclass(frozen=True, slots=True)
class AskedCosts:
    """The inquiries of a batch, in order; for a malformed one, its error."""

    inquiries: tuple[Inquiry | RequestMalformed, ...]

    @property
    def well_formed(self) -> list[Inquiry]:
        return [inquiry for inquiry in self.inquiries if isinstance(inquiry, Inquiry)]


def inquiries_from_proto(inquiries: Iterable[insurance_cost_pb2.CostInquiry]) -> AskedCosts:
    return AskedCosts(tuple(_read(inquiry, f"inquiries[{i}]") for i, inquiry in enumerate(inquiries)))


def _read(inquiry: insurance_cost_pb2.CostInquiry, path: str) -> Inquiry | RequestMalformed:
    if wrong := violations(inquiry, path):
        return RequestMalformed(wrong)
    try:
        return inquiry_from_proto(inquiry, path)
    except RequestMalformed as malformed:
        return malformed


def results_to_proto(asked: AskedCosts, found: Sequence[Priced | DomainError]) -> list[pb.InsuranceCostResult]:
    """Returns a result for each inquiry. `found` are the outcomes of the well-formed ones, in order."""
    outcomes = iter(found)
    return [
        _result(inquiry if isinstance(inquiry, RequestMalformed) else next(outcomes)) for inquiry in asked.inquiries
    ]


def _result(outcome: Priced | DomainError) -> pb.InsuranceCostResult:
    if isinstance(outcome, DomainError):
        return pb.InsuranceCostResult(error=status_of(outcome))
    return pb.InsuranceCostResult(cost=insurance_cost_to_proto(outcome))
