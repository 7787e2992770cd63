"""The options of one call: its deadline, metadata and interceptors."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from affilia_client.credentials import Metadata, checked_metadata


@dataclass(frozen=True, slots=True)
class CallOptions:
    """The options that a caller sets for a call. If `timeout` is None, the default of the method applies."""

    timeout: float | None = None
    metadata: Mapping[str, str] | None = None
    interceptors: Sequence[Any] | None = None

    def __post_init__(self) -> None:
        checked_metadata(self.metadata or {})

    def metadata_over(self, metadata: Metadata) -> Metadata:
        """Returns the metadata of the client and the call. If both have the same key, the call's metadata is used."""
        own = self.metadata or {}
        return (*(pair for pair in metadata if pair[0] not in own), *own.items()) if own else metadata


DEFAULTS = CallOptions()

NAMES = tuple(each.name for each in fields(CallOptions))
"""The keyword arguments that every method takes besides its request fields. No request has fields with these names."""
