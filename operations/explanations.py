"""Explains how a revision of a group differs from the previous one, and who recorded the inputs that decided it."""

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from domain.enrollment.changed_inputs import BasisChange
from domain.enrollment.decisions import GroupKey
from domain.enrollment.effort import search_effort, search_seconds
from domain.enrollment.explained import Explanation, RunFilter, explained
from domain.enrollment.group import days_of
from domain.membership import MembershipType
from operations.call import Call
from operations.core import Core
from operations.group_inputs import Origins, load_inputs, origins_of
from storage import explanations
from storage.enrollment_reads import periods_of
from storage.group_lookup import group_head


@dataclass(frozen=True, slots=True)
class ExplainedDifference:
    """Why a revision differs from the previous one, and the origins of inputs and facts, where found."""

    group_id: UUID
    key: GroupKey
    change: BasisChange
    explanation: Explanation
    membership_types: Mapping[UUID, MembershipType]
    origins: Origins


async def explain_difference(
    core: Core, call: Call, group_id: UUID, revision: int, which: RunFilter
) -> ExplainedDifference:
    """Compares a revision with the previous one. Raises GroupUnknown, RevisionUnknown.

    Starts over if a member's facts are erased in the meantime.
    """
    while True:
        async with core.database.snapshot() as connection:
            number = await explanations.erasure_number(connection)
            head = await group_head(connection, group_id)
            instants = await explanations.instants_of(connection, head, revision)
            before = days_of(await periods_of(connection, head.group_key, revision - 1))
            after = days_of(await periods_of(connection, head.group_key, revision))
            inputs = await load_inputs(core, connection, head, instants, before)
        change = inputs.change
        seconds = search_seconds(change.after, len(change.inputs))
        effort = search_effort(change.after)
        explanation = await core.compute(call, seconds, explained, change, before, after, which, effort)
        async with core.database.snapshot() as connection:
            if await explanations.erasure_number(connection) != number:
                continue
            origins = await origins_of(core, connection, inputs, explanation.parts())
        types = {**change.before.membership_types(), **change.after.membership_types()}
        return ExplainedDifference(head.group_id, head.key, change, explanation, types, origins)
