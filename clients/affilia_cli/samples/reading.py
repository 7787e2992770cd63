"""Reads sample files: a contract as protobuf JSON, and its families as a CSV table.

`samples/README.md` describes the format. All errors are reported together, each with its file and line. `loading.py`
sends the requests.
"""

import csv
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from io import StringIO
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

from google.protobuf import json_format
from google.type.date_pb2 import Date

from affilia.catalog.v1 import condition_pb2, contract_pb2, member_pb2
from affilia.catalog.v1 import member_service_pb2 as member_service
from affilia.enrollment.v1 import change_request_pb2
from affilia.enrollment.v1.enrollment_group_pb2 import GroupKey
from affilia.type.v1.date_span_pb2 import DateSpan
from affilia.type.v1.membership_type_pb2 import MembershipType
from affilia_cli.local_files import MEBIBYTE, read_regular
from affilia_cli.samples.ids import derived_id

T = TypeVar("T")

MAX_FILE_BYTES = 256 * MEBIBYTE


class SampleFilesMalformed(Exception):
    """Lists every error in the files as 'path:line: error'. Nothing has been sent."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__("\n".join(faults))
        self.faults = tuple(faults)


@dataclass(frozen=True, slots=True)
class SampleMember:
    """One row: a member, the member's facts, and the enrollments to request."""

    line: int
    role: str
    member: member_pb2.Member
    facts: tuple[member_service.RecordFactsRequest, ...]
    enrolls: tuple[change_request_pb2.ScopedChange, ...]


@dataclass(frozen=True, slots=True)
class SampleFamily:
    """The rows of one family, in the order of the file."""

    name: str
    key: GroupKey
    members: tuple[SampleMember, ...]


@dataclass(frozen=True, slots=True)
class SampleContract:
    """One folder of samples: a contract and its families."""

    folder: Path
    contract: contract_pb2.Contract
    families: tuple[SampleFamily, ...]


def read_samples(folder: Path) -> list[SampleContract]:
    """Returns the sample in a folder, or those in its subfolders, ordered by name. Raises SampleFilesMalformed."""
    folders = [folder] if (folder / "contract.json").exists() else sorted(_sample_folders(folder))
    faults = [] if folders else [f"{folder}: no contract.json in this folder or its direct subfolders"]
    samples = []
    for each in folders:
        contract = _read_contract(each / "contract.json", faults)
        table = each / "families.csv"
        # A contract alone is enough for tests; a table without a contract is an error, reported above.
        families = _read_families(table, contract, faults) if table.exists() else ()
        samples.append(SampleContract(each, contract, families))
    if faults:
        raise SampleFilesMalformed(faults)
    return samples


def _sample_folders(folder: Path) -> Iterator[Path]:
    """Yields folders that have at least one of the two files, so that a missing one is reported."""
    return (f for f in folder.glob("*/") if any((f / name).exists() for name in ("contract.json", "families.csv")))


def _read_text(path: Path, faults: list[str]) -> str:
    try:
        return read_regular(path, MAX_FILE_BYTES).decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        faults.append(f"{path}: cannot be read as UTF-8 text: {error}")
        return ""


def _read_contract(path: Path, faults: list[str]) -> contract_pb2.Contract:
    """Returns the contract, or an empty one if it can't be read, so that its families are still checked."""
    contract = contract_pb2.Contract()
    if not (text := _read_text(path, faults)):
        return contract
    try:
        json.loads(text)
        json_format.Parse(text, contract)
        UUID(contract.contract_id)
    except json.JSONDecodeError as error:
        faults.append(f"{path}:{error.lineno}: {error.msg}")
    except json_format.ParseError as error:
        message = re.sub(r"Failed to parse \w+ field: ", "", str(error)).split("\n")[0].rstrip(".")
        # The parser reports no line. The text that it rejects usually occurs only once in the file.
        culprit = re.search(r"""(?:value |named "|string: "|10: ')([^\s"']+)""", message)
        lines = [n for n, line in enumerate(text.splitlines(), 1) if culprit and f'"{culprit[1]}"' in line]
        faults.append(f"{path}:{lines[0] if lines else 1}: {message}")
    except ValueError:
        faults.append(f"{path}:1: contractId: {contract.contract_id!r} is not a UUID")
    else:
        return contract
    return contract_pb2.Contract()


def _module_ids(path: Path, contract: contract_pb2.Contract, faults: list[str]) -> dict[str, str]:
    """Returns module ids by display name. Empty if the contract couldn't be read."""
    ids: dict[str, str] = {}
    for module in (module for version in contract.versions for module in version.modules):
        if module.display_name and ids.setdefault(module.display_name, module.module_id) != module.module_id:
            faults.append(
                f"{path}:1: two modules have the name {module.display_name!r}; families.csv refers to modules by name"
            )
    return ids


