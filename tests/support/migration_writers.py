"""Writers during a migration: clients of the services, and another program that writes the legacy tables directly.

Everything they change is after today, or adds a child who is covered until today, so only later days can differ after
an alignment.
"""

import threading
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date
from random import Random
from uuid import UUID, uuid4

import psycopg

from affilia.catalog.v1.member_pb2 import MEMBER_KIND_PERSON, Member
from affilia.enrollment.v1.change_request_pb2 import ScopedChange
from affilia.enrollment.v1.enrollment_group_pb2 import EnrollmentGroup
from affilia.type.v1.membership_type_pb2 import MembershipType
from affilia_client import CallFailed, changes
from tests.support.calls import admin
from tests.support.migrating import Migration
from tools import legacy_sample

PAUSE_SECONDS = 0.05
MAX_FAMILIES = 10
"""How many families each program adds, so that a slow machine doesn't have more and more to do."""
CHILD_BORN_ON = date(2015, 5, 20)
REFUSED = psycopg.errors.ObjectNotInPrerequisiteState
LOST_TO_OTHERS = (psycopg.errors.DeadlockDetected, psycopg.errors.LockNotAvailable)


@dataclass
class Journal:
    """What one writer did. `requests` are the ids of acknowledged change requests, by group."""

    done: Counter[str] = field(default_factory=Counter)
    requests: dict[str, set[str]] = field(default_factory=dict)
    children: dict[str, str] = field(default_factory=dict)
    """The member id of each child that was added to the tables, with that of the owner."""
    unexpected: list[str] = field(default_factory=list)


class Writer:
    """Works in a thread until it is stopped. Whoever holds `turn` lets it pause between two operations."""

    def __init__(self, seed: int) -> None:
        self.journal = Journal()
        self.random = Random(seed)
        self.turn = threading.Lock()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Returns when the current operation has been acknowledged."""
        self._stopping.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stopping.wait(self.random.expovariate(1 / PAUSE_SECONDS)):
            with self.turn:
                try:
                    self.write()
                except Exception as error:
                    self.journal.unexpected.append(repr(error))

    def write(self) -> None:
        raise NotImplementedError

    @property
    def operations(self) -> int:
        """The number of operations that ended so far."""
        return sum(self.journal.done.values())

    def future_month(self) -> date:
        return date(self.random.randint(2031, 2038), self.random.randint(1, 12), 1)


class CoreWriter(Writer):
    """Submits change requests and facts for some groups, to any of the servers."""

    def __init__(self, migration: Migration, groups: Iterable[EnrollmentGroup], seed: int) -> None:
        super().__init__(seed)
        self._migration = migration
        self._groups = list(groups)

    def write(self) -> None:
        group = self.random.choice(self._groups)
        people = {period.member_id: period.membership_type for period in group.periods}
        kinds = ["enroll", "enroll", "dental", "leave", "leave everything", "birth date"]
        if self.journal.done["new group"] < MAX_FAMILIES:
            kinds.append("new group")
        kind = self.random.choice(kinds)
        if kind == "new group":
            self._new_group()
        elif people:
            member_id = self.random.choice(sorted(people))
            if kind == "birth date":
                self._record_birth_date(member_id, people[member_id])
            else:
                self._submit(kind, group, member_id, people[member_id])

    def _submit(self, kind: str, group: EnrollmentGroup, member_id: str, of_type: MembershipType.ValueType) -> None:
        first_on, modules = self.future_month(), self._migration.modules
        health = modules[self.random.choice(("ESENCIAL", "COMPLETA"))]
        change = {
            "enroll": lambda: changes.enroll(member_id, health, of_type, first_on=first_on),
            "dental": lambda: changes.enroll(member_id, modules["DENTAL"], of_type, first_on=first_on),
            "leave": lambda: changes.leave(member_id, modules["DENTAL"], first_on=first_on),
            "leave everything": lambda: changes.leave(member_id, first_on=first_on),
        }[kind]()
        self._send(kind, group.group_id, group.key.primary_id, [change])

    def _send(self, kind: str, group_id: str, primary_id: str, of_request: Sequence[ScopedChange]) -> None:
        request_id = str(uuid4())
        try:
            answer = self._migration.servers.until_acknowledged(
                lambda client: client.changes.submit_change_request(
                    request_id=request_id,
                    group=self._migration.key(primary_id),
                    requester=admin("a migration"),
                    changes=of_request,
                    accept_consequences=True,
                ),
                self.random.randrange(2),
            )
        except CallFailed as failed:
            if failed.reason != "MIGRATION_STAGE":
                raise
            self.journal.done["refused in TRANSLATE"] += 1
        else:
            self.journal.done[kind] += 1
            self.journal.requests.setdefault(answer.group.group_id or group_id, set()).add(request_id)

    def _record_birth_date(self, member_id: str, of_type: MembershipType.ValueType) -> None:
        is_child = of_type == MembershipType.MEMBERSHIP_TYPE_CHILD
        year = self.random.randint(2000, 2020) if is_child else self.random.randint(1960, 1990)
        request_id, born_on = str(uuid4()), date(year, self.random.randint(1, 12), 1)
        try:
            self._migration.servers.until_acknowledged(
                lambda client: client.members.record_facts(
                    request_id=request_id, member_id=member_id, birth={"born_on": born_on}
                ),
                self.random.randrange(2),
            )
        except CallFailed as failed:
            if failed.reason != "MEMBER_UNKNOWN":  # not aligned yet
                raise
        else:
            self.journal.done["birth date"] += 1

    def _new_group(self) -> None:
        """Enrolls somebody whom the legacy tables don't have."""
        member_id, upsert_id, facts_id = str(uuid4()), str(uuid4()), str(uuid4())
        servers = self._migration.servers
        member = Member(member_id=member_id, kind=MEMBER_KIND_PERSON)
        servers.until_acknowledged(lambda client: client.members.upsert_member(request_id=upsert_id, member=member))
        servers.until_acknowledged(
            lambda client: client.members.record_facts(
                request_id=facts_id, member_id=member_id, birth={"born_on": date(1980, 6, 1)}
            )
        )
        health = self._migration.modules["ESENCIAL"]
        change = changes.enroll(member_id, health, "PRIMARY", first_on=self.future_month())
        self._send("new group", "", member_id, [change])


