"""Recomputes stale policies of followed contracts: policies whose computed months can have changed since."""

from collections import defaultdict
from collections.abc import Sequence

import structlog

from domain.errors import DomainError, PolicyNotComputed
from operations.call import Call
from operations.core import Core
from operations.failures import described
from operations.legacy.sides import hold_stages_of_groups
from operations.premium_computing import Outcome, PremiumMonths, compute_groups
from storage import premium_runs, premium_stale
from storage.enrollment import LockedGroup, lock_free_groups
from storage.group_lookup import causing_subject
from storage.postgres.database import Connection
from storage.postgres.database_errors import is_temporary
from storage.premium_stale import StaleMonths

BATCH_SIZE = 100
MAX_MONTHS = 120

log = structlog.get_logger()


async def follow_due(core: Core, call: Call) -> int:
    """Recomputes one batch of stale policies, the longest waiting first. Returns the number of policies tried.

    Skips policies that another transaction has locked; they stay stale. Raises DatabaseUnavailable, WriteConflict.
    """
    async with core.database.reading() as connection:
        due = await premium_stale.due_policies(connection, BATCH_SIZE)
    if not due:
        return 0
    try:
        return await core.database.write(lambda tx: _together(core, call, tx, due))
    except Exception as error:
        if is_temporary(error):
            raise
        log.warning("premiums_followed_one_by_one", **described(error))
        return await core.database.write(lambda tx: _one_by_one(core, call, tx, due))


async def _together(core: Core, call: Call, tx: Connection, due: list[int]) -> int:
    await hold_stages_of_groups(core, tx, due)
    groups = await lock_free_groups(tx, due)
    stale = await premium_stale.stale_months(tx, [group.group_key for group in groups])
    await _note(tx, groups, stale, await _followed(core, call, tx, groups, stale))
    return len(groups)


async def _one_by_one(core: Core, call: Call, tx: Connection, due: list[int]) -> int:
    """Recomputes each policy in a savepoint, so that one that can't be loaded doesn't stop the others."""
    await hold_stages_of_groups(core, tx, due)
    groups = await lock_free_groups(tx, due)
    stale = await premium_stale.stale_months(tx, [group.group_key for group in groups])
    failures: dict[int, DomainError] = {}
    for group in groups:
        of_group = [each for each in stale if each.group_key == group.group_key]
        try:
            async with tx.transaction():
                failures |= await _followed(core, call, tx, [group], of_group)
        except Exception as error:
            if is_temporary(error):
                raise
            log.error("premium_failed", group_id=str(group.group_id), **described(error))
            failures[group.group_key] = error if isinstance(error, DomainError) else PolicyNotComputed(group.group_id)
    await _note(tx, groups, stale, failures)
    return len(groups)


async def _followed(
    core: Core, call: Call, tx: Connection, groups: Sequence[LockedGroup], stale: Sequence[StaleMonths]
) -> dict[int, DomainError]:
    """Recomputes the stale months of locked policies. Returns the failures, by group key.

    Policies with the same months and cause are computed together. After a failure, the other months of the policy are
    still computed.
    """
    by_key = {group.group_key: group for group in groups}
    together: dict[tuple[int, int, str | None], list[LockedGroup]] = defaultdict(list)
    for each in stale:
        group = by_key[each.group_key]
        subject = each.caused_by or await causing_subject(tx, group.group_key)
        for first in range(each.first, each.end, MAX_MONTHS):
            together[first, min(each.end, first + MAX_MONTHS) - 1, subject].append(group)
    failures: dict[int, DomainError] = {}
    for (first, last, subject), same in sorted(together.items(), key=lambda item: item[0][:2]):
        acting = call.on_behalf_of(subject)
        outcomes: dict[int, Outcome] = await compute_groups(core, acting, tx, same, PremiumMonths(first, last))
        failures |= {key: outcome for key, outcome in outcomes.items() if isinstance(outcome, DomainError)}
    return failures


async def _note(
    tx: Connection, groups: Sequence[LockedGroup], stale: Sequence[StaleMonths], failures: dict[int, DomainError]
) -> None:
    ids = {group.group_key: str(group.group_id) for group in groups}
    for group_key, failure in failures.items():
        log.warning("premiums_not_followed", group_id=ids[group_key], reason=failure.reason)
    if failures:
        await premium_runs.note_failures(tx, failures)
        await premium_stale.note_failed(tx, {each.group_key: each.mark for each in stale if each.group_key in failures})