def _read_families(path: Path, contract: contract_pb2.Contract, faults: list[str]) -> tuple[SampleFamily, ...]:
    modules = _module_ids(path.with_name("contract.json"), contract, faults)
    families: dict[str, list[SampleMember]] = {}
    malformed: set[str | None] = set()
    rows = csv.DictReader(StringIO(_read_text(path, faults), newline=""), strict=True)
    try:
        header = rows.fieldnames or ()
        missing = [column for column in REQUIRED_COLUMNS if column not in header]
        unknown = [column for column in header if column not in CELLS]
        faults += [f"{path}:1: column {column!r} is missing" for column in missing]
        faults += [f"{path}:1: column {column!r} is unknown" for column in unknown]
        for row in () if missing else rows:
            cells, wrong = _read_cells(row)
            strange = [name for name in cells["modules"] or () if modules and name not in modules]
            wrong += [f"modules: the contract has no module {name!r}" for name in strange]
            faults += [f"{path}:{rows.line_num}: {each}" for each in wrong]
            if wrong:
                malformed.add(cells["family"])
            else:
                member = _member(rows.line_num, cells, contract, modules)
                families.setdefault(cells["family"], []).append(member)
    except csv.Error as error:
        faults.append(f"{path}:{rows.line_num}: {error}")
    whole = {name: members for name, members in families.items() if name not in malformed}
    return tuple(_family(path, name, members, contract, faults) for name, members in whole.items())


def _family(
    path: Path, name: str, members: list[SampleMember], contract: contract_pb2.Contract, faults: list[str]
) -> SampleFamily:
    first_lines: dict[str, int] = {}
    for each in members:
        if first_lines.setdefault(each.member.display_name, each.line) != each.line:
            faults.append(f"{path}:{each.line}: family {name!r} has two members with this name")
    primaries = [each.member.member_id for each in members if each.role == "PRIMARY"]
    if len(primaries) != 1:
        faults.append(
            f"{path}:{members[0].line}: family {name!r} must have exactly one PRIMARY row, got {len(primaries)}"
        )
    if not any(each.enrolls for each in members):
        faults.append(f"{path}:{members[0].line}: family {name!r} has no modules")
    key = GroupKey(contract_id=contract.contract_id, primary_id=next(iter(primaries), ""))
    return SampleFamily(name, key, tuple(members))


def _pattern(pattern: str, meaning: str) -> Callable[[str], str]:
    """Returns a parser that accepts texts that match a pattern."""

    def read(text: str) -> str:
        if not re.fullmatch(pattern, text):
            raise ValueError(f"{text!r} is not {meaning}")
        return text

    return read


def _choice(prefix: str, names: Iterable[str]) -> Callable[[str], str]:
    """Returns a parser that accepts the names of an enum without their prefix."""
    choices = [name.removeprefix(prefix) for name in names if not name.endswith("UNSPECIFIED")]
    return _pattern("|".join(choices), f"one of {', '.join(choices)}")


def _day(text: str) -> Date:
    day = date.fromisoformat(_pattern(r"\d{4}-\d\d-\d\d", "a day in the form 2025-01-31")(text))
    return Date(year=day.year, month=day.month, day=day.day)


def _regime(text: str) -> member_pb2.HealthRegimeSpan:
    name, _, first_on = text.partition(" from ")
    regime = _choice("HEALTH_REGIME_", member_pb2.HealthRegime.keys())(name.strip())
    days = DateSpan(first_on=_day(first_on.strip()) if first_on else None)
    return member_pb2.HealthRegimeSpan(days=days, regime=member_pb2.HealthRegime.Value(f"HEALTH_REGIME_{regime}"))


def _attributes(text: str) -> list[member_pb2.Attribute]:
    pairs = [re.split(r"\s*=\s*", pair.strip(), maxsplit=1) for pair in text.split("|")]
    if any(len(pair) != 2 or not all(pair) for pair in pairs):
        raise ValueError(f"{text!r} is not in the form name=value|name=value")
    return [member_pb2.Attribute(days=DateSpan(), name=name, value=value) for name, value in pairs]


def _minor(text: str) -> int:
    return int(_pattern("[0-9]{1,13}", "a whole number of minor units, such as 4200000 for 42 000.00")(text))


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split("|")]


