"""`affilia.interchange.v1.InterchangeService`."""

from affilia.interchange.v1 import interchange_service_pb2 as pb
from affilia.interchange.v1.interchange_service_pb2_grpc import InterchangeServiceServicer
from operations import control_numbers
from operations.call import current_call
from operations.core import Core
from server.mapping.fingerprints import write_key
from server.rpc_types import Context
from server.tokens import Tokens


class InterchangeServicer(InterchangeServiceServicer):
    def __init__(self, core: Core, tokens: Tokens) -> None:
        self._core = core
        self._tokens = tokens

    async def ReserveControlNumbers(
        self, request: pb.ReserveControlNumbersRequest, context: Context
    ) -> pb.ReserveControlNumbersResponse:
        first = await control_numbers.reserve(
            self._core, current_call(), write_key(request, self._tokens), request.count
        )
        return pb.ReserveControlNumbersResponse(first=first, count=request.count)
