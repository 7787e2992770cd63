"""A migration from TRANSLATE to RETIRED with one step back, while clients and another program write, and while servers
are killed at every step. Returns everything that contradicts a guarantee.
"""

import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from random import Random
from uuid import uuid4

from affilia.migration.v1.migration_service_pb2 import GroupSourceDifference
from affilia_client import Client
from tests.support.migrating import Backfilled, Compared, Migration, described, kind_of
from tests.support.migration_writers import CoreWriter, OutsideWriter, Writer
from tests.support.waiting import wait_until

OPERATIONS_OF_A_STEP = 3
"""How many operations every writer completes at least in each step."""
MAX_DESCRIBED = 3
MAX_SECONDS_BEFORE_KILL = 0.5
MONTHS = (date(2026, 10, 1), date(2026, 12, 1))
BORN_ON = date(2005, 1, 1)


@dataclass
class Story:
    """One migration, its writers, and what contradicts a guarantee so far."""

    migration: Migration
    database_url: str
    core_writers: int
    outside_writers: int
    groups_written: int
    say: Callable[[str], None] = lambda line: None
    children: dict[str, str] = field(default_factory=dict)
    """The children whom the other program added while the tables counted, with their owners."""
    random: Random = field(default_factory=lambda: Random(1))
    faults: list[str] = field(default_factory=list)
    writers: list[Writer] = field(default_factory=list)

    def play(self) -> None:
        """Plays all steps. In DUAL_WRITE, groups differ only as explained, and from READ_CORE on not at all."""
        self.migration.begin()
        self._start_writers()
        self._work("writing in TRANSLATE")
        self._move("TRANSLATE", "DUAL_WRITE", 1)
        self._work("writing in DUAL_WRITE")
        self.backfill("backfill in DUAL_WRITE", 1)
        self.compare("compared while others write", {"MISSING", "STALE", "LATER", "NOW"}, 0)
        taken_now = self._agree({"LATER", "NOW"}).kinds["NOW"]
        self._move("DUAL_WRITE", "READ_CORE", 1, f"rules end {taken_now} today", force=bool(taken_now))
        self._take_over("READ_CORE")
        self._move("READ_CORE", "DUAL_WRITE", 0, "one step back")
        self._work("writing in DUAL_WRITE again")
        self._agree({"LATER"})
        self._move("DUAL_WRITE", "READ_CORE", 0)
        self._take_over("READ_CORE again")
        self._move("READ_CORE", "CORE", 1)
        self._work("writing in CORE")
        with self.quiet():
            self.compare("at the end of CORE", set())
            for writer in self.writers:
                self.children |= writer.journal.children
        self._check_guard()
        self._move("CORE", "RETIRED", 1, "the legacy system is switched off")
        self._work("writing in RETIRED")
        for writer in self.writers:
            writer.stop()
        self._check()

    def _start_writers(self) -> None:
        servers = self.migration.servers
        groups = servers.until_acknowledged(
            lambda client: list(client.enrollment.all_enrollment_groups(contract_id=self.migration.contract_id))
        )[: self.groups_written]
        owners = [group.key.primary_id for group in groups]
        self.writers = [CoreWriter(self.migration, groups, seed) for seed in range(self.core_writers)]
        self.writers += [OutsideWriter(self.database_url, owners, seed) for seed in range(self.outside_writers)]
        for writer in self.writers:
            writer.start()

    @contextmanager
    def quiet(self) -> Iterator[None]:
        """Lets all writers pause."""
        with ExitStack() as stack:
            for writer in self.writers:
                stack.enter_context(writer.turn)
            yield

    @contextmanager
    def _killing(self, server: int | None) -> Iterator[None]:
        """Kills a server while something happens, if one is given."""
        if server is None:
            yield
            return
        self.migration.servers.wait()
        soon = self.random.uniform(0, MAX_SECONDS_BEFORE_KILL)
        killer = threading.Timer(soon, self.migration.servers.kill, [server])
        killer.start()
        try:
            yield
        finally:
            killer.join()

    def _work(self, step: str) -> None:
        """Waits until all writers have written enough."""
        before = [writer.operations for writer in self.writers]
        wait_until(
            lambda: all(
                writer.operations >= n + OPERATIONS_OF_A_STEP or writer.journal.unexpected
                for writer, n in zip(self.writers, before, strict=True)
            ),
            f"{step}: all writers write",
        )
        self.say(f"{step}: {sum(writer.operations for writer in self.writers) - sum(before)} operations")

    def _move(self, before: str, after: str, server: int, reason: str = "", *, force: bool = False) -> None:
        """Moves the country through a server that is killed."""
        with self._killing(server):
            self.migration.move(before, after, server, reason, force=force)
        self.say(f"{before} -> {after}")

    def backfill(self, step: str, server: int | None = None) -> Backfilled:
        """Backfills, through a server that is killed if one is given."""
        with self._killing(server):
            done = self.migration.backfill(server or 0)
        progress = done.progress
        self.say(
            f"{step}: {progress.groups} groups, {progress.aligned} aligned, {progress.written_back} written back"
            f" in {done.seconds:.1f} s, {progress.groups / done.seconds:.0f} groups/s"
        )
        self.faults += [f"{step}: {group_id}: {failure}" for group_id, failure in done.failures.items()]
        return done

    def compare(self, step: str, allowed: set[str], server: int | None = None) -> Compared:
        """Compares both sources, through a server that is killed if one is given."""
        with self._killing(server):
            compared = self.migration.compare(server or 0)
        found = ", ".join(f"{n} {kind}" for kind, n in compared.kinds.items()) or "none"
        self.say(f"{step}: differences of {compared.groups} groups: {found}, in {compared.seconds:.1f} s")
        if unexplained := compared.kinds.keys() - allowed:
            lines = described(compared, lambda each: kind_of(each) in unexplained)
            self.faults += [f"{step}: {sorted(unexplained)}: {line}" for line in lines[:MAX_DESCRIBED]]
        return compared

    def _agree(self, allowed: set[str]) -> Compared:
        """Backfills without other writers, and records the birth dates that rules miss. Only rules differ then."""
        with self.quiet():
            self.backfill("backfill without writers")
            compared = self.compare("before facts are recorded", {"NOW", "LATER"})
            for member_id in _missing_birth_dates(compared):
                self._record_birth_date(member_id)
            wait_until(lambda: not _missing_birth_dates(self.migration.compare()), "recomputes with the birth dates")
            compared = self.compare("without writers", allowed)
            self.faults += [f"not explained by a rule: {line}" for line in described(compared, _is_unexplained)]
            return compared

    def _record_birth_date(self, member_id: str) -> None:
        request_id = str(uuid4())
        self.migration.servers.until_acknowledged(
            lambda client: client.members.record_facts(
                request_id=request_id, member_id=member_id, birth={"born_on": BORN_ON}
            )
        )

    def _take_over(self, stage: str) -> None:
        """Writes the core's days to the tables, in which nobody else can write any more. Nothing differs then."""
        self.backfill(f"backfill in {stage}", 0)
        self._work(f"writing in {stage}")
        self.compare(f"compared in {stage} while clients write", set())

    def _check_guard(self) -> None:
        refused = sum(writer.journal.done["refused by the guard"] for writer in self.writers)
        if self.outside_writers and not refused:
            self.faults.append("the guard of the tables refused nothing")

    def _check(self) -> None:
        """Checks that nothing acknowledged was lost or stored twice, and that premiums can be computed."""
        self.migration.servers.wait()
        done = sum((writer.journal.done for writer in self.writers), Counter())
        self.say(f"operations: {dict(done.most_common())}; servers killed: {self.migration.servers.kills}")
        self.faults += [each for writer in self.writers for each in writer.journal.unexpected]
        client = self.migration.servers.client(0)
        requests: dict[str, set[str]] = {}
        for writer in self.writers:
            for group_id, of_group in writer.journal.requests.items():
                requests.setdefault(group_id, set()).update(of_group)
        for group_id, acknowledged in requests.items():
            stored = [each.request_id for each in client.changes.all_change_requests(group_id=group_id)]
            self.faults += [f"request {each} is lost" for each in acknowledged - set(stored)]
            if len(stored) != len(set(stored)):
                self.faults.append(f"group {group_id} has a request twice")
        children = self._check_children(client)
        self.say(f"compared {sum(map(len, requests.values()))} requests and {children} children added to the tables")
        for primary_id in self._some_primaries():
            client.premiums.compute_premiums(policy={"key": self.migration.key(primary_id)}, months=MONTHS)
        self.faults += self.migration.servers.defects()

    def _check_children(self, client: Client) -> int:
        """Checks that every child whom the other program added before READ_CORE is covered today."""
        today = datetime.now(UTC).date()
        for child, owner in self.children.items():
            group = client.enrollment.get_enrollment_group(key=self.migration.key(owner)).group
            firsts = [each.days.first_on for each in group.periods if each.member_id == child]
            if not any(date(first.year, first.month, first.day) <= today for first in firsts):
                self.faults.append(f"child {child} of {owner} was added to the tables and is not in the core")
        return len(self.children)

    def _some_primaries(self) -> Sequence[str]:
        groups = self.migration.servers.client(0).enrollment.list_enrollment_groups(
            contract_id=self.migration.contract_id, page_size=20
        )
        return [group.key.primary_id for group in groups.groups]


def _missing_birth_dates(compared: Compared) -> set[str]:
    """Returns the members whose birth dates rules miss."""
    return {
        fact.member_id
        for each in compared.differences
        for enrollment in each.enrollments
        for reason in enrollment.reasons
        for fact in reason.missing_facts
    }


def _is_unexplained(difference: GroupSourceDifference) -> bool:
    return any(each.core_only or not each.reasons for each in difference.enrollments)
