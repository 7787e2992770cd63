"""Domain values as JSON documents, and back.

One converter for everything that is stored whole: contracts, members, change requests. Spans are [first, last] as
ISO dates, inclusive, null for an open end; values of a union carry their class name as "kind". A field that a document
lacks takes its default, so that old documents still load after a field was added with one.
"""

from datetime import date, datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from cattrs import Converter
from cattrs.strategies import configure_tagged_union

from domain.catalog.contract import Contract
from domain.days import Days, Span
from domain.enrollment.decisions import Change
from domain.enrollment.history import ChangeRequest
from domain.enrollment.unmet import UnmetEnroll
from domain.members import Member
from domain.premiums.entries import Basis
from domain.pricing.costs import MonthlyAmount
from domain.pricing.prices import EngineParameters, ModulePrice
from domain.pricing.tariffs import Derivation, Price
from domain.rules.conditions import AllOf, AnyOf, Condition, Leaf, Negation

Document = dict[str, Any]


def _day(text: str | None) -> date | None:
    return date.fromisoformat(text) if text else None


def _iso(day: date | None) -> str | None:
    return day.isoformat() if day else None


def _span_to_document(span: Span) -> list[str | None]:
    return [_iso(span.first_on), _iso(span.last_on)]


def _span_from_document(document: list[str | None], _: type[Span]) -> Span:
    return Span.between(_day(document[0]), _day(document[1]))


def _converter() -> Converter:
    converter = Converter(omit_if_default=False, forbid_extra_keys=False)
    # Enums as plain text: a member that is left in a document equals its value, but is not only data.
    converter.register_unstructure_hook(StrEnum, lambda member: member.value)
    converter.register_unstructure_hook(UUID, str)
    converter.register_structure_hook(UUID, lambda text, _: UUID(text))
    converter.register_unstructure_hook(datetime, datetime.isoformat)
    converter.register_structure_hook(datetime, lambda text, _: datetime.fromisoformat(text))
    converter.register_unstructure_hook(date, date.isoformat)
    converter.register_structure_hook(date, lambda text, _: date.fromisoformat(text))
    converter.register_unstructure_hook(Span, _span_to_document)
    converter.register_structure_hook(Span, _span_from_document)
    converter.register_unstructure_hook(Days, lambda days: [_span_to_document(span) for span in days.spans])
    converter.register_structure_hook(
        Days, lambda document, _: Days.of(*(_span_from_document(item, Span) for item in document))
    )
    for union in (Leaf, Change, ModulePrice):
        configure_tagged_union(union, converter, tag_name="kind")
    _tag_where_optional(converter)
    converter.register_unstructure_hook(Condition, _condition_to_document)
    converter.register_structure_hook(Condition, lambda document, _: _condition_from_document(document))
    return converter


def _tag_where_optional(converter: Converter) -> None:
    """Tags a module's price as well where there may be none.

    To cattrs "a price or None" is another union than "a price": it would be written without its kind and told apart
    by its fields, which fails as soon as two kinds of price look alike.
    """
    optional: Any = ModulePrice | None

    def to_document(price: ModulePrice | None) -> Document | None:
        return None if price is None else converter.unstructure(price, unstructure_as=ModulePrice)

    def from_document(document: Document | None, _: Any) -> ModulePrice | None:
        price: ModulePrice | None = None
        if document is not None:
            price = converter.structure(document, ModulePrice)  # type: ignore[arg-type]  # a union is not a type
        return price

    converter.register_unstructure_hook(optional, to_document)
    converter.register_structure_hook(optional, from_document)


def _condition_to_document(condition: Condition) -> Document:
    match condition:
        case AllOf(parts) | AnyOf(parts):
            kind = type(condition).__name__
            return {"kind": kind, "conditions": [_condition_to_document(part) for part in parts]}
        case Negation(inner):
            return {"kind": "Negation", "condition": _condition_to_document(inner)}
        case leaf:
            document: Document = _CONVERTER.unstructure(leaf, unstructure_as=Leaf)
            return document


def _condition_from_document(document: Document) -> Condition:
    match document["kind"]:
        case "AllOf":
            return AllOf(tuple(_condition_from_document(part) for part in document["conditions"]))
        case "AnyOf":
            return AnyOf(tuple(_condition_from_document(part) for part in document["conditions"]))
        case "Negation":
            return Negation(_condition_from_document(document["condition"]))
        case _:
            leaf: Leaf = _CONVERTER.structure(document, Leaf)  # type: ignore[arg-type]  # a union is not a type
            return leaf


_CONVERTER = _converter()


def contract_to_document(contract: Contract) -> Document:
    """A contract without `slots`, which stand in a table of their own."""
    document: Document = _CONVERTER.unstructure(contract)
    del document["slots"]
    return document


def contract_from_document(document: Document) -> Contract:
    return _CONVERTER.structure({**document, "slots": {}}, Contract)


def member_to_document(member: Member) -> Document:
    document: Document = _CONVERTER.unstructure(member)
    return document


def member_from_document(document: Document) -> Member:
    return _CONVERTER.structure(document, Member)


def unmet_to_document(unmet: tuple[UnmetEnroll, ...]) -> list[Document]:
    return [_CONVERTER.unstructure(enroll) for enroll in unmet]


def unmet_from_document(document: list[Document] | None) -> tuple[UnmetEnroll, ...]:
    return tuple(_CONVERTER.structure(enroll, UnmetEnroll) for enroll in document or ())


def engine_parameters_to_document(parameters: EngineParameters) -> Document:
    document: Document = _CONVERTER.unstructure(parameters)
    return document


def engine_parameters_from_document(document: Document) -> EngineParameters:
    return _CONVERTER.structure(document, EngineParameters)


def price_basis_to_document(basis: Basis) -> Document:
    document: Document = {
        "amounts": [_CONVERTER.unstructure(amount._asdict()) for amount in basis.price.amounts],
        "derivation": _CONVERTER.unstructure(basis.price.derivation),
        "parameters": _CONVERTER.unstructure(basis.parameters),
    }
    return document


def price_basis_from_document(document: Document) -> Basis:
    amounts = tuple(
        _CONVERTER.structure([amount[name] for name in MonthlyAmount._fields], MonthlyAmount)
        for amount in document["amounts"]
    )
    price = Price(amounts, _CONVERTER.structure(document["derivation"], Derivation))
    return Basis(price, _CONVERTER.structure(document["parameters"], EngineParameters))


def change_request_to_document(request: ChangeRequest) -> Document:
    document: Document = _CONVERTER.unstructure(request)
    return document


def change_request_from_document(document: Document) -> ChangeRequest:
    return _CONVERTER.structure(document, ChangeRequest)
