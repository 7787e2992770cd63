"""An empty call: the product's listener with all its interceptors, in front of a check that does nothing but answer."""

import asyncio
import sys
from typing import Any

import uvloop

from affilia.eligibility.v1 import eligibility_check_service_pb2 as pb
from affilia.eligibility.v1 import eligibility_check_service_pb2_grpc as pb_grpc
from server import log
from server.identity.entrances import public_entrance
from server.identity.policy import ELIGIBILITY_CHECK
from server.interceptors.limits import Load
from server.listener import Listener
from server.services import Service
from server.settings import Settings


class Nothing(pb_grpc.EligibilityCheckServiceServicer):
    """Answers with the same message, of the shape and size that it was started with."""

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
    entrance, load = await public_entrance(settings), Load(settings.most_calls)
    listener = Listener([service], nothing, nothing, settings, entrance, load)
    await listener.start(settings.listen)
    print(listener.address, flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(bytes.fromhex(sys.argv[1])))
