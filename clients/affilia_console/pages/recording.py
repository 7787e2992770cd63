"""Records facts about a person, and changes their name and identifiers."""

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from starlette.responses import Response

from affilia.catalog.v1 import condition_pb2, member_pb2
from affilia.catalog.v1.member_service_pb2 import ClearedDays, GetMemberResponse
from affilia.enrollment.v1 import change_request_pb2
from affilia_client import AlreadyExists, CallFailed, Conflict, Invalid, PreconditionFailed
from affilia_client.dates import date_to_proto, span_to_proto
from affilia_client.money import amount_to_minor
from affilia_console.failures import Failure, Refused, failure_of
from affilia_console.inputs import day_in, days_in
from affilia_console.stale import changes_since, seen_at
from affilia_console.visits import Visit
from affilia_views.days import format_span
from affilia_views.facts import facts_in
from affilia_views.people import name_of
from affilia_views.words import enum_word, fact_name

BIRTH, DEATH, ADDRESS, EMPLOYMENT, REGIME, ATTRIBUTE = "birth", "death", "address", "employment", "regime", "attribute"
KINDS = {
    ADDRESS: ("Address", change_request_pb2.FACT_KIND_ADDRESS),
    EMPLOYMENT: ("Employment", change_request_pb2.FACT_KIND_EMPLOYMENT),
    REGIME: ("Health regime", change_request_pb2.FACT_KIND_HEALTH_REGIME),
    ATTRIBUTE: ("Custom fact", change_request_pb2.FACT_KIND_ATTRIBUTE),
    BIRTH: ("Date of birth", change_request_pb2.FACT_KIND_DATE_OF_BIRTH),
    DEATH: ("Date of death", change_request_pb2.FACT_KIND_DATE_OF_DEATH),
}
STATUSES = {enum_word(condition_pb2.EmploymentStatus, n): n for n in condition_pb2.EmploymentStatus.values() if n}
REGIMES = {enum_word(member_pb2.HealthRegime, n): n for n in member_pb2.HealthRegime.values() if n}
UNKNOWN_STATUS = condition_pb2.EMPLOYMENT_STATUS_UNSPECIFIED
UNKNOWN_REGIME = member_pb2.HEALTH_REGIME_UNSPECIFIED
"""Rejected by the server."""
NUM_EMPTY_ROWS = 2
"""Rows for further identifiers."""
CORRECTABLE = (Invalid, Conflict, AlreadyExists, PreconditionFailed, Refused)
"""Errors after which the form is shown again, with what was typed."""


def facts(visit: Visit) -> Response:
    """Shows the form for one kind of fact, or records what it says."""
    kind = visit.text("kind") or visit.query.get("kind", ADDRESS)
    if kind not in KINDS:
        raise Refused(f"The kind of fact must be one of {', '.join(KINDS)}, got {kind}.")
    if visit.request.method != "POST":
        return _facts_form(visit, kind)
    visit.check_writable()
    member_id = visit.path("member_id")
    try:
        answer = visit.client.members.record_facts(
            request_id=visit.text("request_id"), member_id=member_id, etag=visit.text("etag"), **_fields(visit, kind)
        )
    except CORRECTABLE as error:
        return _facts_form(visit, kind, error)
    families = {0: "No family is recomputed.", 1: "One family is recomputed."}
    recomputed = families.get(answer.groups_concerned, f"{answer.groups_concerned} families are recomputed.")
    return visit.goes_to(f"/people/{member_id}", f"{KINDS[kind][0]} recorded. {recomputed}")


def _facts_form(visit: Visit, kind: str, error: CallFailed | Refused | None = None) -> Response:
    found = visit.client.members.get_member(member_id=visit.path("member_id"))
    current = [
        (fact_name(fact.kind, fact.name), format_span(fact.days) if fact.days is not None else "", fact.value)
        for fact in facts_in(found.facts)
        if fact.kind == KINDS[kind][1]
    ]
    return _form(
        visit,
        "record_facts.html",
        found,
        error,
        kind=kind,
        kinds=KINDS,
        current=current,
        statuses=list(STATUSES),
        regimes=list(REGIMES),
        typed=_typed(visit),
    )


def _form(
    visit: Visit, template: str, found: GetMemberResponse, error: CallFailed | Refused | None, **values: Any
) -> Response:
    """Shows a form for the current state. After an error it says what is wrong and, if the state that the form was made
    for is no longer current, what changed meanwhile."""
    failure: Failure | None = failure_of(error) if error else None
    member_id = found.member.member_id
    is_stale = isinstance(error, Conflict)
    return visit.page(
        template,
        status=failure.status if failure else 200,
        found=found,
        name=name_of(found.member),
        member_id=member_id,
        failure=failure,
        changed=changes_since(visit, member_id, visit.text("seen")) if is_stale else [],
        is_stale=is_stale,
        seen=seen_at(found.member),
        **values,
    )


