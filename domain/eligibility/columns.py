"""Columns of coverage and usage, from which the read model takes many rows at a time. Ids are the bytes of UUIDs."""

from array import array
from collections.abc import Sequence
from typing import NamedTuple


class PolicyColumns(NamedTuple):
    """Policies, each with its revision."""

    group_ids: Sequence[bytes]
    contract_ids: Sequence[bytes]
    primary_ids: Sequence[bytes]
    revisions: "array[int]"


class RunColumns(NamedTuple):
    """All runs of some policies. `policies` are indexes into their columns, `kinds` into KINDS.

    `starts` and `ends` are those of half-open spans.
    """

    policies: "array[int]"
    member_ids: Sequence[bytes]
    module_ids: Sequence[bytes]
    kinds: "array[int]"
    starts: "array[int]"
    ends: "array[int]"


class UsageColumns(NamedTuple):
    """Usage by policy, member, term and code. The member FAMILY is the whole family. `terms` are first days."""

    group_ids: Sequence[bytes]
    member_ids: Sequence[bytes]
    terms: "array[int]"
    codes: Sequence[str]
    used: "array[int]"


FAMILY = bytes(16)
