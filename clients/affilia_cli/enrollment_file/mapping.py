"""The mapping for one sponsor's files: plans to modules, relations to membership types, numbers to ids.

It is a JSON document, described in `docs/enrollment-files.md`. Whether its contracts and modules exist is checked
later, by the server.
"""

import json
from collections.abc import Mapping as Lookup
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any
from uuid import UUID, uuid5

from affilia.type.v1.membership_type_pb2 import MembershipType
from affilia_cli.enrollment_file.codes import POLICY_NUMBER, RELATIONS, SELF
from affilia_cli.enrollment_file.file import Coverage, FileMember
from affilia_cli.enrollment_file.findings import MappingMalformed
from affilia_cli.local_files import MEBIBYTE, read_regular

MAX_MAPPING_BYTES = 16 * MEBIBYTE

TYPES = tuple(
    name.removeprefix("MEMBERSHIP_TYPE_")
    for name in MembershipType.DESCRIPTOR.values_by_name
    if not name.endswith("FIED")
)


class DependantNumber(Enum):
    """Whose number is in REF 0F of a dependant: the subscriber's, as in the guide, or the dependant's own."""

    SUBSCRIBER = "SUBSCRIBER"
    OWN = "OWN"


@dataclass(frozen=True, slots=True)
class CoverageMapping:
    """Maps a coverage of the file to a module. An empty `plan` or `policy` matches any."""

    line: str
    plan: str
    policy: str
    contract_id: str
    module_id: str

    def matches(self, line: str, plan: str, policies: tuple[str, ...]) -> bool:
        return self.line == line and self.plan in ("", plan) and (not self.policy or self.policy in policies)


@dataclass(frozen=True, slots=True)
class Mapping:
    """A validated mapping. `sponsor` is the number (N104 of the P5) that a file must have."""

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
        """Returns the most specific entry that matches, or None if the coverage isn't mapped."""
        sources = (coverage.reference(POLICY_NUMBER), member.reference(POLICY_NUMBER))
        policies = (*sources, subscriber.reference(POLICY_NUMBER) if subscriber else "")
        matching = [each for each in self.coverages if each.matches(coverage.line, coverage.plan, policies)]
        return max(matching, key=lambda each: (bool(each.plan), bool(each.policy)), default=None)

    def subscriber_id(self, number: str) -> str:
        return self._derived("subscriber", number)

    def dependant_id(self, subscriber_number: str, kind: str, key: str) -> str:
        """Returns the id of a dependant. `kind` names the type of key, so that a name never equals a number."""
        return self._derived("subscriber", subscriber_number, kind, key)

    def request_id(self, *parts: str) -> str:
        return self._derived("request", *parts)

    def _derived(self, *parts: str) -> str:
        # JSON keeps different lists of parts different, regardless of their characters.
        return str(uuid5(self.namespace, json.dumps([self.sponsor, *parts])))


def read_mapping(path: Path) -> Mapping:
    """Reads a mapping from a file. Raises MappingMalformed with every error, or OSError."""
    try:
        content = json.loads(read_regular(path, MAX_MAPPING_BYTES).decode())
    except ValueError as error:
        raise MappingMalformed([f"not valid JSON: {error}"]) from None
    return mapping_of(content)


def mapping_of(content: Any) -> Mapping:
    """Parses a mapping. Raises MappingMalformed with every error."""
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
            self.faults.append("must be a JSON object")
            return None
        known = {"namespace", "sponsor", "coverages", "relations", "dependant_number", "country"}
        self.faults += [f"{name}: unknown field" for name in sorted(set(content) - known)]
        namespace = self._uuid(content, "namespace", "")
        listed = content.get("coverages")
        if not isinstance(listed, list) or not listed:
            self.faults.append("coverages: must have at least one item")
            listed = []
        coverages = tuple(self._coverage(each, f"coverages[{i}].") for i, each in enumerate(listed))
        modules: dict[str, str] = {}
        for each in coverages:
            if modules.setdefault(each.module_id, each.contract_id) != each.contract_id:
                self.faults.append(f"coverages: module {each.module_id} has two different contracts")
        number = self._text(content, "dependant_number", "", default=DependantNumber.SUBSCRIBER.value)
        if number not in DependantNumber.__members__:
            self.faults.append(f"dependant_number: must be SUBSCRIBER or OWN, got {number!r}")
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
            self.faults.append(f"{path[:-1]}: must be a JSON object")
            content = {}
        known = {"line", "plan", "policy", "contract_id", "module_id"}
        self.faults += [f"{path}{name}: unknown field" for name in sorted(set(content) - known)]
        return CoverageMapping(
            line=self._text(content, "line", path),
            plan=self._text(content, "plan", path, default=""),
            policy=self._text(content, "policy", path, default=""),
            contract_id=self._uuid(content, "contract_id", path),
            module_id=self._uuid(content, "module_id", path),
        )

    def _relations(self, content: Any) -> dict[str, str]:
        if not isinstance(content, dict):
            self.faults.append("relations: must be a JSON object")
            return {}
        others = ", ".join(name for name in TYPES if name != "PRIMARY")
        for code, name in content.items():
            if name not in TYPES or (name == "PRIMARY") != (code == SELF):
                self.faults.append(f"relations.{code}: must be PRIMARY for 18, otherwise one of {others}, got {name!r}")
        return {str(code): str(name) for code, name in content.items()}

    def _text(self, content: dict[str, Any], name: str, path: str, default: str | None = None) -> str:
        value = content.get(name, default)
        if not isinstance(value, str) or (default is None and not value):
            self.faults.append(f"{path}{name}: must be a non-empty string")
            return ""
        return value

    def _uuid(self, content: dict[str, Any], name: str, path: str) -> str:
        text = self._text(content, name, path)
        try:
            return str(UUID(text)) if text else ""
        except ValueError:
            self.faults.append(f"{path}{name}: {text!r} is not a UUID")
            return ""
