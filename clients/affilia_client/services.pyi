"""Written by `python -m tools.client_stubs write` from the protos; never edited."""
# ruff: noqa: ASYNC109 (a deadline is sent along, which asyncio.timeout cannot do)

from collections.abc import AsyncGenerator, Generator, Iterable
from datetime import date, datetime

from google.protobuf import timestamp_pb2
from google.type import date_pb2

from affilia.catalog.v1 import catalog_service_pb2, contract_pb2, member_pb2, member_service_pb2, pricing_pb2
from affilia.eligibility.v1 import (
    accumulator_pb2,
    coverage_pb2,
    eligibility_check_service_pb2,
    eligibility_internal_service_pb2,
)
from affilia.enrollment.v1 import (
    change_request_pb2,
    change_request_service_pb2,
    enrollment_event_pb2,
    enrollment_group_pb2,
    enrollment_query_service_pb2,
)
from affilia.premium.v1 import premium_computation_service_pb2, premium_entry_pb2
from affilia.pricing.v1 import cost_provider_service_pb2, insurance_cost_pb2
from affilia.type.v1 import date_span_pb2, membership_type_pb2, year_month_pb2
from affilia_client.async_calling import AsyncCaller
from affilia_client.calling import Caller

class EnrollmentQueryService:
    """Reads enrollments. Every answer can be had as of now, as of a revision, or as of an instant; answers as of
    the past never change. No read takes a lock that writes wait for; a read as of an instant that has only just
    passed waits for the writes that were under way then.
    """
    def __init__(self, caller: Caller) -> None: ...
    def get_enrollment_group(
        self,
        request: enrollment_query_service_pb2.GetEnrollmentGroupRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        group_id: str = ...,
        key: enrollment_group_pb2.GroupKey | None = ...,
        revision: int = ...,
        instant: timestamp_pb2.Timestamp | datetime | None = ...,
        touching: date_span_pb2.DateSpan | None = ...,
        consistency_token: str = ...,
    ) -> enrollment_query_service_pb2.GetEnrollmentGroupResponse:
        """Returns one group. A group exists from its first stored request on.
        Errors: NOT_FOUND/GROUP_UNKNOWN; NOT_FOUND/REVISION_UNKNOWN; INVALID_ARGUMENT.
        """
    def list_enrollment_groups(
        self,
        request: enrollment_query_service_pb2.ListEnrollmentGroupsRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        contract_id: str = ...,
        primary_id: str = ...,
        member_id: str = ...,
        revision: int = ...,
        instant: timestamp_pb2.Timestamp | datetime | None = ...,
        touching: date_span_pb2.DateSpan | None = ...,
        page_size: int = ...,
        page_token: str = ...,
        consistency_token: str = ...,
    ) -> enrollment_query_service_pb2.ListEnrollmentGroupsResponse:
        """Lists groups of a contract, of a primary, or of a member (as primary, or named in an approved decision), in
        order of group_id. As of a past revision or instant, groups that did not have it yet are left out.
        Errors: INVALID_ARGUMENT.
        """
    def all_enrollment_groups(
        self,
        request: enrollment_query_service_pb2.ListEnrollmentGroupsRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        contract_id: str = ...,
        primary_id: str = ...,
        member_id: str = ...,
        revision: int = ...,
        instant: timestamp_pb2.Timestamp | datetime | None = ...,
        touching: date_span_pb2.DateSpan | None = ...,
        page_size: int = ...,
        page_token: str = ...,
        consistency_token: str = ...,
    ) -> Generator[enrollment_group_pb2.EnrollmentGroup]:
        """The groups of all pages of `list_enrollment_groups`, one after the other."""
    def list_revisions(
        self,
        request: enrollment_query_service_pb2.ListRevisionsRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        group_id: str = ...,
        page_size: int = ...,
        page_token: str = ...,
        consistency_token: str = ...,
    ) -> enrollment_query_service_pb2.ListRevisionsResponse:
        """Lists the revisions of a group with their causes, the first one first.
        Errors: NOT_FOUND/GROUP_UNKNOWN; INVALID_ARGUMENT.
        """
    def all_revisions(
        self,
        request: enrollment_query_service_pb2.ListRevisionsRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        group_id: str = ...,
        page_size: int = ...,
        page_token: str = ...,
        consistency_token: str = ...,
    ) -> Generator[enrollment_group_pb2.Revision]:
        """The revisions of all pages of `list_revisions`, one after the other."""
    def diff_revisions(
        self,
        request: enrollment_query_service_pb2.DiffRevisionsRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        group_id: str = ...,
        from_revision: int = ...,
        to_revision: int = ...,
        consistency_token: str = ...,
    ) -> enrollment_query_service_pb2.DiffRevisionsResponse:
        """Tells how two revisions of a group differ, in order of member_id and module_id. Enrollments without a
        difference are left out.
        Errors: NOT_FOUND/GROUP_UNKNOWN; NOT_FOUND/REVISION_UNKNOWN; INVALID_ARGUMENT.
        """
    def watch_enrollments(
        self,
        request: enrollment_query_service_pb2.WatchEnrollmentsRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        from_: enrollment_query_service_pb2.FeedStart.ValueType = ...,
        resume_token: str = ...,
        filter: enrollment_event_pb2.EnrollmentFilter | None = ...,
    ) -> Generator[enrollment_query_service_pb2.WatchEnrollmentsResponse]:
        """The change feed: every revision, rejected request and failed recompute, in one order for all readers, each
        group's in the order of its revisions; nothing is left out, and nothing comes again after the token that was
        resumed from. The stream has no end of its own. Its first message comes at once, mostly without events: from
        then on nothing is missed. Where nothing matches, a message without events comes at least every 10 s, with a
        newer token: a consumer that hears nothing for 20 s should cancel and resume. A consumer that stores the
        token of a message in one transaction with what it made of the message gets every event exactly once. One
        that stores it afterwards may get events again, and knows them by their event_id.
        Errors: OUT_OF_RANGE/FEED_TRIMMED: the events after the token, or the first ones ever, are no longer kept;
        FAILED_PRECONDITION/FEED_DIVERGED: the token is of another history, as after a backup was restored: begin
        anew with a snapshot; INVALID_ARGUMENT/TOKEN_INVALID: the token is damaged, or came with another filter.
        Ends, after which resuming is right: UNAVAILABLE (the server drains, or lost its database),
        RESOURCE_EXHAUSTED/CONSUMER_TOO_SLOW (a message was not taken for 25 s). FEED_TRIMMED and FEED_DIVERGED may
        also end a stream that is open.
        """

class AsyncEnrollmentQueryService:
    """Reads enrollments. Every answer can be had as of now, as of a revision, or as of an instant; answers as of
    the past never change. No read takes a lock that writes wait for; a read as of an instant that has only just
    passed waits for the writes that were under way then.
    """
    def __init__(self, caller: AsyncCaller) -> None: ...
    async def get_enrollment_group(
        self,
        request: enrollment_query_service_pb2.GetEnrollmentGroupRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        group_id: str = ...,
        key: enrollment_group_pb2.GroupKey | None = ...,
        revision: int = ...,
        instant: timestamp_pb2.Timestamp | datetime | None = ...,
        touching: date_span_pb2.DateSpan | None = ...,
        consistency_token: str = ...,
    ) -> enrollment_query_service_pb2.GetEnrollmentGroupResponse:
        """Returns one group. A group exists from its first stored request on.
        Errors: NOT_FOUND/GROUP_UNKNOWN; NOT_FOUND/REVISION_UNKNOWN; INVALID_ARGUMENT.
        """
    async def list_enrollment_groups(
        self,
        request: enrollment_query_service_pb2.ListEnrollmentGroupsRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        contract_id: str = ...,
        primary_id: str = ...,
        member_id: str = ...,
        revision: int = ...,
        instant: timestamp_pb2.Timestamp | datetime | None = ...,
        touching: date_span_pb2.DateSpan | None = ...,
        page_size: int = ...,
        page_token: str = ...,
        consistency_token: str = ...,
    ) -> enrollment_query_service_pb2.ListEnrollmentGroupsResponse:
        """Lists groups of a contract, of a primary, or of a member (as primary, or named in an approved decision), in
        order of group_id. As of a past revision or instant, groups that did not have it yet are left out.
        Errors: INVALID_ARGUMENT.
        """
    def all_enrollment_groups(
        self,
        request: enrollment_query_service_pb2.ListEnrollmentGroupsRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        contract_id: str = ...,
        primary_id: str = ...,
        member_id: str = ...,
        revision: int = ...,
        instant: timestamp_pb2.Timestamp | datetime | None = ...,
        touching: date_span_pb2.DateSpan | None = ...,
        page_size: int = ...,
        page_token: str = ...,
        consistency_token: str = ...,
    ) -> AsyncGenerator[enrollment_group_pb2.EnrollmentGroup]:
        """The groups of all pages of `list_enrollment_groups`, one after the other."""
    async def list_revisions(
        self,
        request: enrollment_query_service_pb2.ListRevisionsRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        group_id: str = ...,
        page_size: int = ...,
        page_token: str = ...,
        consistency_token: str = ...,
    ) -> enrollment_query_service_pb2.ListRevisionsResponse:
        """Lists the revisions of a group with their causes, the first one first.
        Errors: NOT_FOUND/GROUP_UNKNOWN; INVALID_ARGUMENT.
        """
    def all_revisions(
        self,
        request: enrollment_query_service_pb2.ListRevisionsRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        group_id: str = ...,
        page_size: int = ...,
        page_token: str = ...,
        consistency_token: str = ...,
    ) -> AsyncGenerator[enrollment_group_pb2.Revision]:
        """The revisions of all pages of `list_revisions`, one after the other."""
    async def diff_revisions(
        self,
        request: enrollment_query_service_pb2.DiffRevisionsRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        group_id: str = ...,
        from_revision: int = ...,
        to_revision: int = ...,
        consistency_token: str = ...,
    ) -> enrollment_query_service_pb2.DiffRevisionsResponse:
        """Tells how two revisions of a group differ, in order of member_id and module_id. Enrollments without a
        difference are left out.
        Errors: NOT_FOUND/GROUP_UNKNOWN; NOT_FOUND/REVISION_UNKNOWN; INVALID_ARGUMENT.
        """
    def watch_enrollments(
        self,
        request: enrollment_query_service_pb2.WatchEnrollmentsRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        from_: enrollment_query_service_pb2.FeedStart.ValueType = ...,
        resume_token: str = ...,
        filter: enrollment_event_pb2.EnrollmentFilter | None = ...,
    ) -> AsyncGenerator[enrollment_query_service_pb2.WatchEnrollmentsResponse]:
        """The change feed: every revision, rejected request and failed recompute, in one order for all readers, each
        group's in the order of its revisions; nothing is left out, and nothing comes again after the token that was
        resumed from. The stream has no end of its own. Its first message comes at once, mostly without events: from
        then on nothing is missed. Where nothing matches, a message without events comes at least every 10 s, with a
        newer token: a consumer that hears nothing for 20 s should cancel and resume. A consumer that stores the
        token of a message in one transaction with what it made of the message gets every event exactly once. One
        that stores it afterwards may get events again, and knows them by their event_id.
        Errors: OUT_OF_RANGE/FEED_TRIMMED: the events after the token, or the first ones ever, are no longer kept;
        FAILED_PRECONDITION/FEED_DIVERGED: the token is of another history, as after a backup was restored: begin
        anew with a snapshot; INVALID_ARGUMENT/TOKEN_INVALID: the token is damaged, or came with another filter.
        Ends, after which resuming is right: UNAVAILABLE (the server drains, or lost its database),
        RESOURCE_EXHAUSTED/CONSUMER_TOO_SLOW (a message was not taken for 25 s). FEED_TRIMMED and FEED_DIVERGED may
        also end a stream that is open.
        """

