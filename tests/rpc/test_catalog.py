"""The catalog over the wire: contracts published, amended with the past kept, modules resolved."""

import grpc
from google.type import date_pb2

from affilia.catalog.v1 import catalog_service_pb2, contract_pb2, member_pb2, member_service_pb2
from affilia.type.v1 import actor_pb2
from tests.scenarios.enrollment_messages import date, span
from tests.support.calls import Family, failure_of, new_id, without_token

ALREADY_EXISTS, ABORTED = grpc.StatusCode.ALREADY_EXISTS, grpc.StatusCode.ABORTED


def stored(family: Family) -> contract_pb2.Contract:
    return family.catalog.GetContract(catalog_service_pb2.GetContractRequest(contract_id=family.contract_id)).contract


def test_a_contract_is_stored_as_it_was_published(family: Family) -> None:
    found = stored(family)
    assert (found.etag, found.term_start) == ("1", contract_pb2.TermStart(month=1, day=1))
    assert found.actor.kind == actor_pb2.ACTOR_KIND_SYSTEM
    for field in ("etag", "recorded_at", "term_start", "actor"):
        found.ClearField(field)
    assert found == family.contract()


def test_publishing_twice_already_exists_but_repeating_the_request_does_not(family: Family) -> None:
    contract = family.contract()
    request = catalog_service_pb2.PublishContractRequest(request_id=new_id(), contract=contract)
    failure = failure_of(family.catalog.PublishContract, request)
    assert (failure.code, failure.reason) == (ALREADY_EXISTS, "CONTRACT_EXISTS")
    contract.contract_id = new_id()
    for module in contract.versions[0].modules:
        module.module_id = new_id()
    request = catalog_service_pb2.PublishContractRequest(request_id=new_id(), contract=contract)
    first, second = (without_token(family.catalog.PublishContract(request)) for _ in range(2))
    assert first == second


def test_a_module_belongs_to_one_contract(family: Family) -> None:
    contract = family.contract()
    contract.contract_id = new_id()
    request = catalog_service_pb2.PublishContractRequest(request_id=new_id(), contract=contract)
    failure = failure_of(family.catalog.PublishContract, request)
    assert (failure.code, failure.reason) == (ALREADY_EXISTS, "MODULE_TAKEN")


def test_the_past_of_an_amended_contract_stays_readable(family: Family) -> None:
    before = stored(family)
    amended = family.contract()
    amended.versions[0].max_backdating_days = 7
    after = family.amend(amended)
    assert (after.etag, after.versions[0].max_backdating_days) == ("2", 7)
    request = catalog_service_pb2.GetContractRequest(contract_id=family.contract_id, as_of=before.recorded_at)
    assert family.catalog.GetContract(request).contract == before
    request.as_of.seconds -= 3600
    assert failure_of(family.catalog.GetContract, request).reason == "CONTRACT_UNKNOWN"


def test_an_etag_that_is_not_current_is_aborted_with_the_current_one(family: Family) -> None:
    family.amend(family.contract())
    request = catalog_service_pb2.AmendContractRequest(
        request_id=new_id(), contract_id=family.contract_id, versions=family.contract().versions, etag="1"
    )
    failure = failure_of(family.catalog.AmendContract, request)
    assert (failure.code, failure.reason, failure.facts["current_etag"]) == (ABORTED, "ETAG_MISMATCH", "2")


def test_the_slot_of_a_module_cannot_change(family: Family) -> None:
    without_plus = family.contract()
    del without_plus.versions[0].modules[1]
    family.amend(without_plus)
    moved = family.contract()
    moved.versions[0].modules[1].slot = "elsewhere"
    request = catalog_service_pb2.AmendContractRequest(
        request_id=new_id(), contract_id=family.contract_id, versions=moved.versions, etag=stored(family).etag
    )
    failure = failure_of(family.catalog.AmendContract, request)
    assert (failure.code, failure.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "SLOT_CHANGED")


def add_version(family: Family, first: str, last: str | None = None) -> catalog_service_pb2.AddContractVersionRequest:
    version = family.contract().versions[0]
    version.days.CopyFrom(span(first, last))
    return catalog_service_pb2.AddContractVersionRequest(
        request_id=new_id(), contract_id=family.contract_id, version=version
    )


def test_a_new_version_ends_an_open_one_the_day_before(family: Family) -> None:
    request = add_version(family, "2027-01-01", "2027-12-31")
    versions = family.catalog.AddContractVersion(request).contract.versions
    assert [v.days for v in versions] == [span("2025-01-01", "2026-12-31"), span("2027-01-01", "2027-12-31")]
    overlapping = failure_of(family.catalog.AddContractVersion, add_version(family, "2027-12-31"))
    assert (overlapping.code, overlapping.reason) == (ALREADY_EXISTS, "VERSION_OVERLAPS")
    gap = failure_of(family.catalog.AddContractVersion, add_version(family, "2028-01-02"))
    assert gap.violations == {"version.days.first_on": "leaves a gap after the previous version"}


def test_modules_are_resolved_in_the_requested_order_as_of_a_day(family: Family) -> None:
    request = catalog_service_pb2.GetModulesRequest(
        module_ids=[family.option, family.base], on=date_pb2.Date(year=2026, month=1, day=1)
    )
    option, base = family.catalog.GetModules(request).modules
    assert (option.module_id, option.slot, option.module.service_type) == (
        family.option,
        "",
        contract_pb2.SERVICE_TYPE_OPTION,
    )
    assert (base.contract_id, base.slot) == (family.contract_id, "base")
    request.on.CopyFrom(date("2024-12-31"))
    assert not family.catalog.GetModules(request).modules[0].HasField("module")
    request.module_ids.append(new_id())
    assert failure_of(family.catalog.GetModules, request).reason == "MODULE_UNKNOWN"


def test_contracts_and_members_are_listed_in_order_of_id(family: Family) -> None:
    contracts = catalog_service_pb2.ListContractsRequest(page_size=1)
    ids: list[str] = []
    while True:
        page = family.catalog.ListContracts(contracts)
        ids += [contract.contract_id for contract in page.contracts]
        if not page.next_page_token:
            break
        contracts.page_token = page.next_page_token
    assert family.contract_id in ids
    assert ids == sorted(set(ids))
    members = family.members.ListMembers(member_service_pb2.ListMembersRequest(page_size=1000)).members
    assert [m.member_id for m in members] == sorted(m.member_id for m in members)


def test_past_facts_of_a_member_stay_readable(family: Family) -> None:
    first = family.born(family.primary, "1981-01-01").recorded_at
    family.born(family.primary, None)
    request = member_service_pb2.GetMemberRequest(member_id=family.primary, as_of=first)
    assert family.members.GetMember(request).facts.born_on == date("1981-01-01")
    request.ClearField("as_of")
    assert not family.members.GetMember(request).facts.HasField("born_on")


def test_every_kind_of_fact_is_replaced_completely_and_stays_in_order(family: Family) -> None:
    later = member_pb2.Address(days=span("2026-01-01", None), country_code="FR", postal_code="67000")
    earlier = member_pb2.Address(days=span(None, "2025-12-31"), country_code="BE")
    found = member_pb2.MemberFacts()
    for items in ([later, earlier], [later]):
        request = member_service_pb2.RecordFactsRequest(request_id=new_id(), member_id=family.primary)
        request.addresses.items.extend(items)
        family.members.RecordFacts(request)
        found = family.members.GetMember(member_service_pb2.GetMemberRequest(member_id=family.primary)).facts
        assert list(found.addresses) == items[::-1]
    assert found.born_on == date("1980-06-01")
