"""A server with the Spanish legacy tables in its embedded database, and the family of the migration's cases."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import psycopg

from affilia.catalog.v1 import catalog_service_pb2, condition_pb2, contract_pb2
from affilia.type.v1 import membership_type_pb2
from storage.postgres.embedded import EmbeddedPostgres
from storage.postgres.migrations import migrate
from tests.conftest import ServerProcess
from tests.scenarios.enrollment_messages import span
from tests.support.calls import Family, new_id
from tests.support.channels import connected_to
from tools.legacy_sample import create_tables

SPONSOR = "ACME"
FLEX, FLEX_OLD, FLEX_PLUS, DENTAL = "FLEX", "FLEX_OLD", "FLEX_PLUS", "DENTAL"

_OWN_TABLES = (
    "migration, migration_change, legacy_identifier, legacy_group, migration_comparison, migration_backfill,"
    " migration_backfill_part, migration_backfill_failure"
)
_LEGACY_TABLES = "legacy_es.es_enrollment, legacy_es.es_policy, legacy_es.es_health_contract, legacy_es.es_user"


class SpanishServer:
    """A server with `--legacy-sources ES`, and a connection with which other programs write its legacy tables."""

    def __init__(self, data_dir: Path, *flags: str) -> None:
        self.data_dir = data_dir
        self._embedded = EmbeddedPostgres.start(data_dir)
        migrate(self._embedded.url)
        with psycopg.connect(self._embedded.url) as connection:
            create_tables(connection)
        self.process = ServerProcess(data_dir, "--legacy-sources", "ES", *flags)
        self.connection = self.connect()

    @property
    def database_url(self) -> str:
        """The URL for the owner of the database and of the legacy tables."""
        return self._embedded.url

    def connect(self) -> psycopg.Connection:
        """Returns another connection of the owner, in which each statement is a transaction."""
        return psycopg.connect(self._embedded.url, autocommit=True)

    def reset(self) -> None:
        """Deletes all legacy rows, identifiers and stages, so that the next test can begin a migration."""
        with self.connection.transaction():
            self.connection.execute("SET LOCAL affilia.writes_back = 'on'")
            self.connection.execute(f"TRUNCATE {_OWN_TABLES}, {_LEGACY_TABLES} RESTART IDENTITY".encode())

    def stop(self) -> None:
        self.connection.close()
        self.process.stop()
        self._embedded.stop()


def channel_on(address: str, today: Callable[[], str]) -> grpc.Channel:
    """Returns a channel to a server on which calls are made on a day."""
    return grpc.intercept_channel(connected_to(address), _Today(today))


class _Today(grpc.UnaryUnaryClientInterceptor, grpc.UnaryStreamClientInterceptor):
    """Sends the test's day in the metadata of each call."""

    def __init__(self, day: Callable[[], str]) -> None:
        self._day = day

    def intercept_unary_unary(self, send: Callable[..., Any], details: Any, request: Any) -> Any:
        return send(self._dated(details), request)

    def intercept_unary_stream(self, send: Callable[..., Any], details: Any, request: Any) -> Any:
        return send(self._dated(details), request)

    def _dated(self, details: Any) -> Any:
        sent = dict(details.metadata or ())
        metadata = [*sent.items(), *([] if "x-affilia-today" in sent else [("x-affilia-today", self._day())])]
        return details._replace(metadata=metadata)


def an_age_rule() -> condition_pb2.Rule:
    """Returns CHILD_AGE: children are under 25."""
    age = condition_pb2.AgeCondition(subject=condition_pb2.SUBJECT_SELF, max_years=25)
    return condition_pb2.Rule(
        code="CHILD_AGE",
        applies_to=[membership_type_pb2.MEMBERSHIP_TYPE_CHILD],
        condition=condition_pb2.Condition(age=age),
    )


def the_rules() -> list[condition_pb2.Rule]:
    """Returns CHILD_AGE, EMPLOYED (primaries have an employment with the sponsor), and NEEDS_PRIMARY."""
    employed = condition_pb2.EmploymentCondition(subject=condition_pb2.SUBJECT_SELF, same_sponsor=True)
    with_primary = condition_pb2.EnrolledOnCondition(subject=condition_pb2.SUBJECT_PRIMARY)
    return [
        an_age_rule(),
        condition_pb2.Rule(
            code="EMPLOYED",
            applies_to=[membership_type_pb2.MEMBERSHIP_TYPE_PRIMARY],
            condition=condition_pb2.Condition(employment=employed),
        ),
        condition_pb2.Rule(
            code="NEEDS_PRIMARY",
            applies_to=[membership_type_pb2.MEMBERSHIP_TYPE_PARTNER, membership_type_pb2.MEMBERSHIP_TYPE_CHILD],
            condition=condition_pb2.Condition(enrolled_on=with_primary),
        ),
    ]


@dataclass
class SpanishFamily(Family):
    """A family under a Spanish contract from 2024-01-01: `base` and `plus` share a slot, `option` is dental care.

    The members aren't stored: they come from the legacy tables.
    """

    rules: list[condition_pb2.Rule] = field(default_factory=list)

    def contract(self) -> contract_pb2.Contract:
        modules = [
            contract_pb2.Module(module_id=self.base, slot="base", service_type=contract_pb2.SERVICE_TYPE_BASE),
            contract_pb2.Module(module_id=self.plus, slot="base", service_type=contract_pb2.SERVICE_TYPE_BASE),
            contract_pb2.Module(module_id=self.option, service_type=contract_pb2.SERVICE_TYPE_OPTION),
        ]
        version = contract_pb2.ContractVersion(
            days=span("2024-01-01", None), max_backdating_days=3650, modules=modules, rules=self.rules
        )
        return contract_pb2.Contract(
            contract_id=self.contract_id,
            country_code="ES",
            currency_code="EUR",
            time_zone="Europe/Madrid",
            sponsor_id=SPONSOR,
            versions=[version],
        )

    def publish(self, contract: contract_pb2.Contract | None = None) -> None:
        """Publishes the contract, or another one with the same id."""
        request = catalog_service_pb2.PublishContractRequest(request_id=new_id(), contract=contract or self.contract())
        self.catalog.PublishContract(request)

    def modules(self) -> dict[str, str]:
        """Returns the module of each product."""
        return {FLEX: self.base, FLEX_OLD: self.base, FLEX_PLUS: self.plus, DENTAL: self.option}
