"""Searches of the audit log: every write is found by every id that it names or touches, newest first, in pages."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import grpc
import psycopg
import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from affilia.audit.v1 import audit_service_pb2 as pb
from affilia.audit.v1.audit_service_pb2_grpc import AuditServiceStub
from affilia.catalog.v1 import member_pb2, member_service_pb2
from affilia.enrollment.v1 import change_request_service_pb2 as requests_pb
from affilia.premium.v1 import premium_computation_service_pb2 as premiums_pb
from affilia.premium.v1 import premium_entry_pb2
from affilia.premium.v1.premium_computation_service_pb2_grpc import PremiumComputationServiceStub
from operations.call import MAX_RESOLVED_IDS, Trail
from tests.conftest import a_database
from tests.rpc.test_costs import priced_contract
from tests.rpc.test_lists_for_operators import nanosecond_after
from tests.rpc.test_premiums import entries
from tests.scenarios.ledger_messages import months
from tests.support.calls import Family, admin, decoded, failure_of, new_id
from tests.support.channels import connected_to
from tests.support.guarded import guarded_server
from tests.support.identities import as_, channel_of
from tests.support.insured import Insured

RECORD_FACTS = "/affilia.catalog.v1.MemberService/RecordFacts"


class Log:
    """A server that requires tokens, and the searches of its audit log by an admin."""

    def __init__(self, public: grpc.Channel, internal: grpc.Channel, owner_url: str) -> None:
        self.public: Any = public
        self.internal: Any = internal
        self.owner_url = owner_url
        self.stub: Any = AuditServiceStub(channel_of(public, as_("admin", "auditor")))

    def family(self, admin_name: str = "ada") -> Family:
        return Family(channel_of(self.public, as_("admin", admin_name)), requester=admin(name=""))

    def found(self, **which: Any) -> list[pb.AuditEntry]:
        """Returns all entries, in pages of 50. Searches are entries as well, so they are left out."""
        entries: list[pb.AuditEntry] = []
        request = pb.ListAuditEntriesRequest(**which)
        while True:
            page = self.stub.ListAuditEntries(request)
            entries += [entry for entry in page.entries if not entry.method.endswith("/ListAuditEntries")]
            if not page.next_page_token:
                return entries
            request.page_token = page.next_page_token

    def methods(self, named_id: str) -> list[str]:
        return [entry.method.rpartition("/")[2] for entry in self.found(named_id=named_id)]


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Log]:
    with (
        guarded_server(tmp_path_factory.mktemp("guarded")) as (server, owner_url),
        connected_to(server.address) as public,
        connected_to(server.internal_address) as internal,
    ):
        yield Log(public, internal, owner_url)


def ids_of(entry: pb.AuditEntry) -> dict[str, str]:
    return {named.field: named.id for named in entry.ids}


def enrolled(log: Log) -> tuple[Family, str]:
    """Returns a family of two with a priced contract, and its group."""
    family = log.family().set_up()
    family.amend(priced_contract(family))
    both = family.enroll(family.base, "2026-01-01"), family.enroll(family.base, "2026-01-01", child=True)
    return family, str(family.submit(*both).group.group_id)


def test_a_change_is_found_by_everything_that_it_touches(log: Log) -> None:
    family, group_id = enrolled(log)
    answer = family.submit(family.leave("2026-06-01"), accept_consequences=True)
    newest = log.found(named_id=group_id)[0]
    assert (
        ids_of(newest).items()
        >= {
            "group.contract_id": family.contract_id,
            "group.primary_id": family.primary,
            "resolved.group_id": group_id,
            "resolved.member_id": family.child,
            "resolved.change_request_id": answer.change_request.change_request_id,
        }.items()
    )
    for named in (family.primary, family.child, family.contract_id, answer.change_request.change_request_id):
        assert log.methods(named)[0] == "SubmitChangeRequest"


def test_every_write_to_a_group_is_found_by_the_group(log: Log) -> None:
    family, group_id = enrolled(log)
    stub = PremiumComputationServiceStub(family.channel)

    def newest() -> pb.AuditEntry:
        return log.found(named_id=group_id)[0]

    def wrote(method: str, *ids: str) -> None:
        """Asserts that the newest write of the group is a method, which is found by all ids."""
        entry = newest()
        assert (entry.method.rpartition("/")[2], entry.outcome) == (method, "OK")
        for named in ids:
            assert entry in log.found(named_id=named), named

    everyone = (family.contract_id, family.primary, family.child)
    wrote("SubmitChangeRequest", *everyone)
    family.born(family.child, "2016-01-01")
    wrote("RecordFacts", family.child)
    family.amend(priced_contract(family))
    wrote("AmendContract", family.contract_id)
    recompute = requests_pb.RequestRecomputeRequest(request_id=new_id(), group_id=group_id)
    recompute_id = family.requests.RequestRecompute(recompute).recompute.recompute_id
    wrote("RequestRecompute", recompute_id, *everyone)
    family.requests.RequestRecompute(
        requests_pb.RequestRecomputeRequest(request_id=new_id(), contract_id=family.contract_id)
    )
    wrote("RequestRecompute", family.contract_id)
    computing = premiums_pb.ComputePremiumsRequest(request_id=new_id(), months=months("2026-01", "2026-02"))
    computing.policy.key.CopyFrom(family.key)
    stub.ComputePremiums(computing)
    wrote("ComputePremiums", *everyone)
    stub.ComputePremiums(computing)
    assert [entry.method for entry in log.found(named_id=group_id)[:2]] == [newest().method] * 2
    marked = [entry for entry in entries(family) if entry.member_id == family.child]
    marking = premiums_pb.MarkPremiumsInvoicedRequest(
        request_id=new_id(),
        entry_ids=[entry.entry_id for entry in marked],
        debtor=premium_entry_pb2.DEBTOR_PRIMARY,
        invoice_id="1",
    )
    stub.MarkPremiumsInvoiced(marking)
    wrote("MarkPremiumsInvoiced", *everyone, *marking.entry_ids)
    run = premiums_pb.RunPremiumsRequest(
        request_id=new_id(), contract_id=family.contract_id, months=months("2026-03", "2026-04")
    )
    list(stub.RunPremiums(run))
    wrote("RunPremiums", run.request_id, family.contract_id)
    stub.StopPremiumRun(premiums_pb.StopPremiumRunRequest(run_id=run.request_id))
    assert log.methods(run.request_id)[0] == log.methods(family.contract_id)[0] == "StopPremiumRun"


def test_uses_of_limits_are_found_by_the_policy_and_the_member(log: Log) -> None:
    insured = Insured(log.family().channel, log.internal)
    insured.family.requester = admin(name="")
    insured.set_up().enroll("2026-01-01")
    application_id, _ = insured.apply("2026-03-01", deductible=10_00)
    for named in (insured.group_id, insured.family.primary, insured.family.contract_id, application_id):
        assert "ApplyAccumulators" in log.methods(named)
    insured.reverse(application_id)
    for named in (insured.group_id, insured.family.primary, application_id):
        assert "ReverseAccumulators" in log.methods(named)
    (entry,) = log.found(named_id=application_id, method="ReverseAccumulators")
    assert (entry.actor.subject, entry.outcome) == ("loopback", "OK")


def test_a_rejected_write_is_found_by_what_it_resolved_before(log: Log) -> None:
    family, group_id = enrolled(log)
    computing = premiums_pb.ComputePremiumsRequest(request_id=new_id(), months=months("2026-01", "2026-02"))
    computing.policy.group_id = group_id
    contract = priced_contract(family)
    contract.versions[0].modules[0].ClearField("pricing")
    family.amend(contract)
    assert (
        failure_of(
            lambda request, metadata: PremiumComputationServiceStub(family.channel).ComputePremiums(request), computing
        ).reason
        == "PRICE_MISSING"
    )
    entry = log.found(named_id=family.child)[0]
    assert (entry.method.rpartition("/")[2], entry.outcome) == ("ComputePremiums", "PRICE_MISSING")
    assert ids_of(entry)["resolved.contract_id"] == family.contract_id
    erasing = member_service_pb2.EraseMemberRequest(request_id=new_id(), member_id=family.child)
    with pytest.raises(grpc.RpcError):
        family.members.EraseMember(erasing)
    entry = log.found(named_id=group_id)[0]
    assert (entry.method.rpartition("/")[2], entry.outcome) == ("EraseMember", "MEMBER_STILL_COVERED")


def test_an_entry_says_on_whose_behalf_the_call_was_made(log: Log) -> None:
    family = log.family().set_up()
    portal = as_("service", "portal", "members.write", on_behalf_of="eve")
    Family(channel_of(log.public, portal), **family.ids()).born(family.child, "2016-01-01")
    entry = log.found(named_id=family.child)[0]
    assert (entry.actor.subject, entry.actor.on_behalf_of) == ("portal", "eve")
    family.members.EraseMember(member_service_pb2.EraseMemberRequest(request_id=new_id(), member_id=family.child))
    erased, by_database, *_ = log.found(named_id=family.child)
    assert (erased.method, erased.actor.subject) == ("/affilia.catalog.v1.MemberService/EraseMember", "ada")
    assert (by_database.method, by_database.actor.on_behalf_of) == ("/affilia.database/erase_member", "ada")


def test_filters_are_combined(log: Log) -> None:
    family = log.family("fay").set_up()
    family.born(family.child, "2016-01-01")
    with pytest.raises(grpc.RpcError):
        family.born(unknown := new_id(), "2016-01-01")
    everything = log.found(subject="fay")
    assert [e.method.rpartition("/")[2] for e in everything] == [
        *("RecordFacts", "RecordFacts", "RecordFacts", "UpsertMember", "RecordFacts", "UpsertMember"),
        "PublishContract",
    ]
    failed, recorded = everything[:2]
    assert (failed.outcome, ids_of(failed)["member_id"]) == ("MEMBER_UNKNOWN", unknown)
    for method in ("RecordFacts", RECORD_FACTS):
        assert log.found(subject="fay", method=method, outcome="MEMBER_UNKNOWN") == [failed]
        assert recorded in log.found(subject="fay", method=method, outcome="OK")
        assert log.found(named_id=family.child, method=method)[0] == recorded
    assert log.found(subject="fay", method="/affilia.other.v1.MemberService/RecordFacts") == []
    assert failed in log.found(outcome="MEMBER_UNKNOWN")
    assert failed in log.found(method=RECORD_FACTS)
    assert log.found(subject="fay", recorded_from=failed.recorded_at) == [failed]
    assert log.found(subject="fay", recorded_before=failed.recorded_at) == everything[1:]
    assert log.found(subject="fay", recorded_from=nanosecond_after(failed.recorded_at)) == []
    assert log.found(subject="fay", recorded_before=nanosecond_after(failed.recorded_at)) == everything
    between = {"recorded_from": everything[3].recorded_at, "recorded_before": recorded.recorded_at}
    assert log.found(subject="fay", **between) == everything[2:4]
    assert log.found(named_id=family.child, **between) == everything[2:4]
    assert log.found(subject="nobody") == log.found(method="Nothing") == log.found(outcome="nothing") == []
    assert log.found(named_id=new_id()) == []


def test_instants_in_the_wrong_order_are_rejected(log: Log) -> None:
    request = pb.ListAuditEntriesRequest(recorded_from=Timestamp(seconds=2), recorded_before=Timestamp(seconds=1))
    failure = failure_of(log.stub.ListAuditEntries, request)
    assert failure.violations == {"recorded_before": "must not be before recorded_from"}


@pytest.mark.parametrize("by", ["subject", "named_id", "method", "outcome", "recorded_from"])
def test_pages_have_every_entry_once_and_the_newest_first(log: Log, by: str) -> None:
    member_id, subject, before = new_id(), f"pager-{new_id()}", datetime.now(UTC)
    members: Any = Family(channel_of(log.public, as_("service", subject, "members.write"))).members
    upsert = member_service_pb2.UpsertMemberRequest(
        member=member_pb2.Member(member_id=member_id, kind=member_pb2.MEMBER_KIND_PERSON)
    )
    request_ids = [new_id() for _ in range(7)]
    for request_id in request_ids:
        upsert.request_id = request_id
        members.UpsertMember(upsert)
    filters: dict[str, dict[str, Any]] = {
        "subject": {"subject": subject},
        "named_id": {"named_id": member_id},
        "method": {"method": "UpsertMember", "recorded_from": before},
        "outcome": {"outcome": "OK", "recorded_from": before},
        "recorded_from": {"recorded_from": before},
    }
    request, found, sizes = pb.ListAuditEntriesRequest(page_size=2, **filters[by]), [], []
    while True:
        page = log.stub.ListAuditEntries(request)
        found += [ids_of(entry)["request_id"] for entry in page.entries if entry.actor.subject == subject]
        sizes.append(len(page.entries))
        request.page_token = page.next_page_token
        if not page.next_page_token:
            break
    assert found == request_ids[::-1]
    assert max(sizes) == 2
    assert len(sizes) >= 4


def test_a_page_token_belongs_to_its_filters(log: Log) -> None:
    log.family().set_up()
    page = log.stub.ListAuditEntries(pb.ListAuditEntriesRequest(subject="ada", page_size=1))
    other = pb.ListAuditEntriesRequest(subject="bob", page_size=1, page_token=page.next_page_token)
    failure = failure_of(lambda request, metadata: log.stub.ListAuditEntries(request), other)
    assert (failure.code, failure.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "TOKEN_INVALID")


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"named_id": "no id"}, "named_id"),
        ({"subject": "x" * 201}, "subject"),
        ({"method": "a\0b"}, "method"),
        ({"page_size": -1}, "page_size"),
    ],
)
def test_malformed_searches_are_rejected(log: Log, wrong: dict[str, Any], field: str) -> None:
    failure = failure_of(
        lambda request, metadata: log.stub.ListAuditEntries(request), pb.ListAuditEntriesRequest(**wrong)
    )
    assert (failure.code, set(failure.violations)) == (grpc.StatusCode.INVALID_ARGUMENT, {field})


@pytest.mark.parametrize("text", ["'; DROP TABLE audit_entry; --", "%", "_", "\\", "/%"])
def test_filters_are_compared_as_they_are(log: Log, text: str) -> None:
    for field in ("subject", "method", "outcome"):
        assert log.found(**{field: text}) == []


def test_searches_are_audited_too(log: Log) -> None:
    named_id = new_id()
    log.found(named_id=named_id)
    (entry,) = log.stub.ListAuditEntries(pb.ListAuditEntriesRequest(named_id=named_id)).entries
    assert (entry.method, entry.actor.subject) == ("/affilia.audit.v1.AuditService/ListAuditEntries", "auditor")
    member: Any = AuditServiceStub(channel_of(log.public, as_("member", named_id)))
    with pytest.raises(grpc.RpcError) as raised:
        member.ListAuditEntries(pb.ListAuditEntriesRequest(named_id=named_id))
    assert decoded(raised.value).code == grpc.StatusCode.PERMISSION_DENIED
    assert log.stub.ListAuditEntries(pb.ListAuditEntriesRequest(named_id=named_id)).entries[0].outcome == "NOT_ALLOWED"


def test_searches_on_a_dev_server_are_audited_too(server_channel: grpc.Channel) -> None:
    stub: Any = AuditServiceStub(server_channel)
    request = pb.ListAuditEntriesRequest(named_id=new_id())
    assert not stub.ListAuditEntries(request).entries
    (entry,) = stub.ListAuditEntries(request).entries
    assert (entry.actor.subject, ids_of(entry)) == ("dev", {"named_id": request.named_id})


LARGE_LOG = """
WITH added AS (
    INSERT INTO audit_entry (recorded_at, call_id, method, caller_kind, subject, ids, outcome)
    SELECT now() - n * interval '1 second', 'call', '/affilia.test.v1.Probe/' || CASE WHEN n % 2000 = 0 THEN 'Rare'
           ELSE 'Frequent' END, 'SERVICE', CASE WHEN n % 2000 = 1 THEN 'rare' ELSE 'frequent' END, '{}',
           CASE WHEN n % 2000 = 2 THEN 'RARE' ELSE 'OK' END
    FROM generate_series(1, 100000) AS n RETURNING entry_key)
