"""Maps batches of inquiries, each of which is checked separately so that a malformed one fails alone, and responses."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from affilia.pricing.v1 import cost_provider_service_pb2 as pb
from affilia.pricing.v1 import insurance_cost_pb2 as cost_pb
from domain.errors import DomainError, FieldViolation, RequestMalformed
from domain.pricing.inquiries import Priced
from operations.costs import Inquiry
from server.checking import violations
from server.errors import status_of
from server.mapping.cost_messages import field, names_members, serialized_cost, serialized_totals
from server.mapping.insurance_cost import inquiry_from_proto
from server.mapping.paging import MAX_FRAME_BYTES, MAX_PAGE_BYTES

MAX_FULL_BY_DEFAULT = 100
"""Responses to larger batches are in BASIC view unless the request asks for FULL."""
MAX_SHORT_BYTES = 2048
"""Maximum size of a BASIC cost, or of an error with one violation. Longer error texts are shortened."""

TOO_MANY = "is invalid; the response has no room for all violations. Send the inquiry alone to get them"


@dataclass(frozen=True, slots=True)
class AskedCosts:
    """The inquiries of a batch, in order; for a malformed one, its error."""

    inquiries: tuple[Inquiry | RequestMalformed, ...]

    @property
    def well_formed(self) -> list[Inquiry]:
        return [inquiry for inquiry in self.inquiries if isinstance(inquiry, Inquiry)]


def inquiries_from_proto(inquiries: Iterable[cost_pb.CostInquiry]) -> AskedCosts:
    return AskedCosts(tuple(_read(inquiry, f"inquiries[{i}]") for i, inquiry in enumerate(inquiries)))


def _read(inquiry: cost_pb.CostInquiry, path: str) -> Inquiry | RequestMalformed:
    if wrong := violations(inquiry, path):
        return RequestMalformed(wrong)
    try:
        return inquiry_from_proto(inquiry, path)
    except RequestMalformed as malformed:
        return malformed


def is_basic(request: pb.GetInsuranceCostRequest | pb.BatchGetInsuranceCostRequest) -> bool:
    """Returns whether a request asks for costs in BASIC view."""
    if request.view == cost_pb.COST_VIEW_UNSPECIFIED and isinstance(request, pb.BatchGetInsuranceCostRequest):
        return len(request.inquiries) > MAX_FULL_BY_DEFAULT
    return request.view == cost_pb.COST_VIEW_BASIC


def cost_response(priced: Priced, *, basic: bool) -> pb.GetInsuranceCostResponse | bytes:
    """Returns a response. It is serialized unless it names members, who are recorded in the audit log.

    The cost is in BASIC view if this was requested, or if the complete cost doesn't fit.
    """
    number = pb.GetInsuranceCostResponse.COST_FIELD_NUMBER
    cost = serialized_totals(priced) if basic else serialized_cost(priced)
    if len(cost) > MAX_PAGE_BYTES:
        return field(number, serialized_totals(priced))
    response = field(number, cost)
    return pb.GetInsuranceCostResponse.FromString(response) if names_members(priced) and not basic else response


def batch_response(
    asked: AskedCosts, found: Sequence[Priced | DomainError], *, basic: bool
) -> pb.BatchGetInsuranceCostResponse | bytes:
    """Returns a response, as `cost_response` does. `found` are the outcomes of the well-formed inquiries, in order.

    Results are complete as long as they fit together with the short forms of all others. The remaining ones are short.
    """
    well_formed = iter(found)
    outcomes = [each if isinstance(each, RequestMalformed) else next(well_formed) for each in asked.inquiries]
    results: list[bytes] = []
    room = MAX_PAGE_BYTES - len(outcomes) * MAX_SHORT_BYTES
    for outcome in outcomes:
        result = _result(outcome, basic=basic)
        room -= max(len(result) + MAX_FRAME_BYTES - MAX_SHORT_BYTES, 0)
        if room < 0:
            break
        results.append(result)
    complete = outcomes[: len(results)]
    results += [_short_result(outcome) for outcome in outcomes[len(results) :]]
    number = pb.BatchGetInsuranceCostResponse.RESULTS_FIELD_NUMBER
    response = b"".join(field(number, result) for result in results)
    if not basic and any(isinstance(each, Priced) and names_members(each) for each in complete):
        return pb.BatchGetInsuranceCostResponse.FromString(response)
    return response


def _result(outcome: Priced | DomainError, *, basic: bool) -> bytes:
    if isinstance(outcome, DomainError):
        return pb.InsuranceCostResult(error=status_of(outcome)).SerializeToString()
    cost = serialized_totals(outcome) if basic else serialized_cost(outcome)
    return field(pb.InsuranceCostResult.COST_FIELD_NUMBER, cost)


def _short_result(outcome: Priced | DomainError) -> bytes:
    """Returns a result of at most MAX_SHORT_BYTES."""
    if isinstance(outcome, RequestMalformed) and len(outcome.violations) > 1:
        outcome = RequestMalformed([FieldViolation(outcome.violations[0].field, TOO_MANY)])
    return _result(outcome, basic=True)
