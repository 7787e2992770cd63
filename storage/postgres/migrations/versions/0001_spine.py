"""The spine: contracts, members, groups, requests, revisions, periods, differences, recomputes and events."""

from storage.postgres.migrations.statements import execute_all, only_forward

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

STATEMENTS = """
CREATE TYPE uuidrange AS RANGE (subtype = uuid);

CREATE TABLE deployment (
    database_id uuid CONSTRAINT deployment_pkey PRIMARY KEY,
    token_key bytea NOT NULL
);
INSERT INTO deployment
    SELECT gen_random_uuid(), uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid());

CREATE TABLE answered_request (
    request_id uuid CONSTRAINT answered_request_pkey PRIMARY KEY,
    fingerprint bytea NOT NULL,
    answer jsonb NOT NULL,
    recorded_at timestamptz NOT NULL
);

CREATE TABLE contract_revision (
    contract_id uuid NOT NULL,
    revision integer NOT NULL,
    recorded_at timestamptz NOT NULL,
    document jsonb NOT NULL,
    CONSTRAINT contract_revision_pkey PRIMARY KEY (contract_id, revision)
);

CREATE TABLE contract_module (
    module_id uuid CONSTRAINT contract_module_pkey PRIMARY KEY,
    contract_id uuid NOT NULL,
    slot text
);
CREATE INDEX contract_module_contract_id_index ON contract_module (contract_id);

CREATE TABLE member_revision (
    member_id uuid NOT NULL,
    revision integer NOT NULL,
    recorded_at timestamptz NOT NULL,
    document jsonb NOT NULL,
    CONSTRAINT member_revision_pkey PRIMARY KEY (member_id, revision)
);

CREATE TABLE enrollment_group (
    group_key bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT enrollment_group_pkey PRIMARY KEY,
    group_id uuid NOT NULL CONSTRAINT enrollment_group_group_id_key UNIQUE,
    contract_id uuid NOT NULL,
    primary_id uuid NOT NULL,
    revision integer NOT NULL DEFAULT 0,
    recorded_at timestamptz NOT NULL,
    CONSTRAINT enrollment_group_contract_id_primary_id_key UNIQUE (contract_id, primary_id)
);
CREATE INDEX enrollment_group_primary_id_index ON enrollment_group (primary_id);

CREATE TABLE group_member (
    member_id uuid NOT NULL,
    group_key bigint NOT NULL CONSTRAINT group_member_group_key_fkey REFERENCES enrollment_group,
    recorded_at timestamptz NOT NULL,
    CONSTRAINT group_member_pkey PRIMARY KEY (member_id, group_key)
);
CREATE INDEX group_member_group_key_index ON group_member (group_key);

CREATE TABLE change_request (
    change_request_key bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT change_request_pkey PRIMARY KEY,
    change_request_id uuid NOT NULL CONSTRAINT change_request_change_request_id_key UNIQUE,
    group_key bigint NOT NULL CONSTRAINT change_request_group_key_fkey REFERENCES enrollment_group,
    approved boolean NOT NULL,
    revision integer NOT NULL,
    recorded_at timestamptz NOT NULL,
    document jsonb NOT NULL
);
CREATE INDEX change_request_group_key_change_request_key_index ON change_request (group_key, change_request_key);

CREATE TABLE recompute (
    recompute_key bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT recompute_pkey PRIMARY KEY,
    recompute_id uuid NOT NULL CONSTRAINT recompute_recompute_id_key UNIQUE,
    group_key bigint NOT NULL CONSTRAINT recompute_group_key_fkey REFERENCES enrollment_group,
    trigger text NOT NULL,
    requested_at timestamptz NOT NULL,
    today_override date,
    failed_attempts integer NOT NULL DEFAULT 0,
    next_attempt_at timestamptz,
    failed_at timestamptz,
    done_at timestamptz,
    revision integer,
    unmet jsonb
);
CREATE INDEX recompute_group_key_recompute_key_index ON recompute (group_key, recompute_key);
CREATE UNIQUE INDEX recompute_waiting ON recompute (group_key) WHERE done_at IS NULL AND failed_at IS NULL;

CREATE TABLE enrollment_revision (
    revision_key bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT enrollment_revision_pkey PRIMARY KEY,
    group_key bigint NOT NULL CONSTRAINT enrollment_revision_group_key_fkey REFERENCES enrollment_group,
    revision integer NOT NULL,
    recorded_at timestamptz NOT NULL,
    change_request_key bigint
        CONSTRAINT enrollment_revision_change_request_key_fkey REFERENCES change_request,
    recompute_key bigint CONSTRAINT enrollment_revision_recompute_key_fkey REFERENCES recompute,
    policy_event text NOT NULL,
    CONSTRAINT enrollment_revision_group_key_revision_key UNIQUE (group_key, revision),
    CONSTRAINT enrollment_revision_one_cause CHECK (num_nonnulls(change_request_key, recompute_key) = 1)
);

CREATE TABLE enrollment_period (
    revision_key bigint NOT NULL
        CONSTRAINT enrollment_period_revision_key_fkey REFERENCES enrollment_revision,
    member_id uuid NOT NULL,
    module_id uuid NOT NULL,
    slot_id uuid NOT NULL,
    membership_type text NOT NULL,
    days daterange NOT NULL CONSTRAINT enrollment_period_has_days CHECK (NOT isempty(days)),
    CONSTRAINT enrollment_period_one_module_per_slot EXCLUDE USING gist (
        int8range(revision_key, revision_key, '[]') WITH &&,
        uuidrange(member_id, member_id, '[]') WITH &&,
        uuidrange(slot_id, slot_id, '[]') WITH &&,
        days WITH &&
    ),
    CONSTRAINT enrollment_period_one_module_per_day EXCLUDE USING gist (
        int8range(revision_key, revision_key, '[]') WITH &&,
        uuidrange(member_id, member_id, '[]') WITH &&,
        uuidrange(module_id, module_id, '[]') WITH &&,
        days WITH &&
    )
);
CREATE INDEX enrollment_period_revision_key_index ON enrollment_period (revision_key);

CREATE TABLE enrollment_difference (
    revision_key bigint NOT NULL
        CONSTRAINT enrollment_difference_revision_key_fkey REFERENCES enrollment_revision,
    group_key bigint NOT NULL,
    member_id uuid NOT NULL,
    module_id uuid NOT NULL,
    kinds text[] NOT NULL,
    gained datemultirange NOT NULL,
    lost datemultirange NOT NULL
);
CREATE INDEX enrollment_difference_revision_key_index ON enrollment_difference (revision_key);
CREATE INDEX enrollment_difference_group_key_index ON enrollment_difference (group_key);

CREATE TABLE event (
    event_key bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT event_pkey PRIMARY KEY,
    event_id uuid NOT NULL CONSTRAINT event_event_id_key UNIQUE,
    group_key bigint NOT NULL CONSTRAINT event_group_key_fkey REFERENCES enrollment_group,
    kind text NOT NULL,
    revision_key bigint CONSTRAINT event_revision_key_fkey REFERENCES enrollment_revision,
    change_request_key bigint CONSTRAINT event_change_request_key_fkey REFERENCES change_request,
    recorded_at timestamptz NOT NULL
);

COMMENT ON TABLE answered_request IS
    'Every write that was answered, so that repeating it answers the same.';
COMMENT ON TABLE contract_module IS
    'To which contract a module belongs, and its slot, for ever.';
COMMENT ON TABLE contract_revision IS
    'Every recorded state of every contract, whole.';
COMMENT ON TABLE deployment IS
    'One row: who this database is, and the key that its tokens are authenticated with.';
COMMENT ON TABLE enrollment_group IS
    'The head of a group: its row is locked by whoever changes the group.';
COMMENT ON TABLE member_revision IS
    'Every recorded state of every member with all facts, whole.';
COMMENT ON TABLE change_request IS
    'What was asked for and what became of it; keys ascend in the order of judgement within a group.';
COMMENT ON COLUMN change_request.revision IS
    'The revision of the group after the request.';
COMMENT ON TABLE group_member IS
    'Whom a group concerns: its primary, and everyone whom an approved decision names.';
COMMENT ON TABLE recompute IS
    'Groups to be computed anew; at most one waits per group.';
COMMENT ON COLUMN recompute.today_override IS
    'The day that a --dev call took for today.';
COMMENT ON COLUMN recompute.next_attempt_at IS
    'After a failure: when it is tried again.';
COMMENT ON COLUMN recompute.failed_at IS
    'When it was given up.';
COMMENT ON COLUMN recompute.revision IS
    'The revision that it made.';
COMMENT ON COLUMN recompute.unmet IS
    'Once done: the approved enrolls that are not fully met.';
COMMENT ON TABLE enrollment_revision IS
    'The states of groups, 1, 2, 3 and so on, and what made them.';
COMMENT ON TABLE enrollment_difference IS
    'How each revision differs from the one before.';
COMMENT ON TABLE enrollment_period IS
    'The periods of every revision, whole.';
COMMENT ON COLUMN enrollment_period.slot_id IS
    'The slot of the module, or the module itself without one.';
COMMENT ON TABLE event IS
    'What the change feed will tell, written in the transaction of the change.';
"""


def upgrade() -> None:
    execute_all(STATEMENTS)


def downgrade() -> None:
    only_forward()
