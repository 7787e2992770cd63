"""Maps previews of premiums. A preview ends with an earlier month if the response would become too large."""

from collections import defaultdict
from dataclasses import dataclass, field

from affilia.premium.v1 import premium_computation_service_pb2 as service_pb
from affilia.premium.v1 import premium_entry_pb2 as pb
from domain.premiums.entries import PremiumEntry
from domain.premiums.invoicing import LedgerEntry
from domain.premiums.months import Month
from operations.premiums import AddedEntry, Preview
from server.mapping.paging import MAX_FRAME_BYTES, MAX_PAGE_BYTES
from server.mapping.premium_entry import NO_ENTRY, debtor_amounts, entry_to_proto, month_to_proto, stale_from_to_proto


@dataclass(slots=True)
class _OneMonth:
    """The entries of a preview for one month, in order of enrollment."""

    entries: list[PremiumEntry] = field(default_factory=list)
    added: list[AddedEntry] = field(default_factory=list)


def preview_to_proto(preview: Preview, *, basic: bool) -> service_pb.PreviewPremiumsResponse:
    """Returns a response with as many months as fit, at least one.

    If the first month doesn't fit with explanations, they are omitted from all entries.
    """
    by_month: defaultdict[Month, _OneMonth] = defaultdict(_OneMonth)
    for entry in preview.entries:
        by_month[entry.month].entries.append(entry)
    for new in preview.added:
        by_month[new.entry.month].added.append(new)
    months = sorted(by_month)
    if months and not basic:
        basic = _Mapped(preview, by_month[months[0]], basic=False).size > MAX_PAGE_BYTES
    fitting: list[_Mapped] = []
    room = MAX_PAGE_BYTES
    for month in months:
        mapped = _Mapped(preview, by_month[month], basic=basic)
        room -= mapped.size
        if room < 0 and fitting:
            break
        fitting.append(mapped)
    added = [new.entry for month in months[: len(fitting)] for new in by_month[month].added]
    return service_pb.PreviewPremiumsResponse(
        entries=sorted((entry for each in fitting for entry in each.entries), key=_by_days),
        additions=sorted((entry for each in fitting for entry in each.additions), key=_by_version),
        differences=[amounts for amounts in debtor_amounts(added) if amounts.untaxed_minor or amounts.taxes_minor],
        stale_from=stale_from_to_proto(preview.stale_from),
        next_month=month_to_proto(months[len(fitting)]) if len(fitting) < len(months) else None,
        view=pb.PREMIUM_VIEW_BASIC if basic else pb.PREMIUM_VIEW_FULL,
    )


class _Mapped:
    """The messages of one month."""

    def __init__(self, preview: Preview, month: _OneMonth, *, basic: bool) -> None:
        def mapped(entry: PremiumEntry, new: AddedEntry | None = None) -> pb.PremiumEntry:
            nothing = (None,) * len(entry.charges)
            version, cancels = (new.version, new.cancels) if new else (0, None)
            unstored = LedgerEntry(NO_ENTRY, entry, version, cancels, None, nothing)
            return entry_to_proto(unstored, preview.group_id, preview.key, preview.revision, basic=basic)

        self.entries = [mapped(entry) for entry in month.entries]
        self.additions = [mapped(new.entry, new) for new in month.added]
        self.size = sum(each.ByteSize() + MAX_FRAME_BYTES for each in (*self.entries, *self.additions))


def _by_days(entry: pb.PremiumEntry) -> tuple[str, int, int, int]:
    return entry.enrollment_id, entry.month.year, entry.month.month, entry.days.first_on.day


def _by_version(entry: pb.PremiumEntry) -> tuple[str, int, int, int]:
    return entry.enrollment_id, entry.month.year, entry.month.month, entry.version
