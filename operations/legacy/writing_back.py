"""Writes a new revision of a group to its legacy tables, in the same transaction."""

from collections.abc import Mapping
from uuid import UUID

from domain.catalog.contract import Contract
from domain.days import Days
from domain.enrollment.decisions import EnrollmentKey
from domain.membership import MembershipType
from domain.migration.translating import translated
from domain.migration.writing_back import legacy_days_after, row_changes
from operations.legacy.sides import TranslatedSide
from storage import legacy_groups
from storage.enrollment import LockedGroup
from storage.postgres.database import Connection

State = Mapping[EnrollmentKey, Days]


async def write_back(
    tx: Connection,
    group: LockedGroup,
    contract: Contract,
    legacy: TranslatedSide,
    before: State,
    after: State,
    types: Mapping[UUID, MembershipType],
) -> TranslatedSide:
    """Writes what a revision changes, from `before` to `after`, to the locked rows of the group.

    Afterwards, the group is aligned. Returns its legacy side. Raises LegacyCannotHold.
    """
    side = legacy.side
    wanted = legacy_days_after(side.stage, legacy.days, before, after, contract)
    rows = side.group
    if rows is None or not rows.policy_ids:
        if not any(wanted.values()):
            return legacy
        rows = await side.source.add_policy(tx, group.key)
        if rows is None:
            return legacy
    rows = await side.source.write(tx, rows, row_changes(rows, wanted, types, contract))
    now = translated(rows, contract, types)
    await legacy_groups.store_fingerprints(tx, {group.group_id: now.fingerprint})
    return TranslatedSide(type(side)(side.source, side.stage, rows, now.fingerprint), now)
