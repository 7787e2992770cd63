"""Enrollments during settling, and the predicates over them that rules depend on.

A predicate is a part of a condition that depends on who is enrolled, such as "somebody is on one of these modules".
Equal predicates of one group are the same object. Each is evaluated once for all rules that share it, and again only
after an enrollment that it depends on has changed.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypeVar
from uuid import UUID

from domain.days import ALL_DAYS, NO_DAYS, Days, union
from domain.enrollment.decisions import EnrollmentKey
from domain.rules.conditions import FactLeaf


class Enrollments:
    """The days of members on modules at one step of settling. Immutable except for its caches.

    `max_days` is an upper bound of the days on which each member is enrolled. The first phase computes it; the second
    phase uses it to decide who "every member" is. It is None in the first phase, in which every predicate over
    "every member" is true.
    """

    __slots__ = ("_by_member", "_by_module", "_of_member", "_values", "days", "max_days")

    def __init__(self, days: Mapping[EnrollmentKey, Days], max_days: Mapping[UUID, Days] | None = None) -> None:
        self.days = days
        self.max_days = max_days
        self._values: dict[Predicate, Days] = {}
        self._of_member: dict[UUID, Days] = {}
        # The two indexes are built on first use.
        self._by_member: Index | None = None
        self._by_module: Index | None = None

    def of(self, key: EnrollmentKey) -> Days:
        """Returns the days of one enrollment."""
        return self.days.get(key, NO_DAYS)

    def of_member(self, member_id: UUID) -> Days:
        """Returns the days on which a member is on any module."""
        days = self._of_member.get(member_id)
        if days is None:
            days = self._of_member[member_id] = union(self.of(key) for key in self._members().get(member_id, ()))
        return days

    def of_modules(self, module_ids: tuple[UUID, ...]) -> Days:
        """Returns the days on which anybody is on one of the modules; with no modules, on any module."""
        if not module_ids:
            return union(self.days.values())
        if self._by_module is None:
            self._by_module = _indexed(self.days, lambda key: key.module_id)
        by_module = self._by_module
        return union(self.of(key) for module_id in module_ids for key in by_module.get(module_id, ()))

    def by_member(self) -> dict[UUID, Days]:
        """Returns the days on which each member is on any module, without members who have no days."""
        return {member_id: days for member_id in self._members() if (days := self.of_member(member_id))}

    def _members(self) -> "Index":
        if self._by_member is None:
            self._by_member = _indexed(self.days, lambda key: key.member_id)
        return self._by_member

    def value(self, predicate: "Predicate") -> Days:
        """Returns the days on which a predicate is true."""
        days = self._values.get(predicate)
        if days is None:
            days = self._values[predicate] = predicate.days(self)
        return days

    def changed(
        self, changes: Mapping[EnrollmentKey, Days], predicates: "Predicates", max_days: Mapping[UUID, Days] | None
    ) -> tuple["Enrollments", list["Predicate"]]:
        """Returns these enrollments with the days of some of them, and `max_days`, replaced.

        Also returns the predicates whose value differs, among those that have been evaluated here.
        """
        if not changes and max_days is self.max_days:
            return self, []
        new = self._with(changes)
        new.max_days = max_days
        stale = dict.fromkeys(predicate for key in changes for predicate in predicates.depending_on(key))
        if max_days is not self.max_days:
            stale.update(dict.fromkeys(predicates.over_every_member))
        new._values = dict(self._values)
        old = {predicate: days for predicate in stale if (days := new._values.pop(predicate, None)) is not None}
        return new, [predicate for predicate, days in old.items() if new.value(predicate) != days]

    def with_added(self, key: EnrollmentKey, days: Days, predicates: "Predicates") -> "Enrollments":
        """Returns these enrollments with days added to one of them."""
        new = self._with({key: self.of(key) | days})
        new._values = dict(self._values)
        for predicate in predicates.depending_on(key):
            new._values.pop(predicate, None)
        return new

    def _with(self, changes: Mapping[EnrollmentKey, Days]) -> "Enrollments":
        new = Enrollments.__new__(Enrollments)
        new.max_days = self.max_days
        if not changes:
            new.days, new._of_member = self.days, self._of_member
            new._by_member, new._by_module = self._by_member, self._by_module
            return new
        new.days = updated(self.days, changes)
        added = [key for key in changes if key not in self.days]
        new._by_member = _with_keys(self._by_member, added, lambda key: key.member_id)
        new._by_module = _with_keys(self._by_module, added, lambda key: key.module_id)
        new._of_member = dict(self._of_member)
        for key in changes:
            new._of_member.pop(key.member_id, None)
        return new


Key = TypeVar("Key")


def updated(days: Mapping[Key, Days], changes: Mapping[Key, Days]) -> dict[Key, Days]:
    """Returns `days` with some values replaced, and without keys that have no days left."""
    new = {**days, **changes}
    for key in [key for key, left in changes.items() if not left]:
        del new[key]
    return new


Index = dict[UUID, tuple[EnrollmentKey, ...]]


def _indexed(keys: Iterable[EnrollmentKey], by: Callable[[EnrollmentKey], UUID]) -> Index:
    index: dict[UUID, list[EnrollmentKey]] = {}
    for key in keys:
        index.setdefault(by(key), []).append(key)
    return {value: tuple(found) for value, found in index.items()}


def _with_keys(index: Index | None, added: list[EnrollmentKey], by: Callable[[EnrollmentKey], UUID]) -> Index | None:
    """Returns an index with keys added. Keys whose enrollments have no days left stay in it, which is harmless."""
    if index is None or not added:
        return index
    index = dict(index)
    for key in added:
        known = index.get(by(key), ())
        if key not in known:
            index[by(key)] = (*known, key)
    return index


Pattern = tuple[UUID | None, UUID | None]
"""Enrollments by member and module; None matches any."""


@dataclass(frozen=True, slots=True, eq=False)
class Predicate:
    """A part of a condition that depends on who is enrolled. It depends on the enrollments that match a pattern."""

    days: Callable[[Enrollments], Days]
    depends_on: tuple[Pattern, ...]


@dataclass(slots=True)
class Predicates:
    """All predicates of the rules of one group. `over_every_member` lists those that depend on who that is."""

    over_every_member: list[Predicate] = field(default_factory=list)
    _known: dict[object, Predicate] = field(default_factory=dict)
    _by_pattern: dict[Pattern, list[Predicate]] = field(default_factory=dict)

    def depending_on(self, key: EnrollmentKey) -> Iterator[Predicate]:
        """Yields the predicates that depend on an enrollment, some of them more than once."""
        member_id, module_id = key
        for pattern in ((member_id, module_id), (member_id, None), (None, module_id), (None, None)):
            yield from self._by_pattern.get(pattern, ())

    def on(self, member_id: UUID, module_ids: tuple[UUID, ...]) -> Predicate:
        """Returns "the member is on one of the modules"; with no modules, "on any module"."""

        def days(enrollments: Enrollments) -> Days:
            if not module_ids:
                return enrollments.of_member(member_id)
            return union(enrollments.of(EnrollmentKey(member_id, module_id)) for module_id in module_ids)

        return self._predicate((member_id, module_ids), days, [(member_id, m) for m in module_ids or (None,)])

    def anyone_on(self, module_ids: tuple[UUID, ...]) -> Predicate:
        """Returns "somebody is on one of the modules"; with no modules, "on any module"."""
        depends_on: list[Pattern] = [(None, module_id) for module_id in module_ids or (None,)]
        return self._predicate(("anyone", module_ids), lambda e: e.of_modules(module_ids), depends_on)

    def anyone_with(self, leaf: FactLeaf, days_of: Callable[[UUID], Days]) -> Predicate:
        """Returns "a fact is true of somebody who is enrolled". `days_of` returns the days on which it is true of a
        member."""

        def days(enrollments: Enrollments) -> Days:
            return union(days & days_of(member_id) for member_id, days in enrollments.by_member().items())

        return self._predicate(("anyone", leaf), days, [(None, None)])

    def everyone_on(self, module_ids: tuple[UUID, ...]) -> Predicate:
        """Returns "every member is on one of the modules"; with no modules, "on any module"."""

        def days(enrollments: Enrollments) -> Days:
            return _days_of_everyone(enrollments, lambda member_id: enrollments.value(self.on(member_id, module_ids)))

        depends_on: list[Pattern] = [(None, module_id) for module_id in module_ids or (None,)]
        return self._predicate(("everyone", module_ids), days, depends_on, over_every_member=True)

    def everyone_with(self, leaf: FactLeaf, days_of: Callable[[UUID], Days]) -> Predicate:
        """Returns "a fact is true of every member". `days_of` returns the days on which it is true of a member."""

        def days(enrollments: Enrollments) -> Days:
            return _days_of_everyone(enrollments, days_of)

        return self._predicate(("everyone", leaf), days, [], over_every_member=True)

    def _predicate(
        self,
        identity: object,
        days: Callable[[Enrollments], Days],
        depends_on: Iterable[Pattern],
        *,
        over_every_member: bool = False,
    ) -> Predicate:
        """Returns the predicate with this identity, which is created on first use."""
        predicate = self._known.get(identity)
        if predicate is None:
            predicate = self._known[identity] = Predicate(days, tuple(depends_on))
            for pattern in predicate.depends_on:
                self._by_pattern.setdefault(pattern, []).append(predicate)
            if over_every_member:
                self.over_every_member.append(predicate)
        return predicate


def _days_of_everyone(enrollments: Enrollments, days_of: Callable[[UUID], Days]) -> Days:
    """Returns the days on which something is true of every member: everyone whose `max_days` contain the day."""
    if enrollments.max_days is None:
        return ALL_DAYS
    return ALL_DAYS - union(days - days_of(member_id) for member_id, days in enrollments.max_days.items())
