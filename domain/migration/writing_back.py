"""Writing back: the days that legacy tables must have after a change, and the rows to change so that they have them.

The rows that result are translated to exactly the wanted days within the legacy contract.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from uuid import UUID

from domain.catalog.contract import Contract
from domain.days import NO_DAYS, UNBOUNDED_END, Days, Span, to_date
from domain.enrollment.decisions import EnrollmentKey
from domain.enrollment.desired import DaysByEnrollment
from domain.errors import LegacyCannotHold, Obstacle
from domain.membership import MembershipType
from domain.migration.legacy import LegacyGroup, LegacyRow
from domain.migration.stages import Stage
from domain.migration.translating import LiveRow, live_rows, translated


@dataclass(frozen=True, slots=True)
class RowChange:
    """A row to update (with a row id) or to insert (without one).

    An update only changes the days or, with `is_cancelled`, only that.
    """

    row_id: int | None
    policy_id: int
    member_id: UUID
    membership_type: str
    product: str
    first_on: date
    last_on: date | None
    is_cancelled: bool = False


def legacy_days_after(
    stage: Stage,
    legacy_days: Mapping[EnrollmentKey, Days],
    before: Mapping[EnrollmentKey, Days],
    after: Mapping[EnrollmentKey, Days],
    contract: Contract,
) -> DaysByEnrollment:
    """Returns the days that the legacy tables must have after a revision of the core, from `before` to `after`.

    In DUAL_WRITE, they keep the days about which the core differs: only those that the revision gained or lost change.
    A gained day takes away that day from other modules of the slot. In later stages, they have the days of the core.
    """
    if stage is not Stage.DUAL_WRITE:
        return dict(after)
    gained = {key: days for key in after if (days := after[key] - before.get(key, NO_DAYS))}
    wanted: DaysByEnrollment = {}
    for key in legacy_days.keys() | gained.keys():
        days = legacy_days.get(key, NO_DAYS) | gained.get(key, NO_DAYS)
        days -= before.get(key, NO_DAYS) - after.get(key, NO_DAYS)
        for mate in contract.mates(key.module_id):
            days -= gained.get(EnrollmentKey(key.member_id, mate), NO_DAYS)
        wanted[key] = days
    return wanted


def row_changes(
    group: LegacyGroup,
    wanted: Mapping[EnrollmentKey, Days],
    types: Mapping[UUID, MembershipType],
    contract: Contract,
) -> list[RowChange]:
    """Returns the changes after which the rows of a group have the wanted days: updates by row id, then new rows.

    `types` are the membership types that the core has recorded. Rows of slots that already have the wanted days, rows
    that don't count, and rows outside the legacy contract stay as they are. New rows need a policy of the group.

    Raises LegacyCannotHold.
    """
    current = translated(group, contract, types)
    types = {**types, **current.membership_types}
    differing = _differing_slots(group, current.days, wanted, contract)
    rewritten = [each for each in live_rows(group)[0] if each.days and _slot(each.key, contract) in differing]
    updates: list[RowChange] = []
    added: list[RowChange] = []
    keys = {each.key for each in rewritten} | {key for key in wanted if _slot(key, contract) in differing}
    for key in sorted(keys, key=lambda key: key.order):
        rows = [each for each in rewritten if each.key == key]
        for run in _runs(group, wanted.get(key, NO_DAYS)):
            kept = next((each for each in rows if each.days & Days.of(run)), None)
            if kept is None:
                added.append(_added(group, key, run, types))
                continue
            rows.remove(kept)
            if kept.days != _within(group, run):
                updates.append(_updated(kept, run, types))
        updates += [_updated(each, None, types) for each in rows]
    return [*sorted(updates, key=lambda change: change.row_id or 0), *added]


SlotOfMember = tuple[UUID, UUID | str]


def _slot(key: EnrollmentKey, contract: Contract) -> SlotOfMember:
    """Returns a member and the slot of a module. A module without a slot is a slot of its own."""
    return key.member_id, contract.slots.get(key.module_id) or key.module_id


def _differing_slots(
    group: LegacyGroup, current: Mapping[EnrollmentKey, Days], wanted: Mapping[EnrollmentKey, Days], contract: Contract
) -> set[SlotOfMember]:
    within = Days.of(group.mapping.days)
    return {
        _slot(key, contract)
        for key in current.keys() | wanted.keys()
        if current.get(key, NO_DAYS) != wanted.get(key, NO_DAYS) & within
    }


def _runs(group: LegacyGroup, days: Days) -> Iterator[Span]:
    """Yields the runs that have a day within the legacy contract. They start with it at the earliest.

    Their ends stay, so that an open run is still open if the legacy contract is extended.
    """
    life = group.mapping.days
    for run in days & Days.of(Span(life.start, UNBOUNDED_END)):
        if run.start < life.end:
            yield run


def _within(group: LegacyGroup, run: Span) -> Days:
    return Days.of(run) & Days.of(group.mapping.days)


def _updated(each: LiveRow, run: Span | None, types: Mapping[UUID, MembershipType]) -> RowChange:
    """Returns the change that moves a row to a run, or cancels it without one."""
    row, member_id = each.row, each.key.member_id
    return RowChange(
        row.row_id,
        row.policy_id,
        member_id,
        row.membership_type or types[member_id],
        row.product,
        to_date(run.start) if run else each.first_on,
        run.last_on if run else row.last_on,
        is_cancelled=run is None,
    )


def _added(group: LegacyGroup, key: EnrollmentKey, run: Span, types: Mapping[UUID, MembershipType]) -> RowChange:
    """Returns a new row on the newest policy. Raises LegacyCannotHold."""
    membership_type = types[key.member_id]
    if membership_type is MembershipType.PET:
        raise LegacyCannotHold(
            Obstacle.MEMBERSHIP_TYPE,
            group.group_id,
            f"the legacy tables have no membership type PET, which member {key.member_id} has",
            member_id=key.member_id,
        )
    newest, product = group.policy_ids[-1], _product(group, key)
    return RowChange(None, newest, key.member_id, membership_type, product, to_date(run.start), run.last_on)


def _product(group: LegacyGroup, key: EnrollmentKey) -> str:
    """Returns the product of the member's last row on the module, cancelled or not, or else the module's first product.

    Raises LegacyCannotHold if no product is mapped to the module.
    """
    products = sorted(code for code, module_id in group.mapping.modules.items() if module_id == key.module_id)
    if not products:
        raise LegacyCannotHold(
            Obstacle.PRODUCT_NOT_MAPPED,
            group.group_id,
            f"no legacy product is mapped to module {key.module_id}",
            member_id=key.member_id,
        )
    last = max(_rows_on(group, key, products), key=lambda row: row.row_id, default=None)
    return last.product if last else products[0]


def _rows_on(group: LegacyGroup, key: EnrollmentKey, products: Iterable[str]) -> Iterator[LegacyRow]:
    for row in group.rows:
        if group.member_ids[row.user_id] == key.member_id and row.product in products:
            yield row
