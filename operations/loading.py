"""Loads the read model of checks from the projection and from usage, page by page.

Adding a page blocks the event loop for some milliseconds. Meanwhile, PostgreSQL prepares the next page.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import aclosing
from typing import Any, TypeVar
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
        async with database.reading() as connection:
            policies, runs = await read_model_pages.policies_page(connection, generation, after, policies_per_page)
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


async def _pages(
    read: Callable[[Key], Coroutine[Any, Any, tuple[Page, Key | None]]], first: Key
) -> AsyncGenerator[Page]:
    """Yields pages, and reads the next page while the current one is processed.

    `read` returns the page after a key, and the key to continue after; None after the last page.
    """
    following: asyncio.Task[tuple[Page, Key | None]] | None = asyncio.create_task(read(first))
    try:
        while following is not None:
            page, key = await following
            following = None if key is None else asyncio.create_task(read(key))
            await asyncio.sleep(0)  # sends the statement
            yield page
    finally:
        if following is not None:
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)