class ChangeRequestService:
    """Takes what members and admins ask for, and keeps it for ever."""
    def __init__(self, caller: Caller) -> None: ...
    def submit_change_request(
        self,
        request: change_request_service_pb2.SubmitChangeRequestRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        request_id: str = ...,
        requester: change_request_pb2.Requester | None = ...,
        group: enrollment_group_pb2.GroupKey | None = ...,
        changes: Iterable[change_request_pb2.ScopedChange] | None = ...,
        expected_revision: int = ...,
        accept_consequences: bool = ...,
        overridden_rules: Iterable[str] | None = ...,
    ) -> change_request_service_pb2.SubmitChangeRequestResponse:
        """Judges a request and, if nothing speaks against it, carries it out. A rejection is an answer, not an error:
        it is stored with every violation.
        Errors: INVALID_ARGUMENT with every field violation; NOT_FOUND/CONTRACT_UNKNOWN, NOT_FOUND/MEMBER_UNKNOWN,
        NOT_FOUND/MODULE_UNKNOWN; FAILED_PRECONDITION/MEMBER_ERASED; ALREADY_EXISTS/REQUEST_ID_REUSED;
        ABORTED/REVISION_MISMATCH. Nothing is stored then. Safe to repeat with the same request_id.
        """
    def simulate_change_request(
        self,
        request: change_request_service_pb2.SimulateChangeRequestRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        requester: change_request_pb2.Requester | None = ...,
        group: enrollment_group_pb2.GroupKey | None = ...,
        changes: Iterable[change_request_pb2.ScopedChange] | None = ...,
        accept_consequences: bool = ...,
        overridden_rules: Iterable[str] | None = ...,
        consistency_token: str = ...,
        cost_on: date_pb2.Date | date | None = ...,
    ) -> change_request_service_pb2.SimulateChangeRequestResponse:
        """Tells what would become of a request, without storing anything: the same judgement as SubmitChangeRequest.
        Errors: INVALID_ARGUMENT with every field violation; NOT_FOUND/CONTRACT_UNKNOWN, NOT_FOUND/MEMBER_UNKNOWN,
        NOT_FOUND/MODULE_UNKNOWN; FAILED_PRECONDITION/MEMBER_ERASED.
        """
    def list_available_choices(
        self,
        request: change_request_service_pb2.ListAvailableChoicesRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        group_id: str = ...,
        key: enrollment_group_pb2.GroupKey | None = ...,
        member_id: str = ...,
        membership_type: membership_type_pb2.MembershipType.ValueType = ...,
        on: date_pb2.Date | date | None = ...,
        consistency_token: str = ...,
    ) -> change_request_service_pb2.ListAvailableChoicesResponse:
        """Lists every module of the version in force on a day, in the contract's order (200 at the most, so in one
        page): whether the member is on it, could be, and if not why not. Empty outside the contract's life.
        Backdating, commitment and consequences play no part. The group need not exist yet.
        Errors: INVALID_ARGUMENT; NOT_FOUND/GROUP_UNKNOWN, NOT_FOUND/CONTRACT_UNKNOWN, NOT_FOUND/MEMBER_UNKNOWN;
        FAILED_PRECONDITION/MEMBER_ERASED.
        """
    def get_change_request(
        self,
        request: change_request_service_pb2.GetChangeRequestRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        change_request_id: str = ...,
        consistency_token: str = ...,
    ) -> change_request_service_pb2.GetChangeRequestResponse:
        """Returns a stored request.
        Errors: NOT_FOUND/CHANGE_REQUEST_UNKNOWN.
        """
    def list_change_requests(
        self,
        request: change_request_service_pb2.ListChangeRequestsRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        group_id: str = ...,
        page_size: int = ...,
        page_token: str = ...,
        consistency_token: str = ...,
    ) -> change_request_service_pb2.ListChangeRequestsResponse:
        """Lists the requests of a group, approved and rejected ones, in the order in which they were judged.
        Errors: NOT_FOUND/GROUP_UNKNOWN.
        """
    def all_change_requests(
        self,
        request: change_request_service_pb2.ListChangeRequestsRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        group_id: str = ...,
        page_size: int = ...,
        page_token: str = ...,
        consistency_token: str = ...,
    ) -> Generator[change_request_pb2.ChangeRequest]:
        """The change_requests of all pages of `list_change_requests`, one after the other."""
    def request_recompute(
        self,
        request: change_request_service_pb2.RequestRecomputeRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        request_id: str = ...,
        group_id: str = ...,
        contract_id: str = ...,
        dry_run: bool = ...,
    ) -> change_request_service_pb2.RequestRecomputeResponse:
        """Asks that a group, or every group of a contract, be computed anew from its decisions. Answers at once;
        ListRecomputes tells what became of it. As a dry run (of a group) it tells what would change, and stores
        nothing.
        Errors: NOT_FOUND/GROUP_UNKNOWN, NOT_FOUND/CONTRACT_UNKNOWN; ALREADY_EXISTS/REQUEST_ID_REUSED. Safe to
        repeat with the same request_id.
        """
    def list_recomputes(
        self,
        request: change_request_service_pb2.ListRecomputesRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        group_id: str = ...,
        contract_id: str = ...,
        state: change_request_pb2.RecomputeState.ValueType = ...,
        page_size: int = ...,
        page_token: str = ...,
        consistency_token: str = ...,
    ) -> change_request_service_pb2.ListRecomputesResponse:
        """Lists the recomputes of a group, or of a contract's groups, in the order in which they were asked for, and
        counts those that wait or failed.
        Errors: NOT_FOUND/GROUP_UNKNOWN.
        """
    def all_recomputes(
        self,
        request: change_request_service_pb2.ListRecomputesRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        group_id: str = ...,
        contract_id: str = ...,
        state: change_request_pb2.RecomputeState.ValueType = ...,
        page_size: int = ...,
        page_token: str = ...,
        consistency_token: str = ...,
    ) -> Generator[change_request_pb2.Recompute]:
        """The recomputes of all pages of `list_recomputes`, one after the other."""

