"""Searches for people page by page, and checks whether the search index is complete."""

from collections.abc import Iterator
from typing import Any

from affilia.catalog.v1.member_service_pb2 import MemberHit
from affilia_client import Client

INCOMPLETE = (
    "The search index is still being filled. People can be missing, or be found by an earlier name or birth date."
)


class MemberSearch:
    """The people found by a search. Pages are read as they are needed."""

    def __init__(self, client: Client, **fields: Any) -> None:
        self._client = client
        self._fields = fields
        self.is_complete = True
        """Whether the index was complete for every page read so far."""

    def __iter__(self) -> Iterator[MemberHit]:
        token = ""
        while True:
            page = self._client.members.search_members(**self._fields, page_token=token)
            self.is_complete = self.is_complete and page.is_complete
            yield from page.hits
            token = page.next_page_token
            if not token:
                return
