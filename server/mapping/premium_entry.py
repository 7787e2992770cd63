"""Maps premium entries, months, debtors and sums."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from uuid import UUID

from affilia.catalog.v1 import pricing_pb2
from affilia.premium.v1 import premium_computation_service_pb2 as service_pb
from affilia.premium.v1 import premium_entry_pb2 as pb
from affilia.type.v1 import year_month_pb2
from domain.enrollment.decisions import GroupKey
from domain.errors import FieldViolation, RequestMalformed
from domain.premiums.entries import PremiumEntry
from domain.premiums.invoicing import Debtor, LedgerEntry, debtor_of
from domain.premiums.ledger import ratio_hundredths
from domain.premiums.months import Month, days_of_month
from domain.premiums.reasons import PieceReason
from domain.pricing.costs import ContributionType
from operations.premium_computing import PremiumMonths
from operations.premiums import InvoiceMark
from server.mapping.actors import actor_to_proto
from server.mapping.contract import SERVICE_TYPES
from server.mapping.dates import date_to_proto, span_to_proto, timestamp_to_proto
from server.mapping.enrollment_group import key_to_proto
from server.mapping.enums import MEMBERSHIP_TYPES, EnumMapping
from server.mapping.insurance_cost import BILLED_ENTITIES, CONTRIBUTION_TYPES, group_from_proto
from server.mapping.price_derivation import price_row_to_proto, price_step_to_proto
from server.mapping.pricing import COLLECTION_METHODS, engine_parameters_from_proto, engine_parameters_to_proto
from storage.premium_sums import PremiumSum
from storage.premiums import EntryFilter, EntryKey, StoredEntry

DEBTORS = EnumMapping(pb.Debtor.DESCRIPTOR, Debtor)
PIECE_REASONS = EnumMapping(pb.PieceReason.DESCRIPTOR, PieceReason)
MOST_MONTHS = 120


def month_to_proto(month: Month) -> year_month_pb2.YearMonth:
    return year_month_pb2.YearMonth(year=month // 12, month=month % 12 + 1)


def month_from_proto(month: year_month_pb2.YearMonth) -> Month:
    return month.year * 12 + month.month - 1


def months_to_proto(first: Month, last: Month) -> year_month_pb2.MonthSpan:
    return year_month_pb2.MonthSpan(first=month_to_proto(first), last=month_to_proto(last))


def months_from_proto(months: year_month_pb2.MonthSpan) -> tuple[Month, Month]:
    """Returns the first and the last month. Raises RequestMalformed."""
    first, last = month_from_proto(months.first), month_from_proto(months.last)
    if last < first:
        raise RequestMalformed([FieldViolation("months.last", "precedes first")])
    return first, last


def premium_months_from_proto(
    request: service_pb.PreviewPremiumsRequest | service_pb.ComputePremiumsRequest | service_pb.RunPremiumsRequest,
) -> PremiumMonths:
    """Returns the months and parameters of a request. Raises RequestMalformed."""
    first, last = months_from_proto(request.months)
    if last - first >= MOST_MONTHS:
        wrong = f"has {last - first + 1} months; at most {MOST_MONTHS} are allowed"
        raise RequestMalformed([FieldViolation("months", wrong)])
    parameters = engine_parameters_from_proto(request.parameters) if request.HasField("parameters") else None
    return PremiumMonths(first, last, parameters)


def owner_from_proto(
    request: service_pb.ListPremiumEntriesRequest | service_pb.ListUninvoicedPremiumsRequest,
) -> UUID | GroupKey | EntryFilter:
    """Returns the policy, or the filter of entries, that a request names."""
    match request.WhichOneof("owner"):
        case "policy":
            return group_from_proto(request.policy)
        case "contract_id":
            return EntryFilter(contract_id=UUID(request.contract_id))
    assert isinstance(request, service_pb.ListPremiumEntriesRequest)  # noqa: S101 (only it has the other two)
    match request.WhichOneof("owner"):
        case "invoice_id":
            return EntryFilter(invoice_id=request.invoice_id)
        case _:
            return EntryFilter(enrollment_ids=tuple(map(UUID, request.enrollments.enrollment_ids)))


def entry_key_from_json(key: list[int]) -> EntryKey:
    stretch_key, month = key
    return EntryKey(stretch_key, month)


def debtor_from_proto(request: service_pb.ListUninvoicedPremiumsRequest) -> Debtor:
    """Returns the debtor requested. Defaults to the primary for a policy, and to the company for a contract."""
    default = Debtor.PRIMARY if request.WhichOneof("owner") == "policy" else Debtor.COMPANY
    return DEBTORS.given(request.debtor) or default


def invoice_mark_from_proto(request: service_pb.MarkPremiumsInvoicedRequest) -> InvoiceMark:
    return InvoiceMark(tuple(map(UUID, request.entry_ids)), DEBTORS.from_proto(request.debtor), request.invoice_id)


def dimensions_from_proto(request: service_pb.AggregatePremiumsRequest) -> list[str]:
    """Returns the names of the dimensions requested. Raises RequestMalformed."""
    if len(set(request.by)) < len(request.by):
        raise RequestMalformed([FieldViolation("by", "names a dimension twice")])
    return [service_pb.PremiumDimension.Name(number).removeprefix("PREMIUM_DIMENSION_") for number in request.by]


def is_basic(
    request: service_pb.PreviewPremiumsRequest
    | service_pb.ListPremiumEntriesRequest
    | service_pb.ListUninvoicedPremiumsRequest,
) -> bool:
    """Returns whether a request asks for entries in BASIC view."""
    return request.view == pb.PREMIUM_VIEW_BASIC


def stored_entry_to_proto(*, basic: bool) -> Callable[[StoredEntry], pb.PremiumEntry]:
    """Returns a function that maps ledger entries."""

    def to_proto(stored: StoredEntry) -> pb.PremiumEntry:
        proto = entry_to_proto(stored.ledger_entry, stored.group_id, stored.key, stored.revision, basic=basic)
        proto.recorded_at.CopyFrom(timestamp_to_proto(stored.recorded_at))
        proto.actor.CopyFrom(actor_to_proto(stored.actor))
        return proto

    return to_proto


def stale_from_to_proto(month: Month | None) -> year_month_pb2.YearMonth | None:
    return None if month is None else month_to_proto(month)


NO_ENTRY = UUID(int=0)
"""The id of an entry that is not stored."""


def entry_to_proto(each: LedgerEntry, group_id: UUID, key: GroupKey, revision: int, *, basic: bool) -> pb.PremiumEntry:
    entry, whole = each.entry, days_of_month(each.entry.month)
    first = entry.charges[0]
    return pb.PremiumEntry(
        entry_id="" if each.entry_id == NO_ENTRY else str(each.entry_id),
        group_id=str(group_id),
        key=key_to_proto(key),
        enrollment_id=str(entry.enrollment_id),
        member_id=str(entry.member_id),
        module_id=str(first.module_id),
        beneficiary_type=MEMBERSHIP_TYPES.to_proto(first.beneficiary_type),
        service_type=SERVICE_TYPES.to_proto(first.service_type),
        month=month_to_proto(entry.month),
        days=span_to_proto(entry.days),
        num_days=entry.num_days,
        divisor=entry.divisor,
        version=each.version,
        prorata_hundredths=ratio_hundredths(entry, whole.end - whole.start),
        currency_code=first.currency_code,
        components=list(_components(each)),
        cancels_entry_id=str(each.cancels or ""),
        cancelled_by_entry_id=str(each.cancelled_by or ""),
        debtors=debtor_amounts([entry]),
        explanation=None if basic else _explanation(entry, revision),
    )


def _explanation(entry: PremiumEntry, revision: int) -> pb.PremiumExplanation:
    derivation = entry.basis.price.derivation
    return pb.PremiumExplanation(
        revision=revision,
        reasons=sorted(PIECE_REASONS.to_proto(reason) for reason in entry.reasons),
        version_from=date_to_proto(derivation.version_from) if derivation.version_from else None,
        row=price_row_to_proto(derivation.row),
        steps=[price_step_to_proto(step) for step in derivation.steps],
        parameters=engine_parameters_to_proto(entry.basis.parameters),
    )


def _components(each: LedgerEntry) -> Iterator[pb.PremiumComponent]:
    for amount, owed, invoice_id in zip(each.entry.charges, each.entry.owed_minor, each.invoices, strict=True):
        method = amount.collection_method
        yield pb.PremiumComponent(
            contribution_type=CONTRIBUTION_TYPES.to_proto(amount.contribution_type),
            billed_entity=BILLED_ENTITIES.to_proto(amount.billed_entity),
            collection_method=COLLECTION_METHODS.to_proto(method)
            if method
            else pricing_pb2.COLLECTION_METHOD_UNSPECIFIED,
            debtor=DEBTORS.to_proto(debtor_of(amount)),
            monthly_minor=amount.monthly_minor,
            owed_minor=owed,
            invoice_id=invoice_id or "",
        )


def debtor_amounts(entries: Iterable[PremiumEntry]) -> list[pb.DebtorAmounts]:
    """Returns the total that each debtor owes by some entries, without debtors that have no component."""
    owed: dict[Debtor, Counter[ContributionType]] = {}
    before: Counter[Debtor] = Counter()
    for entry in entries:
        for amount, minor in zip(entry.charges, entry.owed_minor, strict=True):
            debtor = debtor_of(amount)
            owed.setdefault(debtor, Counter())[amount.contribution_type] += minor
            before[debtor] += amount.monthly_minor
    return [_debtor(debtor, owed[debtor], before[debtor]) for debtor in Debtor if debtor in owed]


def _debtor(debtor: Debtor, owed: "Counter[ContributionType]", before: int) -> pb.DebtorAmounts:
    total, taxes = sum(owed.values()), owed[ContributionType.TAXES]
    return pb.DebtorAmounts(
        debtor=DEBTORS.to_proto(debtor),
        untaxed_minor=total - taxes,
        taxes_minor=taxes,
        total_minor=total,
        total_before_prorata_minor=before,
        by_contribution_type=[
            pb.ContributionAmount(contribution_type=CONTRIBUTION_TYPES.to_proto(kind), amount_minor=owed[kind])
            for kind in ContributionType
            if kind in owed
        ],
    )


def sum_to_proto(found: PremiumSum) -> service_pb.PremiumSum:
    return service_pb.PremiumSum(
        values=found.values, currency_code=found.currency_code, amount_minor=found.amount_minor
    )