class OutsideWriter(Writer):
    """Another program: adds children, families and products to the legacy tables, moves ends, and cancels its rows."""

    def __init__(self, database_url: str, owners: Iterable[str], seed: int) -> None:
        super().__init__(seed)
        self._url = database_url
        self._owners = [UUID(owner) for owner in owners]
        self._children: list[tuple[int, str]] = []

    def write(self) -> None:
        kinds = ["moved end", "cancelled"]
        if self.journal.done["child"] - self.journal.done["cancelled"] < MAX_FAMILIES:
            kinds += ["child", "child"]
        if self.journal.done["family"] < MAX_FAMILIES:
            kinds.append("family")
        kind = self.random.choice(kinds)
        with psycopg.connect(self._url) as connection:
            try:
                {
                    "child": self._add_child,
                    "moved end": self._move_end,
                    "family": self._add_family,
                    "cancelled": self._cancel,
                }[kind](connection)
                connection.commit()
            except REFUSED:
                kind = "refused by the guard"
            except LOST_TO_OTHERS:
                kind = "repeated by others"
        self.journal.done[kind] += 1

    def _add_child(self, connection: psycopg.Connection) -> None:
        owner = self.random.choice(self._owners)
        row = connection.execute(
            "SELECT p.id, e.product_code, max(e.start_date) FROM legacy_es.es_user u JOIN legacy_es.es_policy p"
            " ON p.owner_user_id = u.id JOIN legacy_es.es_enrollment e ON e.policy_id = p.id AND e.user_id = u.id"
            " WHERE u.global_user_id = %s AND p.health_contract_id = %s AND NOT e.is_cancelled"
            " AND e.product_code <> 'DENTAL' AND coalesce(e.end_date, 'infinity') > '2029-12-31'"
            " AND e.start_date <= current_date GROUP BY 1, 2 LIMIT 1",
            [owner, legacy_sample.CONTRACT],
        ).fetchone()
        if row is None:
            return
        policy, product, start = row
        child = uuid4()
        user = _added_user(connection, child, CHILD_BORN_ON)
        enrollment = _added_row(connection, policy, user, "CHILD", product, start, None)
        connection.commit()
        self._children.append((enrollment, str(child)))
        self.journal.children[str(child)] = str(owner)

    def _move_end(self, connection: psycopg.Connection) -> None:
        if self._children:
            last_on = self.random.choice((None, self.future_month()))
            connection.execute(
                "UPDATE legacy_es.es_enrollment SET end_date = %s, updated_at = now()"
                " WHERE id = %s AND NOT is_cancelled AND start_date <= current_date",
                [last_on, self.random.choice(self._children)[0]],
            )

    def _cancel(self, connection: psycopg.Connection) -> None:
        """Cancels all rows of a child that it added, of which the core may have made several."""
        if self._children:
            row_id, child = self.random.choice(self._children)
            connection.execute(
                "UPDATE legacy_es.es_enrollment SET is_cancelled = true, updated_at = now() WHERE user_id ="
                " (SELECT user_id FROM legacy_es.es_enrollment WHERE id = %s)",
                [row_id],
            )
            connection.commit()
            self._children.remove((row_id, child))
            del self.journal.children[child]

    def _add_family(self, connection: psycopg.Connection) -> None:
        owner = uuid4()
        user = _added_user(connection, owner, date(1985, 3, 1))
        (policy,) = connection.execute(
            "INSERT INTO legacy_es.es_policy (health_contract_id, owner_user_id) VALUES (%s, %s) RETURNING id",
            [legacy_sample.CONTRACT, user],
        ).fetchone() or (0,)
        start = date(2026, 1, 1)
        _added_row(connection, policy, user, "PRIMARY", "ESENCIAL", start, None)
        child = uuid4()
        _added_row(
            connection, policy, _added_user(connection, child, CHILD_BORN_ON), "CHILD", "ESENCIAL_2019", start, None
        )
        connection.commit()
        self._owners.append(owner)
        self.journal.children[str(child)] = str(owner)


def _added_user(connection: psycopg.Connection, member_id: UUID, born_on: date) -> int:
    (user,) = connection.execute(
        "INSERT INTO legacy_es.es_user (global_user_id, birth_date) VALUES (%s, %s) RETURNING id", [member_id, born_on]
    ).fetchone() or (0,)
    return int(user)


def _added_row(
    connection: psycopg.Connection,
    policy: int,
    user: int,
    of_type: str,
    product: str,
    first_on: date,
    last_on: date | None,
) -> int:
    (row,) = connection.execute(
        "INSERT INTO legacy_es.es_enrollment (policy_id, user_id, enrollment_type, product_code, start_date, end_date)"
        " VALUES (%s, %s, %s, %s, %s, %s) RETURNING id",
        [policy, user, of_type, product, first_on, last_on],
    ).fetchone() or (0,)
    return int(row)
