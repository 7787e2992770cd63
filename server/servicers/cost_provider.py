"""`affilia.pricing.v1.CostProviderService`."""

from typing import Any

from affilia.pricing.v1 import cost_provider_service_pb2 as pb
from affilia.pricing.v1.cost_provider_service_pb2_grpc import CostProviderServiceServicer
from operations.call import current_call
from operations.core import Core
from operations.costs import insurance_cost, insurance_costs
from server.mapping.cost_batch import batch_response, cost_response, inquiries_from_proto, is_basic
from server.mapping.insurance_cost import inquiry_from_proto
from server.rpc_types import Context
from server.tokens import Tokens


class CostProviderServicer(CostProviderServiceServicer):
    def __init__(self, core: Core, tokens: Tokens) -> None:
        self._core = core

    async def GetInsuranceCost(self, request: pb.GetInsuranceCostRequest, context: Context) -> Any:
        priced = await insurance_cost(self._core, current_call(), inquiry_from_proto(request.inquiry))
        return cost_response(priced, basic=is_basic(request))

    async def BatchGetInsuranceCost(self, request: pb.BatchGetInsuranceCostRequest, context: Context) -> Any:
        asked = inquiries_from_proto(request.inquiries)
        found = await insurance_costs(self._core, current_call(), asked.well_formed)
        return batch_response(asked, found, basic=is_basic(request))
