"""A test's migration: it fills the Spanish tables as other programs do, moves stages, and reads both sides."""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple, TypeAlias
from uuid import UUID

import grpc

from affilia.catalog.v1 import condition_pb2, member_pb2, member_service_pb2
from affilia.enrollment.v1 import (
    change_request_pb2,
    change_request_service_pb2,
    enrollment_group_pb2,
    enrollment_query_service_pb2,
)
from affilia.migration.v1 import migration_service_pb2 as pb
from affilia.migration.v1.migration_service_pb2_grpc import MigrationServiceStub
from affilia.type.v1 import membership_type_pb2
from domain.identity import group_id
from tests.scenarios.enrollment_messages import ends, span
from tests.support.calls import new_id
from tests.support.spanish import SPONSOR, SpanishFamily, SpanishServer, channel_on

TODAY = "2026-03-15"
LEGACY_CONTRACT = 17

TRANSLATE = pb.MIGRATION_STAGE_TRANSLATE
DUAL_WRITE = pb.MIGRATION_STAGE_DUAL_WRITE
READ_CORE = pb.MIGRATION_STAGE_READ_CORE
CORE = pb.MIGRATION_STAGE_CORE
RETIRED = pb.MIGRATION_STAGE_RETIRED

FORCE_LEGACY = enrollment_group_pb2.SOURCE_OF_TRUTH_FORCE_LEGACY
FORCE_CORE = enrollment_group_pb2.SOURCE_OF_TRUTH_FORCE_CORE

Stage: TypeAlias = pb.MigrationStage.ValueType


class Row(NamedTuple):
    """An enrollment row, with the name of its user. An infinite date is read as the text "infinity" or "-infinity"."""

    id: int
    user: str
    type: str
    product: str
    first: str | None
    last: str | None
    is_cancelled: bool = False


IN_ORDER = (TRANSLATE, DUAL_WRITE, READ_CORE, CORE, RETIRED)


