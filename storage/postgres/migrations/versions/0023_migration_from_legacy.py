"""Adds the tables of migrations from legacy tables: stages, identifiers, alignment, comparisons and backfills.

Servers of earlier releases ignore stages, and can't read requests of the role MIGRATION, so they can't serve this
schema.
"""

from alembic import op

from storage.postgres.migrations.statements import execute_all, only_forward

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None

STAGES = """
CREATE TABLE migration (
    country text NOT NULL,
    stage text NOT NULL,
    changed_at timestamptz NOT NULL,
    CONSTRAINT migration_pkey PRIMARY KEY (country),
    CONSTRAINT migration_country_check CHECK (country ~ '^[A-Z]{2}$'),
    CONSTRAINT migration_stage_check
        CHECK (stage IN ('TRANSLATE', 'DUAL_WRITE', 'READ_CORE', 'CORE', 'RETIRED'))
);
COMMENT ON TABLE migration IS 'The stage of each country that is or was migrated from legacy tables.';
CREATE TABLE migration_change (
    change_key bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT migration_change_pkey PRIMARY KEY,
    country text NOT NULL,
    from_stage text,
    to_stage text NOT NULL,
    forced boolean NOT NULL,
    reason text NOT NULL,
    subject text NOT NULL,
    recorded_at timestamptz NOT NULL,
    actor jsonb NOT NULL DEFAULT '{"kind": "SYSTEM", "subject": "before-actors"}'
);
COMMENT ON TABLE migration_change IS 'Every change of a stage.';
COMMENT ON COLUMN migration_change.subject IS 'The subject of the actor.';
COMMENT ON COLUMN migration_change.actor IS 'Who recorded the row.';
"""

# The second statement sees what was committed while the first one waited.
HOLD_STAGE = """
CREATE FUNCTION hold_migration_stage(lock_key bigint, of_country text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    held text;
BEGIN
    PERFORM pg_advisory_xact_lock_shared(lock_key);
    SELECT stage INTO held FROM public.migration WHERE country = of_country;
    RETURN held;
END $$
"""

IDENTIFIERS = """
CREATE TABLE legacy_identifier (
    country text NOT NULL,
    kind text NOT NULL,
    legacy_key text NOT NULL,
    id uuid NOT NULL,
    CONSTRAINT legacy_identifier_pkey PRIMARY KEY (country, kind, legacy_key),
    CONSTRAINT legacy_identifier_kind_check CHECK (kind IN ('CONTRACT', 'MODULE', 'MEMBER', 'GROUP'))
);
CREATE INDEX legacy_identifier_id_index ON legacy_identifier (id);
CREATE UNIQUE INDEX legacy_identifier_one_key_index ON legacy_identifier (country, kind, id) WHERE kind <> 'MODULE';
COMMENT ON TABLE legacy_identifier IS 'The id of each legacy contract, product, user, and owner under a contract.';
CREATE TABLE legacy_group (
    group_id uuid NOT NULL,
    fingerprint bytea NOT NULL,
    aligned_at timestamptz NOT NULL,
    CONSTRAINT legacy_group_pkey PRIMARY KEY (group_id)
);
COMMENT ON TABLE legacy_group IS 'With which legacy rows the decisions of each group agreed last.';
COMMENT ON COLUMN legacy_group.fingerprint IS 'SHA-256 of the translated runs in order.';
"""

# Identifiers are permanent, so the application's role can't delete them. But the products of a contract are replaced.
MAP_PRODUCTS = """
CREATE FUNCTION map_legacy_products(in_country text, legacy_contract text, codes text[], module_ids uuid[])
    RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    IF NOT EXISTS (
        SELECT FROM legacy_identifier
        WHERE country = in_country AND kind = 'CONTRACT' AND legacy_key = legacy_contract
    ) THEN
        RAISE EXCEPTION 'contract % of % is not mapped', legacy_contract, in_country USING ERRCODE = 'check_violation';
    END IF;
    DELETE FROM legacy_identifier WHERE country = in_country AND kind = 'MODULE'
        AND starts_with(legacy_key, legacy_contract || '/');
    INSERT INTO legacy_identifier (country, kind, legacy_key, id)
        SELECT in_country, 'MODULE', legacy_contract || '/' || code, module_id
        FROM unnest(codes, module_ids) AS product(code, module_id);
END $$
"""

COMPARISONS = """
CREATE TABLE migration_comparison (
    country text NOT NULL,
    stage text NOT NULL,
    started_at timestamptz NOT NULL,
    ended_at timestamptz NOT NULL,
    groups bigint NOT NULL,
    differences jsonb NOT NULL,
    findings jsonb NOT NULL,
    CONSTRAINT migration_comparison_pkey PRIMARY KEY (country)
);
COMMENT ON TABLE migration_comparison IS 'The last comparison of all groups of each country.';
COMMENT ON COLUMN migration_comparison.differences IS 'Number of groups that differ, by kind.';
COMMENT ON COLUMN migration_comparison.findings IS 'Number of rows by kind of finding.';
"""

BACKFILLS = """
CREATE TABLE migration_backfill (
    backfill_key bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT migration_backfill_pkey PRIMARY KEY,
    backfill_id uuid NOT NULL CONSTRAINT migration_backfill_backfill_id_key UNIQUE,
    fingerprint bytea NOT NULL,
    country text NOT NULL,
    contract_id uuid,
    groups bigint NOT NULL,
    recorded_at timestamptz NOT NULL,
    actor jsonb NOT NULL DEFAULT '{"kind": "SYSTEM", "subject": "before-actors"}'
);
COMMENT ON TABLE migration_backfill IS 'Backfills of the groups of a country, or of one contract.';
COMMENT ON COLUMN migration_backfill.actor IS 'Who recorded the row.';
CREATE TABLE migration_backfill_part (
    backfill_key bigint NOT NULL,
    part integer NOT NULL,
    group_ids uuid[] NOT NULL,
    done boolean NOT NULL,
    aligned integer NOT NULL,
    written_back integer NOT NULL,
    failed integer NOT NULL,
    CONSTRAINT migration_backfill_part_pkey PRIMARY KEY (backfill_key, part),
    CONSTRAINT migration_backfill_part_backfill_key_fkey
        FOREIGN KEY (backfill_key) REFERENCES migration_backfill (backfill_key)
);
CREATE INDEX migration_backfill_part_left_index ON migration_backfill_part (backfill_key, part) WHERE NOT done;
COMMENT ON TABLE migration_backfill_part IS 'Groups of a backfill that are aligned by the same call.';
CREATE TABLE migration_backfill_failure (
    backfill_key bigint NOT NULL,
    group_id uuid NOT NULL,
    reason text NOT NULL,
    message text NOT NULL,
    CONSTRAINT migration_backfill_failure_pkey PRIMARY KEY (backfill_key, group_id),
    CONSTRAINT migration_backfill_failure_backfill_key_fkey
        FOREIGN KEY (backfill_key) REFERENCES migration_backfill (backfill_key)
);
COMMENT ON TABLE migration_backfill_failure IS 'Groups that a backfill has skipped, and why.';
"""


def upgrade() -> None:
    execute_all(STAGES)
    op.execute(HOLD_STAGE)
    op.execute("REVOKE ALL ON FUNCTION hold_migration_stage(bigint, text) FROM PUBLIC")
    execute_all(IDENTIFIERS)
    op.execute(MAP_PRODUCTS)
    op.execute("REVOKE ALL ON FUNCTION map_legacy_products(text, text, text[], uuid[]) FROM PUBLIC")
    execute_all(COMPARISONS)
    execute_all(BACKFILLS)


def downgrade() -> None:
    only_forward()
