"""The peer: submit, read and check as a straightforward service on grpc.aio and SQLAlchemy's ORM (async, psycopg).

It writes the same rows into the same tables as the product, and uses its domain and its messages, so that both follow
the same rules. It has no validation, identity, limits, retries, telemetry or feed. `python -m benchmarks.peer_server
DATABASE_URL` prints its address.
"""

import asyncio
import sys
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import grpc
import psycopg
import uvloop
from sqlalchemy import select
from sqlalchemy.dialects.postgresql import Range, distinct_on
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import joinedload, selectinload

from affilia.eligibility.v1.eligibility_check_service_pb2_grpc import (
    EligibilityCheckServiceServicer,
    add_EligibilityCheckServiceServicer_to_server,
)
from affilia.enrollment.v1 import change_request_service_pb2 as request_pb
from affilia.enrollment.v1 import enrollment_query_service_pb2 as query_pb
from affilia.enrollment.v1.change_request_service_pb2_grpc import (
    ChangeRequestServiceServicer,
    add_ChangeRequestServiceServicer_to_server,
)
from affilia.enrollment.v1.enrollment_query_service_pb2_grpc import (
    EnrollmentQueryServiceServicer,
    add_EnrollmentQueryServiceServicer_to_server,
)
from benchmarks import peer_tables as orm
from domain.actors import Actor, ActorKind
from domain.catalog.contract import Contract
from domain.days import Day, Span, to_date, to_day
from domain.eligibility.accumulators import Usage, accumulators, limits_in_force
from domain.eligibility.checks import Finding, check
from domain.eligibility.coverage import CoverageRecord, CoveredRun, Offers
from domain.enrollment.decisions import ChangeProposal, GroupKey, members_named
from domain.enrollment.differences import differences, policy_event
from domain.enrollment.group import GroupBasis, Period, days_of, periods
from domain.enrollment.history import ChangeRequest, GroupState, RevisionCause
from domain.enrollment.judging import Judgement, judge
from domain.enrollment.verdicts import Verdict
from domain.identity import group_id, slot_id
from domain.membership import MembershipType
from operations.eligibility import Answer
from operations.findings import Found, MemberAccumulators
from server.mapping.change_request import change_request_to_proto, proposal_from_proto
from server.mapping.eligibility import answer_to_proto, question_from_proto
from server.mapping.enrollment_group import group_to_proto
from storage.postgres import documents

POOL_SIZE = 20
FAMILY = UUID(int=0)
"""The member id of a family's own usage."""
ACTOR = Actor(ActorKind.SYSTEM, "peer")


class Database:
    """Sessions, and the contracts that were read: states of contracts never change."""

    def __init__(self, url: str) -> None:
        arguments = psycopg.conninfo.conninfo_to_dict(url)
        engine = create_async_engine(
            "postgresql+psycopg://", connect_args=arguments, pool_size=POOL_SIZE, max_overflow=0
        )
        self.session = async_sessionmaker(engine, expire_on_commit=False)
        self._contracts: dict[tuple[UUID, int], Contract] = {}

    async def contract(self, session: AsyncSession, contract_id: UUID) -> tuple[Contract, int]:
        """Returns the newest state of a contract, and its number."""
        table = orm.Contract
        newest = select(table.revision).where(table.contract_id == contract_id).order_by(table.revision.desc()).limit(1)
        revision = (await session.execute(newest)).scalar_one()
        if (contract_id, revision) not in self._contracts:
            row = await session.get_one(table, (contract_id, revision))
            self._contracts[contract_id, revision] = documents.contract_from_document(row.document)
        return self._contracts[contract_id, revision], revision


