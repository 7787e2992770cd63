"""A server for empty calls: the real listener with all interceptors, and a check that immediately returns a fixed
response."""

import asyncio
import sys
from typing import Any

import uvloop

from affilia.eligibility.v1 import eligibility_check_service_pb2 as pb
from affilia.eligibility.v1 import eligibility_check_service_pb2_grpc as pb_grpc
from server.identity.access_policy import ELIGIBILITY_CHECK
from server.identity.listener_access import public_access
from server.interceptors.admission import Admission
from server.listener import Listener
from server.services import Service
from server.settings import Settings
from server.telemetry import log


class Nothing(pb_grpc.EligibilityCheckServiceServicer):
    """Returns the message with which it was started."""

    def __init__(self, answer: bytes) -> None:
        self._answer = pb.CheckEligibilityResponse.FromString(answer)

    async def CheckEligibility(self, request: Any, context: Any) -> Any:
        return self._answer


async def serve(answer: bytes) -> None:
    nothing: Any = None
    service = Service(
        "affilia.eligibility.v1.EligibilityCheckService",
        lambda core, tokens: Nothing(answer),  # type: ignore[abstract]  # the other methods are not asked
        pb_grpc.add_EligibilityCheckServiceServicer_to_server,
        ELIGIBILITY_CHECK,
    )
    settings = Settings(listen="127.0.0.1:0", dev=True, log_format="json")
    log.configure(settings)
    access, admission = await public_access(settings), Admission(settings.max_calls)
    listener = Listener([service], nothing, nothing, settings, access, admission)
    await listener.start(settings.listen)
    print(listener.address, flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(bytes.fromhex(sys.argv[1])))
