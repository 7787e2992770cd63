"""The access token of a person who is signed in, renewed before it expires."""

import time
from collections.abc import Callable, Mapping
from threading import Lock
from typing import Any

EARLY_SECONDS = 30
"""Tokens are renewed this long before they expire, so that they don't expire during a call."""

Refresh = Callable[[str], Mapping[str, Any]]
"""Exchanges a refresh token for the provider's token response. Raises SignedOut."""


class SignedOut(Exception):
    """The person must sign in again: the access token expired and can't be renewed."""

    def __init__(self) -> None:
        super().__init__("Your sign-in has expired. Sign in again.")


class AccessToken:
    """Returns a token that is valid now. Calls of several threads renew it once."""

    def __init__(
        self,
        response: Mapping[str, Any],
        refresh: Refresh,
        clock: Callable[[], float] = time.time,
        received: Callable[[str], None] = lambda _: None,
    ) -> None:
        """`received` is called with each access token, including the first one."""
        self._refresh, self._clock, self._received, self._lock = refresh, clock, received, Lock()
        self._accept(response)

    def __call__(self) -> str:
        """Raises SignedOut."""
        with self._lock:
            if self._expires_at is not None and self._clock() >= self._expires_at - EARLY_SECONDS:
                if not self._refresh_token:
                    if self._clock() >= self._expires_at:
                        raise SignedOut
                else:
                    self._accept(self._refresh(self._refresh_token))
            return self._access_token

    def _accept(self, response: Mapping[str, Any]) -> None:
        self._access_token = str(response["access_token"])
        self._refresh_token = str(response.get("refresh_token") or getattr(self, "_refresh_token", ""))
        lifetime = response.get("expires_in")
        self._expires_at = None if lifetime is None else self._clock() + float(lifetime)
        self._received(self._access_token)
