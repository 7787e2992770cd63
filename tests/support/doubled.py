"""A family whose child was stored twice, and short forms of calls about merges."""

from typing import Any

from affilia.catalog.v1 import member_pb2, member_service_pb2
from affilia.enrollment.v1 import change_request_pb2, enrollment_group_pb2, enrollment_query_service_pb2
from affilia.type.v1 import membership_type_pb2
from tests.scenarios.enrollment_messages import span
from tests.support.calls import Failure, admin, failure_of, new_id
from tests.support.insured import Insured

CHILD = membership_type_pb2.MEMBERSHIP_TYPE_CHILD
PARTNER = membership_type_pb2.MEMBERSHIP_TYPE_PARTNER
KeptFacts = member_service_pb2.KeptFacts.ValueType


class Doubled:
    """An insured family in which the child has a second record, `double`."""

    def __init__(self, insured: Insured) -> None:
        self.insured = insured
        self.family = self.insured.family
        self.members: Any = self.family.members
        self.double = new_id()

    def set_up(self) -> "Doubled":
        self.insured.set_up()
        self.store(self.double)
        return self

    def story(self) -> "Doubled":
        """Enrolls the primary, the child until June, and the child's other record from May on, and uses limits."""
        self.insured.enroll("2026-01-01")
        self.insured.enroll("2026-01-01", "2026-06-30", child=True)
        self.enroll(self.double, "2026-05-01")
        self.of_child, _ = self.insured.apply("2026-03-10", self.family.child, deductible=50_00)
        self.of_double, _ = self.insured.apply("2026-05-20", self.double, deductible=80_00)
        return self

    def store(self, member_id: str, kind: Any = member_pb2.MEMBER_KIND_PERSON, **fields: Any) -> str:
        """Stores a member, and returns the id."""
        member = member_pb2.Member(member_id=member_id, kind=kind, **fields)
        self.members.UpsertMember(member_service_pb2.UpsertMemberRequest(request_id=new_id(), member=member))
        return member_id

    def enroll(
        self, member_id: str, first: str, last: str | None = None, *, kind: Any = CHILD, module: str | None = None
    ) -> None:
        self.insured.submit(self.enrolling(member_id, first, last, kind=kind, module=module))

    def enrolling(
        self, member_id: str, first: str, last: str | None = None, *, kind: Any = CHILD, module: str | None = None
    ) -> change_request_pb2.ScopedChange:
        change = self.family.enroll(module or self.family.base, first, last)
        change.enroll.member_id, change.enroll.membership_type = member_id, kind
        return change

    def request(self, from_id: str, into_id: str, **more: Any) -> member_service_pb2.MergeMembersRequest:
        content = {"request_id": new_id(), "reason": "one child, stored twice", **more}
        return member_service_pb2.MergeMembersRequest(from_member_id=from_id, into_member_id=into_id, **content)

    def merge(self, from_id: str, into_id: str, **more: Any) -> member_service_pb2.MergeMembersResponse:
        answer: member_service_pb2.MergeMembersResponse = self.members.MergeMembers(
            self.request(from_id, into_id, **more), timeout=60
        )
        self.insured.token = answer.consistency_token
        return answer

    def merge_double(self, **more: Any) -> member_service_pb2.MergeMembersResponse:
        return self.merge(self.double, self.family.child, **more)

    def rejected(self, from_id: str, into_id: str, **more: Any) -> Failure:
        return failure_of(self.members.MergeMembers, self.request(from_id, into_id, **more))

    def facts(self, member_id: str) -> member_pb2.MemberFacts:
        facts: member_pb2.MemberFacts = self.read(member_id).facts
        return facts

    def read(self, member_id: str) -> Any:
        request = member_service_pb2.GetMemberRequest(member_id=member_id)
        return self.members.GetMember(request, timeout=60)

    def record(self, member_id: str, **facts: Any) -> None:
        request = member_service_pb2.RecordFactsRequest(request_id=new_id(), member_id=member_id, **facts)
        self.members.RecordFacts(request)

    def attribute(self, member_id: str, name: str, value: str) -> None:
        item = member_pb2.Attribute(days=span("2026-01-01", None), name=name, value=value)
        self.record(member_id, attributes={"items": [item]}, spans=True)

    def periods(self, **as_of: Any) -> dict[str, list[tuple[str, str]]]:
        """Returns the first and last days of all periods, by member; an open end is empty."""
        found: dict[str, list[tuple[str, str]]] = {}
        for period in self.family.group(**as_of).periods:
            found.setdefault(period.member_id, []).append((named(period.days.first_on), named(period.days.last_on)))
        return found

    def differences(self, revision: int) -> dict[str, tuple[list[str], list[tuple[str, str]], list[tuple[str, str]]]]:
        """Returns the kinds and the gained and lost days of a revision, by member."""
        request = enrollment_query_service_pb2.DiffRevisionsRequest(
            group_id=self.insured.group_id, from_revision=revision - 1, to_revision=revision
        )
        return {
            each.member_id: (
                [kind_in_words(kind) for kind in each.kinds],
                [(named(days.first_on), named(days.last_on)) for days in each.gained],
                [(named(days.first_on), named(days.last_on)) for days in each.lost],
            )
            for each in self.family.queries.DiffRevisions(request).differences
        }

    def revisions(self) -> list[Any]:
        request = enrollment_query_service_pb2.ListRevisionsRequest(group_id=self.insured.group_id, page_size=1000)
        return list(self.family.queries.ListRevisions(request).revisions)

    def submit_as_admin(self, *changes: change_request_pb2.ScopedChange, **more: Any) -> Any:
        return self.family.submit(*changes, requester=admin(), **more)


def kind_in_words(kind: Any) -> str:
    return enrollment_group_pb2.DifferenceKind.Name(kind).removeprefix("DIFFERENCE_KIND_")


def named(day: Any) -> str:
    """Returns a day in ISO format, or an empty string for an open end."""
    return f"{day.year:04}-{day.month:02}-{day.day:02}" if day.year else ""
