"""The premium ledger: computations, entries that are only ever added, and the invoices that their amounts stand on."""

from storage.migrations.statements import execute_all, only_forward

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

STATEMENTS = """
CREATE TABLE premium_computation (
    computation_key bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT premium_computation_pkey PRIMARY KEY,
    group_key bigint NOT NULL CONSTRAINT premium_computation_group_key_fkey REFERENCES enrollment_group,
    revision integer NOT NULL,
    parameters jsonb,
    recorded_at timestamptz NOT NULL
);
CREATE INDEX premium_computation_group_key_index ON premium_computation (group_key);

CREATE TABLE premium_entry (
    entry_key bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT premium_entry_pkey PRIMARY KEY,
    entry_id uuid NOT NULL CONSTRAINT premium_entry_entry_id_key UNIQUE,
    computation_key bigint NOT NULL
        CONSTRAINT premium_entry_computation_key_fkey REFERENCES premium_computation,
    group_key bigint NOT NULL CONSTRAINT premium_entry_group_key_fkey REFERENCES enrollment_group,
    contract_id uuid NOT NULL,
    enrollment_id uuid NOT NULL,
    member_id uuid NOT NULL,
    module_id uuid NOT NULL,
    month integer NOT NULL,
    days daterange NOT NULL,
    num_days integer NOT NULL,
    divisor integer NOT NULL,
    version integer NOT NULL,
    cancels bigint
        CONSTRAINT premium_entry_cancels_key UNIQUE
        CONSTRAINT premium_entry_cancels_fkey REFERENCES premium_entry,
    beneficiary_type text NOT NULL,
    service_type text NOT NULL,
    currency_code text NOT NULL,
    contribution_types text[] NOT NULL,
    billed_entities text[] NOT NULL,
    collection_methods text[] NOT NULL,
    debtors text[] NOT NULL,
    monthly_minor bigint[] NOT NULL,
    owed_minor bigint[] NOT NULL,
    CONSTRAINT premium_entry_version_key UNIQUE (enrollment_id, month, version)
);
CREATE INDEX premium_entry_group_key_month_index ON premium_entry (group_key, month);
CREATE INDEX premium_entry_contract_id_month_index ON premium_entry (contract_id, month);

CREATE TABLE premium_invoice_mark (
    entry_key bigint NOT NULL CONSTRAINT premium_invoice_mark_entry_key_fkey REFERENCES premium_entry,
    place integer NOT NULL,
    invoice_id text NOT NULL,
    recorded_at timestamptz NOT NULL,
    CONSTRAINT premium_invoice_mark_pkey PRIMARY KEY (entry_key, place)
);

COMMENT ON TABLE premium_computation IS
    'When entries were computed, from which revision, and by which parameters of the request.';
COMMENT ON TABLE premium_entry IS
    'The ledger: what is owed, never changed; amounts stand in arrays of equal length, in component order.';
COMMENT ON COLUMN premium_entry.month IS
    'Twelve times the year, plus the month, less one.';
COMMENT ON COLUMN premium_entry.cancels IS
    'The entry that this one, an offset, takes back.';
COMMENT ON TABLE premium_invoice_mark IS
    'Which amounts of entries, by place from 1 on, stand on which invoice.';
"""


def upgrade() -> None:
    execute_all(STATEMENTS)


def downgrade() -> None:
    only_forward()
