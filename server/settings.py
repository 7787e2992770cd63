"""Settings: read once, from `AFFILIA_…` variables and flags, and refused with a sentence where they make no sense."""

import json
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from server.exposure import EMBEDDED, refusals

LARGEST_PORT = 65535


class Settings(BaseSettings):
    """Every field is a variable (`AFFILIA_LISTEN`) and a flag (`--listen`); a flag wins."""

    model_config = SettingsConfigDict(env_prefix="AFFILIA_", frozen=True, extra="forbid")

    listen: str = Field("127.0.0.1:50051", description="Address of the public listener; port 0: any free one.")
    internal_listen: str = Field("127.0.0.1:50052", description="Address of the listener for internal services.")
    database_url: str = Field(
        "",
        description="PostgreSQL 15 or later, as a libpq URL of the application's role. Empty: the embedded one, with"
        f" --dev only; {EMBEDDED}: the embedded one.",
    )
    migration_url: str = Field(
        "", description="The same database as the role that owns the tables, for migrations. Empty: as database_url."
    )
    data_dir: Path = Field(Path(".data"), description="Where the embedded database lives.")
    sample_book: bool = Field(False, description="Whether to load the sample book when the server starts.")
    samples_dir: Path = Field(Path("samples"), description="Where the sample book stands.")
    dev: bool = Field(
        False,
        description="For development: no token is asked for, and a call's metadata x-affilia-today sets its today."
        " Loopback only.",
    )
    token_keys: str = Field("", description="Public keys that tokens are signed with: a JWKS file or https URL.")
    token_secret: SecretStr = Field(
        SecretStr(""), description="Instead of token_keys, for development: a shared secret of 32 bytes or more."
    )
    token_algorithm: Literal["RS256", "PS256", "ES256", "EdDSA", "HS256"] = Field(
        "RS256", description="The only algorithm that tokens may be signed with; HS256 goes with token_secret."
    )
    token_issuer: str = Field("", description="Who signs tokens: their iss claim.")
    token_audience: str = Field("affilia", description="For whom tokens must be: their aud claim.")
    token_leeway_seconds: float = Field(30.0, ge=0, le=300, description="How far clocks of issuers may be off.")
    tls_certificate: Path | None = Field(None, description="Certificate chain of both listeners, PEM; may be replaced.")
    tls_key: Path | None = Field(None, description="Its private key, PEM.")
    plaintext: bool = Field(False, description="Allows a reachable public listener without TLS: a proxy has it.")
    internal_client_ca: Path | None = Field(None, description="Who signs certificates of internal callers, PEM.")
    internal_identities: Annotated[dict[str, str], NoDecode] = Field(
        {},
        description="Names in internal callers' certificates, and what they may, as JSON:"
        ' {"claims.internal": "eligibility.read claims.write", "ops.internal": "admin"}.',
    )
    reflection: bool = Field(True, description="Whether the public listener describes its services to who has a token.")
    channelz: bool = Field(False, description="Whether the public listener tells admins of its connections.")
    detailed_health: bool = Field(True, description="Whether the public listener tells the health of each service.")
    pool_size: int = Field(20, ge=2, le=500, description="Most connections to the database.")
    drain_seconds: float = Field(20.0, ge=0, le=600, description="How long calls may take to finish on SIGTERM.")
    default_deadline_seconds: float = Field(30.0, gt=0, le=600, description="Deadline of a call that brings none.")
    max_message_bytes: int = Field(
        1024 * 1024, ge=1024, le=64 * 1024 * 1024, description="Largest request, on both listeners."
    )
    most_calls: int = Field(64, ge=1, description="Calls at once; further ones are told to come again at once.")
    calls_per_caller: int = Field(48, ge=1, description="Calls of one subject at once.")
    streams_per_caller: int = Field(1000, ge=1, description="Open streams of one subject.")
    metrics_listen: str = Field("", description="Address of Prometheus metrics over HTTP, host:port. Empty: none.")
    trace_endpoint: str = Field("", description="OpenTelemetry collector (OTLP over gRPC), URL. Empty: no traces.")
    slow_call_seconds: float = Field(1.0, gt=0, description="Calls that take longer are logged as slow.")
    recompute_pauses: Annotated[tuple[float, ...], NoDecode] = Field(
        (1.0, 5.0, 30.0, 120.0, 600.0),
        min_length=1,
        description="Seconds that a failed recompute waits before each further attempt, separated by commas.",
    )
    feed_keep_days: float = Field(30.0, gt=0, le=36_500, description="How long the change feed keeps an event.")
    enrollment_source: str = Field(
        "",
        pattern=r"^(|[^/]+:\d+)$",
        description="Public listener of the server whose change feed eligibility reads, host:port. Empty: this server.",
    )
    enrollment_source_token: Path | None = Field(
        None, description="File with the token for enrollment_source; read at each connection."
    )
    enrollment_source_ca: Path | None = Field(None, description="Who signs enrollment_source's certificate, PEM: TLS.")
    kafka_bootstrap: str = Field(
        "", description="Kafka brokers to relay the feed to, host:port separated by commas. Empty: no relay."
    )
    kafka_payload: Literal["json", "protobuf"] = Field(
        "json", description="How relayed events look: CloudEvents in structured JSON, or binary with protobuf data."
    )
    kafka_properties: Annotated[dict[str, str], NoDecode] = Field(
        {}, description='More of librdkafka\'s producer properties, as JSON: {"security.protocol": "SSL"}.'
    )
    premium_engine: str = Field(
        "processes",
        pattern=r"^(processes(:[1-9]\d{0,2})?|dask://.+:\d+)$",
        description="Where premium runs are computed: processes (one for each core), processes:3, or dask://host:port.",
    )
    log_format: Literal["auto", "console", "json"] = Field(
        "auto", description="How log lines look; auto: console on a terminal, else json."
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="Least level that is logged.")

    @field_validator("recompute_pauses", mode="before")
    @classmethod
    def _separated_by_commas(cls, value: object) -> object:
        return value.split(",") if isinstance(value, str) else value

    @field_validator("kafka_properties", "internal_identities", mode="before")
    @classmethod
    def _as_json(cls, value: object) -> object:
        try:
            return json.loads(value) if isinstance(value, str) else value
        except ValueError as wrong:
            raise ValueError('they are not JSON such as {"security.protocol": "SSL"}') from wrong

    @field_validator("listen", "internal_listen", "metrics_listen")
    @classmethod
    def _has_port(cls, address: str) -> str:
        if not address.startswith("unix:"):
            port = address.rpartition(":")[2]
            # gRPC takes a port above 65535 modulo 65536.
            if address and not (port.isascii() and port.isdigit() and int(port[:6]) <= LARGEST_PORT):
                raise ValueError(f"{address} is not an address with a port, such as 127.0.0.1:50051")
        elif address == "unix:":
            raise ValueError(f"{address} names no socket; it needs a path, such as unix:/run/affilia.sock")
        return address

    @model_validator(mode="after")
    def _safe(self) -> Self:
        if wrong := refusals(self):
            raise ValueError("\n".join(wrong))
        return self
