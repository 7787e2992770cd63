"""Whose a CancelledError is: grpc.aio raises it also where the other side cancels a call, or a channel is closed."""

import asyncio


def task_was_cancelled() -> bool:
    """Whether the running task was told to end; else the error that it handles is about its call only."""
    task = asyncio.current_task()
    return task is None or task.cancelling() > 0
