"""Maps the causes of premium entries."""

from collections.abc import Callable

from affilia.premium.v1 import premium_entry_pb2 as pb
from domain.enrollment.explained_in_words import Reader, inputs_in_words, run_in_words
from operations.premium_causes import DaysCause, PremiumCauses, PriceCause
from server.mapping.premium_entry import stored_entry_to_proto
from storage.premiums import StoredEntry

MAX_CAUSES = 3
"""The maximum number of causes of one entry."""


def explained_entry_to_proto(
    causes: PremiumCauses, reader: Reader, *, basic: bool
) -> Callable[[StoredEntry], pb.PremiumEntry]:
    """Returns a function that maps entries with their causes."""

    without_causes = stored_entry_to_proto(basic=basic)

    def to_proto(stored: StoredEntry) -> pb.PremiumEntry:
        entry = without_causes(stored)
        if cause := causes.by_entry.get(stored.entry_key):
            entry.causes.extend(_causes_to_proto(cause, reader))
        return entry

    return to_proto


def _causes_to_proto(cause: DaysCause | PriceCause, reader: Reader) -> list[pb.PremiumCause]:
    """Returns one message for each run of changed days, or one for a changed price."""
    if isinstance(cause, PriceCause):
        origins = [cause.origins.get(each) for each in cause.inputs]
        words = inputs_in_words(cause.inputs, cause.days, cause.change, origins, reader)
        return [pb.PremiumCause(summary=f"Another price: {words}.")]
    found = cause.difference
    return [
        pb.PremiumCause(
            revision=cause.revision,
            summary=run_in_words(run, found.change, [found.origins.get(i) for i in run.decisive.inputs], reader),
        )
        for run in cause.runs[:MAX_CAUSES]
    ]
