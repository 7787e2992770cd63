"""The mapping for one sponsor's files: plans to modules, relations to membership types, numbers to ids.

It is a JSON document, described in `docs/enrollment-files.md`. Whether its contracts and modules exist is checked
later, by the server.
"""

import json
import sys
from collections.abc import Collection
from collections.abc import Mapping as Lookup
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID, uuid5

from affilia.type.v1.membership_type_pb2 import MembershipType
from affilia_cli.enrollment_file.book.book import SystemValue
from affilia_cli.enrollment_file.codes import BENEFIT_STATUSES, EMPLOYMENT, MEDICARE_PLANS, RELATIONS, SELF
from affilia_cli.enrollment_file.coverage_mapping import CoverageMapping, Unmapped, entry_for
from affilia_cli.enrollment_file.findings import MappingMalformed
from affilia_cli.enrollment_file.reading.file import Coverage, FileMember
from affilia_cli.local_files import MEBIBYTE, read_regular

Choice = TypeVar("Choice", bound=Enum)

MAX_MAPPING_BYTES = 16 * MEBIBYTE

MAX_ATTRIBUTE_NAME = 60
"""Maximum length of the name of a custom fact (`member.proto`)."""

TYPES = tuple(
    name.removeprefix("MEMBERSHIP_TYPE_")
    for name in MembershipType.DESCRIPTOR.values_by_name
    if not name.endswith("FIED")
)


class DependantNumber(Enum):
    """Whose number is in REF 0F of a dependant: the subscriber's, as in the guide, or the dependant's own."""

    SUBSCRIBER = "SUBSCRIBER"
    OWN = "OWN"


class Starts(Enum):
    """Whether days before the first day in the file stay (KEEP), or go if the file is whole or an audit (FOLLOW)."""

    KEEP = "KEEP"
    FOLLOW = "FOLLOW"


class NumberKind(Enum):
    """A kind of number in the file. Each has a system of identifiers of its own."""

    SUBSCRIBER = "SUBSCRIBER"
    CLIENT = "CLIENT"
    SSN = "SSN"
    PERSON = "PERSON"


@dataclass(frozen=True, slots=True)
class Payer:
    """The insurer as trading partners know it: its number and its name."""

    id: str
    name: str


