"""Maps the three ways to publish a contract, and the results of their validation."""

from uuid import UUID

from affilia.catalog.v1 import catalog_service_pb2 as pb
from operations.publications import (
    ExpectedContract,
    Publication,
    Validation,
    added_version,
    amendment,
    new_contract,
)
from server.mapping.contract import contract_from_proto, publication_warning_to_proto, version_from_proto

PublicationRequest = pb.PublishContractRequest | pb.AddContractVersionRequest | pb.AmendContractRequest


def publication_from_proto(request: PublicationRequest) -> Publication:
    if isinstance(request, pb.PublishContractRequest):
        return new_contract(contract_from_proto(request.contract))
    expected = ExpectedContract(UUID(request.contract_id), request.etag)
    if isinstance(request, pb.AddContractVersionRequest):
        return added_version(expected, version_from_proto(request.version))
    return amendment(expected, [version_from_proto(version) for version in request.versions])


def validation_to_proto(validation: Validation) -> pb.ValidateContractResponse:
    return pb.ValidateContractResponse(
        errors=[
            pb.PublicationError(reason=error.reason, field=error.field, description=error.description)
            for error in validation.errors
        ],
        warnings=[publication_warning_to_proto(warning) for warning in validation.warnings],
    )
