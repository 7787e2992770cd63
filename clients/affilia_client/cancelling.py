"""Tells the two causes of CancelledError apart. grpc.aio also raises it if the server cancels a call or a channel
closes."""

import asyncio


def task_was_cancelled() -> bool:
    """Returns whether the current task itself was cancelled, rather than only its call."""
    task = asyncio.current_task()
    return task is None or task.cancelling() > 0
