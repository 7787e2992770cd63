"""Writes a new revision of a group to its legacy tables, in the same transaction."""

from collections.abc import Mapping
from uuid import UUID

import structlog

from domain.catalog.contract import Contract
from domain.days import Days
from domain.enrollment.decisions import EnrollmentKey
from domain.membership import MembershipType
from domain.migration.translating import translated
from domain.migration.writing_back import legacy_days_after, row_changes
from operations.core import Core
from operations.legacy.sides import TranslatedSide
from storage import legacy_groups
from storage.enrollment import LockedGroup
from storage.postgres.database import Connection

State = Mapping[EnrollmentKey, Days]

log = structlog.get_logger()


async def write_back(
    core: Core,
    tx: Connection,
    group: LockedGroup,
    contract: Contract,
    legacy: TranslatedSide,
    before: State,
    after: State,
    types: Mapping[UUID, MembershipType],
) -> TranslatedSide:
    """Writes what a revision changes, from `before` to `after`, to the locked rows of the group.

    Afterwards, the group is aligned. Returns its legacy side. Rows that have changed since the group was aligned are
    overwritten in a stage in which it isn't aligned first. Raises LegacyCannotHold.
    """
    side = legacy.side
    if legacy.is_stale and not side.stage.aligns:
        core.migrations.overwritten[side.country] += 1
        log.warning("legacy_rows_overwritten", group_id=str(group.group_id), stage=side.stage.value)
    wanted = legacy_days_after(side.stage, legacy.days, before, after, contract)
    rows = side.group
    if rows is None or not rows.policy_ids:
        if not any(wanted.values()):
            return legacy
        rows = await side.source.add_policy(tx, group.key)
        if rows is None:
            return legacy
    changes = row_changes(rows, wanted, types, contract)
    rows = await side.source.write(tx, rows, changes)
    now = translated(rows, contract, types)
    core.migrations.writes_back[side.country] += bool(changes)
    await legacy_groups.store_fingerprints(tx, {group.group_id: now.fingerprint})
    return TranslatedSide(type(side)(side.source, side.stage, rows, now.fingerprint), now)
