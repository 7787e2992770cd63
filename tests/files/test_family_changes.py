"""How the changes of a large family are divided into change requests."""

from affilia.enrollment.v1.change_request_pb2 import Enroll, Leave, ScopedChange
from affilia_cli.enrollment_file.applying.family_changes import MAX_CHANGES, MemberChanges, divided
from affilia_cli.enrollment_file.planning.plan import Kind, PlannedMember


def changes(member_id: str, enrolls: int = 0, leaves: int = 0, membership_type: str = "CHILD") -> MemberChanges:
    planned = PlannedMember(None, member_id, member_id, "P", membership_type, Kind.CHANGE, "")
    some = [ScopedChange(enroll=Enroll(member_id=member_id))] * enrolls
    return MemberChanges(planned, (*some, *[ScopedChange(leave=Leave(member_id=member_id))] * leaves))


def ids(requests: list[list[MemberChanges]]) -> list[list[str]]:
    return [[each.member_id for each in request] for request in requests]


def test_up_to_a_hundred_changes_are_one_request_in_the_order_of_the_plan() -> None:
    assert ids(divided([changes("A", leaves=50), changes("P", 50, 0, "PRIMARY")])) == [["A", "P"]]


def test_more_changes_are_divided_so_that_enrolls_come_before_leaves() -> None:
    members = [
        changes("GOES", leaves=40),
        changes("P-GOES", leaves=40, membership_type="PRIMARY"),
        changes("SWITCHES", 20, 20),
        changes("JOINS", 40),
        changes("P", 40, 0, "PRIMARY"),
    ]
    requests = divided(members)
    assert ids(requests) == [["P", "JOINS"], ["SWITCHES", "GOES"], ["P-GOES"]]
    assert all(sum(len(each.changes) for each in request) <= MAX_CHANGES for request in requests)


def test_a_members_changes_stay_together() -> None:
    members = [changes(f"M{n}", 30, 30) for n in range(4)]
    assert ids(divided(members)) == [["M0"], ["M1"], ["M2"], ["M3"]]
