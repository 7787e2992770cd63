"""The keys that verify tokens: a shared secret for development, or a set of public keys that can be rotated.

A set (JWKS, RFC 7517) is a file or an https URL. It is read again regularly, and immediately when a token names an
unknown key. So a removed key stops being accepted, and a new one is accepted from its first token. While the set can't
be read, the last keys stay in use. Keys are never logged.
"""

import asyncio
import json
import time
from dataclasses import dataclass, field
from http.client import HTTPException
from typing import Protocol

import jwt
import structlog
from jwt.exceptions import PyJWTError

from server.identity.bounded_fetch import fetch, is_url

FILE_REFRESH_SECONDS = 1.0
URL_REFRESH_SECONDS = 300.0
UNKNOWN_KEY_PAUSE_SECONDS = 5.0
"""Minimum pause before a set is read again for an unknown key, because anyone can invent key ids."""

log = structlog.get_logger()


class KeysUnreadable(Exception):
    """The configured token keys can't be read."""


class Keys(Protocol):
    """A source of token keys. `generation` changes whenever the keys do."""

    generation: int

    async def refresh(self) -> None:
        """Reads the keys again if they are due."""
        ...

    async def key(self, key_id: str | None) -> jwt.PyJWK | bytes | None:
        """Returns the key with this id, or None."""
        ...


@dataclass(slots=True)
class SharedSecret:
    """One symmetric key, for development."""

    secret: bytes
    generation: int = 0

    async def refresh(self) -> None:
        return

    async def key(self, key_id: str | None) -> jwt.PyJWK | bytes | None:
        return self.secret


@dataclass(slots=True)
class KeySet:
    """The keys at a path or URL."""

    source: str
    algorithm: str
    refresh_seconds: float = 0.0
    generation: int = 0
    _keys: dict[str, jwt.PyJWK] = field(default_factory=dict)
    _read_at: float = float("-inf")
    _text: bytes = b""
    _reading: asyncio.Lock = field(default_factory=asyncio.Lock)

    def __post_init__(self) -> None:
        if not self.refresh_seconds:
            self.refresh_seconds = URL_REFRESH_SECONDS if is_url(self.source) else FILE_REFRESH_SECONDS

    async def load(self) -> None:
        """Reads the set for the first time. Raises KeysUnreadable."""
        self._take(await _read(self.source))
        if not self._keys:
            raise KeysUnreadable(f"{self.source} has no usable key for AFFILIA_TOKEN_ALGORITHM")

    async def key(self, key_id: str | None) -> jwt.PyJWK | bytes | None:
        await self.refresh()
        known = self._found(key_id)
        age = time.monotonic() - self._read_at
        if known is None and age > UNKNOWN_KEY_PAUSE_SECONDS:
            await self._read_again(age)
            known = self._found(key_id)
        return known

    async def refresh(self) -> None:
        age = time.monotonic() - self._read_at
        if age > self.refresh_seconds:
            await self._read_again(age)

    def _found(self, key_id: str | None) -> jwt.PyJWK | None:
        """Returns a known key. A token without a key id matches if there is only one key."""
        if key_id is None and len(self._keys) == 1:
            return next(iter(self._keys.values()))
        return self._keys.get(key_id or "")

    async def _read_again(self, age: float) -> None:
        async with self._reading:
            if time.monotonic() - self._read_at < age:
                return  # another call has read them while this one waited
            before, self._read_at = self._read_at, time.monotonic()
            try:
                self._take(await _read(self.source))
            except KeysUnreadable:
                log.warning("token_keys_unreadable", keys_known=len(self._keys))
            except asyncio.CancelledError:
                self._read_at = before  # so that calls with short deadlines can't prevent others from reading them
                raise

    def _take(self, text: bytes) -> None:
        self._read_at = time.monotonic()
        if text == self._text:
            return
        self._keys = _parsed(text, self.algorithm)
        self._text = text
        self.generation += 1


async def _read(source: str) -> bytes:
    try:
        return await fetch(source)
    except TimeoutError as failed:
        raise KeysUnreadable(f"{source} cannot be read: the response took too long") from failed
    except (OSError, HTTPException, ValueError) as failed:
        raise KeysUnreadable(f"{source} cannot be read: {failed}") from failed


def _parsed(text: bytes, algorithm: str) -> dict[str, jwt.PyJWK]:
    """Returns the keys for an algorithm, by their ids. If there are none, no token is valid.

    Keys of unknown types, or for other uses than signatures, are left out, as RFC 7517 requires. Raises KeysUnreadable.
    """
    try:
        listed = json.loads(text)["keys"]
        keys = {}
        for entry in listed:
            if not isinstance(entry, dict):
                continue
            if entry.get("use", "sig") != "sig" or entry.get("alg", algorithm) != algorithm:
                continue
            try:
                keys[str(entry.get("kid", ""))] = jwt.PyJWK(entry, algorithm)
            except (PyJWTError, ValueError, TypeError):
                continue
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as damaged:
        raise KeysUnreadable("the token keys are not a JWKS document") from damaged
    return keys
