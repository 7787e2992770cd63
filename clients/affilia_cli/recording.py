"""The command `member record`, which records one fact about a member on some days and leaves other days unchanged."""

import re
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any

import typer

from affilia.catalog.v1 import condition_pb2, member_pb2
from affilia.catalog.v1.member_service_pb2 import ClearedDays
from affilia.type.v1.date_span_pb2 import DateSpan
from affilia_cli.console import CONSOLE
from affilia_cli.days import parse_day
from affilia_cli.options import Admin, Member
from affilia_cli.session import Session
from affilia_client.dates import date_to_proto, span_to_proto
from affilia_client.money import amount_to_minor
from affilia_views.days import format_instant
from affilia_views.words import enum_word

BORN, DIED, ADDRESS, EMPLOYMENT, REGIME, ATTRIBUTE = KINDS = (
    "born",
    "died",
    "address",
    "employment",
    "regime",
    "attribute",
)
SALARY = re.compile(r"([0-9.]+) ?([A-Z]{3})")


def record(
    context: typer.Context,
    member: Member,
    kind: Annotated[str, typer.Argument(metavar="KIND", help=f"One of {', '.join(KINDS)}.")],
    value: Annotated[
        str,
        typer.Argument(
            help="born, died: a day. address: COUNTRY or COUNTRY/POSTAL-CODE. employment: the employer's id. regime:"
            " standard or alsace-moselle. attribute: NAME=VALUE, or NAME with --clear."
        ),
    ] = "",
    first: Annotated[str, typer.Option("--from", help="First day. Omitted: without a beginning.")] = "",
    last: Annotated[str, typer.Option("--to", help="Last day. Omitted: without an end.")] = "",
    clear: Annotated[bool, typer.Option("--clear", help="Delete the fact on these days.")] = False,
    status: Annotated[str, typer.Option(help="Of an employment: active, leave, suspended or retired.")] = "active",
    salary: Annotated[str, typer.Option(help="Yearly salary of an employment, such as '45000 EUR'.")] = "",
    etag: Annotated[str, typer.Option(help="Fail if the member has changed since this etag was read.")] = "",
    admin: Admin = "",
) -> None:
    """Record a fact about a member on some days. All other days stay as they are."""
    session: Session = context.obj
    if kind not in KINDS:
        raise typer.BadParameter(f"KIND must be one of {', '.join(KINDS)}; got {kind}.")
    if salary and kind != EMPLOYMENT:
        raise typer.BadParameter("--salary is only for an employment.")
    if kind in (BORN, DIED):
        fields = _date_of(kind, value, first, last, clear=clear)
    else:
        days = _days(first, last)
        fields = _cleared(kind, value, days) if clear else _dated(kind, value, days, status, salary)
    with session.client(admin) as client:
        member_id = session.resolver(client).member(member)
        answer = client.members.record_facts(member_id=member_id, etag=etag, **fields)
        if not session.print_json(answer):
            CONSOLE.print(
                f"Recorded on {format_instant(answer.recorded_at)}. Families to recompute: {answer.groups_concerned}"
            )


def _days(first: str, last: str) -> DateSpan:
    first_on, last_on = parse_day(first) if first else None, parse_day(last) if last else None
    if first_on and last_on and last_on < first_on:
        raise typer.BadParameter(f"--to must not be before --from: {last_on} is before {first_on}.")
    return span_to_proto(first_on, last_on)


def _date_of(kind: str, value: str, first: str, last: str, *, clear: bool) -> dict[str, Any]:
    """Returns the request fields that record or delete a date of birth or death."""
    event = "birth" if kind == BORN else "death"
    if first or last:
        raise typer.BadParameter(f"A date of {event} has no days. Omit --from and --to.")
    if clear != (not value):
        raise typer.BadParameter(f"Give the date of {event}, or --clear without a value.")
    on = date_to_proto(parse_day(value)) if value else None
    return {"birth": member_pb2.Birth(born_on=on)} if kind == BORN else {"death": member_pb2.Death(died_on=on)}


def _cleared(kind: str, value: str, days: DateSpan) -> dict[str, Any]:
    """Returns the request fields that delete a fact on some days. The name is that of an attribute or employer."""
    named = kind in (EMPLOYMENT, ATTRIBUTE)
    if named != bool(value):
        what = "the employer's id" if kind == EMPLOYMENT else "the attribute's name"
        raise typer.BadParameter(f"--clear needs {what}." if named else f"--clear takes no value for {kind}.")
    empty: dict[str, dict[str, Any]] = {
        ADDRESS: {"addresses": member_pb2.Addresses()},
        EMPLOYMENT: {"employments": member_pb2.Employments()},
        REGIME: {"health_regimes": member_pb2.HealthRegimes()},
        ATTRIBUTE: {"attributes": member_pb2.Attributes()},
    }
    return {**empty[kind], "spans": True, "cleared": [ClearedDays(days=days, name=value)]}


def _dated(kind: str, value: str, days: DateSpan, status: str, salary: str) -> dict[str, Any]:
    """Returns the request fields that record a fact on some days."""
    if not value:
        raise typer.BadParameter(f"Give the value of the {kind}, or --clear.")
    match kind:
        case "address":
            country, _, postal_code = value.partition("/")
            address = member_pb2.Address(days=days, country_code=country, postal_code=postal_code)
            return {"addresses": member_pb2.Addresses(items=[address]), "spans": True}
        case "employment":
            number = _number(condition_pb2.EmploymentStatus, status, "--status")
            employment = member_pb2.Employment(days=days, employer_id=value, status=number)
            if salary:
                employment.salary.CopyFrom(_salary(salary))
            return {"employments": member_pb2.Employments(items=[employment]), "spans": True}
        case "regime":
            number = _number(member_pb2.HealthRegime, value, "The regime")
            regime = member_pb2.HealthRegimeSpan(days=days, regime=number)
            return {"health_regimes": member_pb2.HealthRegimes(items=[regime]), "spans": True}
    name, equals, content = value.partition("=")
    if not (name and equals):
        raise typer.BadParameter(f"An attribute must be NAME=VALUE, got {value}.")
    attribute = member_pb2.Attribute(days=days, name=name, value=content)
    return {"attributes": member_pb2.Attributes(items=[attribute]), "spans": True}


def _number(enum: Any, text: str, what: str) -> Any:
    """Returns the value of an enum, given its name in words."""
    words = {enum_word(enum, number): number for number in enum.values() if number}
    if text.lower() not in words:
        raise typer.BadParameter(f"{what} must be one of {', '.join(words)}; got {text}.")
    return words[text.lower()]


def _salary(text: str) -> member_pb2.Salary:
    found = SALARY.fullmatch(text)
    if not found:
        raise typer.BadParameter(f"--salary must be an amount with a currency, such as '45000 EUR'; got {text}.")
    try:
        minor = amount_to_minor(Decimal(found[1]), found[2])
    except (InvalidOperation, ValueError) as wrong:
        raise typer.BadParameter(f"--salary: {text} is not an amount.") from wrong
    return member_pb2.Salary(yearly_minor=minor, currency_code=found[2])