class AsyncChangeRequestService:
    """Takes what members and admins ask for, and keeps it for ever."""
    def __init__(self, caller: AsyncCaller) -> None: ...
    async def submit_change_request(
        self,
        request: change_request_service_pb2.SubmitChangeRequestRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        request_id: str = ...,
        requester: change_request_pb2.Requester | None = ...,
        group: enrollment_group_pb2.GroupKey | None = ...,
        changes: Iterable[change_request_pb2.ScopedChange] | None = ...,
        expected_revision: int = ...,
        accept_consequences: bool = ...,
        overridden_rules: Iterable[str] | None = ...,
    ) -> change_request_service_pb2.SubmitChangeRequestResponse:
        """Judges a request and, if nothing speaks against it, carries it out. A rejection is an answer, not an error:
        it is stored with every violation.
        Errors: INVALID_ARGUMENT with every field violation; NOT_FOUND/CONTRACT_UNKNOWN, NOT_FOUND/MEMBER_UNKNOWN,
        NOT_FOUND/MODULE_UNKNOWN; FAILED_PRECONDITION/MEMBER_ERASED; ALREADY_EXISTS/REQUEST_ID_REUSED;
        ABORTED/REVISION_MISMATCH. Nothing is stored then. Safe to repeat with the same request_id.
        """
    async def simulate_change_request(
        self,
        request: change_request_service_pb2.SimulateChangeRequestRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        requester: change_request_pb2.Requester | None = ...,
        group: enrollment_group_pb2.GroupKey | None = ...,
        changes: Iterable[change_request_pb2.ScopedChange] | None = ...,
        accept_consequences: bool = ...,
        overridden_rules: Iterable[str] | None = ...,
        consistency_token: str = ...,
        cost_on: date_pb2.Date | date | None = ...,
    ) -> change_request_service_pb2.SimulateChangeRequestResponse:
        """Tells what would become of a request, without storing anything: the same judgement as SubmitChangeRequest.
        Errors: INVALID_ARGUMENT with every field violation; NOT_FOUND/CONTRACT_UNKNOWN, NOT_FOUND/MEMBER_UNKNOWN,
        NOT_FOUND/MODULE_UNKNOWN; FAILED_PRECONDITION/MEMBER_ERASED.
        """
    async def list_available_choices(
        self,
        request: change_request_service_pb2.ListAvailableChoicesRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        group_id: str = ...,
        key: enrollment_group_pb2.GroupKey | None = ...,
        member_id: str = ...,
        membership_type: membership_type_pb2.MembershipType.ValueType = ...,
        on: date_pb2.Date | date | None = ...,
        consistency_token: str = ...,
    ) -> change_request_service_pb2.ListAvailableChoicesResponse:
        """Lists every module of the version in force on a day, in the contract's order (200 at the most, so in one
        page): whether the member is on it, could be, and if not why not. Empty outside the contract's life.
        Backdating, commitment and consequences play no part. The group need not exist yet.
        Errors: INVALID_ARGUMENT; NOT_FOUND/GROUP_UNKNOWN, NOT_FOUND/CONTRACT_UNKNOWN, NOT_FOUND/MEMBER_UNKNOWN;
        FAILED_PRECONDITION/MEMBER_ERASED.
        """
    async def get_change_request(
        self,
        request: change_request_service_pb2.GetChangeRequestRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        change_request_id: str = ...,
        consistency_token: str = ...,
    ) -> change_request_service_pb2.GetChangeRequestResponse:
        """Returns a stored request.
        Errors: NOT_FOUND/CHANGE_REQUEST_UNKNOWN.
        """
    async def list_change_requests(
        self,
        request: change_request_service_pb2.ListChangeRequestsRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        group_id: str = ...,
        page_size: int = ...,
        page_token: str = ...,
        consistency_token: str = ...,
    ) -> change_request_service_pb2.ListChangeRequestsResponse:
        """Lists the requests of a group, approved and rejected ones, in the order in which they were judged.
        Errors: NOT_FOUND/GROUP_UNKNOWN.
        """
    def all_change_requests(
        self,
        request: change_request_service_pb2.ListChangeRequestsRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        group_id: str = ...,
        page_size: int = ...,
        page_token: str = ...,
        consistency_token: str = ...,
    ) -> AsyncGenerator[change_request_pb2.ChangeRequest]:
        """The change_requests of all pages of `list_change_requests`, one after the other."""
    async def request_recompute(
        self,
        request: change_request_service_pb2.RequestRecomputeRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        request_id: str = ...,
        group_id: str = ...,
        contract_id: str = ...,
        dry_run: bool = ...,
    ) -> change_request_service_pb2.RequestRecomputeResponse:
        """Asks that a group, or every group of a contract, be computed anew from its decisions. Answers at once;
        ListRecomputes tells what became of it. As a dry run (of a group) it tells what would change, and stores
        nothing.
        Errors: NOT_FOUND/GROUP_UNKNOWN, NOT_FOUND/CONTRACT_UNKNOWN; ALREADY_EXISTS/REQUEST_ID_REUSED. Safe to
        repeat with the same request_id.
        """
    async def list_recomputes(
        self,
        request: change_request_service_pb2.ListRecomputesRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        group_id: str = ...,
        contract_id: str = ...,
        state: change_request_pb2.RecomputeState.ValueType = ...,
        page_size: int = ...,
        page_token: str = ...,
        consistency_token: str = ...,
    ) -> change_request_service_pb2.ListRecomputesResponse:
        """Lists the recomputes of a group, or of a contract's groups, in the order in which they were asked for, and
        counts those that wait or failed.
        Errors: NOT_FOUND/GROUP_UNKNOWN.
        """
    def all_recomputes(
        self,
        request: change_request_service_pb2.ListRecomputesRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        group_id: str = ...,
        contract_id: str = ...,
        state: change_request_pb2.RecomputeState.ValueType = ...,
        page_size: int = ...,
        page_token: str = ...,
        consistency_token: str = ...,
    ) -> AsyncGenerator[change_request_pb2.Recompute]:
        """The recomputes of all pages of `list_recomputes`, one after the other."""

class EligibilityCheckService:
    """Answers whether members are covered, and how much of their limits is used. It knows enrollment by the change
    feed: an answer reflects what the feed has told it, within milliseconds of the change; whoever gives the
    consistency_token of a write gets an answer that reflects that write.
    """
    def __init__(self, caller: Caller) -> None: ...
    def check_eligibility(
        self,
        request: eligibility_check_service_pb2.CheckEligibilityRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        check: eligibility_check_service_pb2.EligibilityCheck | None = ...,
        consistency_token: str = ...,
    ) -> eligibility_check_service_pb2.CheckEligibilityResponse:
        """Judges whether a member is covered on a day. Somebody whom nobody knows is not covered.
        Errors: UNAVAILABLE/PROJECTION_BEHIND; DEADLINE_EXCEEDED where the token's write is not reflected in time;
        INVALID_ARGUMENT.
        """
    def batch_check_eligibility(
        self,
        request: eligibility_check_service_pb2.BatchCheckEligibilityRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        checks: Iterable[eligibility_check_service_pb2.EligibilityCheck] | None = ...,
        consistency_token: str = ...,
    ) -> eligibility_check_service_pb2.BatchCheckEligibilityResponse:
        """Judges up to 1000 checks; the answers are in their order, and one that is malformed fails alone.
        Errors: as CheckEligibility.
        """
    def check_capability(
        self,
        request: eligibility_check_service_pb2.CheckCapabilityRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        member_id: str = ...,
        capability: str = ...,
        date: date_pb2.Date | date | None = ...,
        consistency_token: str = ...,
    ) -> eligibility_check_service_pb2.CheckCapabilityResponse:
        """Says yes or no: whether any coverage of a member has a capability on a day, and for which days around it the
        answer stays yes.
        Errors: as CheckEligibility.
        """
    def list_capabilities(
        self,
        request: eligibility_check_service_pb2.ListCapabilitiesRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        member_id: str = ...,
        date: date_pb2.Date | date | None = ...,
        consistency_token: str = ...,
    ) -> eligibility_check_service_pb2.ListCapabilitiesResponse:
        """Lists the capabilities that a member has on a day, by any coverage.
        Errors: as CheckEligibility.
        """
    def get_coverage(
        self,
        request: eligibility_check_service_pb2.GetCoverageRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        locator: str = ...,
        consistency_token: str = ...,
    ) -> eligibility_check_service_pb2.GetCoverageResponse:
        """Reads a record by its locator. Records of terms that begin more than a year from now are found from then on.
        Errors: NOT_FOUND/COVERAGE_UNKNOWN; as CheckEligibility.
        """
    def get_active_coverage(
        self,
        request: eligibility_check_service_pb2.GetActiveCoverageRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        member_id: str = ...,
        date: date_pb2.Date | date | None = ...,
        consistency_token: str = ...,
    ) -> eligibility_check_service_pb2.GetActiveCoverageResponse:
        """Lists a member's records of a day, in order of payment.
        Errors: as CheckEligibility.
        """
    def list_member_coverage(
        self,
        request: eligibility_check_service_pb2.ListMemberCoverageRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        member_id: str = ...,
        days: date_span_pb2.DateSpan | None = ...,
        page_size: int = ...,
        page_token: str = ...,
        consistency_token: str = ...,
    ) -> eligibility_check_service_pb2.ListMemberCoverageResponse:
        """Lists a member's records with a day within a span, in order of first day.
        Errors: as CheckEligibility.
        """
    def all_member_coverage(
        self,
        request: eligibility_check_service_pb2.ListMemberCoverageRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        member_id: str = ...,
        days: date_span_pb2.DateSpan | None = ...,
        page_size: int = ...,
        page_token: str = ...,
        consistency_token: str = ...,
    ) -> Generator[coverage_pb2.CoverageRecord]:
        """The records of all pages of `list_member_coverage`, one after the other."""
    def list_coverage(
        self,
        request: eligibility_check_service_pb2.ListCoverageRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        contract_id: str = ...,
        group_id: str = ...,
        module_id: str = ...,
        days: date_span_pb2.DateSpan | None = ...,
        page_size: int = ...,
        page_token: str = ...,
        consistency_token: str = ...,
    ) -> eligibility_check_service_pb2.ListCoverageResponse:
        """Lists the records of many members with a day within a span, in order of policy and member. For admins.
        Errors: NOT_FOUND/CONTRACT_UNKNOWN; UNAVAILABLE/PROJECTION_BEHIND; INVALID_ARGUMENT.
        """
    def all_coverage(
        self,
        request: eligibility_check_service_pb2.ListCoverageRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        contract_id: str = ...,
        group_id: str = ...,
        module_id: str = ...,
        days: date_span_pb2.DateSpan | None = ...,
        page_size: int = ...,
        page_token: str = ...,
        consistency_token: str = ...,
    ) -> Generator[coverage_pb2.CoverageRecord]:
        """The records of all pages of `list_coverage`, one after the other."""
    def get_accumulators(
        self,
        request: eligibility_check_service_pb2.GetAccumulatorsRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        member_id: str = ...,
        date: date_pb2.Date | date | None = ...,
        consistency_token: str = ...,
    ) -> eligibility_check_service_pb2.GetAccumulatorsResponse:
        """Tells a member's accumulators of the terms that a day lies in: the limits in force on that day, under every
        policy that covers the member then.
        Errors: as CheckEligibility.
        """
    def list_accumulators(
        self,
        request: eligibility_check_service_pb2.ListAccumulatorsRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        group_id: str = ...,
        page_size: int = ...,
        page_token: str = ...,
        consistency_token: str = ...,
    ) -> eligibility_check_service_pb2.ListAccumulatorsResponse:
        """Lists what was ever used under a policy: by term, code and member, the family among them.
        Errors: INVALID_ARGUMENT.
        """
    def all_accumulators(
        self,
        request: eligibility_check_service_pb2.ListAccumulatorsRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        group_id: str = ...,
        page_size: int = ...,
        page_token: str = ...,
        consistency_token: str = ...,
    ) -> Generator[eligibility_check_service_pb2.AccumulatorBalance]:
        """The balances of all pages of `list_accumulators`, one after the other."""

