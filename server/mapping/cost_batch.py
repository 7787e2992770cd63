"""Maps batches of inquiries, each of which is checked separately so that a malformed one fails alone, and responses."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from affilia.pricing.v1 import cost_provider_service_pb2 as pb
from affilia.pricing.v1 import insurance_cost_pb2
from domain.errors import DomainError, RequestMalformed
from domain.pricing.inquiries import Priced
from operations.costs import Inquiry
from server.checking import violations
from server.errors import status_of
from server.mapping.cost_messages import field, names_members, serialized_cost
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


def cost_response(priced: Priced) -> pb.GetInsuranceCostResponse | bytes:
    """Returns a response. It is serialized unless it names members, who are recorded in the audit log."""
    if names_members(priced):
        return pb.GetInsuranceCostResponse(cost=insurance_cost_to_proto(priced))
    return field(pb.GetInsuranceCostResponse.COST_FIELD_NUMBER, serialized_cost(priced))


def batch_response(
    asked: AskedCosts, found: Sequence[Priced | DomainError]
) -> pb.BatchGetInsuranceCostResponse | bytes:
    """Returns a response, as `cost_response` does. `found` are the outcomes of the well-formed inquiries, in order."""
    outcomes = iter(found)
    response = b"".join(
        field(
            pb.BatchGetInsuranceCostResponse.RESULTS_FIELD_NUMBER,
            _result(inquiry if isinstance(inquiry, RequestMalformed) else next(outcomes)),
        )
        for inquiry in asked.inquiries
    )
    if any(isinstance(outcome, Priced) and names_members(outcome) for outcome in found):
        return pb.BatchGetInsuranceCostResponse.FromString(response)
    return response


def _result(outcome: Priced | DomainError) -> bytes:
    if isinstance(outcome, DomainError):
        return pb.InsuranceCostResult(error=status_of(outcome)).SerializeToString()
    return field(pb.InsuranceCostResult.COST_FIELD_NUMBER, serialized_cost(outcome))
