"""Contracts: what each offers on a day, how its versions differ, and who is on it."""

from collections.abc import Sequence
from dataclasses import dataclass

from starlette.responses import Response

from affilia.catalog.v1.contract_pb2 import Contract, ContractVersion, Module
from affilia_console.inputs import day_in
from affilia_console.parts import part
from affilia_console.visits import Visit
from affilia_views.contracts import (
    PRICE_TITLES,
    limit_words,
    module_words,
    price_notes,
    price_rows,
    version_on,
    versions_side_by_side,
)
from affilia_views.days import format_span, today_under
from affilia_views.rules import rule_words

FAMILIES = 50
"""Number of families listed on a page."""


@dataclass(frozen=True, slots=True)
class OfferedModule:
    """A module of a version, in words and rows."""

    module: Module
    about: str
    rules: Sequence[str]
    limits: Sequence[str]
    prices: Sequence[Sequence[str]]
    notes: Sequence[str]


def contracts(visit: Visit) -> Response:
    """Lists all contracts."""
    return visit.page("contracts.html", contracts=list(visit.client.catalog.all_contracts()))


def contract(visit: Visit) -> Response:
    """Shows a contract as of a day: its versions side by side, and the version in force with rules and prices."""
    found = visit.client.catalog.get_contract(contract_id=visit.path("contract_id")).contract
    title = found.display_name or found.contract_id
    visit.remember(title)
    on = day_in(visit.query.get("on", ""), "On") or today_under(found)
    version = version_on(found, on)
    token = visit.query.get("families", "")
    families = part(
        lambda: visit.client.enrollment.list_enrollment_groups(
            contract_id=found.contract_id, page_size=FAMILIES, page_token=token
        )
    )
    if families.value:
        visit.names.load_members(group.key.primary_id for group in families.value.groups)
    return visit.page(
        "contract.html",
        title=title,
        contract=found,
        on=on,
        version=version,
        version_days=[format_span(each.days) for each in found.versions],
        differences=versions_side_by_side(found),
        rules=[rule_words(rule, visit.names, found.currency_code) for rule in version.rules] if version else [],
        modules=[_offered(visit, found, version, module) for module in version.modules] if version else [],
        price_titles=PRICE_TITLES,
        families=families,
    )


def _offered(visit: Visit, found: Contract, version: ContractVersion, module: Module) -> OfferedModule:
    currency = found.currency_code
    return OfferedModule(
        module,
        module_words(module),
        [rule_words(rule, visit.names, currency) for rule in module.rules],
        [limit_words(limit, currency) for limit in module.limits],
        price_rows(module, version, currency),
        price_notes(module.pricing, currency),
    )
