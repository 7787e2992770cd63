"""What the words of one sponsor's files mean here: plans to modules, relations to membership types, numbers to ids.

One JSON document a sponsor; `docs/enrollment-files.md` describes it. Whether contracts and modules exist is the
server's to say.
"""

import json
from collections.abc import Mapping as Lookup
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any
from uuid import UUID, uuid5

from affilia.type.v1.membership_type_pb2 import MembershipType
from server.enrollment_file.codes import POLICY_NUMBER, RELATIONS, SELF
from server.enrollment_file.file import Coverage, FileMember
from server.enrollment_file.findings import MappingMalformed

TYPES = tuple(
    name.removeprefix("MEMBERSHIP_TYPE_")
    for name in MembershipType.DESCRIPTOR.values_by_name
    if not name.endswith("FIED")
)


class DependantNumber(Enum):
    """Whose number stands in REF 0F of a dependant: the subscriber's, as the guide has it, or the dependant's own."""

    SUBSCRIBER = "SUBSCRIBER"
    OWN = "OWN"


@dataclass(frozen=True, slots=True)
class CoverageMapping:
    """A coverage of the file and what it is here. An empty `plan` or `policy` fits any."""

    line: str
    plan: str
    policy: str
    contract_id: str
    module_id: str

    def fits(self, line: str, plan: str, policies: tuple[str, ...]) -> bool:
        return self.line == line and self.plan in ("", plan) and (not self.policy or self.policy in policies)


@dataclass(frozen=True, slots=True)
class Mapping:
    """`sponsor` is the number (N104 of the P5) that a file must carry to be read with this mapping."""

    namespace: UUID
    sponsor: str
    coverages: tuple[CoverageMapping, ...]
    relations: Lookup[str, str]
    dependant_number: DependantNumber
    country: str

    @property
    def contract_ids(self) -> tuple[str, ...]:
        return tuple(sorted({each.contract_id for each in self.coverages}))

    @property
    def module_ids(self) -> frozenset[str]:
        return frozenset(each.module_id for each in self.coverages)

    def coverage(self, coverage: Coverage, member: FileMember, subscriber: FileMember | None) -> CoverageMapping | None:
        """The entry that fits, the one that says more before the others; None: nobody sells this here."""
        sources = (coverage.reference(POLICY_NUMBER), member.reference(POLICY_NUMBER))
        policies = (*sources, subscriber.reference(POLICY_NUMBER) if subscriber else "")
        fitting = [each for each in self.coverages if each.fits(coverage.line, coverage.plan, policies)]
        return max(fitting, key=lambda each: (bool(each.plan), bool(each.policy)), default=None)

    def subscriber_id(self, number: str) -> str:
        return self._derived("subscriber", number)

    def dependant_id(self, subscriber_number: str, kind: str, key: str) -> str:
        """`kind` says what the key is, so that a name can never be taken for a number."""
        return self._derived("subscriber", subscriber_number, kind, key)

    def request_id(self, *parts: str) -> str:
        return self._derived("request", *parts)

    def _derived(self, *parts: str) -> str:
        # As JSON, so that no two lists of parts are the same text, whatever characters they hold.
        return str(uuid5(self.namespace, json.dumps([self.sponsor, *parts])))


def read_mapping(path: Path) -> Mapping:
    """The mapping in a file. MappingMalformed with every fault; OSError where it cannot be read."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as fault:
        raise MappingMalformed([f"is no JSON: {fault}"]) from None
    return mapping_of(content)


def mapping_of(content: Any) -> Mapping:
    """The mapping that a JSON document says. MappingMalformed with every fault."""
    reader = _Reader()
    mapping = reader.mapping(content)
    if reader.faults or mapping is None:
        raise MappingMalformed(reader.faults)
    return mapping


class _Reader:
    def __init__(self) -> None:
        self.faults: list[str] = []

    def mapping(self, content: Any) -> Mapping | None:
        if not isinstance(content, dict):
            self.faults.append("is no JSON object")
            return None
        known = {"namespace", "sponsor", "coverages", "relations", "dependant_number", "country"}
        self.faults += [f"{name}: is unknown" for name in sorted(set(content) - known)]
        namespace = self._uuid(content, "namespace", "")
        listed = content.get("coverages")
        if not isinstance(listed, list) or not listed:
            self.faults.append("coverages: needs at least one item")
            listed = []
        coverages = tuple(self._coverage(each, f"coverages[{i}].") for i, each in enumerate(listed))
        modules: dict[str, str] = {}
        for each in coverages:
            if modules.setdefault(each.module_id, each.contract_id) != each.contract_id:
                self.faults.append(f"coverages: module {each.module_id} stands under two contracts")
        number = self._text(content, "dependant_number", "", default=DependantNumber.SUBSCRIBER.value)
        if number not in DependantNumber.__members__:
            self.faults.append(f"dependant_number: {number!r} is not SUBSCRIBER or OWN")
            number = DependantNumber.SUBSCRIBER.value
        return Mapping(
            namespace=UUID(namespace) if namespace else UUID(int=0),
            sponsor=self._text(content, "sponsor", ""),
            coverages=coverages,
            relations=RELATIONS | self._relations(content.get("relations", {})),
            dependant_number=DependantNumber(number),
            country=self._text(content, "country", "", default="US"),
        )

    def _coverage(self, content: Any, path: str) -> CoverageMapping:
        if not isinstance(content, dict):
            self.faults.append(f"{path[:-1]}: is no JSON object")
            content = {}
        known = {"line", "plan", "policy", "contract_id", "module_id"}
        self.faults += [f"{path}{name}: is unknown" for name in sorted(set(content) - known)]
        return CoverageMapping(
            line=self._text(content, "line", path),
            plan=self._text(content, "plan", path, default=""),
            policy=self._text(content, "policy", path, default=""),
            contract_id=self._uuid(content, "contract_id", path),
            module_id=self._uuid(content, "module_id", path),
        )

    def _relations(self, content: Any) -> dict[str, str]:
        if not isinstance(content, dict):
            self.faults.append("relations: is no JSON object")
            return {}
        for code, name in content.items():
            if name not in TYPES or (name == "PRIMARY") != (code == SELF):
                self.faults.append(f"relations.{code}: {name!r} is not possible; 18 is PRIMARY, others one of {TYPES}")
        return {str(code): str(name) for code, name in content.items()}

    def _text(self, content: dict[str, Any], name: str, path: str, default: str | None = None) -> str:
        value = content.get(name, default)
        if not isinstance(value, str) or (default is None and not value):
            self.faults.append(f"{path}{name}: needs a text")
            return ""
        return value

    def _uuid(self, content: dict[str, Any], name: str, path: str) -> str:
        text = self._text(content, name, path)
        try:
            return str(UUID(text)) if text else ""
        except ValueError:
            self.faults.append(f"{path}{name}: {text!r} is not a UUID")
            return ""
