"""Settings: read once, from `AFFILIA_…` variables and flags, and refused with a sentence where they make no sense."""

import ipaddress
import json
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

LARGEST_PORT = 65535


def is_loopback(address: str) -> bool:
    """Whether an address to listen on can only be reached from this machine."""
    if address.startswith("unix:"):
        return True
    host = address.rpartition(":")[0].strip("[]")
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class Settings(BaseSettings):
    """Every field is a variable (`AFFILIA_LISTEN`) and a flag (`--listen`); a flag wins."""

    model_config = SettingsConfigDict(env_prefix="AFFILIA_", frozen=True, extra="forbid")

    listen: str = Field("127.0.0.1:50051", description="Address of the public listener; port 0: any free one.")
    internal_listen: str = Field("127.0.0.1:50052", description="Address of the listener for internal services.")
    database_url: str = Field("", description="PostgreSQL 15 or later, as a libpq URL. Empty: the embedded one.")
    data_dir: Path = Field(Path(".data"), description="Where the embedded database lives.")
    sample_book: bool = Field(False, description="Whether to load the sample book when the server starts.")
    samples_dir: Path = Field(Path("samples"), description="Where the sample book stands.")
    dev: bool = Field(
        False, description="For development: a call's metadata x-affilia-today sets its today; loopback only."
    )
    pool_size: int = Field(20, ge=2, le=500, description="Most connections to the database.")
    drain_seconds: float = Field(20.0, ge=0, le=600, description="How long calls may take to finish on SIGTERM.")
    default_deadline_seconds: float = Field(30.0, gt=0, le=600, description="Deadline of a call that brings none.")
    max_message_bytes: int = Field(
        1024 * 1024, ge=1024, le=64 * 1024 * 1024, description="Largest request on the public listener."
    )
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

    @field_validator("kafka_properties", mode="before")
    @classmethod
    def _as_json(cls, value: object) -> object:
        try:
            return json.loads(value) if isinstance(value, str) else value
        except ValueError as wrong:
            raise ValueError('they are not JSON such as {"security.protocol": "SSL"}') from wrong

    @field_validator("listen", "internal_listen")
    @classmethod
    def _only_loopback(cls, address: str) -> str:
        if not address.startswith("unix:"):
            port = address.rpartition(":")[2]
            # gRPC takes a port above 65535 modulo 65536.
            if not (port.isascii() and port.isdigit() and int(port[:6]) <= LARGEST_PORT):
                raise ValueError(f"{address} is not an address with a port, such as 127.0.0.1:50051")
        elif address == "unix:":
            raise ValueError(f"{address} names no socket; it needs a path, such as unix:/run/affilia.sock")
        if not is_loopback(address):
            raise ValueError(f"{address} can be reached from other machines; until callers are identified,"
                             " the server listens on the loopback interface only")  # fmt: skip
        return address
