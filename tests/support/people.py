"""A population with realistic frequencies of names, loaded directly into a database with its search index.

A few names are common and most are rare; families of four share a last name and a group, and everybody is enrolled.
"""

import json
import random
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import lru_cache
from itertools import accumulate
from uuid import UUID

import psycopg
from psycopg.types.json import Jsonb

from domain.actors import Actor, ActorKind
from domain.days import Span
from domain.enrollment.decisions import Enroll, GroupKey, Requester, RequesterRole, ScopedChange
from domain.enrollment.history import ChangeRequest
from domain.enrollment.verdicts import Verdict
from domain.identity import group_id
from domain.member_search import IndexEntry, index_entries
from domain.members import Facts, Member, MemberKind
from domain.membership import MembershipType
from storage.postgres.documents import change_request_to_document, contract_to_document
from tests.support.builders import a_contract, a_module, a_version, an_id

FAMILY = 4
KINDS = ("PRIMARY", "PARTNER", "CHILD", "CHILD")
MODULE = an_id("base")

COMMON_FIRST = """
Marie Jean Pierre Michel André Philippe René Louis Alain Jacques Bernard Marcel Daniel Roger Nathalie Isabelle Sylvie
Catherine Françoise Martine Nicolas Julien Thomas Léa Camille Chloé Mohamed Sarah Emma Hugo Zoé Xavier
"""
COMMON_LAST = """
Martin Bernard Thomas Petit Robert Richard Durand Dubois Moreau Laurent Simon Michel Lefebvre Leroy Roux David Bertrand
Morel Fournier Girard Bonnet Dupont Lambert Fontaine Rousseau Müller García Nguyen Marchand Mathieu
"""
ONSETS, VOWELS, CODAS = (
    "b c d f g h j k l m n p r s t v br ch cl dr fl gr pl tr",
    "a e i o u ai au eu ou é",
    "n r l s nd x",
)


@dataclass(frozen=True, slots=True)
class Person:
    """A generated member of a generated family."""

    number: int
    name: str
    born_on: date

    @property
    def member_id(self) -> UUID:
        return _id(self.number)


def _id(number: int) -> UUID:
    """Returns an id that is distributed as random ids are."""
    return UUID(int=((number + 1) * 0x9E3779B97F4A7C15F39CC0605CEDC835) & ((1 << 128) - 1))


class Names:
    """Draws names. The frequency of the n-th most common one is about proportional to 1/n."""

    def __init__(self, draw: random.Random, first: int = 3000, last: int = 60_000) -> None:
        self._draw = draw
        self.first = _extended(COMMON_FIRST, first, draw)
        self.last = _extended(COMMON_LAST, last, draw)
        self._first_weights = list(accumulate(1 / (n + 8) for n in range(first)))
        self._last_weights = list(accumulate(1 / (n + 25) for n in range(last)))

    def first_name(self) -> str:
        names = self._draw.choices(self.first, cum_weights=self._first_weights, k=2)
        return "-".join(names) if self._draw.random() < 0.1 else names[0]

    def last_name(self) -> str:
        names = self._draw.choices(self.last, cum_weights=self._last_weights, k=2)
        return " ".join(names) if self._draw.random() < 0.05 else names[0]


def _extended(common: str, number: int, draw: random.Random) -> list[str]:
    """Returns a number of names, the common ones first."""
    onsets, vowels, codas = ONSETS.split(), VOWELS.split(), [*CODAS.split(), ""]
    names = dict.fromkeys(common.split())
    while len(names) < number:
        syllables = (draw.choice(onsets) + draw.choice(vowels) for _ in range(draw.choice((1, 2, 2, 3))))
        names[("".join(syllables) + draw.choice(codas)).capitalize()] = None
    return list(names)