class AsyncEligibilityCheckService:
    """Answers whether members are covered, and how much of their limits is used. It knows enrollment by the change
    feed: an answer reflects what the feed has told it, within milliseconds of the change; whoever gives the
    consistency_token of a write gets an answer that reflects that write.
    """
    def __init__(self, caller: AsyncCaller) -> None: ...
    async def check_eligibility(
        self,
        request: eligibility_check_service_pb2.CheckEligibilityRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        check: eligibility_check_service_pb2.EligibilityCheck | None = ...,
        consistency_token: str = ...,
    ) -> eligibility_check_service_pb2.CheckEligibilityResponse:
        """Judges whether a member is covered on a day. Somebody whom nobody knows is not covered.
        Errors: UNAVAILABLE/PROJECTION_BEHIND; DEADLINE_EXCEEDED where the token's write is not reflected in time;
        INVALID_ARGUMENT.
        """
    async def batch_check_eligibility(
        self,
        request: eligibility_check_service_pb2.BatchCheckEligibilityRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        checks: Iterable[eligibility_check_service_pb2.EligibilityCheck] | None = ...,
        consistency_token: str = ...,
    ) -> eligibility_check_service_pb2.BatchCheckEligibilityResponse:
        """Judges up to 1000 checks; the answers are in their order, and one that is malformed fails alone.
        Errors: as CheckEligibility.
        """
    async def check_capability(
        self,
        request: eligibility_check_service_pb2.CheckCapabilityRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        member_id: str = ...,
        capability: str = ...,
        date: date_pb2.Date | date | None = ...,
        consistency_token: str = ...,
    ) -> eligibility_check_service_pb2.CheckCapabilityResponse:
        """Says yes or no: whether any coverage of a member has a capability on a day, and for which days around it the
        answer stays yes.
        Errors: as CheckEligibility.
        """
    async def list_capabilities(
        self,
        request: eligibility_check_service_pb2.ListCapabilitiesRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        member_id: str = ...,
        date: date_pb2.Date | date | None = ...,
        consistency_token: str = ...,
    ) -> eligibility_check_service_pb2.ListCapabilitiesResponse:
        """Lists the capabilities that a member has on a day, by any coverage.
        Errors: as CheckEligibility.
        """
    async def get_coverage(
        self,
        request: eligibility_check_service_pb2.GetCoverageRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        locator: str = ...,
        consistency_token: str = ...,
    ) -> eligibility_check_service_pb2.GetCoverageResponse:
        """Reads a record by its locator. Records of terms that begin more than a year from now are found from then on.
        Errors: NOT_FOUND/COVERAGE_UNKNOWN; as CheckEligibility.
        """
    async def get_active_coverage(
        self,
        request: eligibility_check_service_pb2.GetActiveCoverageRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        member_id: str = ...,
        date: date_pb2.Date | date | None = ...,
        consistency_token: str = ...,
    ) -> eligibility_check_service_pb2.GetActiveCoverageResponse:
        """Lists a member's records of a day, in order of payment.
        Errors: as CheckEligibility.
        """
    async def list_member_coverage(
        self,
        request: eligibility_check_service_pb2.ListMemberCoverageRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        member_id: str = ...,
        days: date_span_pb2.DateSpan | None = ...,
        page_size: int = ...,
        page_token: str = ...,
        consistency_token: str = ...,
    ) -> eligibility_check_service_pb2.ListMemberCoverageResponse:
        """Lists a member's records with a day within a span, in order of first day.
        Errors: as CheckEligibility.
        """
    def all_member_coverage(
        self,
        request: eligibility_check_service_pb2.ListMemberCoverageRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        member_id: str = ...,
        days: date_span_pb2.DateSpan | None = ...,
        page_size: int = ...,
        page_token: str = ...,
        consistency_token: str = ...,
    ) -> AsyncGenerator[coverage_pb2.CoverageRecord]:
        """The records of all pages of `list_member_coverage`, one after the other."""
    async def list_coverage(
        self,
        request: eligibility_check_service_pb2.ListCoverageRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        contract_id: str = ...,
        group_id: str = ...,
        module_id: str = ...,
        days: date_span_pb2.DateSpan | None = ...,
        page_size: int = ...,
        page_token: str = ...,
        consistency_token: str = ...,
    ) -> eligibility_check_service_pb2.ListCoverageResponse:
        """Lists the records of many members with a day within a span, in order of policy and member. For admins.
        Errors: NOT_FOUND/CONTRACT_UNKNOWN; UNAVAILABLE/PROJECTION_BEHIND; INVALID_ARGUMENT.
        """
    def all_coverage(
        self,
        request: eligibility_check_service_pb2.ListCoverageRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        contract_id: str = ...,
        group_id: str = ...,
        module_id: str = ...,
        days: date_span_pb2.DateSpan | None = ...,
        page_size: int = ...,
        page_token: str = ...,
        consistency_token: str = ...,
    ) -> AsyncGenerator[coverage_pb2.CoverageRecord]:
        """The records of all pages of `list_coverage`, one after the other."""
    async def get_accumulators(
        self,
        request: eligibility_check_service_pb2.GetAccumulatorsRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        member_id: str = ...,
        date: date_pb2.Date | date | None = ...,
        consistency_token: str = ...,
    ) -> eligibility_check_service_pb2.GetAccumulatorsResponse:
        """Tells a member's accumulators of the terms that a day lies in: the limits in force on that day, under every
        policy that covers the member then.
        Errors: as CheckEligibility.
        """
    async def list_accumulators(
        self,
        request: eligibility_check_service_pb2.ListAccumulatorsRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        group_id: str = ...,
        page_size: int = ...,
        page_token: str = ...,
        consistency_token: str = ...,
    ) -> eligibility_check_service_pb2.ListAccumulatorsResponse:
        """Lists what was ever used under a policy: by term, code and member, the family among them.
        Errors: INVALID_ARGUMENT.
        """
    def all_accumulators(
        self,
        request: eligibility_check_service_pb2.ListAccumulatorsRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        group_id: str = ...,
        page_size: int = ...,
        page_token: str = ...,
        consistency_token: str = ...,
    ) -> AsyncGenerator[eligibility_check_service_pb2.AccumulatorBalance]:
        """The balances of all pages of `list_accumulators`, one after the other."""

class EligibilityInternalService:
    """For claims and care, on the internal listener: coverage with what it needs to adjudicate, and usage of
    limits.
    """
    def __init__(self, caller: Caller) -> None: ...
    def get_member_coverage(
        self,
        request: eligibility_internal_service_pb2.GetMemberCoverageRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        member_id: str = ...,
        date: date_pb2.Date | date | None = ...,
        consistency_token: str = ...,
    ) -> eligibility_internal_service_pb2.GetMemberCoverageResponse:
        """Tells a member's records of a day, in order of payment, and the accumulators that go with them.
        Errors: as EligibilityCheckService.CheckEligibility.
        """
    def apply_accumulators(
        self,
        request: eligibility_internal_service_pb2.ApplyAccumulatorsRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        application_id: str = ...,
        member_id: str = ...,
        group_id: str = ...,
        service_date: date_pb2.Date | date | None = ...,
        amounts: Iterable[accumulator_pb2.AccumulatorAmount] | None = ...,
        excess: eligibility_internal_service_pb2.ExcessHandling.ValueType = ...,
        consistency_token: str = ...,
    ) -> eligibility_internal_service_pb2.ApplyAccumulatorsResponse:
        """Applies amounts to a member's accumulators, as much of each as is left, all or nothing; what is not applied
        is the excess. The same application again answers the same and is applied once.
        Errors: FAILED_PRECONDITION/NOT_COVERED, ACCUMULATOR_NOT_IN_FORCE, LIMIT_REACHED (with REJECT);
        ALREADY_EXISTS/APPLICATION_ID_REUSED; UNAVAILABLE/PROJECTION_BEHIND; INVALID_ARGUMENT. Safe to repeat.
        """
    def reverse_accumulators(
        self,
        request: eligibility_internal_service_pb2.ReverseAccumulatorsRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        application_id: str = ...,
    ) -> eligibility_internal_service_pb2.ReverseAccumulatorsResponse:
        """Undoes exactly what an application has applied, once however often it is called; and tells of which later
        applications more could be applied now.
        Errors: NOT_FOUND/APPLICATION_UNKNOWN; INVALID_ARGUMENT. Safe to repeat.
        """
    def list_accumulator_applications(
        self,
        request: eligibility_internal_service_pb2.ListAccumulatorApplicationsRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        group_id: str = ...,
        member_id: str = ...,
        orphaned_only: bool = ...,
        page_size: int = ...,
        page_token: str = ...,
        consistency_token: str = ...,
    ) -> eligibility_internal_service_pb2.ListAccumulatorApplicationsResponse:
        """Lists the ledger of applications, of a policy or a member, in the order in which they were made.
        Errors: INVALID_ARGUMENT.
        """
    def all_accumulator_applications(
        self,
        request: eligibility_internal_service_pb2.ListAccumulatorApplicationsRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        group_id: str = ...,
        member_id: str = ...,
        orphaned_only: bool = ...,
        page_size: int = ...,
        page_token: str = ...,
        consistency_token: str = ...,
    ) -> Generator[accumulator_pb2.AccumulatorApplication]:
        """The applications of all pages of `list_accumulator_applications`, one after the other."""
    def rebuild_projection(
        self,
        request: eligibility_internal_service_pb2.RebuildProjectionRequest | None = None,
        /,
        *,
        timeout: float | None = None,
    ) -> eligibility_internal_service_pb2.RebuildProjectionResponse:
        """Builds the projection of coverage anew beside the one that is served, then puts it in its place. Checks go
        on. What is used of limits is not touched. For admins.
        Errors: UNAVAILABLE.
        """

