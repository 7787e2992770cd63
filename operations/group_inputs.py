"""Loads the inputs from which a group was computed at two instants, and finds out when and by whom they were recorded.

Reads the built-in sources of contracts and facts, because other sources have no history.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from domain.days import Day, to_day
from domain.enrollment.changed_inputs import BasisChange, ChangedFact, ChangedInput, NewDecision, NewMerge, fact_of
from domain.enrollment.closing import Closed, last_erasure, read_with_aliases
from domain.enrollment.decisions import enrolled_members
from domain.enrollment.explained_in_words import Origin
from domain.enrollment.failed_rules import SeenFact
from domain.enrollment.group import GroupBasis
from domain.enrollment.versions import ChangedVersion, ContractChange, contract_changes
from domain.fact_changes import value_on
from domain.members import Facts
from operations.core import Core
from operations.group_memory import State
from storage import explanations, merges
from storage.explanations import FactState
from storage.group_lookup import GroupHead
from storage.postgres.database import Connection

MAX_FACT_STATES = 500
"""Maximum number of states of a member's facts to read to find out when a value was recorded."""
FACT_STATES_PER_READ = 50

Origins = Mapping[ChangedInput | SeenFact, Origin]


@dataclass(frozen=True, slots=True)
class GroupInputs:
    """What a group was computed from at two instants, and the origins of its decisions.

    If `earlier_at` is None, there were no earlier decisions.
    """

    change: BasisChange
    earlier_at: datetime | None
    later_at: datetime
    decisions: Sequence[Origin]


async def load_inputs(
    core: Core, connection: Connection, head: GroupHead, between: tuple[datetime | None, datetime], before: State
) -> GroupInputs:
    """Loads the inputs of a group at two instants. `before` are the days recorded at the earlier one."""
    earlier_at, later_at = between
    recorded = await explanations.decisions_until(connection, head.group_key, later_at)
    decisions = tuple(each.decision for each in recorded)
    made = sum(earlier_at is not None and each.origin.recorded_at <= earlier_at for each in recorded)
    named = {head.key.primary_id} | enrolled_members(decisions)
    aliases_before = {} if earlier_at is None else await merges.aliases_of(connection, named, earlier_at)
    named |= set(aliases_before.values())
    aliases = await merges.aliases_of(connection, named, later_at)
    members = named | set(aliases.values())
    facts = await explanations.facts_until(connection, members, later_at)
    contract = (await core.contracts.recorded(connection, head.key.contract_id, later_at)).contract
    days = read_with_aliases(before, aliases, contract.slots)
    closed = await _closed(connection, facts, head.key.primary_id, later_at, days)
    later = GroupBasis(contract, head.key.primary_id, decisions, facts, closed, aliases)
    if earlier_at is None:
        earlier = GroupBasis(contract, head.key.primary_id, (), facts, closed, aliases)
    else:
        contract_before = (await core.contracts.recorded(connection, head.key.contract_id, earlier_at)).contract
        facts_before = await explanations.facts_until(connection, members, earlier_at)
        earlier = GroupBasis(
            contract_before, head.key.primary_id, decisions[:made], facts_before, closed, aliases_before
        )
    return GroupInputs(BasisChange(earlier, later), earlier_at, later_at, [each.origin for each in recorded])


async def _closed(
    connection: Connection, facts: Mapping[UUID, Facts], primary_id: UUID, instant: datetime, days: State
) -> Closed | None:
    """Returns the closed past at the time of the later revision, which later erasures didn't affect."""
    if not any(of_member.erased_on for of_member in facts.values()):
        return None
    erased = frozenset(await explanations.erased_until(connection, facts.keys(), instant))
    until = last_erasure(facts[member_id] for member_id in erased)
    return Closed(to_day(until), days, erased, primary_id) if until else None


async def origins_of(
    core: Core, connection: Connection, inputs: GroupInputs, wanted: Iterable[ChangedInput | SeenFact]
) -> Origins:
    """Returns when and by whom changed inputs, and facts in failed rules, were recorded."""
    origins: dict[ChangedInput | SeenFact, Origin] = {}
    by_member: dict[UUID, list[ChangedFact | SeenFact]] = {}
    amendments: list[ContractChange] = []
    merged: dict[UUID, ChangedInput] = {}
    for each in set(wanted):
        match each:
            case NewDecision(index):
                origins[each] = inputs.decisions[index]
            case NewMerge(from_member_id):
                merged[from_member_id] = each
            case ChangedFact() | SeenFact():
                by_member.setdefault(each.member_id, []).append(each)
            case _:
                amendments.append(each)
    for member_id, origin in (await explanations.merge_origins(connection, merged)).items():
        origins[merged[member_id]] = origin
    for member_id in sorted(by_member):
        origins.update(await fact_origins(connection, member_id, inputs.later_at, by_member[member_id]))
    if amendments:
        origins.update(await _contract_origins(core, connection, inputs, amendments))
    return origins


async def fact_origins(
    connection: Connection, member_id: UUID, until: datetime | None, wanted: Sequence[ChangedFact | SeenFact]
) -> dict[ChangedInput | SeenFact, Origin]:
    """Returns the origin of each fact's last value until an instant: the state since which it hasn't changed."""
    found: dict[ChangedInput | SeenFact, Origin] = {}
    oldest: FactState | None = None
    newest: Facts | None = None
    searched, read = set(wanted), 0
    while searched and read < MAX_FACT_STATES:
        before = oldest.revision if oldest else None
        states = await explanations.fact_states(connection, member_id, until, before, FACT_STATES_PER_READ)
        for state in states:
            newest = newest or state.facts
            for fact in list(searched):
                if _value(state.facts, fact) != _value(newest, fact):
                    if oldest is not None:
                        found[fact] = oldest.origin
                    searched.discard(fact)
            oldest = state
        read += len(states)
        if len(states) < FACT_STATES_PER_READ:
            break
    if newest is not None and oldest is not None and oldest.revision == 1:
        found.update({fact: oldest.origin for fact in searched if _value(newest, fact) not in (None, ())})
    return found


def _value(facts: Facts, fact: ChangedFact | SeenFact) -> object:
    """Returns the value to find the origin of, on one day or on all days."""
    return value_on(facts, fact.fact, fact.day) if isinstance(fact, SeenFact) else fact_of(facts, fact.fact)


async def _contract_origins(
    core: Core, connection: Connection, inputs: GroupInputs, wanted: Sequence[ContractChange]
) -> dict[ChangedInput | SeenFact, Origin]:
    """Returns the origin of each change of the contract: the state since which it applies up to the later revision."""
    contract = inputs.change.after.contract
    found: dict[ChangedInput | SeenFact, Origin] = {}
    searched = set(wanted)
    if inputs.earlier_at is None:
        return found
    for revision, origin in await explanations.contract_origins(
        connection, contract.contract_id, inputs.earlier_at, inputs.later_at
    ):
        state = (await core.contracts.state(connection, contract.contract_id, revision)).contract
        differing = {_part(each) for each in contract_changes(state, contract)}
        searched = {each for each in searched if _part(each) not in differing}
        found.update(dict.fromkeys(searched, origin))
    return found


def _part(change: ContractChange) -> Day | None:
    """Returns what identifies a part in all states of a contract: a version's first day, or None for other fields."""
    return change.days.start if isinstance(change, ChangedVersion) else None
