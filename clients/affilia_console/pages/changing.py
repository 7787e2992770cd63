"""The page that changes a family: what each person can choose, several changes in one request, and its simulation."""

from datetime import date

from starlette.responses import Response

from affilia.enrollment.v1.change_request_pb2 import VERDICT_APPROVED, ChangeRequest
from affilia.enrollment.v1.enrollment_group_pb2 import EnrollmentGroup
from affilia.history.v1.history_entry_pb2 import (
    HISTORY_KIND_CHANGE_REQUEST,
    HISTORY_KIND_RECOMPUTE,
    HISTORY_KIND_RECORD,
)
from affilia.type.v1.membership_type_pb2 import MembershipType
from affilia_client import AlreadyExists, CallFailed, Conflict, Unauthenticated, changes
from affilia_console.change_form import change_lines, consequences_of, offers, simulation
from affilia_console.change_steps import ROLES, check_complete, role_of, step, with_input
from affilia_console.drafts import Choosing, Draft
from affilia_console.failures import Refused, failure_of
from affilia_console.finding import id_in
from affilia_console.parts import part
from affilia_console.requesters import is_member, requester_of
from affilia_console.visits import Visit
from affilia_views.days import today_under
from affilia_views.family_members import Types, membership_types, requested_types
from affilia_views.history import Described, described
from affilia_views.reverting import correcting_changes
from affilia_views.words import enum_word

MAKES_REVISIONS = [HISTORY_KIND_CHANGE_REQUEST, HISTORY_KIND_RECOMPUTE, HISTORY_KIND_RECORD]
MAX_ENTRIES = 100
"""Number of the newest entries that are searched for changes since a form was opened."""
NO_LONGER_AVAILABLE = "That form is no longer available. Unsubmitted changes were not recorded. This is a new form."
ALREADY_SUBMITTED = "This form was already submitted. Its request is only applied once."


def begin(visit: Visit) -> Response:
    """Starts a draft: an empty one, or one that reverts, corrects or repeats an earlier request."""
    group = _group(visit)
    query = visit.query
    for name, make in STARTS.items():
        if asked := query.get(name, ""):
            return _goes_to(visit, make(group, _request(visit, group, asked)))
    first = today_under(visit.names.contract(group.key.contract_id))
    member_id = id_in(query.get("member", "")) or group.key.primary_id
    return _goes_to(visit, Draft(group.group_id, group.revision, choosing=Choosing(member_id, _next_month(first))))


def _revert(group: EnrollmentGroup, request: ChangeRequest) -> Draft:
    reverted = (changes.revert(request.change_request_id),)
    return Draft(group.group_id, group.revision, changes=reverted, is_open=False)


def _correct(group: EnrollmentGroup, request: ChangeRequest) -> Draft:
    corrected, rules = tuple(correcting_changes(request)), tuple(request.overridden_rules)
    return Draft(group.group_id, group.revision, changes=corrected, overrides=rules, is_open=False)


def _repeat(group: EnrollmentGroup, request: ChangeRequest) -> Draft:
    repeated, rules = tuple(request.changes), tuple(request.overridden_rules)
    return Draft(group.group_id, group.revision, changes=repeated, overrides=rules, is_open=False)


STARTS = {"revert": _revert, "correct": _correct, "repeat": _repeat}
"""Starts a draft from an earlier request, by the query parameter that has the earlier request's id."""


def change(visit: Visit) -> Response:
    """Shows a draft, carries out a step, or submits it."""
    draft = visit.session.drafts.find(visit.path("draft_id"))
    group = _group(visit)
    if draft is None or draft.group_id != group.group_id:
        return visit.goes_to(f"/families/{group.group_id}/change", NO_LONGER_AVAILABLE)
    requests = list(visit.client.changes.all_change_requests(group_id=group.group_id))
    for request in requests:
        if request.request_id == draft.draft_id:
            return visit.goes_to(_address(request), ALREADY_SUBMITTED)
    types = membership_types(group, requests)
    if visit.request.method != "POST":
        return _form(visit, draft, group, types)
    typed = draft
    try:
        typed = with_input(visit, draft)
        if (asked := visit.text("do")) != "submit":
            return _goes_to(visit, step(draft, typed, types, asked))
        check_complete(visit, draft, typed)
    except Refused as error:
        return _form(visit, typed, group, types, error)
    return _submit(visit, draft, typed, group, types)


