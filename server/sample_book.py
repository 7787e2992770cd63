"""Loads a folder of samples into a running server, as any client would: through the public calls only.

Every request id is derived from what its request says. So loading the same files again repeats what was said
and changes nothing, an interrupted load goes on where it stopped, and an edited row is a new request. Undoing
an edit is the old request again, so it changes nothing either: that takes a call of one's own.
The files are described in `samples/README.md`; whether what they ask for is right, the server alone judges.
"""

import argparse
import asyncio
import csv
import json
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from io import StringIO
from pathlib import Path
from typing import Any, TypeVar, cast
from uuid import UUID

import grpc
from affilia.catalog.v1 import catalog_service_pb2 as catalog_service
from affilia.catalog.v1 import condition_pb2, contract_pb2, member_pb2
from affilia.catalog.v1 import member_service_pb2 as member_service
from affilia.catalog.v1.catalog_service_pb2_grpc import CatalogServiceStub
from affilia.catalog.v1.member_service_pb2_grpc import MemberServiceStub
from affilia.enrollment.v1 import change_request_pb2
from affilia.enrollment.v1 import change_request_service_pb2 as change_request_service
from affilia.enrollment.v1.change_request_service_pb2_grpc import ChangeRequestServiceStub
from affilia.enrollment.v1.enrollment_group_pb2 import GroupKey
from affilia.type.v1.date_span_pb2 import DateSpan
from affilia.type.v1.membership_type_pb2 import MembershipType
from google.protobuf import json_format
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2
from google.type.date_pb2 import Date
from rich.console import Console
from rich.progress import Progress

from domain.identity import derived_id

CALL_SECONDS = 30
TROUBLES_SHOWN = 10
RETRIES = {  # Each of these says "repeat with the same request_id" (`error_reason.proto`).
    "maxAttempts": 5,
    "initialBackoff": "0.2s",
    "maxBackoff": "2s",
    "backoffMultiplier": 2,
    "retryableStatusCodes": ["UNAVAILABLE", "RESOURCE_EXHAUSTED", "ABORTED"],
}

T = TypeVar("T")


