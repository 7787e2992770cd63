"""Plays enrollment cases against a running `--dev` server over gRPC only, and reports every difference."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

import grpc

from affilia.catalog.v1 import catalog_service_pb2, contract_pb2, member_pb2, member_service_pb2
from affilia.catalog.v1.catalog_service_pb2_grpc import CatalogServiceStub
from affilia.catalog.v1.member_service_pb2_grpc import MemberServiceStub
from affilia.enrollment.v1 import (
    change_request_pb2,
    change_request_service_pb2,
    enrollment_event_pb2,
    enrollment_group_pb2,
    enrollment_query_service_pb2,
)
from affilia.enrollment.v1.change_request_service_pb2_grpc import ChangeRequestServiceStub
from affilia.enrollment.v1.enrollment_query_service_pb2_grpc import EnrollmentQueryServiceStub
from affilia.type.v1 import membership_type_pb2
from tests.scenarios import enrollment_messages as messages
from tests.support.feeds import NOW, watch_request
from tests.support.waiting import wait_until

Answer = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Mismatch:
    """The expected and the actual result of a step."""

    step: int
    what: str
    expected: Any
    got: Any

    def __str__(self) -> str:
        return f"step {self.step}, {self.what}:\n    expected {self.expected}\n    got      {self.got}"


def ids_like(names: set[str]) -> messages.Ids:
    """Returns new UUIDs for every play, which sort like the names."""
    base = uuid4().int >> 64 << 64
    return {name: str(UUID(int=base + i + 1)) for i, name in enumerate(sorted(names))}


@dataclass
class EnrollmentPlayer:
    """One case, played with its own ids, so that any number of cases can share a server."""

    case: Any
    channel: grpc.Channel
    mismatches: list[Mismatch] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._catalog = CatalogServiceStub(self.channel)
        self._member_service = MemberServiceStub(self.channel)
        self._requests = ChangeRequestServiceStub(self.channel)
        self._queries = EnrollmentQueryServiceStub(self.channel)
        self._contract_id = str(uuid4())
        self._modules = ids_like(_named_modules(self.case))
        self._members = ids_like({member["id"] for member in self.case["members"]})
        self._names = {uuid: name for name, uuid in (self._modules | self._members).items()}
        primary = next(member["id"] for member in self.case["members"] if member["primary"])
        self._primary_id = self._members[primary]
        self._key = enrollment_group_pb2.GroupKey(contract_id=self._contract_id, primary_id=self._primary_id)
        self._metadata: tuple[tuple[str, str], ...] = ()
        self._reported_revision = 0
        self._step = 0
        self._submitted: dict[int, str] = {}
        wanted = enrollment_event_pb2.EnrollmentFilter(contract_ids=[self._contract_id])
        self._feed: Any = self._queries.WatchEnrollments(watch_request(NOW, wanted))

    def play(self) -> list[Mismatch]:
        """Plays all steps, and returns all differences."""
        next(self._feed)
        self._set_up()
        for number, step in enumerate(self.case["steps"]):
            ((kind, value),) = ((k, v) for k, v in step.items() if k != "expected")
            if "today" in value:
                self._metadata = (("x-affilia-today", value["today"]),)
            self._step, before = number, self._group().revision
            answer = self._play(kind, value)
            self._compare(number, step["expected"], {**answer, **self._state(before, kind, answer)})
        self._feed.cancel()
        return self.mismatches

    def _play(self, kind: str, step: Any) -> Answer:
        """Plays one step. A malformed step is rejected and changes nothing."""
        try:
            return getattr(self, f"_play_{kind}")(step)  # type: ignore[no-any-return]
        except grpc.RpcError as error:
            if error.code() != grpc.StatusCode.INVALID_ARGUMENT:
                raise
            return {"error": error.code().name}

    def _set_up(self) -> None:
        contract = messages.contract(self.case["contract"], self._contract_id, self._modules)
        self._publish(contract)
        for member in self.case["members"]:
            member_id = self._members[member["id"]]
            self._member_service.UpsertMember(
                member_service_pb2.UpsertMemberRequest(
                    request_id=str(uuid4()),
                    member=member_pb2.Member(member_id=member_id, kind=member_pb2.MEMBER_KIND_PERSON),
                )
            )
            for fact, value in member["facts"].items():
                self._record(member_id, fact, value)

    def _publish(self, contract: contract_pb2.Contract) -> None:
        self._catalog.PublishContract(
            catalog_service_pb2.PublishContractRequest(request_id=str(uuid4()), contract=contract)
        )

    def _record(self, member_id: str, fact: str, value: Any) -> None:
        request = member_service_pb2.RecordFactsRequest(request_id=str(uuid4()), member_id=member_id)
        messages.facts(request, fact, value, self.case["contract"]["currency"])
        self._member_service.RecordFacts(request, metadata=self._metadata)

    def _play_simulate(self, step: Any) -> Answer:
        answer = self._simulate(step)
        return {
            **self._verdict(answer),
            "periods_before": self._periods(answer.periods_before),
            "periods_after": self._periods(answer.periods_after),
        }

    def _simulate(self, step: Any) -> change_request_service_pb2.SimulateChangeRequestResponse:
        request = change_request_service_pb2.SimulateChangeRequestRequest(
            requester=self._requester(step["requester"]),
            group=self._key,
            changes=self._changes(step),
            accept_consequences=step["accept_consequences"],
            overridden_rules=step["overridden_rules"],
        )
        return self._requests.SimulateChangeRequest(request, metadata=self._metadata)

    def _play_choices(self, step: Any) -> Answer:
        request = change_request_service_pb2.ListAvailableChoicesRequest(
            key=self._key, member_id=self._members[step["member"]], on=messages.date(step["date"])
        )
        if kind := step.get("membership_type"):
            (request.membership_type,) = messages.membership_types([kind])
        choices = [self._choice(choice) for choice in self._requests.ListAvailableChoices(request).choices]
        return {"choices": sorted(choices, key=lambda choice: str(choice["module"]))}

    def _choice(self, choice: change_request_pb2.Choice) -> Answer:
        later, until = choice.first_allowed_later, choice.committed_until
        return {
            "module": self._names[choice.module_id],
            "enrolled": choice.enrolled,
            "allowed": choice.allowed,
            "why_not": sorted(self._code(reason) for reason in choice.reasons),
            "first_allowed_later": messages.iso(later) if choice.HasField("first_allowed_later") else None,
            "commitment_end": messages.iso(until) if choice.HasField("committed_until") else None,
        }

    def _play_submit(self, step: Any) -> Answer:
        simulated = self._simulate(step)
        request = change_request_service_pb2.SubmitChangeRequestRequest(
            request_id=str(uuid4()),
            requester=self._requester(step["requester"]),
            group=self._key,
            changes=self._changes(step),
            expected_revision=step["expected_revision"],
            accept_consequences=step["accept_consequences"],
            overridden_rules=step["overridden_rules"],
        )
        try:
            answer = self._requests.SubmitChangeRequest(request, metadata=self._metadata)
        except grpc.RpcError as error:
            if error.code() == grpc.StatusCode.ABORTED:
                return {"verdict": "ABORTED"}
            raise
        self._same_as_simulated(simulated, answer)
        self._submitted[self._step] = answer.change_request.change_request_id
        return self._verdict(answer.change_request)

    def _same_as_simulated(
        self,
        simulated: change_request_service_pb2.SimulateChangeRequestResponse,
        submitted: change_request_service_pb2.SubmitChangeRequestResponse,
    ) -> None:
        """Checks that a submit does what a simulation immediately before it reports."""
        request = submitted.change_request
        for what in ("verdict", "violations", "notices", "consequences"):
            if getattr(simulated, what) != getattr(request, what):
                reported = (what, getattr(simulated, what), getattr(request, what))
                self.mismatches.append(Mismatch(-1, f"simulated {reported[0]}", reported[1], reported[2]))
        approved = request.verdict == change_request_pb2.VERDICT_APPROVED
        foreseen = simulated.periods_after if approved else simulated.periods_before
        if list(foreseen) != list(submitted.group.periods):
            self.mismatches.append(Mismatch(-1, "simulated periods", foreseen, submitted.group.periods))

    def _changes(self, step: Any) -> list[change_request_pb2.ScopedChange]:
        return [messages.change(c, self._members, self._modules, self._submitted) for c in step["changes"]]

    def _requester(self, role: str) -> change_request_pb2.Requester:
        return change_request_pb2.Requester(
            role=change_request_pb2.RequesterRole.Value(f"REQUESTER_ROLE_{role}"),
            requester_id=self._primary_id if role == "MEMBER" else "back-office",
            reason="" if role == "MEMBER" else "a worked case",
        )

    def _code(self, violation: change_request_pb2.Violation) -> str:
        return violation.rule_code or word(change_request_pb2.ViolationCode, violation.code, "VIOLATION_CODE_")

    def _verdict(
        self, request: change_request_pb2.ChangeRequest | change_request_service_pb2.SimulateChangeRequestResponse
    ) -> Answer:
        return {
            "verdict": word(change_request_pb2.Verdict, request.verdict, "VERDICT_"),
            "violations": [
                [
                    self._code(v),
                    self._names.get(v.member_id),
                    self._names.get(v.module_id),
                    messages.iso(v.on) if v.HasField("on") else None,
                ]
                for v in request.violations
            ],
            "commitments": [
                [self._names[v.member_id], self._names[v.module_id], messages.iso(v.earliest_last_on)]
                for v in request.violations
                if v.HasField("earliest_last_on")
            ],
            "consequences": [
                [self._names[c.member_id], self._names[c.module_id], *messages.ends(c.days)]
                for c in request.consequences
            ],
        }

    def _play_set_facts(self, step: Any) -> Answer:
        self._record(self._members[step["member"]], step["fact"], step["value"])
        self._await_recomputes()
        return {}

    def _play_amend_contract(self, step: Any) -> Answer:
        current = self._catalog.GetContract(catalog_service_pb2.GetContractRequest(contract_id=self._contract_id))
        self._catalog.AmendContract(
            catalog_service_pb2.AmendContractRequest(
                request_id=str(uuid4()),
                contract_id=self._contract_id,
                versions=messages.contract(step["contract"], self._contract_id, self._modules).versions,
                etag=current.contract.etag,
            ),
            metadata=self._metadata,
        )
        self._await_recomputes()
        return {}

    def _play_recompute(self, step: Any) -> Answer:
        if group_id := self._group().group_id:
            self._requests.RequestRecompute(
                change_request_service_pb2.RequestRecomputeRequest(request_id=str(uuid4()), group_id=group_id),
                metadata=self._metadata,
            )
            self._await_recomputes()
        return {}

    def _await_recomputes(self) -> None:
        group_id = self._group().group_id
        wait_until(lambda: not group_id or not self._waiting(group_id), f"group {group_id} is recomputed")

    def _waiting(self, group_id: str) -> bool:
        request = change_request_service_pb2.ListRecomputesRequest(
            group_id=group_id, state=change_request_pb2.RECOMPUTE_STATE_WAITING
        )
        return bool(self._requests.ListRecomputes(request).recomputes)

    def _group(self, revision: int | None = None) -> enrollment_group_pb2.EnrollmentGroup:
        request = enrollment_query_service_pb2.GetEnrollmentGroupRequest(key=self._key)
        if revision is not None:
            request.revision = revision
        try:
            return self._queries.GetEnrollmentGroup(request).group
        except grpc.RpcError as error:
            if error.code() == grpc.StatusCode.NOT_FOUND:
                return enrollment_group_pb2.EnrollmentGroup()
            raise

    def _state(self, revision_before: int, kind: str, answer: Answer) -> Answer:
        group = self._group()
        events = self._events_up_to(group.revision, rejected=answer.get("verdict") == "REJECTED" and kind == "submit")
        return {
            "revision": group.revision,
            "events": sorted(events),
            "differences": self._differences(group.group_id, revision_before, group.revision),
            "periods": self._periods(group.periods),
            "as_of": {str(n): self._periods(self._group(n).periods) for n in range(1, group.revision + 1)},
        }

    def _events_up_to(self, revision: int, *, rejected: bool) -> list[str]:
        """Returns the types of the group's events in the feed since the last step."""
        types = []
        while self._reported_revision < revision or rejected:
            for event in next(self._feed).events:
                self._reported_revision = event.policy_revision.revision or self._reported_revision
                rejected = rejected and event.type != enrollment_event_pb2.ENROLLMENT_EVENT_TYPE_CHANGE_REQUEST_REJECTED
                types.append(word(enrollment_event_pb2.EnrollmentEventType, event.type, "ENROLLMENT_EVENT_TYPE_"))
        return types

    def _differences(self, group_id: str, before: int, after: int) -> list[Answer]:
        if before == after:
            return []
        request = enrollment_query_service_pb2.DiffRevisionsRequest(
            group_id=group_id, from_revision=before, to_revision=after
        )
        return [
            {
                "member": self._names[d.member_id],
                "module": self._names[d.module_id],
                "kinds": sorted(word(enrollment_group_pb2.DifferenceKind, k, "DIFFERENCE_KIND_") for k in d.kinds),
                "gained": [messages.ends(days) for days in d.gained],
                "lost": [messages.ends(days) for days in d.lost],
            }
            for d in self._queries.DiffRevisions(request).differences
        ]

    def _periods(self, periods: Iterable[enrollment_group_pb2.EnrollmentPeriod]) -> list[Any]:
        return [
            [
                self._names[p.member_id],
                word(membership_type_pb2.MembershipType, p.membership_type, "MEMBERSHIP_TYPE_"),
                self._names[p.module_id],
                *messages.ends(p.days),
            ]
            for p in periods
        ]

    def _compare(self, step: int, expected: Answer, got: Answer) -> None:
        expected = dict(expected)
        if any(v[0] == "MEMBERSHIP_TYPE_CONFLICT" for v in expected.get("violations", ())):
            # The format doesn't define with which type the other rules are checked then.
            expected = {k: v for k, v in expected.items() if k not in ("commitments", "consequences")}
            for side in (expected, got):
                side["violations"] = [v for v in side["violations"] if v[0] == "MEMBERSHIP_TYPE_CONFLICT"]
        if "error" in got:
            expected.setdefault("error", None)
        for what, value in expected.items():
            if _in_order(what, got.get(what)) != _in_order(what, value):
                self.mismatches.append(Mismatch(step, what, value, got.get(what)))


def _in_order(what: str, value: Any) -> Any:
    """Returns lists that are ordered by name in the format, sorted in the same way on both sides."""
    if what == "choices":
        return [{**choice, "why_not": sorted(choice["why_not"])} for choice in value]
    if what in ("violations", "periods", "periods_before", "periods_after", "commitments", "consequences") and value:
        return sorted(value, key=lambda row: [x or "" for x in row])
    return value


def word(enum: Any, number: int, prefix: str) -> str:
    return str(enum.Name(number)).removeprefix(prefix)


def _amendments(case: Any) -> list[Any]:
    return [step for step in case["steps"] if "amend_contract" in step]


def _named_modules(case: Any) -> set[str]:
    """Returns every module that a contract of the case lists or a change names."""
    contracts = [case["contract"], *(step["amend_contract"]["contract"] for step in _amendments(case))]
    named = {m["module"] for c in contracts for v in c["versions"] for m in v["modules"]}
    for step in case["steps"]:
        for asked in (step.get("submit") or step.get("simulate") or {}).get("changes", []):
            named |= {change["module"] for change in asked.values() if change.get("module")}
    return named
