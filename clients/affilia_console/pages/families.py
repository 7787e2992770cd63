"""A family: the timeline of its enrollments, as of any revision."""

from typing import Any

from markupsafe import Markup
from starlette.responses import Response

from affilia_cli.days import today_under
from affilia_cli.timeline_svg import svg
from affilia_cli.timeline_text import default_window, rows_of_group
from affilia_console.visits import Visit


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
    today = today_under(names.contract(group.key.contract_id))
    rows = rows_of_group(group.periods, group.key.primary_id, names, None)
    picture = Markup(svg(rows, names, default_window(rows, today), today, title))  # noqa: S704 (every text is escaped)
    return visit.page("family.html", title=title, group=group, newest=newest.revision, picture=picture)
