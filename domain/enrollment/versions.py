"""Builds contracts from versions of two states of a contract, to find out which changed versions made a difference.

Versions are matched by their first day. Versions of a contract follow each other without gaps, so a version ends where
the next one begins, and only the last one has an end of its own. A version is therefore unchanged if its contents are
the same and its end differs only because another version was inserted after it, or removed.
"""

from collections.abc import Collection
from dataclasses import dataclass, replace
from itertools import pairwise

from domain.catalog.contract import Contract, ContractVersion
from domain.days import UNBOUNDED_END, Day, Span


@dataclass(frozen=True, slots=True)
class ChangedVersion:
    """A version that was added, removed or changed. `days` are its days after the change, or before its removal."""

    days: Span


@dataclass(frozen=True, slots=True)
class ChangedContract:
    """The fields of a contract outside its versions."""


ContractChange = ChangedVersion | ChangedContract


def contract_changes(before: Contract, after: Contract) -> tuple[ContractChange, ...]:
    """Returns what differs between two states of a contract: versions ordered by first day, then other fields."""
    if before is after:
        return ()
    changes: list[ContractChange] = []
    earlier, later = _pieces(before), _pieces(after)
    for start in sorted(earlier.keys() | later.keys()):
        then, now = earlier.get(start), later.get(start)
        if then is None or now is None or not then.is_same(now):
            changes.append(ChangedVersion((now or then or _NOTHING).version.days))
    if _without_versions(before) != _without_versions(after):
        changes.append(ChangedContract())
    return tuple(changes)


def mixed_contract(before: Contract, after: Contract, chosen: Collection[ContractChange]) -> Contract:
    """Returns the earlier state with the chosen changes applied. With all changes, it equals the later state."""
    if before is after:
        return after
    earlier, later = _pieces(before), _pieces(after)
    versions = []
    for start in sorted(earlier.keys() | later.keys()):
        then, now = earlier.get(start), later.get(start)
        if then is not None and now is not None and then.is_same(now):
            versions.append(replace(now.version, days=Span(start, min(then.end, now.end))))
        else:
            days = (now or then or _NOTHING).version.days
            piece = now if ChangedVersion(days) in chosen else then
            if piece is not None:
                versions.append(replace(piece.version, days=Span(start, piece.end)))
    fields = after if ChangedContract() in chosen else before
    slots = {**before.slots, **after.slots}
    listed = {module.module_id for version in versions for module in version.modules}
    unlisted = {module_id: slot for module_id, slot in slots.items() if module_id not in listed}
    return replace(fields, versions=tuple(_in_sequence(versions)), unlisted=unlisted)


@dataclass(frozen=True, slots=True)
class _Piece:
    """A version and its own end: none (`UNBOUNDED_END`) if another version follows."""

    version: ContractVersion
    end: Day

    def is_same(self, other: "_Piece") -> bool:
        same_days = self.end == other.end or self.version.days == other.version.days
        return same_days and self.version == replace(other.version, days=self.version.days)


_NOTHING = _Piece(ContractVersion(Span(0, 0), 0, (), (), None, None), 0)


def _pieces(contract: Contract) -> dict[Day, _Piece]:
    """Returns the versions of a contract by their first day."""
    last = contract.versions[-1] if contract.versions else None
    return {
        version.days.start: _Piece(version, version.days.end if version is last else UNBOUNDED_END)
        for version in contract.versions
    }


def _in_sequence(versions: list[ContractVersion]) -> list[ContractVersion]:
    """Returns versions that each end where the next one begins, without those that have no days left."""
    ended = [
        replace(version, days=Span(version.days.start, min(version.days.end, following.days.start)))
        for version, following in pairwise(versions)
    ]
    return [version for version in (*ended, *versions[-1:]) if version.days.start < version.days.end]


def _without_versions(contract: Contract) -> Contract:
    return replace(contract, versions=(), unlisted={})
