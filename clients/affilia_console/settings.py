"""The settings of the console."""

from dataclasses import dataclass, field

from affilia_client import TLS


class SettingsUnusable(ValueError):
    """The settings contradict each other, or one is malformed. The message names the flag."""


@dataclass(frozen=True, slots=True)
class Provider:
    """The OpenID Connect provider at which people sign in, and this console as its client."""

    issuer: str
    client_id: str
    client_secret: str = field(repr=False)
    scopes: str = "openid profile"


@dataclass(frozen=True, slots=True)
class ConsoleSettings:
    """`public_url` is the address at which browsers reach the console, if a proxy is in front of it.

    Without a `provider`, nobody signs in, which is only allowed with `dev`. `session_key` signs the session's cookie;
    sessions end when the console restarts.
    """

    listen: str = "127.0.0.1:8080"
    address: str = "127.0.0.1:50051"
    internal_address: str = "127.0.0.1:50052"
    tls: TLS | None = None
    dev: bool = False
    read_only: bool = False
    idle_minutes: float = 30
    public_url: str = ""
    provider: Provider | None = None
    session_key: str = field(default="", repr=False)

    def __post_init__(self) -> None:
        if self.provider is None and not self.dev:
            raise SettingsUnusable("--issuer is required, or --dev for a console without sign-in.")
        if self.provider is not None and self.dev:
            raise SettingsUnusable("--dev and --issuer are mutually exclusive: --dev turns sign-in off.")
        if self.idle_minutes <= 0:
            raise SettingsUnusable(f"--idle-minutes must be positive, got {self.idle_minutes:g}.")
        if self.dev and not self._is_loopback:
            raise SettingsUnusable(f"--dev requires a loopback address, got --listen {self.listen}.")
        self.host_and_port()

    def host_and_port(self) -> tuple[str, int]:
        """Returns the host and port to listen on. Raises SettingsUnusable."""
        host, _, port = self.listen.rpartition(":")
        if not host or not port.isdigit() or int(port) > 65_535:
            raise SettingsUnusable(f"--listen must be HOST:PORT, got {self.listen}.")
        return host.strip("[]"), int(port)

    @property
    def _is_loopback(self) -> bool:
        return self.listen.rpartition(":")[0] in ("127.0.0.1", "localhost", "[::1]")

    @property
    def uses_https(self) -> bool:
        """Whether browsers reach the console over HTTPS."""
        return self.public_url.startswith("https://")
