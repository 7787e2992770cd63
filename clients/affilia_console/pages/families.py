"""A family: its timeline as of any revision or instant, what each revision changed, and any two revisions compared."""

from datetime import date, timedelta
from typing import Any

from starlette.responses import HTMLResponse, Response

from affilia.enrollment.v1.enrollment_group_pb2 import EnrollmentDifference, EnrollmentGroup
from affilia.history.v1.history_entry_pb2 import (
    HISTORY_KIND_CHANGE_REQUEST,
    HISTORY_KIND_RECOMPUTE,
    HISTORY_KIND_RECORD,
)
from affilia.pricing.v1.insurance_cost_pb2 import InsuranceCost, Policy
from affilia_client.dates import instant_from_proto
from affilia_console.failures import Refused
from affilia_console.inputs import day_in, instant_in, number_in
from affilia_console.parts import part
from affilia_console.pictures import Picture
from affilia_console.visits import Visit
from affilia_views.days import today_under
from affilia_views.explanations import difference_items, revision_words
from affilia_views.history import Described, described
from affilia_views.outline import Item, Style, item
from affilia_views.server_names import ServerNames

REQUESTED = [HISTORY_KIND_CHANGE_REQUEST], timedelta(microseconds=1)
"""The kind of history entry that made a revision, and how long after the revision it can be recorded, at most: a change
request has the same instant, in microseconds."""
RECOMPUTED = [HISTORY_KIND_RECOMPUTE, HISTORY_KIND_RECORD], timedelta(minutes=1)
"""The same for a recompute or a merge. A recompute has the instant at which it ended."""


def family(visit: Visit) -> Response:
    """Shows a family as of now, of a revision or of an instant, compared with the revision before it."""
    newest = _group(visit)
    group = _asked(visit, newest)
    title = visit.names.family(newest.key)
    visit.remember(title)
    before = _state(visit, max(0, group.revision - 1), EnrollmentGroup(key=group.key))
    on = day_in(visit.query.get("on", ""), "Cost on") or today_under(visit.names.contract(newest.key.contract_id))
    known = number_in(visit.query.get("known", str(newest.revision)), "known")
    return visit.page(
        "family_state.html" if visit.is_htmx else "family.html",
        title=title,
        group=group,
        newest=newest,
        known=known,
        picture=_picture(visit, group, before, f"/families/{group.group_id}?revision={group.revision}"),
        cause=part(lambda: _cause(visit, group)),
        why=part(lambda: _why(visit, group)) if visit.query.get("why") else None,
        cost=part(lambda: _cost(visit, newest, on)),
        on=on,
    )


def newer(visit: Visit) -> Response:
    """Returns a notice if the family has a newer revision than an open page knows, and nothing otherwise."""
    known = number_in(visit.query.get("known", ""), "known")
    newest = _group(visit)
    if newest.revision <= known:
        return HTMLResponse("")
    return visit.page("family_newer.html", newest=newest, cause=part(lambda: _cause(visit, newest)))


def compare(visit: Visit) -> Response:
    """Compares any two revisions of a family, and lists the revisions that changed each enrollment between them."""
    newest = _group(visit)
    defaults = (
        ("from", "The first revision", max(0, newest.revision - 1)),
        ("to", "The second revision", newest.revision),
    )
    ends = [number_in(visit.query.get(name, str(default)), label, newest.revision) for name, label, default in defaults]
    earlier, later = min(ends), max(ends)
    group, before = (_state(visit, revision, EnrollmentGroup(key=newest.key)) for revision in (later, earlier))
    differences = visit.client.enrollment.diff_revisions(
        group_id=newest.group_id, from_revision=earlier, to_revision=later
    ).differences
    address = f"/families/{newest.group_id}/compare?from={earlier}&to={later}"
    picture = _picture(visit, group, before, address)
    title = visit.names.family(newest.key)
    return visit.page(
        "family_compare.html",
        title=title,
        group=newest,
        newest=newest,
        earlier=earlier,
        later=later,
        picture=picture,
        revisions=[_revisions(each, visit.names) for each in differences],
    )


def _revisions(difference: EnrollmentDifference, names: ServerNames) -> Item:
    """Returns an enrollment with the revisions that changed it, oldest first."""
    below = [
        item((f"revision {each.revision}", Style.STRONG), f": {revision_words(each)}") for each in difference.causes
    ]
    return item(f"{names.member(difference.member_id)} on {names.module(difference.module_id)}", below=below)


def _picture(visit: Visit, group: EnrollmentGroup, before: EnrollmentGroup, address: str) -> Picture:
    opened = visit.request.query_params.getlist("open")
    only_changed = bool(visit.query.get("changed"))
    contract = visit.names.contract(group.key.contract_id)
    return Picture(visit.names, contract, group, before, opened, only_changed, address)


def _group(visit: Visit, **state: Any) -> EnrollmentGroup:
    return visit.client.enrollment.get_enrollment_group(group_id=visit.path("group_id"), **state).group


def _state(visit: Visit, revision: int, empty: EnrollmentGroup) -> EnrollmentGroup:
    """Returns the family at a revision. Revision 0 is empty."""
    return _group(visit, revision=revision) if revision else empty


def _asked(visit: Visit, newest: EnrollmentGroup) -> EnrollmentGroup:
    """Returns the state that the address asks for."""
    if at := instant_in(visit.query.get("at", ""), "As of"):
        found = _group(visit, instant=at)
        if not found.revision:
            raise Refused(f"Nothing was recorded about this family until {at:%Y-%m-%d %H:%M} UTC.")
        return found
    if not (asked := visit.query.get("revision", "")):
        return newest
    revision = number_in(asked, "The revision", newest.revision)
    return (
        newest
        if revision == newest.revision
        else _state(visit, revision, EnrollmentGroup(group_id=newest.group_id, key=newest.key))
    )


def _cause(visit: Visit, group: EnrollmentGroup) -> Described | None:
    """Returns what made the revision of a state, or None if it isn't in the history."""
    if not group.revision or not group.HasField("recorded_at"):
        return None
    at = instant_from_proto(group.recorded_at)
    kinds, later = REQUESTED if group.cause.change_request_id else RECOMPUTED
    entries = visit.client.history.all_history(
        group_id=group.group_id, kinds=kinds, recorded_from=at, recorded_before=at + later
    )
    for entry in entries:
        if entry.HasField("revision") and entry.revision == group.revision:
            return described(entry, visit.names)
    return None


def _why(visit: Visit, group: EnrollmentGroup) -> list[Item]:
    """Returns why the revision differs from the one before it."""
    answer = visit.client.history.explain_difference(group_id=group.group_id, revision=group.revision)
    visit.names.load_members(run.member_id for run in answer.runs)
    visit.names.load_modules(run.module_id for run in answer.runs)
    return difference_items(answer, visit.names, group.key.contract_id)


def _cost(visit: Visit, group: EnrollmentGroup, on: date) -> InsuranceCost:
    policy = Policy(group_id=group.group_id)
    return visit.client.costs.get_insurance_cost(inquiry={"on": on, "policy": policy}).cost
