"""Settings, read once from `AFFILIA_…` variables and flags. `secure_settings.py` rejects insecure combinations."""

import json
import os
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, SecretStr, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

EMBEDDED = "embedded"
"""The value of database_url that selects the embedded database."""

MAX_PORT = 65535
MIN_POOL_SIZE = 2


class Settings(BaseSettings):
    """Every field is a variable (`AFFILIA_LISTEN`) and a flag (`--listen`). Flags take precedence."""

    model_config = SettingsConfigDict(env_prefix="AFFILIA_", frozen=True, extra="forbid")

    listen: str = Field("127.0.0.1:50051", description="Address of the public listener. Port 0 picks a free port.")
    internal_listen: str = Field("127.0.0.1:50052", description="Address of the listener for internal services.")
    database_url: str = Field(
        "",
        description="libpq URL of a PostgreSQL database (15 or later), with the application's role. If empty, the"
        f" embedded database with --dev; {EMBEDDED} selects it without --dev.",
    )
    migration_url: str = Field(
        "",
        description="URL for migrations: the same database, but the role that owns its tables. Default: database_url.",
    )
    data_dir: Path = Field(Path(".data"), description="Data directory of the embedded database.")
    legacy_sources: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        description="Countries whose legacy tables are in the same database, separated by commas. Built in: ES.",
    )
    sample_book: bool = Field(False, description="Load the sample book when the server starts.")
    sample_families: int = Field(
        30, ge=0, description="Maximum number of families per contract that sample_book loads. 0: all."
    )
    samples_dir: Path | None = Field(None, description="Directory of the sample book. Defaults to the packaged one.")
    dev: bool = Field(
        False,
        description="For development: runs without authentication, and lets the metadata x-affilia-today and"
        " x-affilia-actor set the current day and the actor of a call. Loopback interface only.",
    )
    token_keys: str = Field("", description="Public keys that verify tokens: a JWKS file or https URL.")
    token_secret: SecretStr = Field(
        SecretStr(""),
        description="Shared secret of at least 32 bytes that verifies tokens instead of token_keys, for development.",
    )
    token_algorithm: Literal["RS256", "PS256", "ES256", "EdDSA", "HS256"] = Field(
        "RS256", description="The only accepted signature algorithm of tokens. HS256 requires token_secret."
    )
    token_issuer: str = Field("", description="Required iss claim of tokens.")
    token_audience: str = Field("affilia", description="Required aud claim of tokens.")
    token_leeway_seconds: float = Field(
        30.0, ge=0, le=300, description="Tolerated clock skew of token issuers, in seconds."
    )
    tls_certificate: Path | None = Field(
        None, description="PEM certificate chain of both listeners. The file can be replaced while the server runs."
    )
    tls_key: Path | None = Field(None, description="PEM private key of tls_certificate.")
    plaintext: bool = Field(
        False,
        description="Allow a public listener that other machines can reach without TLS; a proxy must terminate TLS.",
    )
    internal_client_ca: Path | None = Field(
        None, description="PEM certificate of the CA that signs internal callers' certificates."
    )
    internal_identities: Annotated[dict[str, str], NoDecode] = Field(
        {},
        description="Scopes (or admin) of internal callers by the name in their certificate, as JSON:"
        ' {"claims.internal": "eligibility.read claims.write", "ops.internal": "admin"}.',
    )
    reflection: bool = Field(True, description="Serve gRPC reflection to authenticated callers on the public listener.")
    channelz: bool = Field(False, description="Serve channelz to admins on the public listener.")
    detailed_health: bool = Field(
        True, description="Report the health of each service, not only of the server, on the public listener."
    )
    pool_size: int = Field(
        20,
        ge=MIN_POOL_SIZE,
        le=500,
        description="Maximum number of pooled database connections. The server's processes share them.",
    )
    processes: int = Field(
        1,
        ge=1,
        le=64,
        description="Number of server processes. They share both addresses, pool_size, compute_workers and the"
        " processes of premium_engine. Limits on calls, streams and watches apply to each process.",
    )
    drain_seconds: float = Field(
        20.0, ge=0, le=600, description="Grace period in which calls can finish after SIGTERM, in seconds."
    )
    default_deadline_seconds: float = Field(
        30.0, gt=0, le=600, description="Deadline of calls that don't set one, in seconds."
    )
    max_message_bytes: int = Field(
        1024 * 1024, ge=1024, le=64 * 1024 * 1024, description="Maximum size of a request on both listeners, in bytes."
    )
    max_calls: int = Field(
        128,
        ge=1,
        description="Maximum number of concurrent calls. One caller gets at most three quarters of them. Calls beyond"
        " the maximum are rejected immediately with RESOURCE_EXHAUSTED.",
    )
    calls_per_caller: int = Field(48, ge=1, description="Maximum number of concurrent calls of one subject.")
    streams_per_caller: int = Field(1000, ge=1, description="Maximum number of open streams of one subject.")
    health_watches: int = Field(
        1000, ge=1, description="Maximum number of open health watches on each listener. They need no token."
    )
    health_watches_per_address: int = Field(
        100, ge=1, description="Maximum number of open health watches from one address."
    )
    metrics_listen: str = Field(
        "",
        description="Address of the Prometheus metrics endpoint (HTTP), host:port. If empty, metrics are not served."
        " With several processes, each process has its own endpoint, on the following ports.",
    )
    trace_endpoint: str = Field(
        "", description="URL of an OpenTelemetry collector (OTLP over gRPC). If empty, no traces are sent."
    )
    slow_call_seconds: float = Field(
        1.0, gt=0, description="Duration beyond which calls are logged as slow, in seconds."
    )
    recompute_pauses: Annotated[tuple[float, ...], NoDecode] = Field(
        (1.0, 5.0, 30.0, 120.0, 600.0),
        min_length=1,
        description="Pauses before each retry of a failed recompute, in seconds, separated by commas.",
    )
    feed_keep_days: float = Field(30.0, gt=0, le=36_500, description="Retention of events in the change feed, in days.")
    enrollment_source: str = Field(
        "",
        pattern=r"^(|[^/]+:\d+)$",
        description="Public listener, host:port, of the server whose feed eligibility reads. Defaults to this server.",
    )
    enrollment_source_token: Path | None = Field(
        None, description="File with the token for enrollment_source, read for each connection."
    )
    enrollment_source_ca: Path | None = Field(
        None, description="PEM certificate of the CA that signs enrollment_source's certificate. Enables TLS."
    )
    kafka_bootstrap: str = Field(
        "", description="Kafka brokers to relay the feed to, host:port separated by commas. If empty, the relay is off."
    )
    kafka_payload: Literal["json", "protobuf"] = Field(
        "json",
        description="Format of relayed events: CloudEvents in structured JSON mode, or binary mode with protobuf data.",
    )
    kafka_properties: Annotated[dict[str, str], NoDecode] = Field(
        {}, description='Additional librdkafka producer properties, as JSON: {"security.protocol": "SSL"}.'
    )
    premium_engine: str = Field(
        "processes",
        pattern=r"^(processes(:[1-9]\d{0,2})?|dask://.+:\d+)$",
        description="Where premium runs are computed: processes (one per core), processes:3, or dask://host:port.",
    )
    compute_workers: int = Field(
        0,
        ge=0,
        le=64,
        description="Number of worker processes for long computations of enrollments. If 0, one fewer than there are"
        " cores. Each server process has at least one.",
    )
    compute_queue: int = Field(
        100,
        ge=1,
        le=10_000,
        description="Maximum number of long computations waiting for a worker. Calls beyond it are rejected"
        " immediately with RESOURCE_EXHAUSTED.",
    )
    log_format: Literal["auto", "console", "json"] = Field(
        "auto", description="Format of log lines. auto: console on a terminal, otherwise json."
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="Minimum level to log.")

    @field_validator("processes")
    @classmethod
    def _can_share(cls, processes: int, info: ValidationInfo) -> int:
        if processes == 1:
            return processes
        for name in ("listen", "internal_listen"):
            if (address := info.data.get(name, "")).startswith("unix:"):
                raise ValueError(f"must be 1 with {address}, because processes can't share a unix socket")
        pool_size = info.data.get("pool_size")
        if pool_size is not None and pool_size < MIN_POOL_SIZE * processes:
            raise ValueError(
                f"must be at most {pool_size // MIN_POOL_SIZE} with AFFILIA_POOL_SIZE={pool_size}, because each process"
                f" needs {MIN_POOL_SIZE} connections, got {processes}"
            )
        return processes

    @field_validator("recompute_pauses", mode="before")
    @classmethod
    def _separated_by_commas(cls, value: object) -> object:
        return value.split(",") if isinstance(value, str) else value

    @field_validator("legacy_sources", mode="before")
    @classmethod
    def _countries(cls, value: object) -> object:
        return tuple(dict.fromkeys(filter(None, map(str.strip, value.split(","))))) if isinstance(value, str) else value

    @field_validator("legacy_sources")
    @classmethod
    def _have_sources(cls, countries: tuple[str, ...]) -> tuple[str, ...]:
        if countries:
            from storage.legacy.registry import BUILT_IN  # local, because it loads the database driver

            if unknown := [country for country in countries if country not in BUILT_IN]:
                raise ValueError(f"must be countries with a source ({', '.join(BUILT_IN)}), got {', '.join(unknown)}")
        return countries

    @field_validator("kafka_properties", "internal_identities", mode="before")
    @classmethod
    def _as_json(cls, value: object) -> object:
        try:
            return json.loads(value) if isinstance(value, str) else value
        except ValueError as wrong:
            raise ValueError('must be JSON such as {"security.protocol": "SSL"}') from wrong

    @field_validator("listen", "internal_listen", "metrics_listen")
    @classmethod
    def _has_port(cls, address: str) -> str:
        if not address.startswith("unix:"):
            port = address.rpartition(":")[2]
            # gRPC takes a port above 65535 modulo 65536.
            if address and not (port.isascii() and port.isdigit() and int(port[:6]) <= MAX_PORT):
                raise ValueError(f"must be an address with a port, such as 127.0.0.1:50051, got {address}")
        elif address == "unix:":
            raise ValueError(f"must have a socket path, such as unix:/run/affilia.sock, got {address}")
        return address

    @field_validator("metrics_listen")
    @classmethod
    def _has_ports_for_processes(cls, address: str, info: ValidationInfo) -> str:
        processes = info.data.get("processes", 1)
        if processes > 1 and address and int(address.rpartition(":")[2]) + processes > MAX_PORT:
            raise ValueError(f"must leave {processes} ports up to {MAX_PORT} for the processes, got {address}")
        return address

    @property
    def compute_worker_count(self) -> int:
        """The number of worker processes for long computations, with the default for 0 applied."""
        return self.compute_workers or max(1, (os.cpu_count() or 1) - 1)


def premium_process_count(engine: str) -> int:
    """Returns the number of processes of the engine `processes` or `processes:3`."""
    return int(engine.partition(":")[2] or os.cpu_count() or 1)