class SampleFilesMalformed(Exception):
    """Says everything that is wrong with the files, as 'path:line: what'. Nothing has been sent."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__("\n".join(faults))
        self.faults = tuple(faults)


@dataclass(frozen=True, slots=True)
class SampleMember:
    """One row: who it is, what is true of them, and what is asked for them."""

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


@dataclass(slots=True)
class Summary:
    """What became of a load. `troubles` names what was rejected or failed, and why; empty: all is well."""

    contracts: int = 0
    families: int = 0
    members: int = 0
    approved: int = 0
    rejected: int = 0
    failed: int = 0
    troubles: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        lines = [
            f"sample book: {self.contracts} contracts, {self.families} families, {self.members} members; "
            f"{self.approved} families approved, {self.rejected} rejected, {self.failed} failed",
            *(f"  {trouble}" for trouble in self.troubles[:TROUBLES_SHOWN]),
        ]
        if (more := len(self.troubles) - TROUBLES_SHOWN) > 0:
            lines.append(f"  and {more} more")
        return "\n".join(lines)


def read_samples(folder: Path) -> list[SampleContract]:
    """The sample in a folder, or in each folder below it, by name; SampleFilesMalformed with every fault."""
    folders = [folder] if (folder / "contract.json").exists() else sorted(_sample_folders(folder))
    faults = [] if folders else [f"{folder}: no contract.json here, nor in a folder directly below"]
    samples = []
    for each in folders:
        contract = _read_contract(each / "contract.json", faults)
        samples.append(
            SampleContract(each, contract, _read_families(each / "families.csv", contract, faults))
        )
    if faults:
        raise SampleFilesMalformed(faults)
    return samples


def _sample_folders(folder: Path) -> Iterator[Path]:
    """Folders with either file, so that a forgotten one is told."""
    return (
        f for f in folder.glob("*/") if any((f / name).exists() for name in ("contract.json", "families.csv"))
    )


def _read_text(path: Path, faults: list[str]) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        faults.append(f"{path}: cannot be read as UTF-8 text: {error}")
        return ""


def _read_contract(path: Path, faults: list[str]) -> contract_pb2.Contract:
    """The contract, as far as it can be read."""
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
        # The parser tells no line; what it could not read usually stands in the file only once.
        culprit = re.search(r"""(?:value |named "|string: "|10: ')([^\s"']+)""", message)
        lines = [n for n, line in enumerate(text.splitlines(), 1) if culprit and f'"{culprit[1]}"' in line]
        faults.append(f"{path}:{lines[0] if lines else 1}: {message}")
    except ValueError:
        faults.append(f"{path}:1: contractId: {contract.contract_id!r} is not a UUID")
    return contract


def _module_ids(contract: contract_pb2.Contract) -> dict[str, str]:
    """What families call modules, to their ids."""
    modules = [module for version in contract.versions for module in version.modules]
    return {module.display_name: module.module_id for module in modules if module.display_name}


def _read_families(
    path: Path, contract: contract_pb2.Contract, faults: list[str]
) -> tuple[SampleFamily, ...]:
    modules = _module_ids(contract)
    families: dict[str, list[SampleMember]] = {}
    rows = csv.DictReader(StringIO(_read_text(path, faults), newline=""), strict=True)
    try:
        header = rows.fieldnames or ()
        if missing := [column for column in REQUIRED_COLUMNS if column not in header]:
            faults.append(f"{path}:1: columns are missing: {', '.join(missing)}")
            return ()
        if unknown := [column for column in header if column not in CELLS]:
            faults.append(f"{path}:1: columns are unknown: {', '.join(unknown)}")
        for row in rows:
            cells, wrong = _read_cells(row)
            wrong += [
                f"modules: there is no {name!r}" for name in cells["modules"] or () if name not in modules
            ]
            faults += [f"{path}:{rows.line_num}: {each}" for each in wrong]
            if not wrong:
                member = _member(rows.line_num, cells, contract, modules)
                families.setdefault(cells["family"], []).append(member)
    except csv.Error as error:
        faults.append(f"{path}:{rows.line_num}: {error}")
    return tuple(_family(path, name, members, contract, faults) for name, members in families.items())


def _family(
    path: Path, name: str, members: list[SampleMember], contract: contract_pb2.Contract, faults: list[str]
) -> SampleFamily:
    first_lines: dict[str, int] = {}
    for each in members:
        if first_lines.setdefault(each.member.display_name, each.line) != each.line:
            faults.append(f"{path}:{each.line}: family {name!r} has two members of this name")
    primaries = [each.member.member_id for each in members if each.role == "PRIMARY"]
    if len(primaries) != 1:
        faults.append(f"{path}:{members[0].line}: family {name!r} has {len(primaries)} PRIMARY rows, not one")
    if not any(each.enrolls for each in members):
        faults.append(f"{path}:{members[0].line}: family {name!r} asks for no module")
    key = GroupKey(contract_id=contract.contract_id, primary_id=next(iter(primaries), ""))
    return SampleFamily(name, key, tuple(members))


def _pattern(pattern: str, meaning: str) -> Callable[[str], str]:
    """A reader of cells that must look like something."""

    def read(text: str) -> str:
        if not re.fullmatch(pattern, text):
            raise ValueError(f"{text!r} is not {meaning}")
        return text

    return read


def _choice(prefix: str, names: Iterable[str]) -> Callable[[str], str]:
    """A reader of the names of an enum without their prefix."""
    choices = [name.removeprefix(prefix) for name in names if not name.endswith("UNSPECIFIED")]
    return _pattern("|".join(choices), f"one of {', '.join(choices)}")


def _day(text: str) -> Date:
    day = date.fromisoformat(_pattern(r"\d{4}-\d\d-\d\d", "a day in the form 2025-01-31")(text))
    return Date(year=day.year, month=day.month, day=day.day)


def _regime(text: str) -> member_pb2.HealthRegimeSpan:
    name, _, first_on = text.partition(" from ")
    regime = _choice("HEALTH_REGIME_", member_pb2.HealthRegime.keys())(name.strip())
    days = DateSpan(first_on=_day(first_on.strip()) if first_on else None)
    return member_pb2.HealthRegimeSpan(
        days=days, regime=member_pb2.HealthRegime.Value(f"HEALTH_REGIME_{regime}")
    )


def _attributes(text: str) -> list[member_pb2.Attribute]:
    pairs = [re.split(r"\s*=\s*", pair.strip(), maxsplit=1) for pair in text.split("|")]
    if any(len(pair) != 2 or not all(pair) for pair in pairs):
        raise ValueError(f"{text!r} is not in the form name=value|name=value")
    return [member_pb2.Attribute(days=DateSpan(), name=name, value=value) for name, value in pairs]


def _minor(text: str) -> int:
    return int(_pattern("[0-9]{1,13}", "a whole number of minor units: 4200000 for 42 000.00")(text))


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
NEEDED_BESIDE = (  # The first says nothing without the second.
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
    """The cells of a row by column, None where empty, and everything that is wrong with them."""
    texts = {column: (row.get(column) or "").strip() for column in CELLS}
    cells: dict[str, Any] = dict.fromkeys(CELLS)
    wrong = [f"{column}: is empty" for column in REQUIRED_CELLS if not texts[column]]
    wrong += [
        f"{other}: is needed beside {one}" for one, other in NEEDED_BESIDE if texts[one] and not texts[other]
    ]
    for column, text in texts.items():
        try:
            cells[column] = CELLS[column](text) if text else None
        except ValueError as error:
            wrong.append(f"{column}: {error}")
    if texts["enrolled_to"] and texts["enrolled_to"] < texts["enrolled_from"]:
        wrong.append("enrolled_to: is before enrolled_from")
    if None in row or None in row.values():
        wrong.append("more or fewer cells than the header has columns")
    return cells, wrong


def _member(
    line: int, cells: Mapping[str, Any], contract: contract_pb2.Contract, modules: Mapping[str, str]
) -> SampleMember:
    member_id = str(derived_id("sample book", contract.contract_id, cells["family"], cells["name"]))
    role = cells["role"]
    member = member_pb2.Member(
        member_id=member_id,
        kind=member_pb2.MEMBER_KIND_PET if role == "PET" else member_pb2.MEMBER_KIND_PERSON,
        display_name=cells["name"],
    )
    facts = [
        member_service.RecordFactsRequest(member_id=member_id, **fact) for fact in _facts(cells, contract)
    ]
    enrolls = [
        change_request_pb2.Enroll(
            member_id=member_id,
            membership_type=MembershipType.Value(f"MEMBERSHIP_TYPE_{role}"),
            module_id=modules[name],
            days=DateSpan(first_on=cells["enrolled_from"], last_on=cells["enrolled_to"]),
        )
        for name in cells["modules"] or ()
    ]
    scoped_changes = tuple(change_request_pb2.ScopedChange(enroll=enroll) for enroll in enrolls)
    return SampleMember(line, role, member, tuple(facts), scoped_changes)


def _facts(cells: Mapping[str, Any], contract: contract_pb2.Contract) -> Iterator[dict[str, Any]]:
    """Each kind of fact that a row tells. An empty cell tells nothing, and clears nothing."""
    if cells["born_on"]:
        yield {"birth": member_pb2.Birth(born_on=cells["born_on"])}
    if cells["country"]:
        address = member_pb2.Address(
            days=DateSpan(), country_code=cells["country"], postal_code=cells["postal_code"]
        )
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


async def load_sample_book(
    address: str, folder: Path, *, families_at_once: int = 16, show_progress: bool = True
) -> Summary:
    """Loads every sample in a folder into the server at 'host:port', and tells what became of it.

    A contract that cannot be published takes its families with it; any other family that is rejected or fails
    is named in the summary and stops nobody else. SampleFilesMalformed: nothing was sent.
    """
    samples = read_samples(folder)
    summary = Summary()
    retries = json.dumps({"methodConfig": [{"name": [{}], "retryPolicy": RETRIES}]})
    async with grpc.aio.insecure_channel(address, options=[("grpc.service_config", retries)]) as channel:
        loader = _Loader(channel, summary)
        for sample in samples:
            await loader.publish(sample)
        families = iter([family for sample in loader.published for family in sample.families])
        with _progress(sum(len(sample.families) for sample in loader.published), show_progress) as advance:

            async def work() -> None:
                for family in families:  # Shared: each worker takes the next family that nobody has taken.
                    await loader.load(family)
                    advance()

            async with asyncio.TaskGroup() as workers:
                for _ in range(families_at_once):
                    workers.create_task(work())
    return summary


class _Loader:
    """Sends samples, and counts in the summary what became of them."""

    def __init__(self, channel: grpc.aio.Channel, summary: Summary) -> None:
        self._catalog = CatalogServiceStub(channel)
        self._members = MemberServiceStub(channel)
        self._change_requests = ChangeRequestServiceStub(channel)
        self._summary = summary
        self.published: list[SampleContract] = []

    async def publish(self, sample: SampleContract) -> None:
        request = catalog_service.PublishContractRequest(contract=sample.contract)
        request.request_id = _request_id(request)
        try:
            await self._catalog.PublishContract(request, timeout=CALL_SECONDS)
        except grpc.aio.AioRpcError as error:
            self._summary.failed += len(sample.families)
            self._summary.troubles.append(
                f"{sample.folder.name} with all its families: {_describe_error(error)}"
            )
        else:
            self._summary.contracts += 1
            self.published.append(sample)

    async def load(self, family: SampleFamily) -> None:
        """Facts before the change request: it is judged by them, and nothing is recomputed."""
        try:
            for member in family.members:
                await self._store(member)
            change_request = await self._submit(family)
        except grpc.aio.AioRpcError as error:
            self._summary.failed += 1
            self._summary.troubles.append(f"{family.name} failed: {_describe_error(error)}")
            return
        self._summary.families += 1
        self._summary.members += len(family.members)
        if change_request.verdict == change_request_pb2.VERDICT_APPROVED:
            self._summary.approved += 1
        else:
            self._summary.rejected += 1
            reasons = "; ".join(
                _describe_violation(family, violation) for violation in change_request.violations
            )
            self._summary.troubles.append(f"{family.name} rejected: {reasons}")

    async def _store(self, member: SampleMember) -> None:
        upsert = member_service.UpsertMemberRequest(member=member.member)
        upsert.request_id = _request_id(upsert)
        await self._members.UpsertMember(upsert, timeout=CALL_SECONDS)
        for fact in member.facts:
            fact.request_id = _request_id(fact)
            await self._members.RecordFacts(fact, timeout=CALL_SECONDS)

    async def _submit(self, family: SampleFamily) -> change_request_pb2.ChangeRequest:
        request = change_request_service.SubmitChangeRequestRequest(
            requester=change_request_pb2.Requester(
                role=change_request_pb2.REQUESTER_ROLE_ADMIN, requester_id="sample-book", reason="sample book"
            ),
            group=family.key,
            changes=[enroll for member in family.members for enroll in member.enrolls],
        )
        request.request_id = _request_id(request)
        response = await self._change_requests.SubmitChangeRequest(request, timeout=CALL_SECONDS)
        return response.change_request


def _request_id(request: Message) -> str:
    """The UUIDv5 of what a request says beside its id; as JSON, whose form no protobuf release changes."""
    content = json_format.MessageToDict(request)
    content.pop("requestId", None)
    return str(derived_id("sample book", request.DESCRIPTOR.full_name, json.dumps(content, sort_keys=True)))


def _describe_violation(family: SampleFamily, violation: change_request_pb2.Violation) -> str:
    code = change_request_pb2.ViolationCode.Name(violation.code).removeprefix("VIOLATION_CODE_")
    names = {member.member.member_id: member.member.display_name for member in family.members}
    parts = (code, violation.rule_code, names.get(violation.member_id, ""))
    return f"{' '.join(filter(None, parts))}: {violation.message}"


def _describe_error(error: grpc.aio.AioRpcError) -> str:
    """The status, its reason and every field violation, on one line."""
    parts = [f"{error.code().name}: {error.details()}"]
    for key, value in cast("Iterable[tuple[str, str | bytes]]", error.trailing_metadata() or ()):
        if key == "grpc-status-details-bin" and isinstance(value, bytes):
            for detail in status_pb2.Status.FromString(value).details:
                info, bad_request = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
                if detail.Unpack(info):
                    parts.append(info.reason)
                elif detail.Unpack(bad_request):
                    parts += [f"{each.field}: {each.description}" for each in bad_request.field_violations]
    return "; ".join(parts)


@contextmanager
def _progress(total: int, show: bool) -> Iterator[Callable[[], None]]:
    """Yields what to call after each family: it moves a bar on a terminal, elsewhere it prints ten lines."""
    console = Console(stderr=True)
    if show and console.is_terminal:
        with Progress(console=console) as bar:
            task = bar.add_task("sample book", total=total)
            yield lambda: bar.advance(task)
        return
    done = 0

    def advance() -> None:
        nonlocal done
        done += 1
        if show and (done * 10 // total > (done - 1) * 10 // total):
            print(f"sample book: {done} of {total} families", file=sys.stderr, flush=True)

    yield advance


def main(arguments: list[str] | None = None) -> int:
    """0: everything is approved. 1: something was rejected or failed. 2: the files are malformed."""
    parser = argparse.ArgumentParser(
        prog="python -m server.sample_book", description="Loads a folder of samples."
    )
    parser.add_argument(
        "folder", type=Path, help="a folder with contract.json and families.csv, or with such folders"
    )
    parser.add_argument("--address", default="127.0.0.1:50051", help="host:port of the server (%(default)s)")
    parser.add_argument(
        "--families-at-once", type=int, default=16, help="how many run in parallel (%(default)s)"
    )
    options = parser.parse_args(arguments)
    if options.families_at_once < 1:
        parser.error("--families-at-once must be 1 or more")
    try:
        loading = load_sample_book(options.address, options.folder, families_at_once=options.families_at_once)
        summary = asyncio.run(loading)
    except SampleFilesMalformed as error:
        print(error, file=sys.stderr)
        return 2
    print(summary, file=sys.stderr)
    return 1 if summary.troubles else 0


if __name__ == "__main__":
    sys.exit(main())