INSERT INTO audit_entry_id (named_id, entry_key)
    SELECT CASE WHEN entry_key % 2000 = 3 THEN %(rare)s ELSE %(frequent)s END, entry_key FROM added
"""
RARE_ID, FREQUENT_ID = UUID(int=1), UUID(int=2)
LONG_AGO = datetime.now(UTC) - timedelta(seconds=50_000)


@pytest.fixture(scope="module")
def large_log(postgres_url: str) -> Iterator[psycopg.Connection]:
    """A log of 100,000 entries, of which few have the rare values, with current statistics."""
    with a_database(postgres_url) as url, psycopg.connect(url, autocommit=True) as connection:
        connection.execute(LARGE_LOG.replace("% 2000", "%% 2000"), {"rare": RARE_ID, "frequent": FREQUENT_ID})
        connection.execute("VACUUM ANALYZE audit_entry, audit_entry_id")
        yield connection


def rows_read(connection: psycopg.Connection) -> tuple[int, int]:
    """Returns the sequential scans of the log, and the rows that were read by indexes, as this session counts them."""
    row = connection.execute(
        "SELECT sum(seq_scan)::integer, sum(idx_tup_fetch)::integer FROM pg_stat_xact_user_tables"
        " WHERE relname IN ('audit_entry', 'audit_entry_id')"
    ).fetchone()
    assert row
    return row[0], row[1]


@pytest.mark.parametrize(
    "which",
    [
        {},
        {"named": RARE_ID},
        {"named": FREQUENT_ID},
        {"of_subject": "rare"},
        {"of_subject": "frequent"},
        {"of_method": "Rare"},
        {"of_method": "/affilia.test.v1.Probe/Rare"},
        {"of_method": "Frequent"},
        {"with_outcome": "RARE"},
        {"with_outcome": "OK"},
        {"recorded_before": LONG_AGO},
        {"of_subject": "frequent", "recorded_before": LONG_AGO},
        {"of_method": "Frequent", "recorded_before": LONG_AGO},
    ],
    ids=str,
)
def test_a_search_of_a_large_log_reads_little_more_than_its_page(
    large_log: psycopg.Connection, which: dict[str, Any]
) -> None:
    names = ("named", "of_subject", "of_method", "with_outcome", "recorded_from", "recorded_before")
    statement = "SELECT recorded_at, entry_key FROM list_audit_entries(%s, %s, %s, %s, %s, %s, %s, %s, 20)"
    after: tuple[Any, Any] = (None, None)
    for _ in range(2):
        with large_log.transaction():
            scans_before, rows_before = rows_read(large_log)
            found = large_log.execute(statement, [*map(which.get, names), *after]).fetchall()
            scans, rows = rows_read(large_log)
        assert len(found) == 20
        assert scans == scans_before
        assert rows - rows_before <= 100
        after = found[-1]


def test_ids_beyond_a_limit_are_counted() -> None:
    trail, groups = Trail({"member_id": str(RARE_ID)}), [UUID(int=n) for n in range(2, 2502)]
    trail.resolved(member_id=[RARE_ID, FREQUENT_ID], contract_id=FREQUENT_ID)
    trail.resolved(member_id=FREQUENT_ID)
    ids, omitted = trail.all_ids()
    assert ids == {
        "member_id": str(RARE_ID),
        "resolved.member_id": str(FREQUENT_ID),
        "resolved.contract_id": str(FREQUENT_ID),
    }
    assert omitted == 0
    trail.resolved_groups(groups[:MAX_RESOLVED_IDS], len(groups))
    ids, omitted = trail.all_ids()
    assert (len(ids), omitted) == (3 + MAX_RESOLVED_IDS, 1500)
    assert ids["resolved.group_id[999]"] == str(groups[999])
    trail.forget_resolved()
    assert trail.all_ids() == ({"member_id": str(RARE_ID)}, 0)