CELLS: Mapping[str, Callable[[str], Any]] = {
    "family": str,
    "role": _choice("MEMBERSHIP_TYPE_", MembershipType.keys()),
    "name": str,
    "born_on": _day,
    "country": _pattern("[A-Z]{2}", "a country in two capital letters"),
    "postal_code": str,
    "regime": _regime,
    "employer": str,
    "employed_from": _day,
    "status": _choice("EMPLOYMENT_STATUS_", condition_pb2.EmploymentStatus.keys()),
    "salary_minor": _minor,
    "attributes": _attributes,
    "modules": _names,
    "enrolled_from": _day,
    "enrolled_to": _day,
}
REQUIRED_COLUMNS = ("family", "role", "name", "modules", "enrolled_from")
REQUIRED_CELLS = ("family", "role", "name")
REQUIRED_TOGETHER = (  # A cell in the first column requires one in the second.
    ("postal_code", "country"),
    ("employer", "status"),
    ("status", "employer"),
    ("employed_from", "employer"),
    ("salary_minor", "employer"),
    ("modules", "enrolled_from"),
    ("enrolled_from", "modules"),
    ("enrolled_to", "enrolled_from"),
)


def _read_cells(row: Mapping[str, str]) -> tuple[dict[str, Any], list[str]]:
    """Returns the cells of a row by column, None for empty ones, and all errors in them."""
    texts = {column: (row.get(column) or "").strip() for column in CELLS}
    cells: dict[str, Any] = dict.fromkeys(CELLS)
    wrong = [f"{column}: must not be empty" for column in REQUIRED_CELLS if not texts[column]]
    wrong += [
        f"{other}: is required if {one} is set" for one, other in REQUIRED_TOGETHER if texts[one] and not texts[other]
    ]
    for column, text in texts.items():
        try:
            cells[column] = CELLS[column](text) if text else None
        except ValueError as error:
            wrong.append(f"{column}: {error}")
    if texts["enrolled_to"] and texts["enrolled_to"] < texts["enrolled_from"]:
        wrong.append("enrolled_to: must not be before enrolled_from")
    if None in row or None in row.values():
        wrong.append("the row must have as many cells as the header has columns")
    return cells, wrong


def _member(
    line: int, cells: Mapping[str, Any], contract: contract_pb2.Contract, modules: Mapping[str, str]
) -> SampleMember:
    member_id = derived_id("sample book", contract.contract_id, cells["family"], cells["name"])
    role = cells["role"]
    member = member_pb2.Member(
        member_id=member_id,
        kind=member_pb2.MEMBER_KIND_PET if role == "PET" else member_pb2.MEMBER_KIND_PERSON,
        display_name=cells["name"],
    )
    facts = [member_service.RecordFactsRequest(member_id=member_id, **fact) for fact in _facts(cells, contract)]
    enrolls = [
        change_request_pb2.Enroll(
            member_id=member_id,
            membership_type=MembershipType.Value(f"MEMBERSHIP_TYPE_{role}"),
            module_id=modules.get(name, ""),
            days=DateSpan(first_on=cells["enrolled_from"], last_on=cells["enrolled_to"]),
        )
        for name in cells["modules"] or ()
    ]
    scoped_changes = tuple(change_request_pb2.ScopedChange(enroll=enroll) for enroll in enrolls)
    return SampleMember(line, role, member, tuple(facts), scoped_changes)


def _facts(cells: Mapping[str, Any], contract: contract_pb2.Contract) -> Iterator[dict[str, Any]]:
    """Yields the facts of a row. An empty cell leaves the stored fact unchanged."""
    if cells["born_on"]:
        yield {"birth": member_pb2.Birth(born_on=cells["born_on"])}
    if cells["country"]:
        address = member_pb2.Address(days=DateSpan(), country_code=cells["country"], postal_code=cells["postal_code"])
        yield {"addresses": member_pb2.Addresses(items=[address])}
    if cells["employer"]:
        employment = member_pb2.Employment(
            days=DateSpan(first_on=cells["employed_from"]),
            employer_id=cells["employer"],
            status=condition_pb2.EmploymentStatus.Value(f"EMPLOYMENT_STATUS_{cells['status']}"),
        )
        if cells["salary_minor"] is not None:
            employment.salary.yearly_minor = cells["salary_minor"]
            employment.salary.currency_code = contract.currency_code
        yield {"employments": member_pb2.Employments(items=[employment])}
    if cells["regime"]:
        yield {"health_regimes": member_pb2.HealthRegimes(items=[cells["regime"]])}
    if cells["attributes"]:
        yield {"attributes": member_pb2.Attributes(items=cells["attributes"])}
