"""The keys that tokens are verified with: a shared secret for development, or a set of public keys that rotates.

A set (JWKS, RFC 7517) is a file or an https URL. It is read again when it is older than its refresh, and at once when a
token names a key that is not in it; so a key that is taken out stops being believed, and a new one is known before
its first token. While it cannot be read, the keys known last go on serving. Keys are never logged.
"""

import asyncio
import json
import time
import urllib.request
from dataclasses import dataclass, field
from http.client import HTTPException
from pathlib import Path
from typing import Protocol

import jwt
import structlog
from jwt.exceptions import PyJWTError

FILE_REFRESH_SECONDS = 1.0
URL_REFRESH_SECONDS = 300.0
UNKNOWN_KEY_PAUSE_SECONDS = 5.0
"""Not sooner than this is a set read again for a key that it lacks: anybody can make such keys up."""
FETCH_SECONDS = 5.0
LARGEST_SET_BYTES = 1024 * 1024

log = structlog.get_logger()


class KeysUnreadable(Exception):
    """The keys that tokens are to be verified with cannot be read."""


class Keys(Protocol):
    """Where the key of a token comes from. `generation` changes whenever the keys do."""

    generation: int

    async def refresh(self) -> None:
        """Reads the keys again where that is due."""
        ...

    async def key(self, key_id: str | None) -> jwt.PyJWK | bytes | None:
        """The key with this id, or None where there is none."""
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
            self.refresh_seconds = URL_REFRESH_SECONDS if _is_url(self.source) else FILE_REFRESH_SECONDS

    async def load(self) -> None:
        """Reads the set for the first time. Raises KeysUnreadable."""
        self._take(await asyncio.to_thread(_read, self.source))
        if not self._keys:
            raise KeysUnreadable(f"{self.source} holds no key that can be used")

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
        """A token without a key id can only mean a set of one."""
        if key_id is None and len(self._keys) == 1:
            return next(iter(self._keys.values()))
        return self._keys.get(key_id or "")

    async def _read_again(self, age: float) -> None:
        async with self._reading:
            if time.monotonic() - self._read_at < age:
                return  # somebody else has, while we waited
            self._read_at = time.monotonic()
            try:
                self._take(await asyncio.to_thread(_read, self.source))
            except KeysUnreadable:
                log.warning("token_keys_unreadable", keys_known=len(self._keys))

    def _take(self, text: bytes) -> None:
        self._read_at = time.monotonic()
        if text == self._text:
            return
        self._keys = _parsed(text, self.algorithm)
        self._text = text
        self.generation += 1


def _is_url(source: str) -> bool:
    return source.startswith(("https://", "http://"))


def _read(source: str) -> bytes:
    try:
        if not _is_url(source):
            return Path(source).read_bytes()
        with urllib.request.urlopen(source, timeout=FETCH_SECONDS) as response:  # noqa: S310 (settings allow https)
            text: bytes = response.read(LARGEST_SET_BYTES)
            return text
    except (OSError, HTTPException, ValueError) as away:
        raise KeysUnreadable(f"{source} cannot be read: {away}") from away


def _parsed(text: bytes, algorithm: str) -> dict[str, jwt.PyJWK]:
    """Keys by their id, to be used with an algorithm. Those of a kind that we do not know, or for another use than
    signatures, are left out, as RFC 7517 wants it; a set may be empty: then nobody is believed."""
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
        raise KeysUnreadable("the token keys are no JWKS document") from damaged
    return keys
