"""Measures how much disk space families, changes and premiums take in PostgreSQL, indexes included.

`python -m benchmarks.storage_use 200` sets the number of families. Space of rows that vacuum could reuse counts, so
small numbers of families give somewhat larger figures.
"""

import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import psycopg

from affilia.premium.v1 import premium_computation_service_pb2 as pb
from affilia.premium.v1.premium_computation_service_pb2_grpc import PremiumComputationServiceStub
from benchmarks.figures import Figure, table
from benchmarks.running import MeasuredServer, measured_server
from tests.rpc.test_costs import priced_contract
from tests.scenarios.ledger_messages import months
from tests.support.calls import Family, admin

CALLERS = 8
MEMBERS = 2
"""Members of a family: the primary and a child."""


def measure(families: str = "500") -> list[Figure]:
    number = int(families)
    with measured_server() as server, ThreadPoolExecutor(CALLERS) as pool:
        first = Family(server.channel).set_up()
        first.amend(priced_contract(first))
        ids = {"contract_id": first.contract_id, "base": first.base, "plus": first.plus, "option": first.option}
        all_families = [Family(server.channel, **ids) for _ in range(number)]

        def grown(work: Callable[[Family], None]) -> float:
            """Returns by how many bytes per family the database grows."""
            before = _size(server)
            list(pool.map(work, all_families))
            return (_size(server) - before) / number

        enrolled, changed = grown(_enroll), grown(_change)
        before = _size(server)
        _compute_a_year(server, first.contract_id)
        premiums = (_size(server) - before) / number
    against = f"{number} families of {MEMBERS}"
    return [
        Figure(name="storage_use.member", value=enrolled / MEMBERS / 1024, unit="KiB", against=f"{against}, enrolled"),
        Figure(name="storage_use.change", value=changed / 1024, unit="KiB", against=f"{against}, one module more"),
        Figure(name="storage_use.policy_year", value=premiums / 1024, unit="KiB", against="12 months of premiums"),
    ]


def _enroll(family: Family) -> None:
    for member_id, born_on in ((family.primary, "1980-06-01"), (family.child, "2015-06-01")):
        family.store(member_id)
        family.born(member_id, born_on)
    family.submit(family.enroll(family.base, "2026-01-01"), requester=admin())


def _change(family: Family) -> None:
    family.submit(family.enroll(family.option, "2026-03-01"), requester=admin())


def _compute_a_year(server: MeasuredServer, contract_id: str) -> None:
    request = pb.RunPremiumsRequest(request_id=Family(server.channel).primary, contract_id=contract_id)
    request.months.CopyFrom(months("2026-01", "2026-12"))
    (*_, last) = PremiumComputationServiceStub(server.channel).RunPremiums(request, timeout=600)
    if last.run.state != pb.PREMIUM_RUN_STATE_DONE or last.run.failed:
        raise RuntimeError(f"the premium run failed: {last.run}")


def _size(server: MeasuredServer) -> int:
    """Returns the size of the database in bytes, after vacuum has freed what it can."""
    with psycopg.connect(server.url, autocommit=True) as connection:
        connection.execute("VACUUM")
        row = connection.execute("SELECT pg_database_size(current_database())").fetchone()
        assert row is not None  # noqa: S101 (an aggregate has a row)
        return int(row[0])


if __name__ == "__main__":
    print(table(measure(*sys.argv[1:])))
