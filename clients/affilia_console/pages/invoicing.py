"""Invoices premiums: lists what hasn't been invoiced to a debtor yet, and marks it as part of an invoice."""

from collections.abc import Sequence
from itertools import islice
from typing import Any
from uuid import UUID, uuid5

from starlette.responses import Response

from affilia.premium.v1.premium_entry_pb2 import Debtor, PremiumEntry
from affilia_client import AlreadyExists, Conflict, Invalid, NotFound, PreconditionFailed
from affilia_client.dates import date_to_proto
from affilia_console import finding
from affilia_console.failures import Refused, failure_of
from affilia_console.inputs import day_in
from affilia_console.visits import Visit
from affilia_views.days import today_in
from affilia_views.money import money
from affilia_views.premiums import DEBTORS, month_word, owed_by, uninvoiced_sums

MAX_ENTRIES = 5000
"""Maximum number of entries that one form can mark as invoiced."""
MAX_SHOWN = 200
MAX_MARKED = 1000
"""Maximum number of entries that one call marks as invoiced."""
SHOW, INVOICE = "show", "invoice"
FIELDS = ("contract", "family", "debtor", "up_to")
UTC_ZONE = "UTC"


def invoicing(visit: Visit) -> Response:
    """Shows the form or the entries that aren't invoiced yet, or marks the entries that were shown as invoiced.

    The form is sent by POST, because names are personal data.
    """
    asked = {name: visit.text(name) for name in FIELDS}
    step = visit.text("step")
    if not step:
        return _page(visit, asked)
    if step == INVOICE:
        return _invoiced(visit, asked)
    return _page(visit, asked, _uninvoiced(visit, asked))


def _page(
    visit: Visit,
    asked: dict[str, str],
    entries: Sequence[PremiumEntry] | None = None,
    error: Exception | None = None,
) -> Response:
    found = entries or []
    debtor = DEBTORS.get(asked["debtor"], 0)
    visit.names.load_members(entry.member_id for entry in found[:MAX_SHOWN])
    visit.names.load_modules(entry.module_id for entry in found[:MAX_SHOWN])
    failure = failure_of(error) if isinstance(error, REJECTIONS) else None
    return visit.page(
        "invoicing.html",
        status=failure.status if failure else 200,
        asked=asked,
        debtors=list(DEBTORS),
        today=today_in(UTC_ZONE),
        is_shown=entries is not None,
        rows=[
            (
                month_word(entry.month),
                entry,
                visit.names.member(entry.member_id),
                visit.names.module(entry.module_id),
                money(owed_by(entry, debtor), entry.currency_code),
            )
            for entry in found[:MAX_SHOWN]
        ],
        omitted=max(0, len(found) - MAX_SHOWN),
        is_full=len(found) >= MAX_ENTRIES,
        sums=[(name, money(minor, currency)) for name, currency, minor in uninvoiced_sums(found, debtor)],
        entry_ids=" ".join(entry.entry_id for entry in found),
        num_entries=len(found),
        invoice_id=visit.text("invoice_id"),
        failure=failure,
    )


def _uninvoiced(visit: Visit, asked: dict[str, str]) -> list[PremiumEntry]:
    """Returns the entries that aren't invoiced to the debtor, at most MAX_ENTRIES."""
    if bool(asked["contract"]) == bool(asked["family"]):
        raise Refused("Enter either a contract or a family.")
    up_to = day_in(asked["up_to"], "Months ending by") or today_in(UTC_ZONE)
    found = visit.client.premiums.all_uninvoiced_premiums(
        debtor=_debtor(asked["debtor"]), up_to=date_to_proto(up_to), **_owner(visit, asked)
    )
    return list(islice(found, MAX_ENTRIES))


def _owner(visit: Visit, asked: dict[str, str]) -> dict[str, Any]:
    if asked["contract"]:
        return {"contract_id": finding.contract_id(visit, asked["contract"])}
    return {"policy": {"group_id": _group_id(visit, asked["family"])}}


def _group_id(visit: Visit, text: str) -> str:
    """Returns the id of the one family that a text names: by its own id, or by the name or id of its primary."""
    if found := finding.id_in(text):
        try:
            return visit.client.enrollment.get_enrollment_group(group_id=found).group.group_id
        except NotFound:
            pass  # the id of a person
    member_id = finding.member_id(visit, text)
    groups = list(visit.client.enrollment.all_enrollment_groups(primary_id=member_id))
    if len(groups) != 1:
        listed = [f"{visit.names.contract_name(group.key.contract_id)}: {group.group_id}" for group in groups]
        raise Refused(f"“{text}” is the primary of {len(groups)} families. Enter the id of the family.", *listed)
    return groups[0].group_id


def _debtor(text: str) -> "Debtor.ValueType":
    if text not in DEBTORS:
        raise Refused(f"The debtor must be one of {', '.join(DEBTORS)}, got {text or 'nothing'}.")
    return DEBTORS[text]


REJECTIONS = (Invalid, Conflict, AlreadyExists, NotFound, PreconditionFailed)
"""Errors after which the form is shown again, with the entries that aren't invoiced now."""


def _invoiced(visit: Visit, asked: dict[str, str]) -> Response:
    """Marks exactly the entries that the page showed. Sending the form again changes nothing."""
    visit.check_writable()
    ids, invoice_id, debtor = visit.text("entry_ids").split(), visit.text("invoice_id"), _debtor(asked["debtor"])
    if not ids or not invoice_id:
        raise Refused("An invoice id and at least one entry are required.")
    try:
        request_id = UUID(visit.text("request_id"))
    except ValueError:
        raise Refused("The form has no valid request id.", "Open the page again.") from None
    amount_minor = 0
    try:
        for start in range(0, len(ids), MAX_MARKED):
            answer = visit.client.premiums.mark_premiums_invoiced(
                request_id=str(uuid5(request_id, str(start))),
                entry_ids=ids[start : start + MAX_MARKED],
                debtor=debtor,
                invoice_id=invoice_id,
            )
            amount_minor += answer.amount_minor
    except REJECTIONS as rejected:
        return _page(visit, asked, _uninvoiced(visit, asked), rejected)
    amount = money(amount_minor, visit.text("currency"))
    entries = "one entry" if len(ids) == 1 else f"{len(ids)} entries"
    return visit.goes_to("/work/invoicing", f"Invoice {invoice_id} of the {asked['debtor']}: {amount}, {entries}.")
