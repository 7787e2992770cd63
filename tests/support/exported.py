"""A sponsor's families on a running server, exports of them, and the segments of an exported file."""

from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any
from uuid import uuid4

from pyx12.params import ParamsBase
from pyx12.x12n_document import x12n_document

from affilia.catalog.v1 import contract_pb2, member_pb2, member_service_pb2
from affilia.enrollment.v1 import change_request_pb2, change_request_service_pb2
from affilia.enrollment.v1.enrollment_group_pb2 import GroupKey
from affilia_cli.enrollment_export import Exported, export_full, export_since
from affilia_cli.enrollment_file.mapping import Mapping, mapping_of
from affilia_cli.enrollment_file.reading.parsing import read_file
from affilia_client import Client, changes
from affilia_client.dates import date_to_proto
from tests.scenarios.enrollment_messages import span
from tests.support.calls import admin, new_id

TODAY = date(2026, 6, 15)
PARTIES = {"sender": "ACME", "receiver": "AFFILIA", "payer": {"id": "987654321", "name": "AFFILIA INSURANCE"}}


@dataclass
class Book:
    """A contract from 2025 on with HMO and PPO in one slot and DEN in none, members with numbers, and exports."""

    client: Client
    folder: Path
    sponsor: str = "123456789"
    more: dict[str, Any] = field(default_factory=dict)
    """Fields of the mapping."""

    def __post_init__(self) -> None:
        self.contract_id, self.namespace = new_id(), new_id()
        self.modules = {line: new_id() for line in ("HMO", "PPO", "DEN")}
        modules = [
            contract_pb2.Module(
                module_id=module_id,
                display_name=line,
                slot="" if line == "DEN" else "base",
                service_type=contract_pb2.SERVICE_TYPE_BASE,
            )
            for line, module_id in self.modules.items()
        ]
        version = contract_pb2.ContractVersion(days=span("2025-01-01", None), max_backdating_days=3650, modules=modules)
        self.client.catalog.publish_contract(
            request_id=new_id(),
            contract=contract_pb2.Contract(
                contract_id=self.contract_id,
                country_code="US",
                currency_code="USD",
                time_zone="UTC",
                sponsor_id="ACME",
                versions=[version],
            ),
        )

    def content(self) -> dict[str, Any]:
        """Returns the mapping as it is stored in a file."""
        coverages = [
            {"line": line, "contract_id": self.contract_id, "module_id": module_id}
            for line, module_id in self.modules.items()
        ]
        return {
            "namespace": self.namespace,
            "sponsor": self.sponsor,
            "coverages": coverages,
            **PARTIES,
            **self.more,
        }

    @property
    def mapping(self) -> Mapping:
        return mapping_of(self.content())

    def member(self, name: str, *, born: str = "1980-05-15", pet: bool = False, **numbers: str) -> str:
        """Stores a member and returns the id. `numbers` are identifiers of the mapping by kind, such as SUBSCRIBER."""
        member_id = new_id()
        identifiers = [
            member_pb2.Identifier(system=f"834/{self.namespace}/{kind}", value=value) for kind, value in numbers.items()
        ]
        kind = member_pb2.MEMBER_KIND_PET if pet else member_pb2.MEMBER_KIND_PERSON
        self.client.members.upsert_member(
            request_id=new_id(),
            member=member_pb2.Member(member_id=member_id, kind=kind, display_name=name, identifiers=identifiers),
        )
        birth = member_pb2.Birth(born_on=date_to_proto(date.fromisoformat(born)))
        self.client.members.record_facts(
            member_service_pb2.RecordFactsRequest(request_id=new_id(), member_id=member_id, birth=birth)
        )
        return member_id

    def enroll(
        self, primary_id: str, member_id: str, kind: changes.MembershipName, line: str, first: str, last: str = ""
    ) -> None:
        enrolled = changes.enroll(
            member_id,
            self.modules[line],
            kind,
            first_on=date.fromisoformat(first),
            last_on=date.fromisoformat(last) if last else None,
        )
        self.submit(primary_id, enrolled)

    def leave(self, primary_id: str, member_id: str, line: str, first: str, last: str = "") -> None:
        left = changes.leave(
            member_id,
            self.modules[line],
            first_on=date.fromisoformat(first),
            last_on=date.fromisoformat(last) if last else None,
        )
        self.submit(primary_id, left)

    def submit(self, primary_id: str, *requested: change_request_pb2.ScopedChange) -> None:
        judged = self.judge(primary_id, *requested)
        assert judged.verdict == change_request_pb2.VERDICT_APPROVED, judged

    def judge(self, primary_id: str, *requested: change_request_pb2.ScopedChange) -> change_request_pb2.ChangeRequest:
        request = change_request_service_pb2.SubmitChangeRequestRequest(
            request_id=new_id(),
            requester=admin(),
            group=GroupKey(contract_id=self.contract_id, primary_id=primary_id),
            changes=requested,
            accept_consequences=True,
        )
        return self.client.changes.submit_change_request(request).change_request

    def new_path(self) -> Path:
        return self.folder / f"{uuid4().hex}.834"

    def full(self, today: date = TODAY) -> Exported:
        return export_full(self.client, self.mapping, self.new_path(), today=today)

    def since(self, token_path: Path, **how: Any) -> Exported:
        return export_since(self.client, self.mapping, token_path, self.new_path(), today=TODAY, **how)


def member_segments_of(path: Path | None) -> list[str]:
    """Returns the segments of all members of a valid file: those from the first INS to before SE."""
    segments = segments_of(path)
    first = next(i for i, segment in enumerate(segments) if segment.startswith("INS*"))
    return segments[first : next(i for i, segment in enumerate(segments) if segment.startswith("SE*"))]


def segments_of(path: Path | None) -> list[str]:
    """Returns the segments of a file, after checking with pyx12 and our own reader that it is valid by the guide."""
    assert path is not None
    assert x12n_document(ParamsBase(), str(path), None, None)
    assert not [finding for finding in read_file(path).findings if finding.is_error]
    return [segment for segment in path.read_text("ascii").replace("~\n", "~").split("~") if segment]