def _submit(visit: Visit, draft: Draft, typed: Draft, group: EnrollmentGroup, types: Types) -> Response:
    """Submits a draft with the reason and the consequences that the form has."""
    visit.check_writable()
    try:
        request = visit.client.changes.submit_change_request(
            request_id=draft.draft_id,
            requester=requester_of(visit.session.person, typed.reason),
            group=group.key,
            changes=draft.changes,
            expected_revision=draft.revision,
            accepted_consequences=consequences_of(typed.accepted),
            overridden_rules=draft.overrides,
        ).change_request
    except Unauthenticated:
        raise
    except (Conflict, AlreadyExists) as error:
        return _form(visit, typed, _group(visit), types, error)
    except CallFailed as error:  # with the same id, because the request may have been stored
        return _form(visit, typed.again(draft.draft_id), group, types, error)
    return visit.goes_to(_address(request), _outcome(request))


def _outcome(request: ChangeRequest) -> str:
    if request.verdict != VERDICT_APPROVED:
        return "The request was rejected and recorded. Nothing changed."
    if request.made_revision:
        return f"The request was approved. It created revision {request.revision}."
    return "The request was approved. No enrolled days changed."


def _form(
    visit: Visit,
    draft: Draft,
    group: EnrollmentGroup,
    types: Types,
    error: CallFailed | Refused | None = None,
) -> Response:
    """Shows a draft for the current state of the family, and what has changed since it was started."""
    is_stale = draft.revision != group.revision
    changed = _changes_since(visit, group, draft.revision) if is_stale else []
    if is_stale:
        draft = draft.next(revision=group.revision)
    visit.session.drafts.keep(draft)
    failure = failure_of(error) if error else None
    everyone = types | requested_types(draft.changes)
    if draft.choosing.member_id:
        everyone.setdefault(draft.choosing.member_id, role_of(draft, types))
    visit.names.load_members(everyone)
    return visit.page(
        "change.html",
        status=failure.status if failure else 200,
        title=visit.names.family(group.key),
        group=group,
        draft=draft,
        people=[(member_id, visit.names.member(member_id), kind) for member_id, kind in everyone.items()],
        chosen=visit.names.member(draft.choosing.member_id) if draft.choosing.member_id else "",
        is_new=draft.choosing.member_id not in types,
        role=enum_word(MembershipType, role_of(draft, types)),
        roles=list(ROLES),
        offers=part(lambda: offers(visit, draft, group, types)),
        lines=change_lines(draft.changes, visit.names),
        simulated=part(lambda: simulation(visit, draft, group)) if draft.changes else None,
        is_stale=is_stale,
        was_submitted=isinstance(error, Conflict),
        changed=changed,
        failure=None if isinstance(error, Conflict) and is_stale else failure,
        is_member=is_member(visit.session.person),
    )


def _changes_since(visit: Visit, group: EnrollmentGroup, revision: int) -> list[Described]:
    """Returns what created the revisions of a family after the given one, newest first."""
    found = visit.client.history.list_history(
        group_id=group.group_id, kinds=MAKES_REVISIONS, page_size=MAX_ENTRIES
    ).entries
    newer = [each for each in found if each.HasField("revision") and each.revision > revision]
    return [described(each, visit.names) for each in newer]


def _goes_to(visit: Visit, draft: Draft) -> Response:
    visit.session.drafts.keep(draft)
    return visit.goes_to(f"{draft.address}#{'request' if draft.changes and not draft.is_open else 'choose'}")


def _group(visit: Visit) -> EnrollmentGroup:
    return visit.client.enrollment.get_enrollment_group(group_id=visit.path("group_id")).group


def _request(visit: Visit, group: EnrollmentGroup, asked: str) -> ChangeRequest:
    """Returns an earlier request of the family."""
    request = visit.client.changes.get_change_request(change_request_id=asked).change_request
    if request.group_id != group.group_id:
        raise Refused(f"Request {asked} belongs to another family: {visit.names.family(request.key)}.")
    return request


def _address(request: ChangeRequest) -> str:
    return f"/families/{request.group_id}/requests/{request.change_request_id}"


def _next_month(today: date) -> str:
    """Returns the first day of the next month, on which most changes begin."""
    year, month = divmod(today.year * 12 + today.month, 12)
    return date(year, month + 1, 1).isoformat()