class AsyncEligibilityInternalService:
    """For claims and care, on the internal listener: coverage with what it needs to adjudicate, and usage of
    limits.
    """
    def __init__(self, caller: AsyncCaller) -> None: ...
    async def get_member_coverage(
        self,
        request: eligibility_internal_service_pb2.GetMemberCoverageRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        member_id: str = ...,
        date: date_pb2.Date | date | None = ...,
        consistency_token: str = ...,
    ) -> eligibility_internal_service_pb2.GetMemberCoverageResponse:
        """Tells a member's records of a day, in order of payment, and the accumulators that go with them.
        Errors: as EligibilityCheckService.CheckEligibility.
        """
    async def apply_accumulators(
        self,
        request: eligibility_internal_service_pb2.ApplyAccumulatorsRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        application_id: str = ...,
        member_id: str = ...,
        group_id: str = ...,
        service_date: date_pb2.Date | date | None = ...,
        amounts: Iterable[accumulator_pb2.AccumulatorAmount] | None = ...,
        excess: eligibility_internal_service_pb2.ExcessHandling.ValueType = ...,
        consistency_token: str = ...,
    ) -> eligibility_internal_service_pb2.ApplyAccumulatorsResponse:
        """Applies amounts to a member's accumulators, as much of each as is left, all or nothing; what is not applied
        is the excess. The same application again answers the same and is applied once.
        Errors: FAILED_PRECONDITION/NOT_COVERED, ACCUMULATOR_NOT_IN_FORCE, LIMIT_REACHED (with REJECT);
        ALREADY_EXISTS/APPLICATION_ID_REUSED; UNAVAILABLE/PROJECTION_BEHIND; INVALID_ARGUMENT. Safe to repeat.
        """
    async def reverse_accumulators(
        self,
        request: eligibility_internal_service_pb2.ReverseAccumulatorsRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        application_id: str = ...,
    ) -> eligibility_internal_service_pb2.ReverseAccumulatorsResponse:
        """Undoes exactly what an application has applied, once however often it is called; and tells of which later
        applications more could be applied now.
        Errors: NOT_FOUND/APPLICATION_UNKNOWN; INVALID_ARGUMENT. Safe to repeat.
        """
    async def list_accumulator_applications(
        self,
        request: eligibility_internal_service_pb2.ListAccumulatorApplicationsRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        group_id: str = ...,
        member_id: str = ...,
        orphaned_only: bool = ...,
        page_size: int = ...,
        page_token: str = ...,
        consistency_token: str = ...,
    ) -> eligibility_internal_service_pb2.ListAccumulatorApplicationsResponse:
        """Lists the ledger of applications, of a policy or a member, in the order in which they were made.
        Errors: INVALID_ARGUMENT.
        """
    def all_accumulator_applications(
        self,
        request: eligibility_internal_service_pb2.ListAccumulatorApplicationsRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        group_id: str = ...,
        member_id: str = ...,
        orphaned_only: bool = ...,
        page_size: int = ...,
        page_token: str = ...,
        consistency_token: str = ...,
    ) -> AsyncGenerator[accumulator_pb2.AccumulatorApplication]:
        """The applications of all pages of `list_accumulator_applications`, one after the other."""
    async def rebuild_projection(
        self,
        request: eligibility_internal_service_pb2.RebuildProjectionRequest | None = None,
        /,
        *,
        timeout: float | None = None,
    ) -> eligibility_internal_service_pb2.RebuildProjectionResponse:
        """Builds the projection of coverage anew beside the one that is served, then puts it in its place. Checks go
        on. What is used of limits is not touched. For admins.
        Errors: UNAVAILABLE.
        """

class CostProviderService:
    """Says what a month costs, to the minor unit, and who pays which part of it. Where a price cannot be found,
    that is an error, never a guess.
    """
    def __init__(self, caller: Caller) -> None: ...
    def get_insurance_cost(
        self,
        request: cost_provider_service_pb2.GetInsuranceCostRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        inquiry: insurance_cost_pb2.CostInquiry | None = ...,
        consistency_token: str = ...,
    ) -> cost_provider_service_pb2.GetInsuranceCostResponse:
        """Prices one inquiry.
        Errors: NOT_FOUND/CONTRACT_UNKNOWN, NOT_FOUND/GROUP_UNKNOWN; FAILED_PRECONDITION/MEMBER_ERASED,
        NO_CONTRACT_VERSION, MODULE_NOT_IN_VERSION, NOBODY_COVERED, NO_MODULES, PRICE_MISSING,
        ENGINE_PARAMETER_MISSING; INVALID_ARGUMENT.
        """
    def batch_get_insurance_cost(
        self,
        request: cost_provider_service_pb2.BatchGetInsuranceCostRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        inquiries: Iterable[insurance_cost_pb2.CostInquiry] | None = ...,
        consistency_token: str = ...,
    ) -> cost_provider_service_pb2.BatchGetInsuranceCostResponse:
        """Prices up to 1 000 inquiries, each for itself: one that cannot be priced, or is malformed, does not hinder
        the others. All see the same state of contracts, members and groups.
        Errors: INVALID_ARGUMENT for the list itself; those of an inquiry stand in its result.
        """

class AsyncCostProviderService:
    """Says what a month costs, to the minor unit, and who pays which part of it. Where a price cannot be found,
    that is an error, never a guess.
    """
    def __init__(self, caller: AsyncCaller) -> None: ...
    async def get_insurance_cost(
        self,
        request: cost_provider_service_pb2.GetInsuranceCostRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        inquiry: insurance_cost_pb2.CostInquiry | None = ...,
        consistency_token: str = ...,
    ) -> cost_provider_service_pb2.GetInsuranceCostResponse:
        """Prices one inquiry.
        Errors: NOT_FOUND/CONTRACT_UNKNOWN, NOT_FOUND/GROUP_UNKNOWN; FAILED_PRECONDITION/MEMBER_ERASED,
        NO_CONTRACT_VERSION, MODULE_NOT_IN_VERSION, NOBODY_COVERED, NO_MODULES, PRICE_MISSING,
        ENGINE_PARAMETER_MISSING; INVALID_ARGUMENT.
        """
    async def batch_get_insurance_cost(
        self,
        request: cost_provider_service_pb2.BatchGetInsuranceCostRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        inquiries: Iterable[insurance_cost_pb2.CostInquiry] | None = ...,
        consistency_token: str = ...,
    ) -> cost_provider_service_pb2.BatchGetInsuranceCostResponse:
        """Prices up to 1 000 inquiries, each for itself: one that cannot be priced, or is malformed, does not hinder
        the others. All see the same state of contracts, members and groups.
        Errors: INVALID_ARGUMENT for the list itself; those of an inquiry stand in its result.
        """

