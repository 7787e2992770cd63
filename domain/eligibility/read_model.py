"""The read model of checks: everybody's runs and usage, in memory, in columns of integers.

A million members take a few hundred megabytes, because members, policies, modules and codes are numbered. The runs of a
member are a linked list, and so are the runs of a policy and usage. Freed rows are reused.
"""

from array import array
from collections.abc import Iterable, Sequence, Set
from contextlib import suppress
from itertools import islice
from uuid import UUID

from domain.days import Day, Span
from domain.eligibility.accumulators import Usage
from domain.eligibility.columns import FAMILY, PolicyColumns, RunColumns, UsageColumns
from domain.eligibility.coverage import CoveredRun, PolicyCoverage
from domain.enrollment.decisions import GroupKey
from domain.membership import MembershipType

NONE = -1
KINDS = tuple(MembershipType)
KIND_NUMBERS = {kind: number for number, kind in enumerate(KINDS)}


class _Numbered:
    """Ids and their numbers, in order of arrival."""

    def __init__(self) -> None:
        self.numbers: dict[bytes, int] = {}
        self._ids = bytearray()

    def number(self, an_id: UUID) -> int:
        key = an_id.bytes
        found = self.numbers.get(key)
        if found is None:
            found = self.numbers[key] = len(self.numbers)
            self._ids += key
        return found

    def number_all(self, ids: Sequence[bytes]) -> list[int]:
        """Returns the numbers of ids, in the same order."""
        numbers, known = self.numbers, len(self.numbers)
        with suppress(KeyError):  # some are new
            return list(map(numbers.__getitem__, ids))
        found = [numbers.setdefault(each, len(numbers)) for each in ids]
        new = list(islice(reversed(numbers), len(numbers) - known))
        self._ids += b"".join(reversed(new))
        return found

    def find(self, an_id: UUID) -> int:
        return self.numbers.get(an_id.bytes, NONE)

    def id_of(self, number: int) -> UUID:
        return UUID(int=int.from_bytes(self._ids[number * 16 : number * 16 + 16]))


def _linked(heads: "array[int]", owners: Iterable[int], first: int) -> "array[int]":
    """Puts rows in front of the lists of their owners. Returns the row that follows each. `first` is the first row."""
    following = array("i")
    for row, owner in enumerate(owners, first):
        following.append(heads[owner])
        heads[owner] = row
    return following


