"""The start page with its search box, and the results of a search."""

from collections.abc import Callable, Sequence
from uuid import UUID

from starlette.responses import Response

from affilia.catalog.v1.member_service_pb2 import MemberHit
from affilia_client import NotFound
from affilia_console.visits import Visit
from affilia_views.matching import Match, begins_words
from affilia_views.people import identifier_in

MAX_HITS = 50


def home(visit: Visit) -> Response:
    """Shows the search box, the pages that were opened last, and all contracts."""
    contracts = list(visit.client.catalog.all_contracts())
    return visit.page("home.html", contracts=contracts, asked="", recent=visit.session.recent)


def search(visit: Visit) -> Response:
    """Finds people by name, date of birth, identifier or id, and opens families and contracts by id or name."""
    asked = visit.text("query")
    if not asked:
        return visit.goes_to("/")
    if (found := _id_in(asked)) and (address := _address_of(visit, found)):
        return visit.goes_to(address)
    hits, has_more, is_complete = _people(visit, asked)
    contracts = [
        each
        for each in visit.client.catalog.all_contracts()
        if begins_words(asked, Match("contract", each.contract_id, "", (each.display_name, each.sponsor_id)))
    ]
    if len(hits) == 1 and not contracts and not has_more:
        return visit.goes_to(f"/people/{hits[0].member.member_id}")
    return visit.page(
        "found.html", asked=asked, hits=hits, has_more=has_more, is_complete=is_complete, contracts=contracts
    )


def _people(visit: Visit, asked: str) -> tuple[Sequence[MemberHit], bool, bool]:
    """Returns the people found, whether there are more, and whether the index is complete."""
    identifier = identifier_in(asked)
    pages = []
    if identifier.system and identifier.value:
        pages.append(visit.client.members.search_members(identifier=identifier, page_size=MAX_HITS))
    if not any(page.hits for page in pages):
        pages.append(visit.client.members.search_members(query=asked, page_size=MAX_HITS))
    newest = pages[-1]
    return list(newest.hits), bool(newest.next_page_token), newest.is_complete


def _id_in(asked: str) -> str:
    try:
        return str(UUID(asked)) if len(asked) == 36 else ""
    except ValueError:
        return ""


def _address_of(visit: Visit, found: str) -> str:
    """Returns the address of whatever has an id, or an empty string if nothing has."""
    client = visit.client

    def request_group() -> str:
        return client.changes.get_change_request(change_request_id=found).change_request.group_id

    kinds: Sequence[Callable[[], str]] = (
        lambda: f"/people/{client.members.get_member(member_id=found).member.member_id}",
        lambda: f"/families/{client.enrollment.get_enrollment_group(group_id=found).group.group_id}",
        lambda: f"/contracts/{client.catalog.get_contract(contract_id=found).contract.contract_id}",
        lambda: f"/families/{request_group()}",
    )
    for address in kinds:
        try:
            return address()
        except NotFound:
            continue
    return ""
