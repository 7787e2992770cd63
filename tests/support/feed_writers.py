"""Writers of real revisions, directly into the database, in transactions of random length, for tests of the feed."""

import asyncio
import random
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from uuid import uuid4

from domain.actors import BEFORE_ACTORS
from domain.catalog.contract import Contract
from domain.days import Days, Span
from domain.enrollment.decisions import Enroll, EnrollmentKey, GroupKey, Requester, RequesterRole, ScopedChange
from domain.enrollment.differences import differences, policy_event
from domain.enrollment.group import periods
from domain.enrollment.history import ChangeRequest
from domain.enrollment.verdicts import Verdict
from domain.identity import group_id
from domain.membership import MembershipType
from storage import enrollment
from storage.group_writes import GroupWrites, NewRevision
from storage.postgres.database import Connection, Database
from storage.recomputes import groups_now

PRIMARY = MembershipType.PRIMARY
TODAY = date(2026, 6, 1).toordinal()


@dataclass
class Writer:
    """Writes revisions, and sometimes a rejected request, of groups that other writers change too."""

    groups: list[GroupKey]
    contract: Contract
    draw: random.Random
    longest_seconds: float = 0.02
    written: int = field(default=0, init=False)

    async def write(self, database: Database, changes: int) -> None:
        for _ in range(changes):
            await database.write(self._change)
            self.written += 1

    async def _change(self, tx: Connection) -> None:
        key = self.draw.choice(self.groups)
        group = await enrollment.lock_group(tx, group_id(*key), key)
        recorded_at = (await groups_now(tx, [])).instant
        approved = self.draw.random() > 0.1
        writes = GroupWrites()
        group = group.changed(recorded_at, makes_revision=approved)
        request = _request(key, group.revision, recorded_at, approved)
        writes.add_request(group, request)
        if approved:
            new = self._revision(group.revision - 1, key, request)
            writes.add_revision(group, self.contract, new)
        await writes.write(tx)
        # The event is written, and not committed for a while.
        await asyncio.sleep(self.draw.random() ** 4 * self.longest_seconds)

    def _revision(self, current: int, key: GroupKey, request: ChangeRequest) -> NewRevision:
        module = next(iter(self.contract.slots))
        then, now = (
            {EnrollmentKey(key.primary_id, module): Days.of(_until(n))} if n else {} for n in (current, current + 1)
        )
        types = {key.primary_id: PRIMARY}
        event = policy_event(then, now, TODAY)
        changed = differences(then, now, {})
        return NewRevision(periods(now, types), changed, types, event, datetime.now(UTC), request)


def _until(n: int) -> Span:
    """Returns a different last day for every revision."""
    return Span.between(date(2026, 1, 1), date(2026, 1 + n % 12, 28))


def _request(key: GroupKey, revision: int, recorded_at: datetime, approved: bool) -> ChangeRequest:
    enroll = Enroll(key.primary_id, PRIMARY, uuid4(), Span.between(date(2026, 1, 1), None))
    return ChangeRequest(
        change_request_id=uuid4(),
        request_id=uuid4(),
        group_id=group_id(*key),
        key=key,
        requester=Requester(RequesterRole.ADMIN, "writer", "a test"),
        changes=(ScopedChange(enroll),),
        overridden_rules=(),
        accept_consequences=False,
        verdict=Verdict.APPROVED if approved else Verdict.REJECTED,
        violations=(),
        notices=(),
        consequences=(),
        revision=revision,
        made_revision=approved,
        recorded_at=recorded_at,
        actor=BEFORE_ACTORS,
    )