@dataclass(frozen=True, slots=True)
class Mapping:
    """A validated mapping. `sponsor` is the number (N104 of the P5) that a file must have.

    `disabled` is the name of the custom fact for handicapped members (INS10), or empty if the mapping names none.
    `sender` and `receiver` are the interchange ids (ISA06, ISA08) that a file must have. Empty accepts any. Exports
    have them the other way round.
    """

    namespace: UUID
    sponsor: str
    coverages: tuple[CoverageMapping, ...]
    relations: Lookup[str, str]
    dependant_number: DependantNumber
    country: str
    starts: Starts = Starts.KEEP
    disabled: str = ""
    sender: str = ""
    receiver: str = ""
    payer: Payer | None = None

    @property
    def contract_ids(self) -> tuple[str, ...]:
        return tuple(sorted({each.contract_id for each in self.coverages}))

    @property
    def module_ids(self) -> frozenset[str]:
        return frozenset(each.module_id for each in self.coverages)

    def coverage(
        self, coverage: Coverage, member: FileMember, subscriber: FileMember | None
    ) -> CoverageMapping | Unmapped:
        """Returns the most specific entry that matches, or why none does.

        A dependant without a benefit status has the subscriber's, and a dependant's employment status is always the
        subscriber's. A benefit status other than active only matches entries with this status, so that nobody gets the
        module of active employees by mistake.
        """
        return entry_for(self.coverages, coverage, member, subscriber)

    def identifier(self, kind: NumberKind, value: str) -> SystemValue:
        """Returns the identifier for a number in the file. Each kind of number is a system of its own."""
        return SystemValue(sys.intern(f"834/{self.namespace}/{kind.value}"), value)

    def subscriber_id(self, number: str, *attempt: str) -> str:
        """Returns the id of a new subscriber. Each further `attempt` gives another id, in case the id is taken."""
        return self._derived("subscriber", number, *attempt)

    def dependant_id(self, subscriber_number: str, kind: str, key: str, *attempt: str) -> str:
        """Returns the id of a new dependant. `kind` names the type of key, so that a name never equals a number."""
        return self._derived("subscriber", subscriber_number, kind, key, *attempt)

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
        known = {
            "namespace",
            "sponsor",
            "coverages",
            "relations",
            "dependant_number",
            "country",
            "starts",
            "disabled",
            "sender",
            "receiver",
            "payer",
        }
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
        return Mapping(
            namespace=UUID(namespace) if namespace else UUID(int=0),
            sponsor=self._text(content, "sponsor", ""),
            coverages=coverages,
            relations=RELATIONS | self._relations(content.get("relations", {})),
            dependant_number=self._one_of(DependantNumber, content, "dependant_number", DependantNumber.SUBSCRIBER),
            country=self._text(content, "country", "", default="US"),
            starts=self._one_of(Starts, content, "starts", Starts.KEEP),
            disabled=self._attribute(content, "disabled"),
            sender=self._text(content, "sender", "", default=""),
            receiver=self._text(content, "receiver", "", default=""),
            payer=self._payer(content["payer"]) if "payer" in content else None,
        )

    def _payer(self, content: Any) -> Payer:
        if not isinstance(content, dict):
            self.faults.append("payer: must be a JSON object")
            return Payer("", "")
        self.faults += [f"payer.{name}: unknown field" for name in sorted(set(content) - {"id", "name"})]
        return Payer(self._text(content, "id", "payer."), self._text(content, "name", "payer.", default=""))

    def _coverage(self, content: Any, path: str) -> CoverageMapping:
        if not isinstance(content, dict):
            self.faults.append(f"{path[:-1]}: must be a JSON object")
            content = {}
        known = {
            "line",
            "plan",
            "policy",
            "contract_id",
            "module_id",
            "benefit_status",
            "medicare",
            "employment_status",
        }
        self.faults += [f"{path}{name}: unknown field" for name in sorted(set(content) - known)]
        return CoverageMapping(
            line=self._text(content, "line", path),
            plan=self._text(content, "plan", path, default=""),
            policy=self._text(content, "policy", path, default=""),
            contract_id=self._uuid(content, "contract_id", path),
            module_id=self._uuid(content, "module_id", path),
            benefit_status=self._code(content, "benefit_status", path, BENEFIT_STATUSES),
            medicare=self._code(content, "medicare", path, MEDICARE_PLANS),
            employment_status=self._code(content, "employment_status", path, EMPLOYMENT),
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

    def _code(self, content: dict[str, Any], name: str, path: str, codes: Collection[str]) -> str:
        value = self._text(content, name, path, default="")
        if value and value not in codes:
            self.faults.append(f"{path}{name}: must be one of {', '.join(sorted(codes))}, got {value!r}")
        return value

    def _one_of(self, choices: type[Choice], content: dict[str, Any], name: str, default: Choice) -> Choice:
        value = content.get(name, default.value)
        if not isinstance(value, str) or value not in choices.__members__:
            self.faults.append(f"{name}: must be {' or '.join(choices.__members__)}, got {value!r}")
            return default
        return choices[value]

    def _attribute(self, content: dict[str, Any], name: str) -> str:
        value = self._text(content, name, "", default="")
        if len(value) > MAX_ATTRIBUTE_NAME or not value.isprintable() or value != value.strip():
            self.faults.append(
                f"{name}: must have at most {MAX_ATTRIBUTE_NAME} printable characters"
                f" without leading or trailing spaces, got {value!r}"
            )
        return value

    def _uuid(self, content: dict[str, Any], name: str, path: str) -> str:
        text = self._text(content, name, path)
        try:
            return str(UUID(text)) if text else ""
        except ValueError:
            self.faults.append(f"{path}{name}: {text!r} is not a UUID")
            return ""