class ChangeRequests(ChangeRequestServiceServicer):
    """Submits change requests."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def SubmitChangeRequest(self, request: Any, context: Any) -> Any:
        proposal, request_id = proposal_from_proto(request), UUID(request.request_id)
        async with self._database.session() as session, session.begin():
            if await session.get(orm.AnsweredRequest, request_id):
                await context.abort(grpc.StatusCode.ALREADY_EXISTS, "The request was submitted before.")
            group = await self._lock(session, proposal)
            contract, _ = await self._database.contract(session, proposal.key.contract_id)
            basis = await self._basis(session, group, contract, proposal)
            before = days_of(await _periods(session, group.group_key, group.revision))
            today = to_day(datetime.now(UTC).date())
            judgement = judge(proposal, basis, before, today)
            stored = self._judged(group, proposal, request_id, judgement, makes_revision=judgement.days != before)
            row = _request_row(group, stored)
            session.add(row)
            now_enrolled = periods(judgement.days, judgement.membership_types)
            if stored.made_revision:
                changed = differences(before, judgement.days, {})
                revision = orm.Revision(
                    group_key=group.group_key,
                    revision=stored.revision,
                    recorded_at=stored.recorded_at,
                    change_request=row,
                    policy_event=policy_event(before, judgement.days, today).value,
                    periods=[_period_row(contract, period) for period in now_enrolled],
                    differences=[_difference_row(group, each, judgement) for each in changed],
                )
                session.add(revision)
                await session.flush()
                await self._publish(session, group, revision, [period.member_id for period in now_enrolled])
            group.revision, group.recorded_at = stored.revision, stored.recorded_at
            await self._record(session, stored)
        cause = RevisionCause(stored.change_request_id)
        state = GroupState(group.group_id, proposal.key, group.revision, cause, group.recorded_at, now_enrolled)
        return request_pb.SubmitChangeRequestResponse(
            change_request=change_request_to_proto(stored), group=group_to_proto(state)
        )

    async def _lock(self, session: AsyncSession, proposal: ChangeProposal) -> Any:
        """Locks the group, and creates it if it does not exist."""
        table, key = orm.Group, proposal.key
        its_id = group_id(*key)
        locking = select(table).where(table.group_id == its_id).with_for_update(key_share=True)
        group = (await session.scalars(locking)).one_or_none()
        if group is None:
            now = datetime.now(UTC)
            group = table(
                group_id=its_id, contract_id=key.contract_id, primary_id=key.primary_id, revision=0, recorded_at=now
            )
            session.add(group)
            await session.flush()
            session.add(orm.GroupMember(member_id=key.primary_id, group_key=group.group_key, recorded_at=now))
        return group

    async def _basis(
        self, session: AsyncSession, group: Any, contract: Contract, proposal: ChangeProposal
    ) -> GroupBasis:
        table = orm.ChangeRequest
        earlier = await session.scalars(
            select(table).where(table.group_key == group.group_key, table.approved).order_by(table.change_request_key)
        )
        decisions = tuple(documents.change_request_from_document(r.document, r.actor).decision() for r in earlier)
        named = {proposal.key.primary_id, *members_named(scoped.change for scoped in proposal.changes)}
        named |= {member for decision in decisions for member in members_named(decision.changes)}
        rows = await session.scalars(
            select(orm.Member)
            .where(orm.Member.member_id.in_(named))
            .order_by(orm.Member.member_id, orm.Member.revision.desc())
            .ext(distinct_on(orm.Member.member_id))
        )
        facts = {row.member_id: documents.member_from_document(row.document).facts for row in rows}
        return GroupBasis(contract, proposal.key.primary_id, decisions, facts)

    def _judged(
        self, group: Any, proposal: ChangeProposal, request_id: UUID, judgement: Judgement, *, makes_revision: bool
    ) -> ChangeRequest:
        makes_revision = makes_revision and judgement.verdict == Verdict.APPROVED
        return ChangeRequest(
            change_request_id=uuid4(),
            request_id=request_id,
            group_id=group.group_id,
            key=proposal.key,
            requester=proposal.requester,
            changes=proposal.changes,
            overridden_rules=proposal.overridden_rules,
            accept_consequences=proposal.accept_consequences,
            verdict=judgement.verdict,
            violations=judgement.violations,
            notices=judgement.notices,
            consequences=judgement.consequences,
            revision=group.revision + makes_revision,
            made_revision=makes_revision,
            recorded_at=datetime.now(UTC),
            actor=ACTOR,
        )

    async def _publish(self, session: AsyncSession, group: Any, revision: Any, member_ids: list[UUID]) -> None:
        event = orm.Event(
            event_id=uuid4(),
            group_key=group.group_key,
            kind=f"POLICY_{revision.policy_event}",
            revision_key=revision.revision_key,
            recorded_at=revision.recorded_at,
            member_ids=member_ids,
        )
        session.add(event)
        await session.flush()
        session.add(orm.PendingEvent(event_key=event.event_key, recorded_at=event.recorded_at))

    async def _record(self, session: AsyncSession, stored: ChangeRequest) -> None:
        """Stores the response and the audit entry."""
        ids = {
            "request_id": stored.request_id,
            "contract_id": stored.key.contract_id,
            "primary_id": stored.key.primary_id,
            "group_id": stored.group_id,
            "change_request_id": stored.change_request_id,
        }
        answer = {"change_request_id": str(stored.change_request_id)}
        entry = orm.AuditEntry(
            recorded_at=stored.recorded_at,
            call_id=uuid4().hex,
            method="/affilia.enrollment.v1.ChangeRequestService/SubmitChangeRequest",
            caller_kind=ACTOR.kind.value,
            subject=ACTOR.subject,
            ids={name: str(each) for name, each in ids.items()},
            outcome="OK",
        )
        session.add_all(
            [
                orm.AnsweredRequest(
                    request_id=stored.request_id, fingerprint=b"", answer=answer, recorded_at=stored.recorded_at
                ),
                entry,
            ]
        )
        await session.flush()
        session.add_all(orm.AuditEntryId(named_id=each, entry_key=entry.entry_key) for each in set(ids.values()))


class Queries(EnrollmentQueryServiceServicer):
    """Reads groups."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def GetEnrollmentGroup(self, request: Any, context: Any) -> Any:
        key = GroupKey(UUID(request.key.contract_id), UUID(request.key.primary_id))
        async with self._database.session() as session:
            group = (await session.scalars(select(orm.Group).where(orm.Group.group_id == group_id(*key)))).one()
            number = request.revision if request.HasField("revision") else group.revision
            revision = (
                await session.scalars(
                    select(orm.Revision)
                    .where(orm.Revision.group_key == group.group_key, orm.Revision.revision == number)
                    .options(selectinload(orm.Revision.periods), joinedload(orm.Revision.change_request))
                )
            ).one()
        cause = RevisionCause(revision.change_request.change_request_id)
        enrolled = tuple(map(_period, revision.periods))
        state = GroupState(group.group_id, key, revision.revision, cause, revision.recorded_at, enrolled)
        return query_pb.GetEnrollmentGroupResponse(group=group_to_proto(state))


