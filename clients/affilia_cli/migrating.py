"""The commands `migration show`, `migration map` and `migration stage`."""

import sys
from collections.abc import Iterator
from typing import Annotated

import typer

from affilia.migration.v1.migration_service_pb2 import (
    LegacyProduct,
    ListMigrationsResponse,
    MappedContract,
    Migration,
    MigrationStage,
    SourceComparison,
)
from affilia_cli import backfilling, comparing_sources
from affilia_cli.choosing import NothingMatches
from affilia_cli.console import CONSOLE, ERRORS, DataConsole, styled
from affilia_cli.migration_arguments import country_in, stage_in
from affilia_cli.options import Admin, Country
from affilia_cli.resolving import Resolver
from affilia_cli.session import Session
from affilia_client import Client
from affilia_views.days import format_instant
from affilia_views.migration_words import (
    EFFECTS,
    FINDINGS,
    NO_STAGE,
    RETIRED,
    comparison_words,
    finding_name,
    next_step,
    plural,
    stage_name,
)
from affilia_views.server_names import ServerNames
from affilia_views.words import actor_words

LABEL_WIDTH = len("contracts  ")

app = typer.Typer(help="Move a country from its legacy tables to the core.", no_args_is_help=True)
app.command("compare")(comparing_sources.compare)
app.command("backfill")(backfilling.backfill)


@app.command()
def show(
    context: typer.Context,
    country: Annotated[str, typer.Argument(help="Code of a country, such as ES. Defaults to all.")] = "",
) -> None:
    """Show the stage of each country, what it means, what was counted, and what the next step requires."""
    session: Session = context.obj
    with session.client() as client:
        found = ListMigrationsResponse(migrations=_migrations(client, country))
        if session.print_json(found):
            return
        if not found.migrations:
            CONSOLE.print("No country has legacy tables that this server can read (AFFILIA_LEGACY_SOURCES).")
        names = ServerNames(client)
        for index, migration in enumerate(found.migrations):
            if index:
                CONSOLE.print()
            _show(migration, names)


@app.command("map")
def map_contract(
    context: typer.Context,
    country: Country,
    legacy_contract: Annotated[str, typer.Argument(help="Id of the contract in the legacy tables.")],
    contract: Annotated[str, typer.Argument(help="Contract: its name, its sponsor's id, or its id.")],
    product: Annotated[
        list[str],
        typer.Option(metavar="CODE=MODULE", help="A product and its module: the module's name or id. Repeatable."),
    ],
    yes: Annotated[bool, typer.Option("--yes", help="Don't ask, even if mapped products are missing.")] = False,
    admin: Admin = "",
) -> None:
    """Map a legacy contract to a contract, and its products to modules.

    Replaces the products that were mapped before. The first mapping puts the country into the stage TRANSLATE.
    """
    session: Session = context.obj
    given = [_product_in(text) for text in product]
    with session.client(admin) as client:
        resolver = session.resolver(client)
        contract_id = resolver.contract(contract)
        products = [_resolved(code, module, resolver, contract_id) for code, module in given]
        names = ServerNames(client)
        if not yes:
            _confirm_missing(client, country_in(country), legacy_contract, products, names)
        answer = client.migrations.map_legacy_contract(
            country_code=country_in(country),
            legacy_contract_id=legacy_contract,
            contract_id=contract_id,
            products=products,
        )
        if session.print_json(answer):
            return
        mapped = f"Mapped legacy contract {legacy_contract} of {country_in(country)}:"
        CONSOLE.print(styled((mapped, "bold"), f" stage {stage_name(answer.stage)}"))
        for line in _contract_lines(answer.contract, names):
            CONSOLE.print(f"  {line}")


@app.command("stage")
def move(
    context: typer.Context,
    country: Country,
    stage: Annotated[
        str, typer.Argument(help="The next or the previous stage: translate, dual-write, read-core, core or retired.")
    ],
    reason: Annotated[str, typer.Option(help="Why the stage changes. Required with --force, and for retired.")] = "",
    force: Annotated[bool, typer.Option("--force", help="Skip the check of the last comparison.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Change the stage without asking for confirmation.")] = False,
    admin: Admin = "",
) -> None:
    """Move a country to the next or to the previous stage. Shows what changes, and asks."""
    session: Session = context.obj
    to = stage_in(stage)
    if not reason.strip() and (force or to == RETIRED):
        raise typer.BadParameter("--reason is required with --force, and for the stage retired.")
    if not yes and not _can_ask():
        raise typer.BadParameter("Without a terminal on which to confirm the change, add --yes.")
    with session.client(admin) as client:
        (migration,) = _migrations(client, country)
        if migration.stage == NO_STAGE:
            raise NothingMatches(
                f"{migration.country_code} has no stage yet. Map a contract with `affilia migration map` first."
            )
        if not yes:
            _show_change(migration, to)
            if not typer.confirm(f"Move {migration.country_code} to {stage_name(to)}?", err=True):
                raise typer.Abort
        answer = client.migrations.set_migration_stage(
            country_code=migration.country_code,
            stage=to,
            expected_stage=migration.stage,
            force=force,
            reason=reason,
        )
        if session.print_json(answer):
            return
        since = format_instant(answer.changed_at)
        CONSOLE.print(
            styled((f"{migration.country_code} is in the stage {stage_name(answer.stage)}", "bold"), f" since {since}.")
        )
        _show_effects(answer.stage, CONSOLE)
        _show_line("next step", next_step(answer.stage, migration.country_code, _last_comparison(migration)))


