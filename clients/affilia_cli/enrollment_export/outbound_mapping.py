"""A mapping read in the other direction: modules to plans, membership types to relations, parties turned around."""

from collections.abc import Iterator
from dataclasses import dataclass

from affilia_cli.enrollment_export.interchange import Parties
from affilia_cli.enrollment_export.texts import SEPARATORS, is_sendable
from affilia_cli.enrollment_file import codes
from affilia_cli.enrollment_file.coverage_mapping import CoverageMapping, StatedCoverage
from affilia_cli.enrollment_file.findings import MappingMalformed
from affilia_cli.enrollment_file.mapping import Mapping, Payer

PREFERRED_RELATIONS = ("18", "01", "19", "03", "53", "04")
MAX_INTERCHANGE_ID = 15


@dataclass(frozen=True, slots=True)
class OutboundMapping:
    """What an export needs of a mapping.

    `coverages` has an entry for each module. `policy` is the policy of all entries, if they have the same one;
    otherwise each coverage has its own.
    """

    entries: tuple[CoverageMapping, ...]
    coverages: dict[str, CoverageMapping]
    relations: dict[str, str]
    parties: Parties
    policy: str

    @property
    def asks_for_employment(self) -> bool:
        """Whether any entry depends on the employment status."""
        return any(each.employment_status for each in self.entries)

    def is_read_back(self, entry: CoverageMapping, employment_status: str) -> bool:
        """Returns whether an import maps a coverage that is written with an entry's fields to the entry's module."""
        return _is_read_back(self.entries, entry, employment_status)


def outbound_mapping(mapping: Mapping) -> OutboundMapping:
    """Turns a mapping around. An import with the same mapping reads each coverage and relation as it was.

    Raises MappingMalformed if a field that only exports need is missing or malformed.
    """
    policies = {each.policy for each in mapping.coverages}
    coverages: dict[str, CoverageMapping] = {}
    for each in mapping.coverages:
        if _is_read_back(mapping.coverages, each, each.employment_status):
            coverages.setdefault(each.module_id, each)
    policy = policies.pop() if len(policies) == 1 else ""
    return OutboundMapping(mapping.coverages, coverages, _relations(mapping), _parties(mapping), policy)


def _is_read_back(entries: tuple[CoverageMapping, ...], entry: CoverageMapping, employment_status: str) -> bool:
    stated = StatedCoverage(
        entry.line,
        entry.plan,
        (entry.policy,),
        entry.benefit_status or codes.ACTIVE,
        entry.medicare or codes.NO_MEDICARE,
        employment_status,
    )
    matching = [each for each in entries if each.matches(stated)]
    return bool(matching) and max(matching, key=lambda each: each.specificity).module_id == entry.module_id


def _relations(mapping: Mapping) -> dict[str, str]:
    """Returns the INS02 of each membership type: the usual code, or else one that the mapping adds, or the lowest."""
    others = sorted(mapping.relations, key=lambda code: (code in codes.RELATIONS, code))
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
