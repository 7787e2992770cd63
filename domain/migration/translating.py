"""Translates a legacy group: its rows, in order, become the days and membership types that the core would have."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from hashlib import sha256
from uuid import UUID

from domain.catalog.contract import Contract
from domain.days import NO_DAYS, Days, Span, to_day
from domain.enrollment.decisions import Enroll, EnrollmentKey
from domain.enrollment.desired import DaysByEnrollment, lay_over
from domain.membership import MembershipType
from domain.migration.legacy import FindingKind, LegacyGroup, LegacyRow, RowFinding, Translated


@dataclass(frozen=True, slots=True)
class LiveRow:
    """A row that counts, its enrollment and first day. `days` are within the legacy contract; there may be none."""

    row: LegacyRow
    key: EnrollmentKey
    first_on: date
    days: Days


def translated(group: LegacyGroup, contract: Contract, known_types: Mapping[UUID, MembershipType]) -> Translated:
    """Translates a group. `contract` determines which modules share a slot.

    `known_types` are the membership types that the core has recorded. They stay, whatever the rows say.
    """
    live, findings = live_rows(group)
    types = _membership_types(group, live, known_types)
    days: DaysByEnrollment = {}
    for each in live:
        row, key = each.row, each.key
        membership_type = types[key.member_id]
        if to_day(each.first_on) < group.mapping.days.start:
            findings.append(RowFinding(row.row_id, FindingKind.BEFORE_CONTRACT))
        mates = (EnrollmentKey(key.member_id, mate) for mate in contract.mates(key.module_id))
        if any(each.days & days.get(mate, NO_DAYS) for mate in mates):
            findings.append(RowFinding(row.row_id, FindingKind.SLOT_OVERLAP))
        if row.membership_type is not membership_type:
            findings.append(RowFinding(row.row_id, FindingKind.TYPE_CONFLICT))
        enrolls = (Enroll(key.member_id, membership_type, key.module_id, span) for span in each.days)
        lay_over(days, enrolls, contract)
    runs = {key: of_one for key, of_one in days.items() if of_one}
    in_order = tuple(sorted(findings, key=lambda finding: finding.row_id))
    return Translated(group, runs, types, in_order, fingerprint(runs))


def live_rows(group: LegacyGroup) -> tuple[list[LiveRow], list[RowFinding]]:
    """Returns the rows that count, in order of id, and findings about those that don't.

    Cancelled rows, and rows that end on the day before they start, are left out without a finding.
    """
    live: list[LiveRow] = []
    findings: list[RowFinding] = []
    for row in sorted(group.rows, key=lambda row: row.row_id):
        if row.is_cancelled:
            continue
        if row.first_on is None:
            findings.append(RowFinding(row.row_id, FindingKind.NO_START))
            continue
        start = to_day(row.first_on)
        if row.end < start:
            findings.append(RowFinding(row.row_id, FindingKind.REVERSED))
        elif row.end > start and row.product not in group.mapping.modules:
            findings.append(RowFinding(row.row_id, FindingKind.PRODUCT_NOT_MAPPED))
        elif row.end > start:
            key = EnrollmentKey(group.member_ids[row.user_id], group.mapping.modules[row.product])
            live.append(LiveRow(row, key, row.first_on, Days.of(Span(start, row.end)) & Days.of(group.mapping.days)))
    return live, findings


def _membership_types(
    group: LegacyGroup, live: Sequence[LiveRow], known: Mapping[UUID, MembershipType]
) -> dict[UUID, MembershipType]:
    """Returns the types of the owner and of everyone in live rows.

    Without a recorded type, a member has that of their last row with a type. PRIMARY is read as PARTNER for everyone
    but the owner, and so is a member without any type.
    """
    types: dict[UUID, MembershipType] = {}
    for each in live:
        member_id, said = each.key.member_id, each.row.membership_type
        if said not in (None, MembershipType.PRIMARY):
            types[member_id] = said
        elif said or member_id not in types:
            types[member_id] = MembershipType.PARTNER
    recorded = {member_id: known[member_id] for member_id in types if member_id in known}
    return {**types, **recorded, group.key.primary_id: MembershipType.PRIMARY}


def fingerprint(days: Mapping[EnrollmentKey, Days]) -> bytes:
    """Returns the SHA-256 of all runs in order of member, module and first day.

    It doesn't depend on membership types, which only the core changes once it has recorded them.
    """
    in_order = sorted(days, key=lambda key: key.order)
    runs = (f"{key.member_id}/{key.module_id}/{span}" for key in in_order for span in days[key])
    return sha256("\n".join(runs).encode()).digest()
