"""What the parent and a server process send each other: one line of JSON in each direction.

The parent writes its line, which may contain a secret, to the standard input of the process, and keeps the pipe open:
it closes when the parent ends.
"""

import json
from dataclasses import asdict, dataclass

from pydantic import SecretStr

from server.settings import Settings


@dataclass(frozen=True, slots=True)
class Order:
    """The line to a process: its number, and the settings of the whole server."""

    number: int
    settings: Settings

    def line(self) -> str:
        """Returns the order as a line. It contains the values of secrets."""
        values = self.settings.model_dump(mode="json")
        for name, value in self.settings:
            if isinstance(value, SecretStr):
                values[name] = value.get_secret_value()
        return json.dumps({"number": self.number, "settings": values}) + "\n"

    @classmethod
    def of(cls, line: str) -> "Order":
        parsed = json.loads(line)
        return cls(parsed["number"], Settings(**parsed["settings"]))


@dataclass(frozen=True, slots=True)
class Report:
    """The line from a process: it serves calls or, if `failure` is set, can't start for this reason."""

    failure: str = ""
    metrics_address: str = ""

    def line(self) -> str:
        return json.dumps(asdict(self)) + "\n"

    @classmethod
    def of(cls, line: str) -> "Report":
        return cls(**json.loads(line))
