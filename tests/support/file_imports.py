"""A sponsor with a contract of its own, and imports of its files."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any
from uuid import uuid4

from affilia.catalog.v1 import catalog_service_pb2, condition_pb2, contract_pb2
from affilia.type.v1 import membership_type_pb2
from affilia_cli.enrollment_file import Mapping, Report, import_834
from affilia_cli.enrollment_file.applying.outcomes import Outcome
from affilia_cli.enrollment_file.mapping import mapping_of
from affilia_client import Client
from tests.scenarios.enrollment_messages import iso, span
from tests.support.calls import Family, new_id
from tests.support.enrollment_file import SPONSOR, a_coverage, a_file, a_member

TODAY = date(2026, 6, 15)
LINES = ("HMO", "PPO", "DEN")


@dataclass
class Sponsor:
    """A contract from 2025 on with HMO and PPO in one slot. Children can only be on DEN if the primary is."""

    client: Client
    folder: Path
    modules: dict[str, str] = field(default_factory=lambda: {line: new_id() for line in LINES})
    namespace: str = field(default_factory=lambda: str(uuid4()))

    def __post_init__(self) -> None:
        self.family = Family(self.client.channel)
        self.contract_id = self.family.contract_id
        on_dental = condition_pb2.EnrolledOnCondition(
            subject=condition_pb2.SUBJECT_PRIMARY, module_ids=[self.modules["DEN"]]
        )
        with_primary = condition_pb2.Rule(
            code="WITH_PRIMARY",
            applies_to=[membership_type_pb2.MEMBERSHIP_TYPE_CHILD],
            condition=condition_pb2.Condition(enrolled_on=on_dental),
        )
        modules = [
            contract_pb2.Module(
                module_id=module_id,
                display_name=line,
                slot="" if line == "DEN" else "base",
                service_type=contract_pb2.SERVICE_TYPE_BASE,
                rules=[with_primary] if line == "DEN" else [],
            )
            for line, module_id in self.modules.items()
        ]
        contract = self.family.contract()
        del contract.versions[:]
        contract.versions.append(
            contract_pb2.ContractVersion(days=span("2025-01-01", None), max_backdating_days=3650, modules=modules)
        )
        request = catalog_service_pb2.PublishContractRequest(request_id=new_id(), contract=contract)
        self.family.catalog.PublishContract(request)

    @property
    def mapping_content(self) -> dict[str, Any]:
        coverages = [
            {"line": line, "contract_id": self.contract_id, "module_id": module_id}
            for line, module_id in self.modules.items()
        ]
        return {"namespace": self.namespace, "sponsor": SPONSOR, "coverages": coverages}

    @property
    def mapping(self) -> Mapping:
        return mapping_of(self.mapping_content)

    def mapping_path(self) -> Path:
        path = self.folder / "mapping.json"
        path.write_text(json.dumps(self.mapping_content))
        return path

    def path(self, content: bytes) -> Path:
        path = self.folder / f"{uuid4().hex}.834"
        path.write_bytes(content)
        return path

    def play(self, content: bytes, client: Client | None = None, **options: Any) -> Report:
        """Imports a file without limits and without a question, unless the options say otherwise."""
        defaults = {"max_terminations": 1.0, "max_days_lost": 1.0, "today": TODAY, "confirm": lambda plan: True}
        return import_834(self.path(content), client or self.client, self.mapping, **{**defaults, **options})

    def outcomes(self, content: bytes, client: Client | None = None, **options: Any) -> list[Outcome]:
        return [member.outcome for member in self.play(content, client, **options).members]

    def days(self) -> dict[str, list[tuple[str, str, str | None]]]:
        """Returns line, first and last day by the name of the member."""
        lines = {module_id: line for line, module_id in self.modules.items()}
        found: dict[str, list[tuple[str, str, str | None]]] = {}
        for group in self.client.enrollment.all_enrollment_groups(contract_id=self.contract_id, page_size=1000):
            for period in group.periods:
                last_on = iso(period.days.last_on) if period.days.HasField("last_on") else None
                name = self.client.members.get_member(member_id=period.member_id).member.display_name
                found.setdefault(name, []).append((lines[period.module_id], iso(period.days.first_on), last_on))
        return found

    def num_requests(self) -> int:
        """Counts the change requests of the contract, approved and rejected."""
        return sum(1 for _ in self.client.changes.all_change_requests(contract_id=self.contract_id, page_size=1000))


def subscribers(
    count: int, lines: Sequence[str] = ("HMO",), begins: str = "20260101", ends: str = ""
) -> list[list[str]]:
    """Returns the loops of subscribers P0, P1 and so on."""
    return [
        a_member(
            f"N{n}", name=("DOE", f"P{n}"), coverages=[a_coverage(line, begins=begins, ends=ends) for line in lines]
        )
        for n in range(count)
    ]


def ended_subscribers(count: int, ends: str = "20260731") -> list[list[str]]:
    """Returns loops that end the HMO coverage of subscribers P0, P1 and so on."""
    return [
        a_member(
            f"N{n}",
            maintenance="024",
            name=("DOE", f"P{n}"),
            coverages=[a_coverage("HMO", maintenance="024", ends=ends)],
        )
        for n in range(count)
    ]


def families_file(count: int, **options: Any) -> bytes:
    return a_file(*subscribers(count), **options)
