"""How long each call may take, unless its caller says otherwise: seconds, over all attempts together."""

import math

READ_SECONDS = 10.0
WRITE_SECONDS = 30.0

SECONDS: dict[str, float] = {
    # Many items at once.
    "BatchCheckEligibility": 60.0,
    "BatchGetInsuranceCost": 120.0,
    # What computes before it answers.
    "PreviewPremiums": 30.0,
    "SimulateChangeRequest": 30.0,
    "ListAvailableChoices": 30.0,
    "AggregatePremiums": 120.0,
    "AmendContract": 60.0,
    "RequestRecompute": 120.0,
    "RebuildProjection": 3600.0,
    # Streams: as long as there is something to tell.
    "RunPremiums": math.inf,
    "WatchEnrollments": math.inf,
}
"""Methods that need another time than reads and writes do."""


def default_seconds(method: str, reads: bool) -> float:
    """The deadline of a method; `math.inf` is none."""
    return SECONDS.get(method, READ_SECONDS if reads else WRITE_SECONDS)
