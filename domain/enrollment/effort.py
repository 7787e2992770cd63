"""Estimates how long the computations of a group take, from its size.

The estimates are cheap and rough: within a factor of two or three for large groups. The constants were measured with
`benchmarks/choices.py` and `benchmarks/settling.py`.
"""

from domain.days import Day
from domain.enrollment.decisions import ChangeProposal
from domain.enrollment.decisive import MAX_REPLAYS, MAX_SETS, Effort
from domain.enrollment.group import GroupBasis

SECONDS_PER_CHANGE = 5e-6
SECONDS_PER_LEAF = 12e-6
SECONDS_PER_TRIAL = 0.5e-3
SECONDS_PER_EXPLANATION = 0.2e-3
MAX_SEARCH_SECONDS = 5.0
"""The estimated time after which the search for decisive inputs of a large group ends."""


def replay_seconds(basis: GroupBasis) -> float:
    """Returns the time to settle a group once, and to find what isn't met."""
    size = basis.size
    leaves = len(size.enrolled) * basis.contract.leaves_per_enrollment
    return size.changes * SECONDS_PER_CHANGE + leaves * SECONDS_PER_LEAF


def judging_seconds(proposal: ChangeProposal, basis: GroupBasis) -> float:
    """Returns the time to judge a request, whose consequences require settling a second time."""
    return 2 * replay_seconds(basis) + len(proposal.changes) * SECONDS_PER_EXPLANATION


def choices_seconds(basis: GroupBasis, on: Day) -> float:
    """Returns the time to try every module of the version in force."""
    version = basis.contract.version_on(on)
    return replay_seconds(basis) + (len(version.modules) if version else 0) * SECONDS_PER_TRIAL


def search_effort(basis: GroupBasis) -> Effort:
    """Returns the limits for the search for decisive inputs. Groups that are settled quickly get the maximum."""
    affordable = int(MAX_SEARCH_SECONDS / max(replay_seconds(basis), MAX_SEARCH_SECONDS / MAX_REPLAYS))
    return Effort(min(MAX_SETS, affordable), max(2, affordable))


def search_seconds(basis: GroupBasis, changed_inputs: int) -> float:
    """Returns the time to find decisive inputs if a single input decides each run."""
    return (3 + min(changed_inputs, search_effort(basis).replays)) * replay_seconds(basis)
