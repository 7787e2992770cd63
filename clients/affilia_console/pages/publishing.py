"""Publishes and corrects contracts, after a dry run that shows every finding.

Contracts are JSON documents in the format of `affilia contract publish` and `affilia contract amend`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from google.protobuf import json_format
from starlette.responses import Response

from affilia.catalog.v1 import catalog_service_pb2 as pb
from affilia.catalog.v1.contract_pb2 import Contract
from affilia_client import AlreadyExists, Conflict, Invalid, NotFound, PreconditionFailed
from affilia_console.failures import Failure, Refused, failure_of
from affilia_console.visits import MEBIBYTE, Visit
from affilia_views.json_lines import line_of

MAX_BYTES = 16 * MEBIBYTE
CHECK, PUBLISH = "check", "publish"
NEW, CORRECTED = "new", "corrected"
CORRECTABLE = (Invalid, Conflict, AlreadyExists, NotFound, PreconditionFailed)
"""Errors after which the form is shown again, with its text."""


@dataclass(frozen=True, slots=True)
class Found:
    """An error or a warning, with its position in the text."""

    line: int
    field: str
    sentence: str
    code: str = ""


@dataclass(frozen=True, slots=True)
class Findings:
    """What the server found in a contract."""

    errors: Sequence[Found]
    warnings: Sequence[Found]


def publish(visit: Visit) -> Response:
    """Shows the form, checks a contract, or publishes or corrects it."""
    step = visit.text("step")
    if step not in (CHECK, PUBLISH):
        return _page(visit, "")
    text = _text(visit)
    try:
        contract = _contract(text)
        kind = _kind(visit)
        if step == CHECK:
            return _page(visit, text, contract, findings=_checked(visit, text, contract, kind))
        return _published(visit, contract, kind)
    except CORRECTABLE as error:
        return _page(visit, text, failure=failure_of(error))
    except Refused as refused:
        return _page(visit, text, failure=failure_of(refused))


def export(visit: Visit) -> Response:
    """Returns a contract as a file that can be corrected."""
    found = visit.client.catalog.get_contract(contract_id=visit.path("contract_id")).contract
    text = json_format.MessageToJson(found, ensure_ascii=False) + "\n"
    headers = {"Content-Disposition": f'attachment; filename="contract-{found.contract_id}.json"'}
    return Response(text, media_type="application/json", headers=headers)


def _page(
    visit: Visit,
    text: str,
    contract: Contract | None = None,
    *,
    findings: Findings | None = None,
    failure: Failure | None = None,
) -> Response:
    return visit.page(
        "publish.html",
        status=failure.status if failure else 200,
        text=text,
        contract=contract,
        findings=findings,
        failure=failure,
        kind=visit.text("kind") or NEW,
    )


def _text(visit: Visit) -> str:
    """Returns the uploaded file, or else the text in the form. Raises Refused."""
    file = visit.upload("file")
    try:
        text = file.file.read().decode() if file else visit.text("text")
    except UnicodeDecodeError:
        raise Refused("The file is not valid UTF-8 text.") from None
    if not text.strip():
        raise Refused("Choose a file or paste a contract.")
    return text


def _contract(text: str) -> Contract:
    try:
        contract = json_format.Parse(text, Contract())
    except json_format.ParseError as wrong:
        raise Refused(f"This is not a contract: {wrong}") from None
    except RecursionError:
        raise Refused("This is not a contract: it is nested too deeply.") from None
    if not (contract.contract_id and contract.versions):
        raise Refused("This is not a contract: contractId and versions are required.")
    return contract


def _kind(visit: Visit) -> str:
    kind = visit.text("kind")
    if kind not in (NEW, CORRECTED):
        raise Refused("Select whether the contract is new or corrected.")
    return kind


def _checked(visit: Visit, text: str, contract: Contract, kind: str) -> Findings:
    request = (
        pb.ValidateContractRequest(publish=_publication(contract))
        if kind == NEW
        else pb.ValidateContractRequest(amend=_amendment(contract))
    )
    found = visit.client.catalog.validate_contract(request)

    def line(field: str) -> int:
        return line_of(text, field.removeprefix("contract."))

    return Findings(
        [Found(line(each.field), each.field, each.description, each.reason) for each in found.errors],
        [
            Found(line(each.field), each.field, each.message, pb.PublicationWarningCode.Name(each.code))
            for each in found.warnings
        ],
    )


def _published(visit: Visit, contract: Contract, kind: str) -> Response:
    visit.check_writable()
    request_id = visit.text("request_id")
    if kind == NEW:
        answer = visit.client.catalog.publish_contract(_publication(contract, request_id)).contract
        notice = "The contract was published."
    else:
        answer = visit.client.catalog.amend_contract(_amendment(contract, request_id)).contract
        notice = "The contract was corrected. Its families are recomputed."
    visit.names.forget_contract(answer.contract_id)
    return visit.goes_to(f"/contracts/{answer.contract_id}", notice)


def _publication(contract: Contract, request_id: str = "") -> pb.PublishContractRequest:
    return pb.PublishContractRequest(contract=contract, request_id=request_id)


def _amendment(contract: Contract, request_id: str = "") -> pb.AmendContractRequest:
    return pb.AmendContractRequest(
        contract_id=contract.contract_id, versions=contract.versions, etag=contract.etag, request_id=request_id
    )
