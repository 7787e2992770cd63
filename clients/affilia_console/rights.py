"""What people can do, given the role and scopes of their access token.

Pages use this to disable buttons and show the reason. The server's access policy decides; a test compares the two.
"""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass

ADMIN, MEMBER, SERVICE = "admin", "member", "service"
SCOPES: Mapping[str, str] = {
    "EraseMember": "",
    "MarkPremiumsInvoiced": "premiums.write",
    "MergeMembers": "",
    "AmendContract": "",
    "PublishContract": "",
    "RecordFacts": "members.write",
    "RequestRecompute": "enrollment.administer",
    "RunPremiums": "premiums.write",
    "StopPremiumRun": "premiums.write",
    "UpsertMember": "members.write",
    "ValidateContract": "",
}
"""The methods that only admins may call and, if a scope is given, services with this scope."""
IMPORT_METHODS = ("RecordFacts", "UpsertMember", "RequestRecompute")
"""The methods whose scopes an import of an enrollment file requires: it changes facts, names and any family."""


@dataclass(frozen=True, slots=True)
class Rights:
    """The role, scopes and subject in a token."""

    role: str = ""
    scopes: frozenset[str] = frozenset()
    subject: str = ""

    def denied(self, what: str, *methods: str) -> str:
        """Returns why a person with these rights can't call all of the methods, or "" if they can.

        `what` describes the action, such as "record facts". Without methods, only admins can do it.
        """
        if self.role == ADMIN:
            return ""
        needed = [SCOPES[method] for method in methods]
        if self.role != SERVICE or not needed or not all(needed):
            return f"Only admins can {what}."
        missing = sorted(set(needed) - self.scopes)
        return f"To {what}, your token needs the scope {' and '.join(missing)}." if missing else ""


def rights_in(token: str) -> Rights:
    """Returns the rights in a JWT. Doesn't verify it; the server does. A token that isn't a JWT gives none."""
    try:
        payload = token.split(".")[1]
        content = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        scopes = content.get("scope")
        granted = frozenset(scopes.split() if isinstance(scopes, str) else ())
        return Rights(str(content.get("role", "")), granted, str(content.get("sub", "")))
    except (IndexError, ValueError, AttributeError):
        return Rights()
