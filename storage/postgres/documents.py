"""Converts domain values to JSON documents and back.

One converter serves everything that is stored as a document: contracts, members, change requests, prices. Spans are
[first, last] as inclusive ISO dates, with null for an open end. Values of a union have their class name as "kind". A
field that is missing from a document gets its default, so a new field with a default doesn't require a migration.
"""

from collections.abc import Iterable
from datetime import date, datetime
from enum import StrEnum
from typing import Any, TypeVar
from uuid import UUID

from cattrs import Converter
from cattrs.strategies import configure_tagged_union

from domain.actors import Actor
from domain.catalog.contract import Contract
from domain.catalog.prices import EngineParameters, ModulePrice
from domain.days import Days, Span
from domain.enrollment.bounds import MAX_UNMET
from domain.enrollment.decisions import Change
from domain.enrollment.history import ChangeRequest
from domain.enrollment.unmet import UnmetEnroll, UnmetEnrolls
from domain.members import Member
from domain.premiums.pricing_periods import Basis
from domain.pricing.costs import Charge
from domain.pricing.tariffs import Derivation, Price
from domain.rules.conditions import AllOf, AnyOf, Condition, Leaf, Negation

Document = dict[str, Any]
T = TypeVar("T")


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
    # Enum members equal their values, so they could stay in documents unnoticed; documents must be plain data.
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
    """Tags the optional price of a module with its kind as well.

    For cattrs, "a price or None" is a different union than "a price". Without this, it would write the price without
    its kind and guess the class by its fields, which fails when two kinds of price have similar fields.
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


class DocumentDamaged(Exception):
    """A stored document is not valid, for example after a disk error or a manual change. The message has none of its
    contents."""


def _structured(document: Any, kind: type[T]) -> T:
    try:
        return _CONVERTER.structure(document, kind)
    except Exception as damage:
        # cattrs raises many types, for missing keys, wrong types, invalid dates and ids, and groups of these.
        raise DocumentDamaged(kind.__name__) from damage


def actor_to_document(actor: Actor) -> Document:
    document: Document = _CONVERTER.unstructure(actor)
    return document


def actor_from_document(document: Document) -> Actor:
    """Returns an actor. Raises DocumentDamaged."""
    return _structured(document, Actor)


def contract_to_document(contract: Contract) -> Document:
    """Returns the document of a contract, without `unlisted`, which is derived from a table of its own."""
    document: Document = _CONVERTER.unstructure(contract)
    del document["unlisted"]
    return document


def contract_from_document(document: Document) -> Contract:
    """Returns a contract without `unlisted`. Raises DocumentDamaged."""
    try:
        whole = {**document, "unlisted": {}}
    except TypeError as damage:
        raise DocumentDamaged(Contract.__name__) from damage
    return _structured(whole, Contract)


def member_to_document(member: Member) -> Document:
    """Returns the document of a member."""
    document: Document = _CONVERTER.unstructure(member)
    return document


def member_from_document(document: Document) -> Member:
    """Returns a member. Raises DocumentDamaged."""
    return _structured(document, Member)


def unmet_to_document(enrolls: Iterable[UnmetEnroll]) -> list[Document]:
    """Returns the documents of enrolls that are not fully met."""
    return [_CONVERTER.unstructure(enroll) for enroll in enrolls]


def unmet_from_document(document: list[Document] | None, omitted: int) -> UnmetEnrolls:
    """Returns stored enrolls that are not fully met. Truncates those that were stored before there was a limit."""
    stored = document or []
    reported = stored[:MAX_UNMET]
    enrolls = tuple(_CONVERTER.structure(enroll, UnmetEnroll) for enroll in reported)
    return UnmetEnrolls(enrolls, omitted + len(stored) - len(reported))


def engine_parameters_to_document(parameters: EngineParameters) -> Document:
    """Returns the document of engine parameters."""
    document: Document = _CONVERTER.unstructure(parameters)
    return document


def engine_parameters_from_document(document: Document) -> EngineParameters:
    """Returns engine parameters. Raises DocumentDamaged."""
    return _structured(document, EngineParameters)


def price_basis_to_document(basis: Basis) -> Document:
    """Returns the document of a price with its derivation and parameters."""
    document: Document = {
        "amounts": [_CONVERTER.unstructure(charge._asdict()) for charge in basis.price.charges],
        "derivation": _CONVERTER.unstructure(basis.price.derivation),
        "parameters": _CONVERTER.unstructure(basis.parameters),
    }
    return document


def price_basis_from_document(document: Document) -> Basis:
    """Returns a price with its derivation and parameters."""
    charges = tuple(
        _CONVERTER.structure([charge[name] for name in Charge._fields], Charge) for charge in document["amounts"]
    )
    price = Price(charges, _CONVERTER.structure(document["derivation"], Derivation))
    return Basis(price, _CONVERTER.structure(document["parameters"], EngineParameters))


def change_request_to_document(request: ChangeRequest) -> Document:
    """Returns the document of a change request without its actor, which has its own column."""
    document: Document = _CONVERTER.unstructure(request)
    del document["actor"]
    return document


def change_request_from_document(document: Document, actor: Document) -> ChangeRequest:
    """Returns a change request, truncated to the current limits. Raises DocumentDamaged."""
    try:
        whole = {**document, "actor": actor}
    except TypeError as damage:
        raise DocumentDamaged(ChangeRequest.__name__) from damage
    request = _structured(whole, ChangeRequest)
    return request.bounded() if request.violations or request.notices else request
