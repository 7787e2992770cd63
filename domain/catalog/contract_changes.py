"""Describes what an amendment changed: the parts that differ between two states of a contract, in words."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from uuid import UUID

from domain.catalog.contract import Contract, ContractVersion
from domain.catalog.contract_parts import ContractPart, Parts, contract_parts, version_parts
from domain.days import Days, Span

MAX_FIELDS = 500
"""Maximum number of changed fields reported for one amendment."""
MAX_WORDS = 600
"""Maximum number of characters of a value in words."""


class ChangeKind(StrEnum):
    ADDED = "ADDED"
    REMOVED = "REMOVED"
    CHANGED = "CHANGED"


@dataclass(frozen=True, slots=True)
class FieldChange:
    """A part that was added, removed or changed. `before` is empty if it was added, `after` if it was removed."""

    part: ContractPart
    module_id: UUID | None
    name: str
    kind: ChangeKind
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class VersionChange:
    """A version that was added, removed or changed. `days` are those after the change, or before its removal."""

    days: Span
    kind: ChangeKind
    fields: tuple[FieldChange, ...]


@dataclass(frozen=True, slots=True)
class ContractChanges:
    """All differences. Versions are ordered by first day, fields as in the contract."""

    versions: tuple[VersionChange, ...]
    fields: tuple[FieldChange, ...]
    fields_omitted: int = 0

    def bounded(self, max_fields: int = MAX_FIELDS, max_words: int = MAX_WORDS) -> "ContractChanges":
        """Returns the first changes, with long values shortened, and the number of omitted fields."""
        left, total = max_fields, len(self.fields) + sum(len(version.fields) for version in self.versions)
        fields = _shortened(self.fields[:left], max_words)
        left -= len(fields)
        versions = []
        for version in self.versions:
            kept = _shortened(version.fields[:left], max_words)
            left -= len(kept)
            versions.append(replace(version, fields=kept))
        return ContractChanges(tuple(versions), fields, self.fields_omitted + max(0, total - max_fields))


def _shortened(fields: Sequence[FieldChange], max_words: int) -> tuple[FieldChange, ...]:
    def short(words: str) -> str:
        return words if len(words) <= max_words else words[: max_words - 1] + "…"

    return tuple(
        replace(field, name=short(field.name), before=short(field.before), after=short(field.after)) for field in fields
    )


def contract_changes(before: Contract | None, after: Contract) -> ContractChanges:
    """Returns the differences between two states of a contract. If `before` is None, everything was added."""
    fields = field_changes(contract_parts(before) if before else {}, contract_parts(after))
    versions = []
    for then, now in _matched(before.versions if before else (), after.versions):
        kind = ChangeKind.ADDED if then is None else ChangeKind.REMOVED if now is None else ChangeKind.CHANGED
        parts_before = version_parts(then, before.currency_code) if before and then else {}
        parts_after = version_parts(now, after.currency_code) if now else {}
        found = field_changes(parts_before, parts_after)
        days = now.days if now else then.days if then else None
        if found and days is not None:
            versions.append(VersionChange(days, kind, found))
    versions.sort(key=lambda version: (version.days, version.kind))
    return ContractChanges(tuple(versions), fields)


def field_changes(before: Parts, after: Parts) -> tuple[FieldChange, ...]:
    """Returns every part that differs: changed and added parts in the order of `after`, then removed parts."""
    changes = []
    for key in [*after, *(key for key in before if key not in after)]:
        then, now = before.get(key, ""), after.get(key, "")
        if then != now:
            kind = ChangeKind.ADDED if not then else ChangeKind.REMOVED if not now else ChangeKind.CHANGED
            changes.append(FieldChange(*key, kind, then, now))
    return tuple(changes)


def _matched(
    before: Sequence[ContractVersion], after: Sequence[ContractVersion]
) -> list[tuple[ContractVersion | None, ContractVersion | None]]:
    """Pairs versions of two states: those with the same first day, then those that share the most days.

    A version without a counterpart is paired with None.
    """
    old = list(before)
    pairs: dict[int, ContractVersion] = {}
    for n, version in enumerate(after):
        same = next((each for each in old if each.days.start == version.days.start), None)
        if same:
            pairs[n] = same
            old.remove(same)
    for n, version in enumerate(after):
        sharing = [each for each in old if _shared_days(each, version)]
        if n not in pairs and sharing:
            pairs[n] = max(sharing, key=lambda each: _shared_days(each, version))
            old.remove(pairs[n])
    return [(pairs.get(n), version) for n, version in enumerate(after)] + [(version, None) for version in old]


def _shared_days(one: ContractVersion, other: ContractVersion) -> int:
    shared = Days.of(one.days) & Days.of(other.days)
    return sum(span.end - span.start for span in shared.spans)
