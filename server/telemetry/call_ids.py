"""Ids for calls whose callers didn't send one."""

import os

DIGITS = 32
IDS_PER_BLOCK = 256


class CallIds:
    """Creates ids of 32 random hexadecimal digits. Random bytes are read for many ids together."""

    def __init__(self) -> None:
        self._digits = ""
        self._next = 0

    def new(self) -> str:
        """Returns an id that no other call of any server has."""
        start = self._next
        if start == len(self._digits):
            self._digits = os.urandom(IDS_PER_BLOCK * DIGITS // 2).hex()
            start = 0
        self._next = start + DIGITS
        return self._digits[start : start + DIGITS]