class ReadModel:
    """The read model, which starts empty. Every write sets a state, so that it can be repeated.

    `without_periods` are members for whom `runs` returns nothing; the caller can add to it at any time.
    """

    def __init__(self, without_periods: Set[UUID] = frozenset()) -> None:
        self._without_periods = without_periods
        self._members = _Numbered()
        self._policies = _Numbered()
        self._modules: list[UUID] = []
        self._module_numbers: dict[UUID, int] = {}
        self._contracts: list[UUID] = []
        self._contract_numbers: dict[UUID, int] = {}
        self._codes: list[str] = []
        self._code_numbers: dict[str, int] = {}
        # By member.
        self._first_run, self._first_usage = array("i"), array("i")
        # By policy.
        self._contract, self._primary, self._revision = array("i"), array("i"), array("i")
        self._policy_run, self._family_usage = array("i"), array("i")
        self._changes = array("q")
        # By run. Free rows are linked through `_next_of_member`.
        self._run_member, self._run_policy, self._run_module = array("i"), array("i"), array("i")
        self._run_kind, self._run_start, self._run_end = array("b"), array("i"), array("i")
        self._next_of_member, self._next_of_policy = array("i"), array("i")
        self._free_run = NONE
        # By usage.
        self._usage_policy, self._usage_term, self._usage_code = array("i"), array("i"), array("i")
        self._used, self._next_usage = array("q"), array("i")

    @property
    def num_members(self) -> int:
        return len(self._first_run)

    def revision_of(self, group_id: UUID) -> int:
        """Returns the revision at which a policy is known; 0 if it isn't known."""
        policy = self._policies.find(group_id)
        return 0 if policy == NONE else self._revision[policy]

    # -------------------------------------------------------------------------------------------- writes

    def put(self, coverage: PolicyCoverage) -> None:
        """Sets the state of a policy, unless the known revision is as new."""
        policy = self._policy(coverage.group_id)
        if coverage.revision <= self._revision[policy]:
            return
        self._contract[policy] = self._number(coverage.key.contract_id, self._contracts, self._contract_numbers)
        self._primary[policy] = self._member(coverage.key.primary_id)
        self._revision[policy] = coverage.revision
        self._changes[policy] += 1
        self._remove_runs(policy)
        for run in coverage.runs:
            self._add_run(policy, run)

    def put_usage(self, group_id: UUID, member_id: UUID | None, term: Day, code: str, used: int) -> None:
        """Sets the usage of a code within a term, which is identified by its first day; the family's if `member_id` is
        None.
        """
        policy = self._policy(group_id)
        self._changes[policy] += 1
        number = self._number(code, self._codes, self._code_numbers)
        heads, owner = (
            (self._family_usage, policy) if member_id is None else (self._first_usage, self._member(member_id))
        )
        row = heads[owner]
        while row != NONE:
            if (self._usage_policy[row], self._usage_term[row], self._usage_code[row]) == (policy, term, number):
                self._used[row] = used
                return
            row = self._next_usage[row]
        for column, value in (
            (self._usage_policy, policy),
            (self._usage_term, term),
            (self._usage_code, number),
            (self._used, used),
            (self._next_usage, heads[owner]),
        ):
            column.append(value)
        heads[owner] = len(self._used) - 1

    def add_policies(self, policies: PolicyColumns, runs: RunColumns) -> None:
        """Sets the states of policies, as `put` does, of which no state is known."""
        numbers = self._policies.number_all(policies.group_ids)
        primaries = self._members.number_all(policies.primary_ids)
        members = self._members.number_all(runs.member_ids)
        self._grow()
        contracts = self._numbers_of(policies.contract_ids, self._contracts, self._contract_numbers)
        for policy, contract, primary, revision in zip(numbers, contracts, primaries, policies.revisions, strict=True):
            self._contract[policy], self._primary[policy], self._revision[policy] = contract, primary, revision
            self._changes[policy] += 1
        run_policies, first = array("i", map(numbers.__getitem__, runs.policies)), len(self._run_member)
        self._run_member += array("i", members)
        self._run_policy += run_policies
        self._run_module += self._numbers_of(runs.module_ids, self._modules, self._module_numbers)
        self._run_kind += array("b", runs.kinds)
        self._run_start += runs.starts
        self._run_end += runs.ends
        self._next_of_member += _linked(self._first_run, members, first)
        self._next_of_policy += _linked(self._policy_run, run_policies, first)

    def add_usage(self, usage: UsageColumns) -> None:
        """Sets usage, as `put_usage` does, that isn't known yet."""
        policies = self._policies.number_all(usage.group_ids)
        self._grow()
        first, following = len(self._used), array("i")
        known = map(self._members.numbers.get, usage.member_ids)
        for row, (policy, member, member_id) in enumerate(zip(policies, known, usage.member_ids, strict=True), first):
            if member is not None:
                heads, owner = self._first_usage, member
            elif member_id == FAMILY:
                heads, owner = self._family_usage, policy
            else:
                heads, owner = self._first_usage, self._member(UUID(bytes=member_id))
            following.append(heads[owner])
            heads[owner] = row
        self._usage_policy += array("i", policies)
        self._usage_term += usage.terms
        codes = {code: self._number(code, self._codes, self._code_numbers) for code in set(usage.codes)}
        self._usage_code += array("i", map(codes.__getitem__, usage.codes))
        self._used += usage.used
        self._next_usage += following

    def _numbers_of(self, ids: Sequence[bytes], values: list[UUID], numbers: dict[UUID, int]) -> "array[int]":
        found = {each: self._number(UUID(bytes=each), values, numbers) for each in set(ids)}
        return array("i", map(found.__getitem__, ids))

    def _policy(self, group_id: UUID) -> int:
        policy = self._policies.number(group_id)
        self._grow()
        return policy

    def _member(self, member_id: UUID) -> int:
        member = self._members.number(member_id)
        self._grow()
        return member

    def _grow(self) -> None:
        """Adds the rows of policies and members that have just been numbered."""
        if policies := len(self._policies.numbers) - len(self._revision):
            nothing = array("i", [NONE]) * policies
            for column in (self._contract, self._primary, self._policy_run, self._family_usage):
                column.extend(nothing)
            self._revision += array("i", [0]) * policies
            self._changes += array("q", [0]) * policies
        if members := len(self._members.numbers) - len(self._first_run):
            nothing = array("i", [NONE]) * members
            self._first_run += nothing
            self._first_usage += nothing

    @staticmethod
    def _number(value, values, numbers) -> int:  # type: ignore[no-untyped-def]
        """Returns the number of a value; there are few different values."""
        number = numbers.get(value)
        if number is None:
            number = numbers[value] = len(values)
            values.append(value)
        return int(number)

    def _remove_runs(self, policy: int) -> None:
        run = self._policy_run[policy]
        while run != NONE:
            following = self._next_of_policy[run]
            self._unlink(self._run_member[run], run)
            self._next_of_member[run] = self._free_run
            self._free_run = run
            run = following
        self._policy_run[policy] = NONE

    def _unlink(self, member: int, run: int) -> None:
        before, row = NONE, self._first_run[member]
        while row != run:
            before, row = row, self._next_of_member[row]
        if before == NONE:
            self._first_run[member] = self._next_of_member[run]
        else:
            self._next_of_member[before] = self._next_of_member[run]

    def _add_run(self, policy: int, run: CoveredRun) -> None:
        member = self._member(run.member_id)
        columns = (
            (self._run_member, member),
            (self._run_policy, policy),
            (self._run_module, self._number(run.module_id, self._modules, self._module_numbers)),
            (self._run_kind, KIND_NUMBERS[run.membership_type]),
            (self._run_start, run.days.start),
            (self._run_end, run.days.end),
            (self._next_of_member, self._first_run[member]),
            (self._next_of_policy, self._policy_run[policy]),
        )
        row = self._free_run
        if row == NONE:
            row = len(self._run_member)
            for column, value in columns:
                column.append(value)
        else:
            self._free_run = self._next_of_member[row]
            for column, value in columns:
                column[row] = value
        self._first_run[member] = self._policy_run[policy] = row

    # -------------------------------------------------------------------------------------------- reads

    def runs(self, member_id: UUID) -> list[CoveredRun]:
        """Returns all runs of a member, in no particular order."""
        member = self._members.find(member_id)
        if member == NONE or member_id in self._without_periods:
            return []
        found = []
        run = self._first_run[member]
        while run != NONE:
            policy = self._run_policy[run]
            primary = self._primary[policy]
            primary_id = member_id if primary == member else self._members.id_of(primary)
            found.append(
                CoveredRun(
                    self._policies.id_of(policy),
                    GroupKey(self._contracts[self._contract[policy]], primary_id),
                    self._revision[policy],
                    member_id,
                    self._modules[self._run_module[run]],
                    KINDS[self._run_kind[run]],
                    Span(self._run_start[run], self._run_end[run]),
                )
            )
            run = self._next_of_member[run]
        return found

    def stamp(self, member_id: UUID) -> tuple[int, ...]:
        """Returns a value that changes whenever anything known about a member changes.

        It has the policy of each run with its count of changes.
        """
        member = self._members.find(member_id)
        if member == NONE:
            return ()
        found: list[int] = []
        run = self._first_run[member]
        while run != NONE:
            policy = self._run_policy[run]
            found += (policy, self._changes[policy])
            run = self._next_of_member[run]
        return tuple(found)

    def usage(self, group_id: UUID, member_id: UUID, term: Day) -> dict[str, Usage]:
        """Returns the usage within a term under a policy, by code."""
        policy, member = self._policies.find(group_id), self._members.find(member_id)
        if policy == NONE:
            return {}
        own = self._used_of(self._first_usage[member], policy, term) if member != NONE else {}
        family = self._used_of(self._family_usage[policy], policy, term)
        return {code: Usage(own.get(code, 0), family.get(code, 0)) for code in {**family, **own}}

    def _used_of(self, row: int, policy: int, term: Day) -> dict[str, int]:
        used: dict[str, int] = {}
        while row != NONE:
            if self._usage_policy[row] == policy and self._usage_term[row] == term:
                used[self._codes[self._usage_code[row]]] = self._used[row]
            row = self._next_usage[row]
        return used