def _migrations(client: Client, country: str) -> list[Migration]:
    """Returns the migrations of all countries, or that of one. Raises NothingMatches if it has none."""
    found = list(client.migrations.list_migrations().migrations)
    if not country:
        return found
    code = country_in(country)
    wanted = [each for each in found if each.country_code == code]
    if not wanted:
        raise NothingMatches(
            f"{code} has no legacy tables that this server can read (AFFILIA_LEGACY_SOURCES), and no stage."
        )
    return wanted


def _show(migration: Migration, names: ServerNames) -> None:
    """Prints everything about the migration of one country."""
    title = styled((migration.country_code, "bold"), f"  {stage_name(migration.stage)}" if migration.stage else "")
    if migration.HasField("changed_at"):
        by = f", by {actor_words(migration.changed_by, names)}" if migration.HasField("changed_by") else ""
        title.append(f" since {format_instant(migration.changed_at)}{by}")
    elif not migration.stage:
        title.append("  no stage: the core answers, and the legacy tables aren't read")
    CONSOLE.print(title)
    if migration.stage:
        _show_effects(migration.stage, CONSOLE)
    if not migration.has_source:
        _show_line("source", "this server can't read the legacy tables, so nothing is counted (AFFILIA_LEGACY_SOURCES)")
    elif migration.stage:
        groups = f"{plural(migration.legacy_groups, 'group')} in the legacy tables"
        _show_line("counted", f"{groups}, {migration.core_groups} in the core, {migration.stale_groups} stale")
    if migration.unmapped_policies:
        policies = "policy" if migration.unmapped_policies == 1 else "policies"
        _show_line("unmapped", f"{migration.unmapped_policies} {policies} of contracts that aren't mapped")
    _show_lines("findings", _finding_lines(migration))
    last = _last_comparison(migration)
    if last:
        when = f"started in {stage_name(last.stage)} on {format_instant(last.started_at)}"
        _show_line("compared", f"{comparison_words(last)} ({when})")
    lines = (line for each in migration.contracts for line in _contract_lines(each, names))
    _show_lines("contracts", lines)
    _show_line("next step", next_step(migration.stage, migration.country_code, last))


def _finding_lines(migration: Migration) -> Iterator[str]:
    for each in migration.findings:
        yield f"{plural(each.count, 'row')} {finding_name(each.kind)}: {FINDINGS.get(each.kind, 'unknown')}"


def _contract_lines(mapped: MappedContract, names: ServerNames) -> Iterator[str]:
    """Yields a mapped contract, and its products."""
    names.load_modules(each.module_id for each in mapped.products)
    yield f"{mapped.legacy_contract_id} is {names.contract_name(mapped.contract_id)} ({mapped.contract_id})"
    for each in mapped.products:
        yield f"  {each.code} is {names.module(each.module_id)}"


def _show_lines(label: str, lines: Iterator[str]) -> None:
    for line in lines:
        _show_line(label, line)
        label = ""


def _show_line(label: str, text: str, console: DataConsole = CONSOLE) -> None:
    console.print(styled((f"  {label:<{LABEL_WIDTH}}", "dim"), text))


def _show_effects(stage: "MigrationStage.ValueType", console: DataConsole) -> None:
    if stage in EFFECTS:
        for label, text in EFFECTS[stage].lines():
            _show_line(label, text, console)


def _product_in(text: str) -> tuple[str, str]:
    code, _, module = map(str.strip, text.partition("="))
    if not (code and module):
        raise typer.BadParameter(f"--product must be CODE=MODULE, such as FLEX=Base; got {text}.")
    return code, module


def _resolved(code: str, module: str, resolver: Resolver, contract_id: str) -> LegacyProduct:
    return LegacyProduct(code=code, module_id=resolver.module(module, [contract_id]))


def _confirm_missing(
    client: Client, country: str, legacy_contract: str, products: list[LegacyProduct], names: ServerNames
) -> None:
    """Asks before products that are mapped now are left out."""
    mapped = [
        product
        for migration in client.migrations.list_migrations().migrations
        for contract in migration.contracts
        for product in contract.products
        if (migration.country_code, contract.legacy_contract_id) == (country, legacy_contract)
    ]
    missing = [each for each in mapped if each.code not in {product.code for product in products}]
    if not missing:
        return
    listed = ", ".join(f"{each.code} ({names.module(each.module_id)})" for each in missing)
    warning = f"These products would no longer be mapped: {listed}. Groups with rows of them could not be aligned."
    if not _can_ask():
        raise typer.BadParameter(f"{warning} Give all products, or add --yes.")
    ERRORS.print(warning, style="yellow")
    if not typer.confirm("Map the contract without them?", err=True):
        raise typer.Abort


def _show_change(migration: Migration, to: "MigrationStage.ValueType") -> None:
    """Prints what a stage changes: what it means now, what it would mean, and what a step forward requires."""
    ERRORS.print(styled((f"{migration.country_code} is in the stage {stage_name(migration.stage)}:", "bold")))
    _show_effects(migration.stage, ERRORS)
    ERRORS.print(styled((f"In the stage {stage_name(to)}:", "bold")))
    _show_effects(to, ERRORS)
    if to == migration.stage + 1:
        _show_line("next step", next_step(migration.stage, migration.country_code, _last_comparison(migration)), ERRORS)
    if to == RETIRED:
        ERRORS.print("RETIRED can't be undone.", style="yellow")


def _last_comparison(migration: Migration) -> SourceComparison | None:
    return migration.last_comparison if migration.HasField("last_comparison") else None


def _can_ask() -> bool:
    return sys.stdin.isatty() and sys.stderr.isatty()
