"""Aligns a locked group of the core with its legacy rows, as a revision of its own."""

from dataclasses import replace
from uuid import uuid4

from domain.days import to_day
from domain.enrollment.effort import replay_seconds
from domain.enrollment.group import replay
from domain.enrollment.history import ChangeRequest, RevisionCause
from domain.enrollment.verdicts import Verdict
from domain.migration.aligning import Alignment, alignment_of, reject_blocked
from operations.call import Call
from operations.core import Core
from operations.opening import OpenGroup
from operations.revising import Settled, differs, move_to
from storage import enrollment, legacy_groups
from storage.postgres.database import Connection


async def align(core: Core, call: Call, tx: Connection, opened: OpenGroup) -> OpenGroup:
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
    request = await _request(call, tx, opened, alignment, makes_revision=differs(opened, settlement.days, types))
    key = await enrollment.add_change_request(tx, opened.group, request)
    await enrollment.add_members(tx, opened.group, types)
    settled = Settled(
        settlement.days,
        types,
        today,
        RevisionCause(request.change_request_id),
        recorded_at=request.recorded_at,
        change_request_key=key,
        writes_back=False,
    )
    basis = opened.basis.with_decision(request.decision())
    opened = await move_to(core, tx, replace(opened, basis=basis), settled)
    await legacy_groups.store_fingerprints(tx, {opened.group.group_id: legacy.translated.fingerprint})
    core.migrations.alignments[legacy.side.country] += 1
    side = replace(legacy.side, aligned_with=legacy.translated.fingerprint)
    group = replace(opened.group, recorded_at=request.recorded_at)
    return replace(opened, group=group, legacy=replace(legacy, side=side))


async def _request(
    call: Call, tx: Connection, opened: OpenGroup, alignment: Alignment, *, makes_revision: bool
) -> ChangeRequest:
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
        recorded_at=await enrollment.recording_instant(tx, opened.group),
        actor=call.actor,
        overridden_before=alignment.overridden_before,
    )
