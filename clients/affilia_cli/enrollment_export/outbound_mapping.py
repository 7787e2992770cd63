"""A mapping read in the other direction: modules to plans, membership types to relations, parties turned around."""

from collections.abc import Iterator
from dataclasses import dataclass

from affilia_cli.enrollment_export.interchange import Parties
from affilia_cli.enrollment_export.texts import SEPARATORS, is_sendable
from affilia_cli.enrollment_file.codes import RELATIONS
from affilia_cli.enrollment_file.findings import MappingMalformed
from affilia_cli.enrollment_file.mapping import CoverageMapping, Mapping, Payer

PREFERRED_RELATIONS = ("18", "01", "19", "03", "53", "04")
MAX_INTERCHANGE_ID = 15


@dataclass(frozen=True, slots=True)
class OutboundMapping:
    """What an export needs of a mapping.

    `policy` is the policy of all coverages, if they have the same one; otherwise each coverage has its own.
    """

    coverages: dict[str, CoverageMapping]
    relations: dict[str, str]
    parties: Parties
    policy: str


def outbound_mapping(mapping: Mapping) -> OutboundMapping:
    """Turns a mapping around. An import with the same mapping reads each coverage and relation as it was.

    Raises MappingMalformed if a field that only exports need is missing or malformed.
    """
    policies = {each.policy for each in mapping.coverages}
    return OutboundMapping(
        _coverages(mapping), _relations(mapping), _parties(mapping), policies.pop() if len(policies) == 1 else ""
    )


def _coverages(mapping: Mapping) -> dict[str, CoverageMapping]:
    """Returns an entry for each module. A file with an entry's line, plan and policy is mapped by this entry again."""
    first: dict[tuple[str, ...], CoverageMapping] = {}
    for each in mapping.coverages:
        first.setdefault((each.line, each.plan, each.policy), each)
    found: dict[str, CoverageMapping] = {}
    for each in first.values():
        found.setdefault(each.module_id, each)
    return found


def _relations(mapping: Mapping) -> dict[str, str]:
    """Returns the INS02 of each membership type: the usual code, or else one that the mapping adds, or the lowest."""
    others = sorted(mapping.relations, key=lambda code: (code in RELATIONS, code))
    found: dict[str, str] = {}
    for code in (*PREFERRED_RELATIONS, *others):
        if code in mapping.relations:
            found.setdefault(mapping.relations[code], code)
    return found


def _parties(mapping: Mapping) -> Parties:
    """Returns the parties of a file to the one who sends the files that the mapping is for."""
    payer = mapping.payer
    if payer is None:
        raise MappingMalformed(['payer: required for exports, such as {"id": "987654321", "name": "INSURER"}'])
    parties = Parties(
        sender=mapping.receiver or payer.id,
        receiver=mapping.sender or mapping.sponsor,
        sponsor=mapping.sponsor,
        insurer=payer.id,
        insurer_name=payer.name,
    )
    faults = [*_unsendable(mapping, payer)]
    for name, text in (
        ("receiver" if mapping.receiver else "payer.id", parties.sender),
        ("sender" if mapping.sender else "sponsor", parties.receiver),
    ):
        if not 2 <= len(text) <= MAX_INTERCHANGE_ID:
            faults.append(f"{name}: an interchange id must have 2 to {MAX_INTERCHANGE_ID} characters, got {text!r}")
    if faults:
        raise MappingMalformed(faults)
    return parties


def _unsendable(mapping: Mapping, payer: Payer) -> Iterator[str]:
    """Yields a fault for each text of the mapping that can't be written to a file."""
    texts = {
        "payer.id": payer.id,
        "payer.name": payer.name,
        "sponsor": mapping.sponsor,
        "sender": mapping.sender,
        "receiver": mapping.receiver,
    }
    for i, each in enumerate(mapping.coverages):
        texts |= {f"coverages[{i}].{name}": getattr(each, name) for name in ("line", "plan", "policy")}
    for name, text in texts.items():
        if not is_sendable(text):
            yield f"{name}: must be printable ASCII without the separators {' '.join(SEPARATORS)}, got {text!r}"
