"""Eligibility: coverage projected from the feed, and how much of each limit is used."""

from storage.postgres.migrations.statements import execute_all, only_forward

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

STATEMENTS = """
CREATE TABLE projection_checkpoints (
    name text CONSTRAINT projection_checkpoints_pkey PRIMARY KEY,
    generation integer NOT NULL,
    resume_token text NOT NULL,
    position bigint NOT NULL,
    moved_at timestamptz NOT NULL
);

CREATE TABLE coverage_policy (
    generation integer NOT NULL,
    group_id uuid NOT NULL,
    contract_id uuid NOT NULL,
    primary_id uuid NOT NULL,
    revision integer NOT NULL,
    CONSTRAINT coverage_policy_pkey PRIMARY KEY (generation, group_id)
);
CREATE INDEX coverage_policy_generation_contract_id_group_id_index
    ON coverage_policy (generation, contract_id, group_id);

CREATE TABLE coverage_run (
    generation integer NOT NULL,
    group_id uuid NOT NULL,
    member_id uuid NOT NULL,
    module_id uuid NOT NULL,
    membership_type text NOT NULL,
    days daterange NOT NULL
);
CREATE INDEX coverage_run_generation_member_id_index ON coverage_run (generation, member_id);
CREATE INDEX coverage_run_generation_group_id_index ON coverage_run (generation, group_id);

CREATE TABLE coverage_locator (
    locator uuid CONSTRAINT coverage_locator_pkey PRIMARY KEY,
    group_id uuid NOT NULL,
    member_id uuid NOT NULL
);

CREATE TABLE accumulator_policy (
    group_id uuid CONSTRAINT accumulator_policy_pkey PRIMARY KEY,
    version bigint NOT NULL,
    changed_by bigint NOT NULL
);
CREATE INDEX accumulator_policy_changed_by_index ON accumulator_policy (changed_by);

CREATE TABLE accumulator_balance (
    group_id uuid NOT NULL,
    term_start date NOT NULL,
    code text NOT NULL,
    member_id uuid NOT NULL,
    used bigint NOT NULL,
    changed_by bigint NOT NULL,
    CONSTRAINT accumulator_balance_pkey PRIMARY KEY (group_id, term_start, code, member_id),
    CONSTRAINT accumulator_balance_used_check CHECK (used >= 0)
);
CREATE INDEX accumulator_balance_changed_by_index ON accumulator_balance (changed_by);

CREATE TABLE accumulator_application (
    application_key bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT accumulator_application_pkey PRIMARY KEY,
    application_id uuid NOT NULL CONSTRAINT accumulator_application_application_id_key UNIQUE,
    fingerprint bytea NOT NULL,
    group_id uuid NOT NULL,
    member_id uuid NOT NULL,
    service_on date NOT NULL,
    term_start date NOT NULL,
    answer jsonb NOT NULL,
    recorded_at timestamptz NOT NULL
);
CREATE INDEX accumulator_application_group_id_application_key_index
    ON accumulator_application (group_id, application_key);
CREATE INDEX accumulator_application_member_id_application_key_index
    ON accumulator_application (member_id, application_key);

CREATE TABLE accumulator_reversal (
    application_key bigint CONSTRAINT accumulator_reversal_pkey PRIMARY KEY
        CONSTRAINT accumulator_reversal_application_key_fkey REFERENCES accumulator_application,
    answer jsonb NOT NULL,
    recorded_at timestamptz NOT NULL
);

CREATE TABLE accumulator_entry (
    entry_key bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT accumulator_entry_pkey PRIMARY KEY,
    application_key bigint NOT NULL
        CONSTRAINT accumulator_entry_application_key_fkey REFERENCES accumulator_application,
    reverses bigint
        CONSTRAINT accumulator_entry_reverses_key UNIQUE
        CONSTRAINT accumulator_entry_reverses_fkey REFERENCES accumulator_entry,
    code text NOT NULL,
    asked bigint NOT NULL,
    applied bigint NOT NULL,
    individual_used bigint NOT NULL,
    family_used bigint NOT NULL
);
CREATE INDEX accumulator_entry_application_key_index ON accumulator_entry (application_key);

COMMENT ON TABLE projection_checkpoints IS
    'Up to where each projection has read the feed, and which generation of its tables is served.';
COMMENT ON TABLE coverage_policy IS
    'Policies as the feed tells them, by generation.';
COMMENT ON TABLE coverage_run IS
    'Runs of days on which members are on modules, by generation; open ends are null.';
COMMENT ON TABLE coverage_locator IS
    'Under which policy and member a coverage record is found; only ever added to.';
COMMENT ON TABLE accumulator_policy IS
    'One row a policy, locked by whoever applies or reverses; how often its usage has changed.';
COMMENT ON TABLE accumulator_balance IS
    'What is used of each code within a term; the nil member is the family.';
COMMENT ON COLUMN accumulator_balance.changed_by IS
    'The transaction that wrote it last: readers find by it what has changed.';
COMMENT ON TABLE accumulator_application IS
    'Applications, each once, with their first answer; never changed.';
COMMENT ON TABLE accumulator_reversal IS
    'Applications that were reversed, with the first answer.';
COMMENT ON TABLE accumulator_entry IS
    'The ledger of applications and reversals by code, with the balances after; never changed.';
"""


def upgrade() -> None:
    execute_all(STATEMENTS)


def downgrade() -> None:
    only_forward()
