"""The default deadline of each call, in seconds. It covers all attempts together."""

import math

READ_SECONDS = 10.0
WRITE_SECONDS = 30.0

SECONDS: dict[str, float] = {
    # Batches.
    "BatchCheckEligibility": 60.0,
    "BatchGetInsuranceCost": 120.0,
    # Calls that compute before they respond.
    "PreviewPremiums": 30.0,
    "SimulateChangeRequest": 30.0,
    "ListAvailableChoices": 30.0,
    "ExplainDifference": 30.0,
    "AggregatePremiums": 120.0,
    "AmendContract": 60.0,
    "ValidateContract": 30.0,
    "RequestRecompute": 120.0,
    "RebuildProjection": 3600.0,
    # Translates every group of the legacy tables.
    "ListMigrations": 600.0,
    # Waits for the writes of a country.
    "SetMigrationStage": 60.0,
    # Streams have no deadline.
    "BackfillGroups": math.inf,
    "CompareSources": math.inf,
    "RunPremiums": math.inf,
    "WatchEnrollments": math.inf,
}
"""Methods whose deadline differs from READ_SECONDS and WRITE_SECONDS."""


def default_seconds(method: str, reads: bool) -> float:
    """Returns the default deadline of a method. `math.inf` means none."""
    return SECONDS.get(method, READ_SECONDS if reads else WRITE_SECONDS)
