"""Describes what a merge of two records changed."""

from affilia.catalog.v1 import contract_pb2
from affilia.catalog.v1.member_service_pb2 import Overrun
from affilia.enrollment.v1.enrollment_group_pb2 import GroupKey
from affilia_client.dates import date_from_proto
from affilia_views.money import money
from affilia_views.names import Names


def overrun_words(overrun: Overrun, key: GroupKey, names: Names) -> str:
    """Returns by how much a limit is exceeded, in the contract's currency or in visits."""
    contract = names.contract(key.contract_id) if key.contract_id else contract_pb2.Contract()
    in_money = any(
        limit.unit == contract_pb2.LIMIT_UNIT_MONEY
        for version in contract.versions
        for module in version.modules
        for limit in module.limits
        if _code(limit) == overrun.code
    )
    used, limit, over = (
        money(number, contract.currency_code) if in_money else str(number)
        for number in (overrun.used, overrun.individual_limit, overrun.overrun)
    )
    term = f"term from {date_from_proto(overrun.term_start)}"
    return f"{overrun.code}, {term}: {used} of {limit} used, {over} above the limit"


def _code(limit: contract_pb2.Limit) -> str:
    kind = contract_pb2.LimitKind.Name(limit.kind).removeprefix("LIMIT_KIND_")
    return f"{kind}:{limit.benefit}" if limit.benefit else kind