class PremiumComputationService:
    """Computes what policies owe, keeps it in a ledger that is only ever added to, and hands it to invoicing.
    Computing again after the past has changed cancels what is no longer right and adds what is; what was
    invoiced stays invoiced, and the difference reaches the next invoice.
    """
    def __init__(self, caller: Caller) -> None: ...
    def preview_premiums(
        self,
        request: premium_computation_service_pb2.PreviewPremiumsRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        policy: insurance_cost_pb2.Policy | None = ...,
        months: year_month_pb2.MonthSpan | None = ...,
        parameters: pricing_pb2.EngineParameters | None = ...,
        consistency_token: str = ...,
    ) -> premium_computation_service_pb2.PreviewPremiumsResponse:
        """Computes a policy's months and compares them with the ledger; nothing is stored.
        Errors: NOT_FOUND/GROUP_UNKNOWN; FAILED_PRECONDITION/MEMBER_ERASED, NO_CONTRACT_VERSION, PRICE_MISSING,
        MODULE_NOT_IN_VERSION, ENGINE_PARAMETER_MISSING; INVALID_ARGUMENT.
        """
    def compute_premiums(
        self,
        request: premium_computation_service_pb2.ComputePremiumsRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        request_id: str = ...,
        policy: insurance_cost_pb2.Policy | None = ...,
        months: year_month_pb2.MonthSpan | None = ...,
        parameters: pricing_pb2.EngineParameters | None = ...,
    ) -> premium_computation_service_pb2.ComputePremiumsResponse:
        """Computes a policy's months and makes the ledger say so, all or nothing. A recompute that waits for the
        policy is done first. Computing again without a change adds nothing.
        Errors: as PreviewPremiums; ALREADY_EXISTS/REQUEST_ID_REUSED. Safe to repeat with the same request_id.
        """
    def run_premiums(
        self,
        request: premium_computation_service_pb2.RunPremiumsRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        request_id: str = ...,
        contract_id: str = ...,
        months: year_month_pb2.MonthSpan | None = ...,
        parameters: pricing_pb2.EngineParameters | None = ...,
    ) -> Generator[premium_computation_service_pb2.RunPremiumsResponse]:
        """Computes all policies of a contract, or of all contracts, each like ComputePremiums, and tells how far it is
        until it is done or stopped. The run goes on by itself, on all servers of the database, also when the caller
        is gone or a server dies. The same request again (same request_id) follows the run, and resumes one that was
        stopped; what is done is not done again. A policy that cannot be computed is reported and passed over.
        Errors: NOT_FOUND/CONTRACT_UNKNOWN; ALREADY_EXISTS/REQUEST_ID_REUSED; INVALID_ARGUMENT.
        """
    def get_premium_run(
        self,
        request: premium_computation_service_pb2.GetPremiumRunRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        run_id: str = ...,
        consistency_token: str = ...,
    ) -> premium_computation_service_pb2.GetPremiumRunResponse:
        """Says how far a run is.
        Errors: NOT_FOUND/PREMIUM_RUN_UNKNOWN; INVALID_ARGUMENT.
        """
    def stop_premium_run(
        self,
        request: premium_computation_service_pb2.StopPremiumRunRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        run_id: str = ...,
    ) -> premium_computation_service_pb2.StopPremiumRunResponse:
        """Stops a run: policies that are being computed are finished, no others are begun. A run that has ended stays
        so.
        Errors: NOT_FOUND/PREMIUM_RUN_UNKNOWN; INVALID_ARGUMENT. Safe to repeat.
        """
    def list_premium_failures(
        self,
        request: premium_computation_service_pb2.ListPremiumFailuresRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        run_id: str = ...,
        contract_id: str = ...,
        page_size: int = ...,
        page_token: str = ...,
        consistency_token: str = ...,
    ) -> premium_computation_service_pb2.ListPremiumFailuresResponse:
        """Lists the policies that a run, or following a contract, has passed over, by group id.
        Errors: NOT_FOUND/PREMIUM_RUN_UNKNOWN, CONTRACT_UNKNOWN; INVALID_ARGUMENT.
        """
    def all_premium_failures(
        self,
        request: premium_computation_service_pb2.ListPremiumFailuresRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        run_id: str = ...,
        contract_id: str = ...,
        page_size: int = ...,
        page_token: str = ...,
        consistency_token: str = ...,
    ) -> Generator[premium_computation_service_pb2.PremiumFailure]:
        """The failures of all pages of `list_premium_failures`, one after the other."""
    def set_premium_following(
        self,
        request: premium_computation_service_pb2.SetPremiumFollowingRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        contract_id: str = ...,
        following: bool = ...,
    ) -> premium_computation_service_pb2.SetPremiumFollowingResponse:
        """Says whether a contract's premiums follow enrollment by themselves: whenever a policy's days change in
        months that were computed before, these are computed again from the first changed one on.
        Errors: NOT_FOUND/CONTRACT_UNKNOWN; INVALID_ARGUMENT. Safe to repeat.
        """
    def list_premium_entries(
        self,
        request: premium_computation_service_pb2.ListPremiumEntriesRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        policy: insurance_cost_pb2.Policy | None = ...,
        enrollments: premium_computation_service_pb2.EnrollmentIds | None = ...,
        contract_id: str = ...,
        live_only: bool = ...,
        months: year_month_pb2.MonthSpan | None = ...,
        page_size: int = ...,
        page_token: str = ...,
        consistency_token: str = ...,
    ) -> premium_computation_service_pb2.ListPremiumEntriesResponse:
        """Lists entries of a policy, of some enrollments, or of a contract, in the order in which they were added.
        Errors: NOT_FOUND/GROUP_UNKNOWN; INVALID_ARGUMENT.
        """
    def all_premium_entries(
        self,
        request: premium_computation_service_pb2.ListPremiumEntriesRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        policy: insurance_cost_pb2.Policy | None = ...,
        enrollments: premium_computation_service_pb2.EnrollmentIds | None = ...,
        contract_id: str = ...,
        live_only: bool = ...,
        months: year_month_pb2.MonthSpan | None = ...,
        page_size: int = ...,
        page_token: str = ...,
        consistency_token: str = ...,
    ) -> Generator[premium_entry_pb2.PremiumEntry]:
        """The entries of all pages of `list_premium_entries`, one after the other."""
    def list_uninvoiced_premiums(
        self,
        request: premium_computation_service_pb2.ListUninvoicedPremiumsRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        policy: insurance_cost_pb2.Policy | None = ...,
        contract_id: str = ...,
        debtor: premium_entry_pb2.Debtor.ValueType = ...,
        up_to: date_pb2.Date | date | None = ...,
        page_size: int = ...,
        page_token: str = ...,
        consistency_token: str = ...,
    ) -> premium_computation_service_pb2.ListUninvoicedPremiumsResponse:
        """Lists the entries, live, cancelled or offset alike, of months that end on or before a day, with something
        that a debtor has not been invoiced yet. An entry and the offset that cancels it are left out where nothing
        of either was invoiced to the debtor. In the order in which they were added.
        Errors: NOT_FOUND/GROUP_UNKNOWN; INVALID_ARGUMENT.
        """
    def all_uninvoiced_premiums(
        self,
        request: premium_computation_service_pb2.ListUninvoicedPremiumsRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        policy: insurance_cost_pb2.Policy | None = ...,
        contract_id: str = ...,
        debtor: premium_entry_pb2.Debtor.ValueType = ...,
        up_to: date_pb2.Date | date | None = ...,
        page_size: int = ...,
        page_token: str = ...,
        consistency_token: str = ...,
    ) -> Generator[premium_entry_pb2.PremiumEntry]:
        """The entries of all pages of `list_uninvoiced_premiums`, one after the other."""
    def mark_premiums_invoiced(
        self,
        request: premium_computation_service_pb2.MarkPremiumsInvoicedRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        request_id: str = ...,
        entry_ids: Iterable[str] | None = ...,
        debtor: premium_entry_pb2.Debtor.ValueType = ...,
        invoice_id: str = ...,
    ) -> premium_computation_service_pb2.MarkPremiumsInvoicedResponse:
        """Puts an invoice on the components of entries that are billed to a debtor, all or nothing. Those that carry
        it already stay as they are.
        Errors: NOT_FOUND/PREMIUM_ENTRY_UNKNOWN; FAILED_PRECONDITION/ALREADY_INVOICED (a component carries another
        invoice); ALREADY_EXISTS/REQUEST_ID_REUSED; INVALID_ARGUMENT. Safe to repeat with the same request_id.
        """
    def aggregate_premiums(
        self,
        request: premium_computation_service_pb2.AggregatePremiumsRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        by: Iterable[premium_computation_service_pb2.PremiumDimension.ValueType] | None = ...,
        months: year_month_pb2.MonthSpan | None = ...,
        contract_ids: Iterable[str] | None = ...,
        group_ids: Iterable[str] | None = ...,
        consistency_token: str = ...,
    ) -> premium_computation_service_pb2.AggregatePremiumsResponse:
        """Adds up what is owed, over all entries, so net of cancellations. Groups of amounts that come to 0 are left
        out.
        Errors: INVALID_ARGUMENT.
        """

