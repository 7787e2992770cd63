"""Merges two records of one person, after a page that says what will happen."""

from dataclasses import dataclass

from starlette.responses import Response

from affilia.catalog.v1 import member_service_pb2
from affilia.catalog.v1.member_service_pb2 import GetMemberResponse, MergeMembersResponse
from affilia.enrollment.v1.enrollment_group_pb2 import GroupKey
from affilia_client import CallFailed, Invalid, PreconditionFailed
from affilia_console.failures import Refused, failure_of
from affilia_console.finding import groups_of
from affilia_console.parts import part
from affilia_console.visits import Visit
from affilia_views.facts import facts_in
from affilia_views.kept_facts import kept_kinds
from affilia_views.merges import overrun_words
from affilia_views.people import identifier_in, name_of

MAX_HITS = 20
KEPT = {
    "": member_service_pb2.KEPT_FACTS_UNSPECIFIED,
    "from": member_service_pb2.KEPT_FACTS_FROM,
    "into": member_service_pb2.KEPT_FACTS_INTO,
}


@dataclass(frozen=True, slots=True)
class Record:
    """One of the two records, to recognize a person by."""

    found: GetMemberResponse
    families: list[str]

    @property
    def name(self) -> str:
        return name_of(self.found.member)


def merge(visit: Visit) -> Response:
    """Shows the search for the other record and, after a search, the people found."""
    return _choose(visit, visit.text("query"))


def merge_into(visit: Visit) -> Response:
    """Shows what a merge keeps of both records, and merges them once that is confirmed."""
    return _merge(visit) if visit.request.method == "POST" else _confirm(visit)


def _choose(visit: Visit, query: str = "") -> Response:
    """Shows the search for the other record, and the people it finds."""
    member_id = visit.path("member_id")
    found = visit.client.members.get_member(member_id=member_id)
    hits = []
    if query:
        identifier = identifier_in(query)
        if identifier.system and identifier.value:
            hits = list(visit.client.members.search_members(identifier=identifier, page_size=MAX_HITS).hits)
        hits = hits or list(visit.client.members.search_members(query=query, page_size=MAX_HITS).hits)
    others = [hit for hit in hits if hit.member.member_id != member_id]
    return visit.page(
        "merge.html", found=found, name=name_of(found.member), member_id=member_id, query=query, hits=others
    )


def _confirm(visit: Visit, error: CallFailed | None = None) -> Response:
    """Shows both records, and what the merge keeps of each."""
    source, target = (_record(visit, visit.path(name)) for name in ("from_id", "into_id"))
    kinds = kept_kinds(facts_in(source.found.facts), facts_in(target.found.facts))
    failure = failure_of(error) if error else None
    return visit.page(
        "merge_confirm.html",
        status=failure.status if failure else 200,
        member_id=target.found.member.member_id,
        name=target.name,
        source=source,
        target=target,
        kinds=kinds,
        has_conflicts=any(kind.differs for kind in kinds),
        reason=visit.text("reason"),
        keep=visit.text("keep"),
        failure=failure,
    )


def _record(visit: Visit, member_id: str) -> Record:
    found = visit.client.members.get_member(member_id=member_id)
    groups = part(lambda: groups_of(visit, member_id))
    return Record(found, [visit.names.family(group.key) for group in groups.value or []])


def _merge(visit: Visit) -> Response:
    visit.check_writable()
    source_id, target_id, keep = visit.path("from_id"), visit.path("into_id"), visit.text("keep")
    if keep not in KEPT:
        raise Refused(f"The facts to keep must be `from` or `into`, got {keep}.")
    try:
        answer = visit.client.members.merge_members(
            request_id=visit.text("request_id"),
            from_member_id=source_id,
            into_member_id=target_id,
            reason=visit.text("reason"),
            keep=KEPT[keep],
        )
    except (Invalid, PreconditionFailed) as error:
        return _confirm(visit, error)
    for each in (source_id, target_id):
        visit.names.forget_member(each)
    visit.session.notices += _overruns(visit, answer)
    changed = sum(each.made_revision for each in answer.groups)
    return visit.goes_to(f"/people/{target_id}", f"The records were merged. Families whose days changed: {changed}.")


def _overruns(visit: Visit, answer: MergeMembersResponse) -> list[str]:
    """Returns the limits that the joint usage exceeds, in words."""
    return [overrun_words(each, _key(visit, each.group_id), visit.names) for each in answer.overruns]


def _key(visit: Visit, group_id: str) -> GroupKey:
    """Returns the contract and primary of a group, or none if it can't be read."""
    found = part(lambda: visit.client.enrollment.get_enrollment_group(group_id=group_id).group)
    return found.value.key if found.value else GroupKey()
