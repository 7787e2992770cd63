"""Many groups of one primary each, and requests about them, for loads that take groups in turn."""

from uuid import UUID

import psycopg

from affilia.eligibility.v1 import eligibility_check_service_pb2 as check_pb
from affilia.enrollment.v1 import change_request_pb2, enrollment_group_pb2
from affilia.enrollment.v1 import change_request_service_pb2 as request_pb
from affilia.enrollment.v1 import enrollment_query_service_pb2 as query_pb
from affilia.type.v1 import membership_type_pb2
from benchmarks.load import NEW_ID
from tests.scenarios.enrollment_messages import date, span
from tests.support.calls import Family, admin
from tests.support.portfolio import clone_policies
from tests.support.waiting import wait_until

FIRST_ON, CHECKED_ON = "2026-01-01", "2026-06-15"
INDEXING_SECONDS = 600


def until_indexed(url: str) -> None:
    """Waits until the server has indexed the members who were written directly, so that it doesn't during a load.

    Also collects statistics of the tables, which the database would otherwise do during a load.
    """
    with psycopg.connect(url, autocommit=True) as connection:
        wait_until(
            lambda: connection.execute("SELECT NOT EXISTS (SELECT FROM member_to_index)").fetchone() == (True,),
            "all members are indexed",
            seconds=INDEXING_SECONDS,
        )
        connection.execute("VACUUM (ANALYZE)")


class Groups:
    """Groups under the contract of a family. Each primary is enrolled on the base module by one decision."""

    def __init__(self, url: str, family: Family, count: int) -> None:
        self._url, self._family = url, family
        family.submit(family.enroll(family.base, FIRST_ON), requester=admin())
        clone_policies(url, str(family.group().group_id), count)
        until_indexed(url)
        with psycopg.connect(url) as connection:
            rows = connection.execute(
                "SELECT primary_id FROM enrollment_group WHERE primary_id <> %s ORDER BY group_key", [family.primary]
            ).fetchall()
        self.primaries: list[UUID] = [primary_id for (primary_id,) in rows]
        self._unused = list(self.primaries)

    def take(self, count: int) -> list[UUID]:
        """Returns the primaries of groups that weren't taken before. Starts again when all were taken."""
        if len(self._unused) < count:
            self._unused = list(self.primaries)
        taken, self._unused = self._unused[:count], self._unused[count:]
        return taken

    def submits(self, primaries: list[UUID]) -> list[bytes]:
        """Returns requests that each change something if they are sent in turn, any number of times."""
        modules = (self._family.plus, self._family.base)
        return [self._submit(str(primary), module_id) for module_id in modules for primary in primaries]

    def reads(self) -> list[bytes]:
        return [
            query_pb.GetEnrollmentGroupRequest(key=self._key(str(primary))).SerializeToString()
            for primary in self.primaries
        ]

    def checks(self) -> list[bytes]:
        checks = (
            check_pb.EligibilityCheck(member_id=str(primary), date=date(CHECKED_ON)) for primary in self.primaries
        )
        return [check_pb.CheckEligibilityRequest(check=each).SerializeToString() for each in checks]

    def submit_once(self) -> None:
        """Submits one more request like those of the loads."""
        self._family.submit(self._family.enroll(self._family.plus, FIRST_ON), requester=admin())

    def mean_decisions(self) -> float:
        """Returns the mean number of decisions of the groups that were changed since they were made."""
        with psycopg.connect(self._url) as connection:
            ((mean,),) = connection.execute(
                "SELECT coalesce(avg(n), 0)::float"
                " FROM (SELECT count(*) AS n FROM change_request JOIN enrollment_group USING (group_key)"
                " WHERE approved AND primary_id <> %s GROUP BY group_key HAVING count(*) > 1) AS changed",
                [self._family.primary],
            ).fetchall()
        return float(mean)

    def _submit(self, primary: str, module_id: str) -> bytes:
        enroll = change_request_pb2.Enroll(
            member_id=primary,
            membership_type=membership_type_pb2.MEMBERSHIP_TYPE_PRIMARY,
            module_id=module_id,
            days=span(FIRST_ON, None),
        )
        return request_pb.SubmitChangeRequestRequest(
            request_id=NEW_ID,
            group=self._key(primary),
            requester=admin(),
            changes=[change_request_pb2.ScopedChange(enroll=enroll)],
        ).SerializeToString()

    def _key(self, primary: str) -> enrollment_group_pb2.GroupKey:
        return enrollment_group_pb2.GroupKey(contract_id=self._family.contract_id, primary_id=primary)
