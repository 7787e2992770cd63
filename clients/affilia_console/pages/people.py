"""A person: facts, families, and coverage today."""

from starlette.responses import Response

from affilia_console.visits import Visit


def person(visit: Visit) -> Response:
    """Shows a person with their current facts and their families."""
    member_id = visit.path("member_id")
    found = visit.client.members.get_member(member_id=member_id)
    if found.merged_into:
        notice = f"Member {member_id} was merged into this one."
        return visit.goes_to(f"/people/{found.merged_into}", notice)
    name = found.member.display_name or found.member.member_id
    visit.remember(name)
    groups = list(visit.client.enrollment.all_enrollment_groups(member_id=member_id))
    return visit.page("person.html", name=name, found=found, groups=groups)