def people(number: int, seed: int = 17) -> Iterator[Person]:
    """Yields a number of people, which must be a multiple of four, in families."""
    draw = random.Random(seed)
    names = Names(draw)
    first_born = date(1930, 1, 1)
    for family in range(number // FAMILY):
        last_name = names.last_name()
        for n in range(FAMILY):
            yield Person(
                family * FAMILY + n,
                f"{names.first_name()} {last_name}",
                first_born + timedelta(days=draw.randrange(95 * 365)),
            )


@lru_cache(100_000)
def _name_entries(name: str) -> tuple[IndexEntry, ...]:
    return tuple(index_entries(Member(UUID(int=0), MemberKind.PERSON, name, Facts())))


AT = "2026-01-01 00:00:00+00:00"
ENROLLED_FROM = date(2026, 1, 1)
DAYS = f"[{ENROLLED_FROM},)"
ACTOR = '{"kind": "ADMIN", "subject": "people", "on_behalf_of": ""}'


def _documents(family: Iterable[Person]) -> Iterator[str]:
    for one in family:
        facts = (
            f'"born_on": "{one.born_on}", "addresses": [], "employments": [], "health_regimes": [], "attributes": [],'
            ' "erased_on": null'
        )
        member = f'"member_id": "{one.member_id}", "kind": "PERSON", "display_name": "{one.name}"'
        yield f'{one.member_id}\t1\t{AT}\t{ACTOR}\t{{{member}, "facts": {{{facts}}}}}\n'


def _entries(family: Iterable[Person]) -> Iterator[str]:
    for one in family:
        entries = _name_entries(one.name)
        for entry in (*entries, IndexEntry(f"={one.born_on}", entries[0].name)):
            yield f"{entry.term}\t{entry.name}\t{one.member_id}\n"


def _identifiers(family: Iterable[Person]) -> Iterator[str]:
    for one in family:
        yield f"payroll\tE{one.number:09}\t{one.member_id}\n"


def _enrolled(contract_id: UUID, enrolled_every: int) -> dict[str, Callable[[list[Person]], Iterator[str]]]:
    """Returns functions that return the rows of a family's group, by table and its columns.

    The revision of an enrolled family was made by an approved request, that of the others by a recompute.
    """

    def key(family: list[Person]) -> int:
        return family[0].number // FAMILY + 1

    def is_enrolled(family: list[Person]) -> bool:
        return not key(family) % enrolled_every

    def groups(family: list[Person]) -> Iterator[str]:
        primary = family[0].member_id
        yield f"{key(family)}\t{group_id(contract_id, primary)}\t{contract_id}\t{primary}\t1\t{AT}\n"

    def members(family: list[Person]) -> Iterator[str]:
        return (f"{one.member_id}\t{key(family)}\t{AT}\n" for one in family)

    def requests(family: list[Person]) -> Iterator[str]:
        if is_enrolled(family):
            request = _request(contract_id, family)
            row = (key(family), request.change_request_id, key(family), contract_id, "true", 1, AT, ACTOR)
            yield "\t".join(map(str, row)) + f"\t{json.dumps(change_request_to_document(request))}\n"

    def recomputes(family: list[Person]) -> Iterator[str]:
        if not is_enrolled(family):
            yield f"{key(family)}\t{UUID(int=key(family))}\t{key(family)}\t{contract_id}\tADMIN\t{AT}\t{AT}\t1\n"

    def revisions(family: list[Person]) -> Iterator[str]:
        causes = f"{key(family)}\t\\N" if is_enrolled(family) else f"\\N\t{key(family)}"
        yield f"{key(family)}\t{key(family)}\t1\t{AT}\t{causes}\tACTIVATED\n"

    def periods(family: list[Person]) -> Iterator[str]:
        if is_enrolled(family):
            for one, kind in zip(family, KINDS, strict=True):
                yield f"{key(family)}\t{one.member_id}\t{MODULE}\t{MODULE}\t{kind}\t{DAYS}\n"

    def differences(family: list[Person]) -> Iterator[str]:
        if is_enrolled(family):
            for one, kind in zip(family, KINDS, strict=True):
                member = f"{one.member_id}\t{kind}\t{MODULE}"
                yield f"{key(family)}\t{key(family)}\t{member}\t{{STARTED}}\t{{{DAYS}}}\t{{}}\n"

    return {
        "enrollment_group (group_key, group_id, contract_id, primary_id, revision, recorded_at)": groups,
        "group_member (member_id, group_key, recorded_at)": members,
        "change_request (change_request_key, change_request_id, group_key, contract_id, approved, revision,"
        " recorded_at, actor, document)": requests,
        "recompute (recompute_key, recompute_id, group_key, contract_id, trigger, requested_at, done_at, revision)": (
            recomputes
        ),
        "enrollment_revision (revision_key, group_key, revision, recorded_at, change_request_key, recompute_key,"
        " policy_event)": revisions,
        "enrollment_period (revision_key, member_id, module_id, slot_id, membership_type, days)": periods,
        "enrollment_difference (revision_key, group_key, member_id, membership_type, module_id, kinds, gained, lost)": (
            differences
        ),
    }


def _request(contract_id: UUID, family: list[Person]) -> ChangeRequest:
    """Returns the request that enrolled a family."""
    primary_id, request_id = family[0].member_id, _id(-family[0].number - 2)
    return ChangeRequest(
        change_request_id=request_id,
        request_id=request_id,
        group_id=group_id(contract_id, primary_id),
        key=GroupKey(contract_id, primary_id),
        requester=Requester(RequesterRole.ADMIN, "people", "joins"),
        changes=tuple(
            ScopedChange(Enroll(one.member_id, MembershipType(kind), MODULE, Span.between(ENROLLED_FROM, None)))
            for one, kind in zip(family, KINDS, strict=True)
        ),
        overridden_rules=(),
        accept_consequences=False,
        verdict=Verdict.APPROVED,
        violations=(),
        notices=(),
        consequences=(),
        revision=1,
        made_revision=True,
        recorded_at=datetime.fromisoformat(AT),
        actor=Actor(ActorKind.ADMIN, "people"),
    )


def load(url: str, number: int, *, indexed: bool = True, enrolled_every: int = 1) -> UUID:
    """Loads people with their groups and index entries into an empty database, and returns the id of their contract.

    With `enrolled_every`, only one in that number of families is enrolled.
    """
    contract = a_contract(a_version(a_module("base")))
    tables = {
        "member_revision (member_id, revision, recorded_at, actor, document)": _documents,
        "member_identifier (system, value, member_id)": _identifiers,
        **_enrolled(contract.contract_id, enrolled_every),
        **({"member_search (term, name, member_id)": _entries} if indexed else {}),
    }
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(
            "INSERT INTO contract_revision (contract_id, revision, recorded_at, document) VALUES (%s, 1, now(), %s)",
            [contract.contract_id, Jsonb(contract_to_document(contract))],
        )
        connection.execute(
            "INSERT INTO contract_module (module_id, contract_id) VALUES (%s, %s)", [MODULE, contract.contract_id]
        )
        connection.execute("SET session_replication_role = replica")  # the rows refer to each other as they should
        connection.execute("SET maintenance_work_mem = '512MB'")
        connection.execute(WITHOUT_INDEXES)
        for table, rows in tables.items():
            with connection.cursor().copy(f"COPY {table} FROM STDIN") as copy:
                for family in _families(number):
                    copy.write("".join(rows(family)))
        connection.execute(WITH_INDEXES)
        for table, key in KEYS.items():
            connection.execute(KEYS_AFTER_THE_LOADED_ONES.format(table=table, key=key))
        connection.execute("VACUUM ANALYZE")
    return contract.contract_id


KEYS = {
    "enrollment_group": "group_key",
    "change_request": "change_request_key",
    "enrollment_revision": "revision_key",
    "recompute": "recompute_key",
}
WITHOUT_INDEXES = """
ALTER TABLE member_search DROP CONSTRAINT member_search_pkey;
DROP INDEX member_search_member_id_index;
"""
WITH_INDEXES = """
ALTER TABLE member_search ADD CONSTRAINT member_search_pkey PRIMARY KEY (term, name, member_id);
CREATE INDEX member_search_member_id_index ON member_search (member_id);
"""
KEYS_AFTER_THE_LOADED_ONES = "SELECT setval(pg_get_serial_sequence('{table}', '{key}'), max({key})) FROM {table}"


def _families(number: int) -> Iterator[list[Person]]:
    everybody = people(number)
    for _ in range(number // FAMILY):
        yield [next(everybody) for _ in range(FAMILY)]