class Checks(EligibilityCheckServiceServicer):
    """Checks eligibility."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._offers: dict[tuple[UUID, int], Offers] = {}

    async def CheckEligibility(self, request: Any, context: Any) -> Any:
        question = question_from_proto(request.check)
        async with self._database.session() as session:
            runs = await self._runs(session, question.member_id)
            offers = {
                contract_id: await self._offers_of(session, contract_id)
                for contract_id in {run.key.contract_id for run in runs}
            }
            finding = check(question, runs, offers.__getitem__, lambda _: to_day(datetime.now(UTC).date()))
            used = await self._accumulators(session, finding, question.member_id)
        return answer_to_proto(Answer(Found(finding, used), 0))

    async def _runs(self, session: AsyncSession, member_id: UUID) -> list[CoveredRun]:
        served = select(orm.Projection.generation).where(orm.Projection.name == "coverage").scalar_subquery()
        rows = await session.execute(
            select(orm.Run, orm.Policy)
            .join(
                orm.Policy,
                (orm.Policy.generation == orm.Run.generation) & (orm.Policy.group_id == orm.Run.group_id),
            )
            .where(orm.Run.generation == served, orm.Run.member_id == member_id)
        )
        return [
            CoveredRun(
                run.group_id,
                GroupKey(policy.contract_id, policy.primary_id),
                policy.revision,
                run.member_id,
                run.module_id,
                MembershipType(run.membership_type),
                _span(run.days),
            )
            for run, policy in rows
        ]

    async def _offers_of(self, session: AsyncSession, contract_id: UUID) -> Offers:
        contract, revision = await self._database.contract(session, contract_id)
        return self._offers.setdefault((contract_id, revision), Offers(contract, revision))

    async def _accumulators(self, session: AsyncSession, finding: Finding, member_id: UUID) -> list[MemberAccumulators]:
        by_policy: dict[UUID, list[CoverageRecord]] = {}
        for record in finding.covering:
            by_policy.setdefault(record.run.group_id, []).append(record)
        found = []
        for of_policy in by_policy.values():
            used = await self._usage(session, of_policy[0], member_id)
            found.append(MemberAccumulators(of_policy[0], accumulators(limits_in_force(of_policy), used)))
        return found

    async def _usage(self, session: AsyncSession, record: CoverageRecord, member_id: UUID) -> dict[str, Usage]:
        table = orm.Balance
        balances = await session.scalars(
            select(table).where(
                table.group_id == record.run.group_id,
                table.term_start == to_date(record.offer.term.start),
                table.member_id.in_([member_id, FAMILY]),
            )
        )
        used: dict[str, list[int]] = {}
        for balance in balances:
            used.setdefault(balance.code, [0, 0])[balance.member_id == FAMILY] = balance.used
        return {code: Usage(*amounts) for code, amounts in used.items()}


async def _periods(session: AsyncSession, group_key: int, revision: int) -> list[Period]:
    rows = await session.scalars(
        select(orm.Revision)
        .where(orm.Revision.group_key == group_key, orm.Revision.revision == revision)
        .options(selectinload(orm.Revision.periods))
    )
    return [_period(row) for found in rows for row in found.periods]


def _request_row(group: Any, stored: ChangeRequest) -> Any:
    return orm.ChangeRequest(
        change_request_id=stored.change_request_id,
        group_key=group.group_key,
        contract_id=group.contract_id,
        approved=stored.verdict == Verdict.APPROVED,
        revision=stored.revision,
        recorded_at=stored.recorded_at,
        actor=documents.actor_to_document(stored.actor),
        document=documents.change_request_to_document(stored),
    )


def _period_row(contract: Contract, period: Period) -> Any:
    return orm.Period(
        member_id=period.member_id,
        module_id=period.module_id,
        slot_id=slot_id(contract.contract_id, period.module_id, contract.slots[period.module_id]),
        membership_type=period.membership_type.value,
        days=_range(period.days),
    )


def _difference_row(group: Any, difference: Any, judgement: Judgement) -> Any:
    return orm.Difference(
        group_key=group.group_key,
        member_id=difference.member_id,
        membership_type=judgement.membership_types[difference.member_id].value,
        module_id=difference.module_id,
        kinds=[kind.value for kind in difference.kinds],
        gained=[_range(span) for span in difference.gained.spans],
        lost=[_range(span) for span in difference.lost.spans],
    )


def _period(row: Any) -> Period:
    return Period(row.member_id, MembershipType(row.membership_type), row.module_id, _span(row.days))


def _span(days: Range[Any]) -> Span:
    """Returns stored days, which PostgreSQL returns without their last day."""
    return Span.between(days.lower, None if days.upper is None else to_date(_day_before(days.upper)))


def _day_before(day: Any) -> Day:
    return to_day(day) - 1


def _range(span: Span) -> Range[Any]:
    return Range(span.first_on, span.last_on, bounds="[]")


async def _serve(url: str) -> None:
    database, server = Database(url), grpc.aio.server()
    add_ChangeRequestServiceServicer_to_server(ChangeRequests(database), server)  # type: ignore[abstract]
    add_EnrollmentQueryServiceServicer_to_server(Queries(database), server)  # type: ignore[abstract]
    add_EligibilityCheckServiceServicer_to_server(Checks(database), server)  # type: ignore[abstract]
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    print(f"127.0.0.1:{port}", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(sys.argv[1]))
