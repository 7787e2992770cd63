"""The command `contract show`: what a contract offers on a day, how its versions differ, and who is on it."""

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import date
from typing import Annotated

import typer

from affilia.catalog.v1.contract_pb2 import Contract, ContractVersion, Module
from affilia.enrollment.v1.enrollment_group_pb2 import EnrollmentGroup
from affilia_cli.console import CONSOLE, styled
from affilia_cli.days import DayInQuestion
from affilia_cli.options import On
from affilia_cli.session import Session
from affilia_cli.tables import new_table, show_table
from affilia_client.dates import span_from_proto
from affilia_views.contracts import (
    PRICE_TITLES,
    limit_words,
    module_words,
    price_notes,
    price_rows,
    version_on,
    versions_side_by_side,
)
from affilia_views.days import format_span
from affilia_views.rules import rule_words
from affilia_views.server_names import ServerNames

PAGE_SIZE = 1000


def show(
    context: typer.Context,
    contract: Annotated[str, typer.Argument(help="Contract: its name, its sponsor's id, or its id.")],
    on: On = "today",
    people: Annotated[
        bool,
        typer.Option(
            "--people/--no-people", help="Count the people who are enrolled. Reads all families of the contract."
        ),
    ] = True,
) -> None:
    """Show what a contract offers on a day: modules, rules, prices and limits.

    Also shows how the versions differ, and how many people are enrolled in each module on that day.
    """
    session: Session = context.obj
    day = DayInQuestion.parse(on)
    with session.client() as client:
        contract_id = session.resolver(client).contract(contract)
        found = client.catalog.get_contract(contract_id=contract_id).contract
        groups = list(
            client.enrollment.all_enrollment_groups(contract_id=contract_id, page_size=PAGE_SIZE) if people else ()
        )
        if session.print_parts(contract=found, groups=groups):
            return
        on_day = day.under(found)
        enrolled = _enrolled(groups, on_day) if people else None
        _show_header(found)
        _show_versions(found)
        version = version_on(found, on_day)
        if version is None:
            CONSOLE.print(f"\nNo version is in force on {on_day}.")
            return
        _show_version(found, version, on_day, ServerNames(client), enrolled)


def _enrolled(groups: Iterable[EnrollmentGroup], on: date) -> Counter[str]:
    """Returns how many people are enrolled in each module on a day. The empty id stands for any module."""
    counts: Counter[str] = Counter()
    for group in groups:
        periods = [period for period in group.periods if _includes(span_from_proto(period.days), on)]
        counts.update(period.module_id for period in periods)
        counts[""] += len({period.member_id for period in periods})
    return counts


def _includes(span: tuple[date | None, date | None], on: date) -> bool:
    first, last = span
    return (first is None or first <= on) and (last is None or on <= last)


def _show_header(contract: Contract) -> None:
    CONSOLE.print(styled((contract.display_name or "contract without a name", "bold"), f" ({contract.contract_id})"))
    sponsor = f", sponsor {contract.sponsor_id}" if contract.sponsor_id else ""
    CONSOLE.print(f"  {contract.country_code}, {contract.currency_code}, {contract.time_zone}{sponsor}")
    CONSOLE.print(f"  terms start on {contract.term_start.month:02}-{contract.term_start.day:02}, etag {contract.etag}")


def _show_versions(contract: Contract) -> None:
    """Prints the versions side by side, as columns if they fit on the terminal, and otherwise one below the other."""
    titles = [format_span(version.days) for version in contract.versions]
    rows = versions_side_by_side(contract)
    CONSOLE.print(styled(("\nversions", "bold")))
    widths = [max(len(row[0]) for row in rows), *map(len, titles)]
    if not CONSOLE.is_terminal or sum(widths) + 2 * len(widths) <= CONSOLE.width:
        _table(["", *titles], rows)
        return
    for number, title in enumerate(titles, 1):
        CONSOLE.print(title)
        for row in rows:
            CONSOLE.print(f"  {row[0]}: {row[number]}")


def _show_version(
    contract: Contract, version: ContractVersion, on: date, names: ServerNames, enrolled: Counter[str] | None
) -> None:
    title = f"\non {on}, by the version {format_span(version.days)}"
    CONSOLE.print(styled((title, "bold")))
    if enrolled is not None:
        CONSOLE.print(f"  {_people(enrolled[''])} enrolled")
    CONSOLE.print(f"  members can request changes up to {version.max_backdating_days} days back")
    for rule in version.rules:
        CONSOLE.print(f"  rule {rule_words(rule, names, contract.currency_code)}")
    for module in version.modules:
        _show_module(contract, version, module, names, None if enrolled is None else enrolled[module.module_id])


def _show_module(
    contract: Contract, version: ContractVersion, module: Module, names: ServerNames, enrolled: int | None
) -> None:
    currency = contract.currency_code
    CONSOLE.print(styled((f"\n{module.display_name or 'module'}", "bold"), f" ({module.module_id})"))
    CONSOLE.print(f"  {module_words(module)}")
    if enrolled is not None:
        CONSOLE.print(f"  {_people(enrolled)} enrolled")
    if module.capabilities:
        CONSOLE.print(f"  covers {', '.join(module.capabilities)}")
    for rule in module.rules:
        CONSOLE.print(f"  rule {rule_words(rule, names, currency)}")
    for limit in module.limits:
        CONSOLE.print(f"  limit: {limit_words(limit, currency)}")
    if rows := price_rows(module, version, currency):
        _table(PRICE_TITLES, rows)
    for note in price_notes(module.pricing, currency):
        CONSOLE.print(f"  {note}")


def _table(titles: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    table = new_table(*titles)
    for row in rows:
        table.add_row(*row)
    show_table(table)


def _people(number: int) -> str:
    return "1 person" if number == 1 else f"{number} people"
