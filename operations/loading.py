"""Loads the read model of checks from the projection and from usage, page by page.

Adding a page blocks the event loop for some milliseconds. Meanwhile, PostgreSQL prepares the next page.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from typing import TypeVar
from uuid import UUID

from domain.eligibility.columns import PolicyColumns, RunColumns, UsageColumns
from domain.eligibility.read_model import ReadModel
from storage import read_model_pages
from storage.postgres.database import Database
from storage.read_model_pages import UsageKey

POLICIES_PER_PAGE, USAGE_PER_PAGE = 2_500, 10_000

Key = TypeVar("Key")
Page = TypeVar("Page")


async def load_model(
    database: Database,
    model: ReadModel,
    generation: int,
    *,
    policies_per_page: int = POLICIES_PER_PAGE,
    usage_per_page: int = USAGE_PER_PAGE,
) -> None:
    """Adds all policies of a generation and all usage to an empty model.

    Each page is read in its own snapshot, so changes made meanwhile must be put into the model afterwards.
    """

    async def policies_after(after: UUID) -> tuple[tuple[PolicyColumns, RunColumns], UUID | None]:
        async with database.snapshot() as snapshot:
            policies, runs = await read_model_pages.policies_page(snapshot, generation, after, policies_per_page)
        is_last = len(policies.group_ids) < policies_per_page
        return (policies, runs), None if is_last else UUID(bytes=policies.group_ids[-1])

    async def usage_after(after: UsageKey) -> tuple[UsageColumns, UsageKey | None]:
        async with database.reading() as connection:
            page = await read_model_pages.usage_page(connection, after, usage_per_page)
        return page, None if len(page.group_ids) < usage_per_page else read_model_pages.last_key(page)

    async with aclosing(_pages(policies_after, read_model_pages.FIRST_ID)) as pages:
        async for policies, runs in pages:
            model.add_policies(policies, runs)
    async with aclosing(_pages(usage_after, read_model_pages.BEFORE_ALL_USAGE)) as usage:
        async for page in usage:
            model.add_usage(page)


async def _pages(read: Callable[[Key], Awaitable[tuple[Page, Key | None]]], first: Key) -> AsyncIterator[Page]:
    """Yields pages. `read` returns the page after a key and its last key, or None for the last page."""
    key: Key | None = first
    while key is not None:
        page, key = await read(key)
        yield page