def _typed(visit: Visit) -> Mapping[str, str]:
    """Returns what was typed into the form."""
    names = ("day", "country", "postal_code", "employer", "status", "salary", "regime", "name", "value", "from", "to")
    return {name: visit.text(name) for name in (*names, "delete")}


def _fields(visit: Visit, kind: str) -> dict[str, Any]:
    """Returns the request fields that record or delete a fact."""
    deletes = bool(visit.text("delete"))
    if kind in (BIRTH, DEATH):
        return _date_of(visit, kind, deletes=deletes)
    days = span_to_proto(*days_in(visit.text("from"), visit.text("to")))
    if not deletes:
        return {**_dated(visit, kind, days), "spans": True}
    empty: dict[str, dict[str, Any]] = {
        ADDRESS: {"addresses": member_pb2.Addresses()},
        EMPLOYMENT: {"employments": member_pb2.Employments()},
        REGIME: {"health_regimes": member_pb2.HealthRegimes()},
        ATTRIBUTE: {"attributes": member_pb2.Attributes()},
    }
    name = {EMPLOYMENT: visit.text("employer"), ATTRIBUTE: visit.text("name")}.get(kind, "")
    return {**empty[kind], "spans": True, "cleared": [ClearedDays(days=days, name=name)]}


def _date_of(visit: Visit, kind: str, *, deletes: bool) -> dict[str, Any]:
    on = day_in(visit.text("day"), KINDS[kind][0])
    if deletes == bool(on):
        raise Refused(f"Enter the date of {kind}, or leave it empty and select “Delete the recorded date”.")
    date = date_to_proto(on) if on else None
    return {"birth": member_pb2.Birth(born_on=date)} if kind == BIRTH else {"death": member_pb2.Death(died_on=date)}


def _dated(visit: Visit, kind: str, days: Any) -> dict[str, Any]:
    """Returns the request fields that record a fact on some days."""
    match kind:
        case "address":
            address = {"country_code": visit.text("country").upper(), "postal_code": visit.text("postal_code")}
            return {"addresses": member_pb2.Addresses(items=[member_pb2.Address(days=days, **address)])}
        case "employment":
            employment = member_pb2.Employment(
                days=days, employer_id=visit.text("employer"), status=STATUSES.get(visit.text("status"), UNKNOWN_STATUS)
            )
            if salary := visit.text("salary"):
                employment.salary.CopyFrom(_salary(salary))
            return {"employments": member_pb2.Employments(items=[employment])}
        case "regime":
            regime = member_pb2.HealthRegimeSpan(days=days, regime=REGIMES.get(visit.text("regime"), UNKNOWN_REGIME))
            return {"health_regimes": member_pb2.HealthRegimes(items=[regime])}
    attribute = member_pb2.Attribute(days=days, name=visit.text("name"), value=visit.text("value"))
    return {"attributes": member_pb2.Attributes(items=[attribute])}


def _salary(text: str) -> member_pb2.Salary:
    amount, _, currency = text.rpartition(" ")
    try:
        return member_pb2.Salary(
            yearly_minor=amount_to_minor(Decimal(amount.replace(",", "")), currency), currency_code=currency
        )
    except (InvalidOperation, ValueError):
        raise Refused(f"The salary must be an amount with a currency, such as 45000 EUR, got {text}.") from None


def edit(visit: Visit) -> Response:
    """Shows the form with name and identifiers, or stores them."""
    member_id = visit.path("member_id")
    found = visit.client.members.get_member(member_id=member_id)
    if visit.request.method != "POST":
        return _edit_form(visit, found, found.member.display_name, list(found.member.identifiers))
    visit.check_writable()
    systems, ids = (list(map(str, visit.form.getlist(name))) for name in ("system", "id"))
    identifiers = [
        member_pb2.Identifier(system=system.strip(), value=value.strip())
        for system, value in zip(systems, ids, strict=False)
        if system.strip() or value.strip()
    ]
    member = member_pb2.Member(
        member_id=member_id,
        kind=found.member.kind,
        display_name=visit.text("name"),
        identifiers=identifiers,
    )
    try:
        visit.client.members.upsert_member(request_id=visit.text("request_id"), member=member, etag=visit.text("etag"))
    except CORRECTABLE as error:
        return _edit_form(visit, found, visit.text("name"), identifiers, error)
    visit.names.forget_member(member_id)
    return visit.goes_to(f"/people/{member_id}", "Name and identifiers saved.")


def _edit_form(
    visit: Visit,
    found: GetMemberResponse,
    name: str,
    identifiers: list[member_pb2.Identifier],
    error: CallFailed | Refused | None = None,
) -> Response:
    rows = [*identifiers, *(member_pb2.Identifier() for _ in range(NUM_EMPTY_ROWS))]
    return _form(visit, "edit_person.html", found, error, typed_name=name, rows=rows)