class Spain:
    """What a test does: fills the legacy tables as other programs do, migrates them, and calls the server.

    People are named: P is the owner of the policy, C a child. Each has a user with a global id, which is the member id.
    Calls are made on `today`.
    """

    def __init__(self, server: SpanishServer, rules: Iterable[condition_pb2.Rule] = ()) -> None:
        self.server = server
        self.tables = server.connection
        self.today = TODAY
        self.channel = self.channel_to(server.process.address)
        self.migrations: Any = MigrationServiceStub(self.channel)
        self.family = SpanishFamily(self.channel, rules=list(rules))
        self.users: dict[str, int] = {}
        self.members: dict[str, str] = {"P": self.family.primary, "C": self.family.child}
        self.policies: dict[str, int] = {}
        (self.audited_before,) = self.tables.execute(
            "SELECT coalesce(max(entry_key), 0) FROM audit_entry"
        ).fetchone() or (0,)
        self.family.publish()
        self.legacy_contract()

    def channel_to(self, address: str) -> grpc.Channel:
        """Returns a channel to a server, on which calls are made on the test's day."""
        return channel_on(address, lambda: self.today)

    def legacy_contract(self, number: int = LEGACY_CONTRACT, first: str = "2024-01-01", last: str | None = None) -> int:
        """Adds a legacy contract. Returns its id."""
        self.tables.execute(
            "INSERT INTO legacy_es.es_health_contract (id, company_id, start_date, end_date) VALUES (%s, 1, %s, %s)",
            [number, first, last],
        )
        return number

    # ------------------------------------------------------------------------------ other programs' rows

    def member(self, name: str) -> str:
        """Returns the member id of somebody."""
        return self.members.setdefault(name, new_id())

    def user(self, name: str, born: str | None = None, *, known: bool = True) -> int:
        """Returns somebody's user, and adds it at the first call, with a global id if they are `known` elsewhere."""
        if name not in self.users:
            self.users[name] = self._added(
                "INSERT INTO legacy_es.es_user (global_user_id, birth_date) VALUES (%s, %s)",
                self.member(name) if known else None,
                born,
            )
        return self.users[name]

    def policy(self, owner: str = "P", contract: int = LEGACY_CONTRACT) -> int:
        """Adds a policy. Later rows of the owner's group are in it."""
        self.policies[owner] = self._added(
            "INSERT INTO legacy_es.es_policy (health_contract_id, owner_user_id) VALUES (%s, %s)",
            contract,
            self.user(owner),
        )
        return self.policies[owner]

    def row(
        self,
        user: str,
        type_: str,
        product: str,
        first: str | None,
        last: str | None = None,
        *,
        owner: str = "P",
        is_cancelled: bool = False,
    ) -> int:
        """Adds a row to the newest policy of an owner, and the policy, if there is none. Returns the row's id."""
        policy_id = self.policies.get(owner) or self.policy(owner)
        return self._added(
            "INSERT INTO legacy_es.es_enrollment (policy_id, user_id, enrollment_type, product_code, start_date,"
            " end_date, is_cancelled) VALUES (%s, %s, %s, %s, %s, %s, %s)",
            policy_id,
            self.user(user),
            type_,
            product,
            first,
            last,
            is_cancelled,
        )

    def _added(self, statement: str, *values: object) -> int:
        row = self.tables.execute(f"{statement} RETURNING id".encode(), values).fetchone()
        assert row
        added: int = row[0]
        return added

    def rows(self, owner: str | None = None) -> list[Row]:
        """Returns all rows in order of id, or only those in the policies of an owner."""
        names = {number: name for name, number in self.users.items()}
        found = self.tables.execute(
            "SELECT e.id, e.user_id, u.global_user_id, enrollment_type, product_code, start_date::text,"
            " end_date::text, is_cancelled FROM legacy_es.es_enrollment e JOIN legacy_es.es_user u ON u.id = e.user_id"
            " JOIN legacy_es.es_policy p ON p.id = e.policy_id WHERE %(owner)s::bigint IS NULL"
            " OR p.owner_user_id = %(owner)s ORDER BY e.id",
            {"owner": self.users[owner] if owner else None},
        ).fetchall()
        members = {member_id: name for name, member_id in self.members.items()}
        return [
            Row(row_id, names.get(user) or members.get(str(global_id), str(user)), *columns)
            for row_id, user, global_id, *columns in found
        ]

    def execute(self, statement: str, *values: object) -> None:
        """Runs a statement of another program."""
        self.tables.execute(statement.encode(), values)

    # ------------------------------------------------------------------------------ the migration

    def map(self, number: int = LEGACY_CONTRACT, modules: Mapping[str, str] | None = None, **more: Any) -> Any:
        """Maps a legacy contract to the contract. Returns the response."""
        return self.migrations.MapLegacyContract(self.mapping(number, modules, **more))

    def mapping(
        self, number: int | str = LEGACY_CONTRACT, modules: Mapping[str, str] | None = None, **more: Any
    ) -> pb.MapLegacyContractRequest:
        """Returns a request that maps a legacy contract to the contract."""
        products = [
            pb.LegacyProduct(code=code, module_id=module_id)
            for code, module_id in (modules or self.family.modules()).items()
        ]
        content: dict[str, Any] = {
            "request_id": new_id(),
            "country_code": "ES",
            "legacy_contract_id": str(number),
            "contract_id": self.family.contract_id,
            "products": products,
            **more,
        }
        return pb.MapLegacyContractRequest(**content)

    @property
    def stage(self) -> Stage:
        (found,) = self.migrations.ListMigrations(pb.ListMigrationsRequest()).migrations
        stage: Stage = found.stage
        return stage

    def change(self, stage: Stage, expected: Stage | None = None, **more: Any) -> pb.SetMigrationStageRequest:
        """Returns a request to move to a stage. By default, it expects the current one."""
        content: dict[str, Any] = {
            "request_id": new_id(),
            "country_code": "ES",
            "stage": stage,
            "expected_stage": self.stage if expected is None else expected,
            **more,
        }
        return pb.SetMigrationStageRequest(**content)

    def move(self, stage: Stage, **more: Any) -> Any:
        """Moves by one step. Returns the response."""
        return self.migrations.SetMigrationStage(self.change(stage, **more))

    def move_to(self, stage: Stage) -> None:
        """Maps the legacy contract if it isn't mapped, and moves step by step, without the checks."""
        if self.stage == pb.MIGRATION_STAGE_UNSPECIFIED:
            self.map()
        while (current := self.stage) != stage:
            step = IN_ORDER[IN_ORDER.index(current) + (1 if stage > current else -1)]
            self.move(step, expected=current, force=True, reason="a test")

    def backfill(self, **more: Any) -> list[pb.BackfillGroupsResponse]:
        request = pb.BackfillGroupsRequest(**{"request_id": new_id(), "country_code": "ES", **more})
        return list(self.migrations.BackfillGroups(request))

    def compare(self, **more: Any) -> tuple[list[pb.GroupSourceDifference], pb.SourceComparison]:
        """Returns the groups that differ, and the result."""
        *found, last = self.migrations.CompareSources(pb.CompareSourcesRequest(country_code="ES", **more))
        return [each.difference for each in found], last.result

    def counts(self) -> dict[str, int]:
        """Compares, and returns the number of groups by kind of difference."""
        prefix = len("SOURCE_DIFFERENCE_KIND_")
        _, result = self.compare()
        return {pb.SourceDifferenceKind.Name(each.kind)[prefix:]: each.count for each in result.differences}

    # ------------------------------------------------------------------------------ the core

    def group_id(self, owner: str = "P") -> str:
        """Returns the id of an owner's group."""
        return str(group_id(UUID(self.family.contract_id), UUID(self.member(owner))))

    def submit_request(
        self, owner: str = "P", *changes: change_request_pb2.ScopedChange
    ) -> change_request_service_pb2.SubmitChangeRequestRequest:
        """Returns a request of an owner about their group: by default, that they enroll on DENTAL from 2026-06-01."""
        member_id = self.member(owner)
        dental = change_request_pb2.Enroll(
            member_id=member_id,
            membership_type=membership_type_pb2.MEMBERSHIP_TYPE_PRIMARY,
            module_id=self.family.option,
            days=span("2026-06-01", None),
        )
        return self.family.request(
            *(changes or [change_request_pb2.ScopedChange(enroll=dental)]),
            group=self.key(owner),
            requester=change_request_pb2.Requester(
                role=change_request_pb2.REQUESTER_ROLE_MEMBER, requester_id=member_id
            ),
        )

    def employ(self, name: str, first: str) -> None:
        """Records an employment of somebody with the sponsor from a day on. Stores them if they aren't."""
        self.family.store(self.member(name))
        job = member_pb2.Employment(
            days=span(first, None), employer_id=SPONSOR, status=condition_pb2.EMPLOYMENT_STATUS_ACTIVE
        )
        request = member_service_pb2.RecordFactsRequest(
            request_id=new_id(), member_id=self.member(name), employments=member_pb2.Employments(items=[job])
        )
        self.family.members.RecordFacts(request)

    def periods(self, group: enrollment_group_pb2.EnrollmentGroup) -> list[str]:
        """Returns the periods of a group as the cases write them, such as `C CHILD BASE 2024-03-01 -`, in order."""
        names = {member_id: name for name, member_id in self.members.items()}
        modules = {self.family.base: "BASE", self.family.plus: "BASE_PLUS", self.family.option: "DENTAL"}
        lines: list[str] = []
        for period in group.periods:
            type_ = membership_type_pb2.MembershipType.Name(period.membership_type).removeprefix("MEMBERSHIP_TYPE_")
            first, last = ends(period.days)
            name = names.get(period.member_id, period.member_id)
            lines.append(f"{name} {type_} {modules[period.module_id]} {first} {last or '-'}")
        return sorted(lines)

    def core_periods(self, owner: str = "P") -> list[str]:
        """Returns what the core has recorded about an owner's group."""
        return self.periods(self.group(owner, source_of_truth=FORCE_CORE))

    def legacy_periods(self, owner: str = "P") -> list[str]:
        """Returns what the legacy tables say about an owner's group."""
        return self.periods(self.group(owner, source_of_truth=FORCE_LEGACY))

    def key(self, owner: str = "P") -> enrollment_group_pb2.GroupKey:
        return enrollment_group_pb2.GroupKey(contract_id=self.family.contract_id, primary_id=self.member(owner))

    def group(self, owner: str = "P", **how: Any) -> enrollment_group_pb2.EnrollmentGroup:
        """Returns an owner's group, by default as the stage says."""
        request = enrollment_query_service_pb2.GetEnrollmentGroupRequest(key=self.key(owner), **how)
        return self.family.queries.GetEnrollmentGroup(request).group