class AsyncPremiumComputationService:
    """Computes what policies owe, keeps it in a ledger that is only ever added to, and hands it to invoicing.
    Computing again after the past has changed cancels what is no longer right and adds what is; what was
    invoiced stays invoiced, and the difference reaches the next invoice.
    """
    def __init__(self, caller: AsyncCaller) -> None: ...
    async def preview_premiums(
        self,
        request: premium_computation_service_pb2.PreviewPremiumsRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        policy: insurance_cost_pb2.Policy | None = ...,
        months: year_month_pb2.MonthSpan | None = ...,
        parameters: pricing_pb2.EngineParameters | None = ...,
        consistency_token: str = ...,
    ) -> premium_computation_service_pb2.PreviewPremiumsResponse:
        """Computes a policy's months and compares them with the ledger; nothing is stored.
        Errors: NOT_FOUND/GROUP_UNKNOWN; FAILED_PRECONDITION/MEMBER_ERASED, NO_CONTRACT_VERSION, PRICE_MISSING,
        MODULE_NOT_IN_VERSION, ENGINE_PARAMETER_MISSING; INVALID_ARGUMENT.
        """
    async def compute_premiums(
        self,
        request: premium_computation_service_pb2.ComputePremiumsRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        request_id: str = ...,
        policy: insurance_cost_pb2.Policy | None = ...,
        months: year_month_pb2.MonthSpan | None = ...,
        parameters: pricing_pb2.EngineParameters | None = ...,
    ) -> premium_computation_service_pb2.ComputePremiumsResponse:
        """Computes a policy's months and makes the ledger say so, all or nothing. A recompute that waits for the
        policy is done first. Computing again without a change adds nothing.
        Errors: as PreviewPremiums; ALREADY_EXISTS/REQUEST_ID_REUSED. Safe to repeat with the same request_id.
        """
    def run_premiums(
        self,
        request: premium_computation_service_pb2.RunPremiumsRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        request_id: str = ...,
        contract_id: str = ...,
        months: year_month_pb2.MonthSpan | None = ...,
        parameters: pricing_pb2.EngineParameters | None = ...,
    ) -> AsyncGenerator[premium_computation_service_pb2.RunPremiumsResponse]:
        """Computes all policies of a contract, or of all contracts, each like ComputePremiums, and tells how far it is
        until it is done or stopped. The run goes on by itself, on all servers of the database, also when the caller
        is gone or a server dies. The same request again (same request_id) follows the run, and resumes one that was
        stopped; what is done is not done again. A policy that cannot be computed is reported and passed over.
        Errors: NOT_FOUND/CONTRACT_UNKNOWN; ALREADY_EXISTS/REQUEST_ID_REUSED; INVALID_ARGUMENT.
        """
    async def get_premium_run(
        self,
        request: premium_computation_service_pb2.GetPremiumRunRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        run_id: str = ...,
        consistency_token: str = ...,
    ) -> premium_computation_service_pb2.GetPremiumRunResponse:
        """Says how far a run is.
        Errors: NOT_FOUND/PREMIUM_RUN_UNKNOWN; INVALID_ARGUMENT.
        """
    async def stop_premium_run(
        self,
        request: premium_computation_service_pb2.StopPremiumRunRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        run_id: str = ...,
    ) -> premium_computation_service_pb2.StopPremiumRunResponse:
        """Stops a run: policies that are being computed are finished, no others are begun. A run that has ended stays
        so.
        Errors: NOT_FOUND/PREMIUM_RUN_UNKNOWN; INVALID_ARGUMENT. Safe to repeat.
        """
    async def list_premium_failures(
        self,
        request: premium_computation_service_pb2.ListPremiumFailuresRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        run_id: str = ...,
        contract_id: str = ...,
        page_size: int = ...,
        page_token: str = ...,
        consistency_token: str = ...,
    ) -> premium_computation_service_pb2.ListPremiumFailuresResponse:
        """Lists the policies that a run, or following a contract, has passed over, by group id.
        Errors: NOT_FOUND/PREMIUM_RUN_UNKNOWN, CONTRACT_UNKNOWN; INVALID_ARGUMENT.
        """
    def all_premium_failures(
        self,
        request: premium_computation_service_pb2.ListPremiumFailuresRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        run_id: str = ...,
        contract_id: str = ...,
        page_size: int = ...,
        page_token: str = ...,
        consistency_token: str = ...,
    ) -> AsyncGenerator[premium_computation_service_pb2.PremiumFailure]:
        """The failures of all pages of `list_premium_failures`, one after the other."""
    async def set_premium_following(
        self,
        request: premium_computation_service_pb2.SetPremiumFollowingRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        contract_id: str = ...,
        following: bool = ...,
    ) -> premium_computation_service_pb2.SetPremiumFollowingResponse:
        """Says whether a contract's premiums follow enrollment by themselves: whenever a policy's days change in
        months that were computed before, these are computed again from the first changed one on.
        Errors: NOT_FOUND/CONTRACT_UNKNOWN; INVALID_ARGUMENT. Safe to repeat.
        """
    async def list_premium_entries(
        self,
        request: premium_computation_service_pb2.ListPremiumEntriesRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        policy: insurance_cost_pb2.Policy | None = ...,
        enrollments: premium_computation_service_pb2.EnrollmentIds | None = ...,
        contract_id: str = ...,
        live_only: bool = ...,
        months: year_month_pb2.MonthSpan | None = ...,
        page_size: int = ...,
        page_token: str = ...,
        consistency_token: str = ...,
    ) -> premium_computation_service_pb2.ListPremiumEntriesResponse:
        """Lists entries of a policy, of some enrollments, or of a contract, in the order in which they were added.
        Errors: NOT_FOUND/GROUP_UNKNOWN; INVALID_ARGUMENT.
        """
    def all_premium_entries(
        self,
        request: premium_computation_service_pb2.ListPremiumEntriesRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        policy: insurance_cost_pb2.Policy | None = ...,
        enrollments: premium_computation_service_pb2.EnrollmentIds | None = ...,
        contract_id: str = ...,
        live_only: bool = ...,
        months: year_month_pb2.MonthSpan | None = ...,
        page_size: int = ...,
        page_token: str = ...,
        consistency_token: str = ...,
    ) -> AsyncGenerator[premium_entry_pb2.PremiumEntry]:
        """The entries of all pages of `list_premium_entries`, one after the other."""
    async def list_uninvoiced_premiums(
        self,
        request: premium_computation_service_pb2.ListUninvoicedPremiumsRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        policy: insurance_cost_pb2.Policy | None = ...,
        contract_id: str = ...,
        debtor: premium_entry_pb2.Debtor.ValueType = ...,
        up_to: date_pb2.Date | date | None = ...,
        page_size: int = ...,
        page_token: str = ...,
        consistency_token: str = ...,
    ) -> premium_computation_service_pb2.ListUninvoicedPremiumsResponse:
        """Lists the entries, live, cancelled or offset alike, of months that end on or before a day, with something
        that a debtor has not been invoiced yet. An entry and the offset that cancels it are left out where nothing
        of either was invoiced to the debtor. In the order in which they were added.
        Errors: NOT_FOUND/GROUP_UNKNOWN; INVALID_ARGUMENT.
        """
    def all_uninvoiced_premiums(
        self,
        request: premium_computation_service_pb2.ListUninvoicedPremiumsRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        policy: insurance_cost_pb2.Policy | None = ...,
        contract_id: str = ...,
        debtor: premium_entry_pb2.Debtor.ValueType = ...,
        up_to: date_pb2.Date | date | None = ...,
        page_size: int = ...,
        page_token: str = ...,
        consistency_token: str = ...,
    ) -> AsyncGenerator[premium_entry_pb2.PremiumEntry]:
        """The entries of all pages of `list_uninvoiced_premiums`, one after the other."""
    async def mark_premiums_invoiced(
        self,
        request: premium_computation_service_pb2.MarkPremiumsInvoicedRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        request_id: str = ...,
        entry_ids: Iterable[str] | None = ...,
        debtor: premium_entry_pb2.Debtor.ValueType = ...,
        invoice_id: str = ...,
    ) -> premium_computation_service_pb2.MarkPremiumsInvoicedResponse:
        """Puts an invoice on the components of entries that are billed to a debtor, all or nothing. Those that carry
        it already stay as they are.
        Errors: NOT_FOUND/PREMIUM_ENTRY_UNKNOWN; FAILED_PRECONDITION/ALREADY_INVOICED (a component carries another
        invoice); ALREADY_EXISTS/REQUEST_ID_REUSED; INVALID_ARGUMENT. Safe to repeat with the same request_id.
        """
    async def aggregate_premiums(
        self,
        request: premium_computation_service_pb2.AggregatePremiumsRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        by: Iterable[premium_computation_service_pb2.PremiumDimension.ValueType] | None = ...,
        months: year_month_pb2.MonthSpan | None = ...,
        contract_ids: Iterable[str] | None = ...,
        group_ids: Iterable[str] | None = ...,
        consistency_token: str = ...,
    ) -> premium_computation_service_pb2.AggregatePremiumsResponse:
        """Adds up what is owed, over all entries, so net of cancellations. Groups of amounts that come to 0 are left
        out.
        Errors: INVALID_ARGUMENT.
        """

class CatalogService:
    """Contracts with their versions and modules. The built-in source of contracts; a deployment may put its own
    behind the same domain interface.
    """
    def __init__(self, caller: Caller) -> None: ...
    def publish_contract(
        self,
        request: catalog_service_pb2.PublishContractRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        request_id: str = ...,
        contract: contract_pb2.Contract | None = ...,
    ) -> catalog_service_pb2.PublishContractResponse:
        """Stores a new contract with its versions.
        Errors: INVALID_ARGUMENT with every field violation (malformed fields first, then everything that the
        contract says wrongly: overlapping rows, unknown modules, a negation over an enrollment and so on);
        ALREADY_EXISTS/CONTRACT_EXISTS, ALREADY_EXISTS/REQUEST_ID_REUSED, ALREADY_EXISTS/MODULE_TAKEN. Safe to
        repeat with the same request_id.
        """
    def add_contract_version(
        self,
        request: catalog_service_pb2.AddContractVersionRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        request_id: str = ...,
        contract_id: str = ...,
        version: contract_pb2.ContractVersion | None = ...,
        etag: str = ...,
    ) -> catalog_service_pb2.AddContractVersionResponse:
        """Adds a version after the last one. A last version that is open ends on the day before. Every group of the
        contract is recomputed.
        Errors: INVALID_ARGUMENT as for PublishContract; NOT_FOUND/CONTRACT_UNKNOWN;
        ALREADY_EXISTS/VERSION_OVERLAPS, ALREADY_EXISTS/REQUEST_ID_REUSED, ALREADY_EXISTS/MODULE_TAKEN;
        ABORTED/ETAG_MISMATCH. Safe to repeat with the same request_id.
        """
    def amend_contract(
        self,
        request: catalog_service_pb2.AmendContractRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        request_id: str = ...,
        contract_id: str = ...,
        versions: Iterable[contract_pb2.ContractVersion] | None = ...,
        etag: str = ...,
    ) -> catalog_service_pb2.AmendContractResponse:
        """Replaces all versions of a contract by a whole new list, in one transaction. What was recorded before stays
        readable as of then. Every group of the contract is recomputed.
        Errors: INVALID_ARGUMENT as for PublishContract; NOT_FOUND/CONTRACT_UNKNOWN; ABORTED/ETAG_MISMATCH;
        FAILED_PRECONDITION/SLOT_CHANGED where a module would change its slot; ALREADY_EXISTS/REQUEST_ID_REUSED,
        ALREADY_EXISTS/MODULE_TAKEN. Safe to repeat with the same request_id.
        """
    def get_contract(
        self,
        request: catalog_service_pb2.GetContractRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        contract_id: str = ...,
        as_of: timestamp_pb2.Timestamp | datetime | None = ...,
        consistency_token: str = ...,
    ) -> catalog_service_pb2.GetContractResponse:
        """Returns a contract, as it is now or as it was recorded at an instant.
        Errors: NOT_FOUND/CONTRACT_UNKNOWN (also when it did not exist at that instant).
        """
    def list_contracts(
        self,
        request: catalog_service_pb2.ListContractsRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        page_size: int = ...,
        page_token: str = ...,
        consistency_token: str = ...,
    ) -> catalog_service_pb2.ListContractsResponse:
        """Lists contracts as they are now, in order of contract_id."""
    def all_contracts(
        self,
        request: catalog_service_pb2.ListContractsRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        page_size: int = ...,
        page_token: str = ...,
        consistency_token: str = ...,
    ) -> Generator[contract_pb2.Contract]:
        """The contracts of all pages of `list_contracts`, one after the other."""
    def get_modules(
        self,
        request: catalog_service_pb2.GetModulesRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        module_ids: Iterable[str] | None = ...,
        on: date_pb2.Date | date | None = ...,
        consistency_token: str = ...,
    ) -> catalog_service_pb2.GetModulesResponse:
        """Resolves module ids, as views of enrollments carry them, to names, service types and everything else, in the
        order asked for.
        Errors: NOT_FOUND/MODULE_UNKNOWN.
        """

