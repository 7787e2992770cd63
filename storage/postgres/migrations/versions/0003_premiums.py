"""The premium ledger: prices, append-only stretches of entries, and their invoices; premium runs, and the policies that
are kept up to date."""

from storage.postgres.migrations.statements import execute_all, only_forward

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

STATEMENTS = """
CREATE TABLE premium_price (
    price_key bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT premium_price_pkey PRIMARY KEY,
    price_id uuid NOT NULL CONSTRAINT premium_price_price_id_key UNIQUE,
    module_id uuid NOT NULL,
    beneficiary_type text NOT NULL,
    service_type text NOT NULL,
    currency_code text NOT NULL,
    contribution_types text[] NOT NULL,
    billed_entities text[] NOT NULL,
    debtors text[] NOT NULL,
    monthly_minor bigint[] NOT NULL,
    document jsonb NOT NULL
);

CREATE TABLE premium_stretch (
    stretch_key bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT premium_stretch_pkey PRIMARY KEY,
    group_key bigint NOT NULL CONSTRAINT premium_stretch_group_key_fkey REFERENCES enrollment_group,
    contract_id uuid NOT NULL,
    enrollment_id uuid NOT NULL,
    member_id uuid NOT NULL,
    first_month integer NOT NULL,
    last_month integer NOT NULL,
    days daterange,
    divisor integer,
    owed_minor bigint[],
    price_key bigint NOT NULL CONSTRAINT premium_stretch_price_key_fkey REFERENCES premium_price,
    version integer NOT NULL,
    cancels bigint CONSTRAINT premium_stretch_cancels_fkey REFERENCES premium_stretch,
    revision integer NOT NULL,
    reasons text[],
    recorded_at timestamptz NOT NULL,
    CONSTRAINT premium_stretch_version_key UNIQUE (enrollment_id, first_month, version),
    CONSTRAINT premium_stretch_one_month_check
        CHECK (first_month = last_month OR (first_month < last_month AND days IS NULL)),
    CONSTRAINT premium_stretch_part_check
        CHECK ((days IS NULL) = (divisor IS NULL) AND (days IS NULL) = (owed_minor IS NULL))
);
CREATE INDEX premium_stretch_group_key_index ON premium_stretch (group_key);
CREATE INDEX premium_stretch_contract_id_stretch_key_index ON premium_stretch (contract_id, stretch_key);
CREATE INDEX premium_stretch_cancels_index ON premium_stretch (cancels) WHERE cancels IS NOT NULL;
ALTER TABLE premium_stretch ADD CONSTRAINT premium_stretch_taken_back_once_excl EXCLUDE USING gist
    (int8range(cancels, cancels, '[]') WITH &&, int4range(first_month, last_month, '[]') WITH &&)
    WHERE (cancels IS NOT NULL);

CREATE TABLE premium_invoice_mark (
    stretch_key bigint NOT NULL CONSTRAINT premium_invoice_mark_stretch_key_fkey REFERENCES premium_stretch,
    month integer NOT NULL,
    debtor text NOT NULL,
    invoice_id text NOT NULL,
    recorded_at timestamptz NOT NULL,
    CONSTRAINT premium_invoice_mark_pkey PRIMARY KEY (stretch_key, month, debtor)
);

CREATE TABLE premium_policy (
    group_key bigint CONSTRAINT premium_policy_pkey PRIMARY KEY
        CONSTRAINT premium_policy_group_key_fkey REFERENCES enrollment_group,
    months int4multirange NOT NULL,
    failure jsonb
);

CREATE TABLE premium_following (
    contract_id uuid CONSTRAINT premium_following_pkey PRIMARY KEY,
    recorded_at timestamptz NOT NULL
);

CREATE TABLE premium_run (
    run_key bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT premium_run_pkey PRIMARY KEY,
    run_id uuid NOT NULL CONSTRAINT premium_run_run_id_key UNIQUE,
    fingerprint bytea NOT NULL,
    contract_id uuid,
    first_month integer NOT NULL,
    last_month integer NOT NULL,
    parameters jsonb,
    stopped boolean NOT NULL,
    policies bigint NOT NULL,
    recorded_at timestamptz NOT NULL
);

CREATE TABLE premium_run_part (
    run_key bigint NOT NULL CONSTRAINT premium_run_part_run_key_fkey REFERENCES premium_run,
    part integer NOT NULL,
    group_keys bigint[] NOT NULL,
    done boolean NOT NULL,
    offsets bigint NOT NULL,
    entries bigint NOT NULL,
    failed bigint NOT NULL,
    CONSTRAINT premium_run_part_pkey PRIMARY KEY (run_key, part)
);
CREATE INDEX premium_run_part_left_index ON premium_run_part (run_key, part) WHERE NOT done;

CREATE TABLE premium_run_failure (
    run_key bigint NOT NULL CONSTRAINT premium_run_failure_run_key_fkey REFERENCES premium_run,
    group_key bigint NOT NULL CONSTRAINT premium_run_failure_group_key_fkey REFERENCES enrollment_group,
    failure jsonb NOT NULL,
    CONSTRAINT premium_run_failure_pkey PRIMARY KEY (run_key, group_key)
);

COMMENT ON TABLE premium_price IS
    'Monthly amounts and how they came about, each once; arrays of equal length, in component order.';
COMMENT ON COLUMN premium_price.document IS
    'The price and the parameters of the engine, whole.';
COMMENT ON TABLE premium_stretch IS
    'The ledger, never changed: an entry of one month, or equal ones of whole months that follow each other.';
COMMENT ON COLUMN premium_stretch.first_month IS
    'Twelve times the year, plus the month, less one.';
COMMENT ON COLUMN premium_stretch.days IS
    'The days of the run; null with divisor and owed_minor where the months are whole.';
COMMENT ON COLUMN premium_stretch.owed_minor IS
    'What is owed, in component order, for an offset as for the entry that it takes back; null: the monthly amounts.';
COMMENT ON COLUMN premium_stretch.cancels IS
    'The stretch of which this one, an offset, takes these months back.';
COMMENT ON TABLE premium_invoice_mark IS
    'On which invoice the components of an entry stand that are billed to a debtor.';
COMMENT ON TABLE premium_policy IS
    'Which months of each policy were ever computed, and why following it failed last.';
COMMENT ON TABLE premium_following IS
    'Contracts whose premiums follow enrollment.';
COMMENT ON TABLE premium_run IS
    'Runs over many policies.';
COMMENT ON TABLE premium_run_part IS
    'Policies of a run that are computed in one transaction; who locks the row does them.';
COMMENT ON TABLE premium_run_failure IS
    'Policies that a run has passed over, and why.';
"""


def upgrade() -> None:
    execute_all(STATEMENTS)


def downgrade() -> None:
    only_forward()
