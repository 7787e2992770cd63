"""A family: the timeline of its enrollments, as of any revision."""

from typing import Any

from markupsafe import Markup
from starlette.responses import Response

from affilia_cli.timeline_text import rows_with_names
from affilia_console.visits import Visit
from affilia_views.changes import default_window
from affilia_views.days import today_under
from affilia_views.lanes import lanes_of, module_colors
from affilia_views.timeline_svg import timeline_svg


def family(visit: Visit) -> Response:
    """Shows the timeline of a family, as of now or of a revision."""
    group_id, names = visit.path("group_id"), visit.names
    state: dict[str, Any] = {}
    if asked := visit.query.get("revision", ""):
        state["revision"] = int(asked)
    newest = visit.client.enrollment.get_enrollment_group(group_id=group_id).group
    group = visit.client.enrollment.get_enrollment_group(group_id=group_id, **state).group if state else newest
    title = names.family(group.key)
    visit.remember(title)
    contract = names.contract(group.key.contract_id)
    today = today_under(contract)
    rows = rows_with_names(group.periods, group.key.primary_id, names, None)
    lanes = lanes_of(rows, names, module_colors(contract))
    links = {lane.member_id: f"/people/{lane.member_id}" for lane in lanes}
    drawing = timeline_svg(lanes, default_window(rows, today), today, title, links=links, in_page=True)
    picture = Markup(drawing)  # noqa: S704 (the drawing escapes every text)
    return visit.page("family.html", title=title, group=group, newest=newest.revision, picture=picture)