class AsyncCatalogService:
    """Contracts with their versions and modules. The built-in source of contracts; a deployment may put its own
    behind the same domain interface.
    """
    def __init__(self, caller: AsyncCaller) -> None: ...
    async def publish_contract(
        self,
        request: catalog_service_pb2.PublishContractRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        request_id: str = ...,
        contract: contract_pb2.Contract | None = ...,
    ) -> catalog_service_pb2.PublishContractResponse:
        """Stores a new contract with its versions.
        Errors: INVALID_ARGUMENT with every field violation (malformed fields first, then everything that the
        contract says wrongly: overlapping rows, unknown modules, a negation over an enrollment and so on);
        ALREADY_EXISTS/CONTRACT_EXISTS, ALREADY_EXISTS/REQUEST_ID_REUSED, ALREADY_EXISTS/MODULE_TAKEN. Safe to
        repeat with the same request_id.
        """
    async def add_contract_version(
        self,
        request: catalog_service_pb2.AddContractVersionRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        request_id: str = ...,
        contract_id: str = ...,
        version: contract_pb2.ContractVersion | None = ...,
        etag: str = ...,
    ) -> catalog_service_pb2.AddContractVersionResponse:
        """Adds a version after the last one. A last version that is open ends on the day before. Every group of the
        contract is recomputed.
        Errors: INVALID_ARGUMENT as for PublishContract; NOT_FOUND/CONTRACT_UNKNOWN;
        ALREADY_EXISTS/VERSION_OVERLAPS, ALREADY_EXISTS/REQUEST_ID_REUSED, ALREADY_EXISTS/MODULE_TAKEN;
        ABORTED/ETAG_MISMATCH. Safe to repeat with the same request_id.
        """
    async def amend_contract(
        self,
        request: catalog_service_pb2.AmendContractRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        request_id: str = ...,
        contract_id: str = ...,
        versions: Iterable[contract_pb2.ContractVersion] | None = ...,
        etag: str = ...,
    ) -> catalog_service_pb2.AmendContractResponse:
        """Replaces all versions of a contract by a whole new list, in one transaction. What was recorded before stays
        readable as of then. Every group of the contract is recomputed.
        Errors: INVALID_ARGUMENT as for PublishContract; NOT_FOUND/CONTRACT_UNKNOWN; ABORTED/ETAG_MISMATCH;
        FAILED_PRECONDITION/SLOT_CHANGED where a module would change its slot; ALREADY_EXISTS/REQUEST_ID_REUSED,
        ALREADY_EXISTS/MODULE_TAKEN. Safe to repeat with the same request_id.
        """
    async def get_contract(
        self,
        request: catalog_service_pb2.GetContractRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        contract_id: str = ...,
        as_of: timestamp_pb2.Timestamp | datetime | None = ...,
        consistency_token: str = ...,
    ) -> catalog_service_pb2.GetContractResponse:
        """Returns a contract, as it is now or as it was recorded at an instant.
        Errors: NOT_FOUND/CONTRACT_UNKNOWN (also when it did not exist at that instant).
        """
    async def list_contracts(
        self,
        request: catalog_service_pb2.ListContractsRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        page_size: int = ...,
        page_token: str = ...,
        consistency_token: str = ...,
    ) -> catalog_service_pb2.ListContractsResponse:
        """Lists contracts as they are now, in order of contract_id."""
    def all_contracts(
        self,
        request: catalog_service_pb2.ListContractsRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        page_size: int = ...,
        page_token: str = ...,
        consistency_token: str = ...,
    ) -> AsyncGenerator[contract_pb2.Contract]:
        """The contracts of all pages of `list_contracts`, one after the other."""
    async def get_modules(
        self,
        request: catalog_service_pb2.GetModulesRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        module_ids: Iterable[str] | None = ...,
        on: date_pb2.Date | date | None = ...,
        consistency_token: str = ...,
    ) -> catalog_service_pb2.GetModulesResponse:
        """Resolves module ids, as views of enrollments carry them, to names, service types and everything else, in the
        order asked for.
        Errors: NOT_FOUND/MODULE_UNKNOWN.
        """

class MemberService:
    """Members and what is true of them. The built-in source of facts; a deployment may put its own behind the same
    domain interface.
    """
    def __init__(self, caller: Caller) -> None: ...
    def upsert_member(
        self,
        request: member_service_pb2.UpsertMemberRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        request_id: str = ...,
        member: member_pb2.Member | None = ...,
    ) -> member_service_pb2.UpsertMemberResponse:
        """Stores a member, or changes what is stored.
        Errors: INVALID_ARGUMENT; ALREADY_EXISTS/REQUEST_ID_REUSED; FAILED_PRECONDITION/MEMBER_ERASED. Safe to
        repeat with the same request_id.
        """
    def record_facts(
        self,
        request: member_service_pb2.RecordFactsRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        request_id: str = ...,
        member_id: str = ...,
        birth: member_pb2.Birth | None = ...,
        addresses: member_pb2.Addresses | None = ...,
        employments: member_pb2.Employments | None = ...,
        health_regimes: member_pb2.HealthRegimes | None = ...,
        attributes: member_pb2.Attributes | None = ...,
    ) -> member_service_pb2.RecordFactsResponse:
        """Replaces the whole timeline of one kind of fact of one member; an empty one clears it. What was recorded
        before stays readable as of then. Every group that the member belongs to is recomputed.
        Errors: INVALID_ARGUMENT (also where two spans share a day); NOT_FOUND/MEMBER_UNKNOWN;
        ALREADY_EXISTS/REQUEST_ID_REUSED; FAILED_PRECONDITION/MEMBER_ERASED. Safe to repeat with the same
        request_id.
        """
    def get_member(
        self,
        request: member_service_pb2.GetMemberRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        member_id: str = ...,
        as_of: timestamp_pb2.Timestamp | datetime | None = ...,
        consistency_token: str = ...,
    ) -> member_service_pb2.GetMemberResponse:
        """Returns a member with all facts, as known now or as known at an instant.
        Errors: NOT_FOUND/MEMBER_UNKNOWN (also when nothing was known at that instant).
        """
    def list_members(
        self,
        request: member_service_pb2.ListMembersRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        page_size: int = ...,
        page_token: str = ...,
        consistency_token: str = ...,
    ) -> member_service_pb2.ListMembersResponse:
        """Lists members without their facts, in order of member_id."""
    def all_members(
        self,
        request: member_service_pb2.ListMembersRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        page_size: int = ...,
        page_token: str = ...,
        consistency_token: str = ...,
    ) -> Generator[member_pb2.Member]:
        """The members of all pages of `list_members`, one after the other."""
    def erase_member(
        self,
        request: member_service_pb2.EraseMemberRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        request_id: str = ...,
        member_id: str = ...,
    ) -> member_service_pb2.EraseMemberResponse:
        """Erases what is known of a member: name, date of birth, addresses, employments, regimes and custom facts, in
        every state that was ever recorded, and the notes of change requests that name them. Ids, enrollment
        periods, premiums and applications stay, since others' histories and accounts rest on them. What their
        groups were before today is closed: it can be read, and no longer changed. Premiums that were ever computed
        for them are brought up to date first. Cannot be undone. For admins.
        Errors: NOT_FOUND/MEMBER_UNKNOWN; FAILED_PRECONDITION/MEMBER_STILL_COVERED (today or later), or why premiums
        that were computed cannot be brought up to date (PRICE_MISSING and others);
        ALREADY_EXISTS/REQUEST_ID_REUSED. Safe to repeat; a member who is erased already stays so.
        """

class AsyncMemberService:
    """Members and what is true of them. The built-in source of facts; a deployment may put its own behind the same
    domain interface.
    """
    def __init__(self, caller: AsyncCaller) -> None: ...
    async def upsert_member(
        self,
        request: member_service_pb2.UpsertMemberRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        request_id: str = ...,
        member: member_pb2.Member | None = ...,
    ) -> member_service_pb2.UpsertMemberResponse:
        """Stores a member, or changes what is stored.
        Errors: INVALID_ARGUMENT; ALREADY_EXISTS/REQUEST_ID_REUSED; FAILED_PRECONDITION/MEMBER_ERASED. Safe to
        repeat with the same request_id.
        """
    async def record_facts(
        self,
        request: member_service_pb2.RecordFactsRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        request_id: str = ...,
        member_id: str = ...,
        birth: member_pb2.Birth | None = ...,
        addresses: member_pb2.Addresses | None = ...,
        employments: member_pb2.Employments | None = ...,
        health_regimes: member_pb2.HealthRegimes | None = ...,
        attributes: member_pb2.Attributes | None = ...,
    ) -> member_service_pb2.RecordFactsResponse:
        """Replaces the whole timeline of one kind of fact of one member; an empty one clears it. What was recorded
        before stays readable as of then. Every group that the member belongs to is recomputed.
        Errors: INVALID_ARGUMENT (also where two spans share a day); NOT_FOUND/MEMBER_UNKNOWN;
        ALREADY_EXISTS/REQUEST_ID_REUSED; FAILED_PRECONDITION/MEMBER_ERASED. Safe to repeat with the same
        request_id.
        """
    async def get_member(
        self,
        request: member_service_pb2.GetMemberRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        member_id: str = ...,
        as_of: timestamp_pb2.Timestamp | datetime | None = ...,
        consistency_token: str = ...,
    ) -> member_service_pb2.GetMemberResponse:
        """Returns a member with all facts, as known now or as known at an instant.
        Errors: NOT_FOUND/MEMBER_UNKNOWN (also when nothing was known at that instant).
        """
    async def list_members(
        self,
        request: member_service_pb2.ListMembersRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        page_size: int = ...,
        page_token: str = ...,
        consistency_token: str = ...,
    ) -> member_service_pb2.ListMembersResponse:
        """Lists members without their facts, in order of member_id."""
    def all_members(
        self,
        request: member_service_pb2.ListMembersRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        page_size: int = ...,
        page_token: str = ...,
        consistency_token: str = ...,
    ) -> AsyncGenerator[member_pb2.Member]:
        """The members of all pages of `list_members`, one after the other."""
    async def erase_member(
        self,
        request: member_service_pb2.EraseMemberRequest | None = None,
        /,
        *,
        timeout: float | None = None,
        request_id: str = ...,
        member_id: str = ...,
    ) -> member_service_pb2.EraseMemberResponse:
        """Erases what is known of a member: name, date of birth, addresses, employments, regimes and custom facts, in
        every state that was ever recorded, and the notes of change requests that name them. Ids, enrollment
        periods, premiums and applications stay, since others' histories and accounts rest on them. What their
        groups were before today is closed: it can be read, and no longer changed. Premiums that were ever computed
        for them are brought up to date first. Cannot be undone. For admins.
        Errors: NOT_FOUND/MEMBER_UNKNOWN; FAILED_PRECONDITION/MEMBER_STILL_COVERED (today or later), or why premiums
        that were computed cannot be brought up to date (PRICE_MISSING and others);
        ALREADY_EXISTS/REQUEST_ID_REUSED. Safe to repeat; a member who is erased already stays so.
        """
