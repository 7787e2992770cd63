"""Aligns a locked group of the core with its legacy rows, as a revision of its own."""

from dataclasses import replace
from uuid import uuid4

from domain.days import to_day
from domain.enrollment.effort import replay_seconds
from domain.enrollment.group import replay
from domain.enrollment.history import ChangeRequest
from domain.enrollment.verdicts import Verdict
from domain.migration.aligning import Alignment, alignment_of, reject_blocked
from operations.call import Call
from operations.core import Core
from operations.opening import OpenGroup
from operations.revising import Settled, decided, differs, move_to
from storage import legacy_groups
from storage.group_writes import GroupWrites
from storage.postgres.database import Connection


async def align(core: Core, call: Call, tx: Connection, opened: OpenGroup, writes: GroupWrites) -> OpenGroup:
    """Returns a group after aligning it, if its legacy rows have changed since it was aligned last.

    The request isn't judged, and nothing is written to the legacy tables. Raises LegacyCannotHold.
    """
    legacy = opened.legacy
    if legacy is None or not legacy.side.stage.aligns or legacy.translated is None:
        return opened
    reject_blocked(legacy.translated)
    if not legacy.is_stale:
        return opened
    asked_on = opened.waiting.today_override if opened.waiting else None
    today = call.today_override or asked_on or call.today(opened.basis.contract.time_zone)
    alignment = alignment_of(legacy.translated, opened.basis, to_day(today))
    basis = opened.basis.with_decision(alignment.decision())
    settlement = await core.compute(call, replay_seconds(basis), replay, basis)
    types = basis.membership_types()
    request = _request(call, opened, alignment, makes_revision=differs(opened, settlement.days, types))
    opened = decided(opened, request, writes)
    settled = Settled(settlement.days, types, today, request=request, writes_back=False)
    opened = await move_to(core, tx, opened, settled, writes)
    await legacy_groups.store_fingerprints(tx, {opened.group.group_id: legacy.translated.fingerprint})
    core.migrations.alignments[legacy.side.country] += 1
    side = replace(legacy.side, aligned_with=legacy.translated.fingerprint)
    return replace(opened, legacy=replace(legacy, side=side))


def _request(call: Call, opened: OpenGroup, alignment: Alignment, *, makes_revision: bool) -> ChangeRequest:
    change_request_id = uuid4()
    return ChangeRequest(
        change_request_id=change_request_id,
        request_id=change_request_id,
        group_id=opened.group.group_id,
        key=opened.group.key,
        requester=alignment.requester,
        changes=alignment.changes,
        overridden_rules=alignment.overridden_rules,
        accept_consequences=True,
        verdict=Verdict.APPROVED,
        violations=(),
        notices=(),
        consequences=(),
        revision=opened.group.revision + makes_revision,
        made_revision=makes_revision,
        recorded_at=opened.next_instant(),
        actor=call.actor,
        overridden_before=alignment.overridden_before,
    )
