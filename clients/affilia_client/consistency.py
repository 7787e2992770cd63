"""Reading one's own writes: the newest consistency tokens that a client was given, for its reads to carry.

A token speaks of one write, and a request carries one token. Most reads go to the database that writes go to, and any
token will do. Reads of eligibility wait for what a token names; for them, it is the newest token of a write that
eligibility follows. Whoever needs to see several writes there gives the token of the one that counts.
"""

import threading

from google.protobuf.message import Message

from affilia_client.methods import Method

FIELD = "consistency_token"
ELIGIBILITY = "affilia.eligibility."
FOLLOWED = frozenset(
    {
        "SubmitChangeRequest",
        "PublishContract",
        "AddContractVersion",
        "AmendContract",
        "ApplyAccumulators",
        "ReverseAccumulators",
    }
)
"""Writes that eligibility waits for when it is given their token."""
JUDGED_BY = frozenset({"SubmitChangeRequest"})
"""What applying amounts to accumulators has to wait for; the usage of accumulators it reads itself."""


class ConsistencyTokens:
    """Of one client, for all its threads or tasks; remembers nothing where reads are not to follow writes."""

    def __init__(self, *, remembered: bool = True) -> None:
        self._remembered = remembered
        self._newest: dict[str, str] = {}  # by writing method, the newest last
        self._lock = threading.Lock()

    def learn(self, method: Method, response: Message) -> None:
        """Remembers the token in the response of a write, if there is one."""
        token = getattr(response, FIELD, "") if self._remembered else ""
        if token:
            with self._lock:
                self._newest.pop(method.name, None)
                self._newest[method.name] = token

    def token_for(self, method: Method) -> str:
        """What a call is to carry; empty: nothing."""
        wanted = self._wanted(method)
        with self._lock:
            for name, token in reversed(self._newest.items()):
                if wanted is None or name in wanted:
                    return token
        return ""

    def forget(self, token: str) -> None:
        """Drops a token that the server does not know: it is another one's, or its database was made anew."""
        with self._lock:
            self._newest = {name: known for name, known in self._newest.items() if known != token}

    @staticmethod
    def _wanted(method: Method) -> frozenset[str] | None:
        if not method.service.startswith(ELIGIBILITY):
            return None
        return FOLLOWED if method.reads else JUDGED_BY
