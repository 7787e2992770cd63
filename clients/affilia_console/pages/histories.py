"""The history of a family, a person or a contract, as `affilia history` shows it."""

from collections.abc import Mapping
from datetime import UTC, datetime, time, timedelta
from typing import Any

from starlette.responses import Response

from affilia_console.failures import Refused
from affilia_console.inputs import days_in
from affilia_console.visits import Visit
from affilia_views.history import KINDS, described
from affilia_views.people import name_of

PAGE_SIZE = 25


def of_family(visit: Visit) -> Response:
    """Shows everything recorded about a family."""
    group = visit.client.enrollment.get_enrollment_group(group_id=visit.path("group_id")).group
    return _shown(visit, {"group_id": group.group_id}, visit.names.family(group.key), "family_tabs.html", group=group)


def of_person(visit: Visit) -> Response:
    """Shows everything recorded about a person and their families."""
    member_id = visit.path("member_id")
    found = visit.client.members.get_member(member_id=member_id)
    if found.merged_into:
        return visit.goes_to(f"/people/{found.merged_into}/history", f"Member {member_id} was merged into this one.")
    return _shown(visit, {"member_id": member_id}, name_of(found.member), "person_tabs.html", member_id=member_id)


def of_contract(visit: Visit) -> Response:
    """Shows everything recorded about a contract."""
    contract = visit.client.catalog.get_contract(contract_id=visit.path("contract_id")).contract
    title = contract.display_name or contract.contract_id
    return _shown(visit, {"contract_id": contract.contract_id}, title, "contract_tabs.html", contract=contract)


def _shown(visit: Visit, subject: Mapping[str, str], title: str, tabs: str, **values: Any) -> Response:
    first, last = days_in(visit.query.get("from", ""), visit.query.get("to", ""))
    kinds = visit.request.query_params.getlist("kind")
    fields: dict[str, Any] = {**subject, "page_size": PAGE_SIZE, "page_token": visit.query.get("page", "")}
    if unknown := set(kinds) - KINDS.keys():
        raise Refused(f"The kind must be one of {', '.join(KINDS)}, got {', '.join(sorted(unknown))}.")
    fields["kinds"] = [KINDS[each] for each in kinds]
    if first:
        fields["recorded_from"] = datetime.combine(first, time(), UTC)
    if last:
        fields["recorded_before"] = datetime.combine(last + timedelta(days=1), time(), UTC)
    found = visit.client.history.list_history(**fields)
    names = visit.names
    names.load_members(each.member_id for entry in found.entries for each in entry.differences)
    names.load_modules(each.module_id for entry in found.entries for each in entry.differences)
    of_contract = "contract_id" in subject
    entries = [described(each, names, of_contract=of_contract) for each in found.entries]
    return visit.page(
        "history.html",
        title=title,
        tabs=tabs,
        entries=entries,
        of_contract=of_contract,
        next_page=found.next_page_token,
        all_kinds=list(KINDS),
        kinds=kinds,
        first=first,
        last=last,
        **values,
    )
