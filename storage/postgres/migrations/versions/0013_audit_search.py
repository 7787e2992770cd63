"""Adds `on_behalf_of` and lists to the audit log, and the actor to erasures.

The functions of earlier releases remain for servers that still call them.
"""

from alembic import op

from storage.postgres.migrations.statements import build_indexes, execute_all, only_forward

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

TABLES = """
ALTER TABLE audit_entry ADD COLUMN on_behalf_of text NOT NULL DEFAULT '';
COMMENT ON TABLE audit_entry IS
    'Who did what, when, by which call, and how it ended. Functions add and list entries, and nothing changes any.';
COMMENT ON COLUMN audit_entry.on_behalf_of IS 'The subject for whom the caller acted; empty if there is none.';
COMMENT ON COLUMN audit_entry.ids IS 'The ids that the call named, returned or resolved, by field.';
COMMENT ON COLUMN audit_entry.omitted_ids IS 'How many further ids the call named or resolved.';
"""

# Built while servers write, and before everything else, so that the migration can be repeated after a failure.
INDEXES = {
    "audit_entry_method_name_index": "audit_entry (split_part(method, '/', 3), recorded_at)",
    "audit_entry_failure_index": "audit_entry (outcome, recorded_at) WHERE outcome <> 'OK'",
}

ADD_AUDIT_ENTRY = """
CREATE FUNCTION add_audit_entry(
    call_id text, method text, caller_kind text, subject text, on_behalf_of text, ids jsonb, omitted_ids integer,
    outcome text
) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE added bigint;
BEGIN
    IF (method ~ '^/[A-Za-z0-9_.]+/[A-Za-z0-9_]+$') IS NOT TRUE
        OR (caller_kind IN ('MEMBER', 'ADMIN', 'SERVICE', 'SYSTEM')) IS NOT TRUE
        OR (length(on_behalf_of) <= 200) IS NOT TRUE
        OR (outcome ~ '^[A-Z_]+$') IS NOT TRUE
        OR (jsonb_typeof(ids) = 'object') IS NOT TRUE
        OR (omitted_ids >= 0) IS NOT TRUE
    THEN
        RAISE check_violation USING MESSAGE = 'this is not an audit entry';
    END IF;
    INSERT INTO audit_entry (recorded_at, call_id, method, caller_kind, subject, on_behalf_of, ids, omitted_ids,
                             outcome, database_role)
        VALUES (clock_timestamp(), call_id, method, caller_kind, subject, on_behalf_of, ids, omitted_ids, outcome,
                session_user)
        RETURNING entry_key INTO added;
    INSERT INTO audit_entry_id (named_id, entry_key)
        SELECT DISTINCT named.value::uuid, added FROM jsonb_each_text(ids) AS named;
    RETURN added;
END $$
"""

ADD_AUDIT_ENTRY_OF_EARLIER_RELEASES = """
CREATE OR REPLACE FUNCTION add_audit_entry(
    call_id text, method text, caller_kind text, subject text, ids jsonb, omitted_ids integer, outcome text
) RETURNS bigint
    LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT add_audit_entry(call_id, method, caller_kind, subject, '', ids, omitted_ids, outcome)
$$
"""

# The statement only has conditions for the given filters, so that PostgreSQL can use the index for each. The entries of
# an id are listed in the order of their keys, which is the order of the index audit_entry_id_pkey.
LIST_AUDIT_ENTRIES = """
CREATE FUNCTION list_audit_entries(
    named uuid, of_subject text, of_method text, with_outcome text, recorded_from timestamptz,
    recorded_before timestamptz, after_instant timestamptz, after_key bigint, max_entries integer
) RETURNS TABLE (
    entry_key bigint, recorded_at timestamptz, call_id text, method text, caller_kind text, subject text,
    on_behalf_of text, ids jsonb, omitted_ids integer, outcome text
)
    LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE statement text := $sql$
    SELECT e.entry_key, e.recorded_at, e.call_id, e.method, e.caller_kind, e.subject, e.on_behalf_of, e.ids,
        e.omitted_ids, e.outcome
    FROM audit_entry e $sql$;
BEGIN
    IF (max_entries BETWEEN 1 AND 1000) IS NOT TRUE OR (after_instant IS NULL) <> (after_key IS NULL) THEN
        RAISE check_violation USING MESSAGE = 'this is not a page of the audit log';
    END IF;
    IF named IS NOT NULL THEN
        statement := statement || $sql$ JOIN audit_entry_id i USING (entry_key) WHERE i.named_id = $1 $sql$;
    ELSE
        statement := statement || $sql$ WHERE true $sql$;
    END IF;
    IF of_subject IS NOT NULL THEN
        statement := statement || $sql$ AND e.subject = $2 $sql$;
    END IF;
    IF of_method LIKE '/%' THEN
        statement := statement
            || $sql$ AND split_part(e.method, '/', 3) = split_part($3, '/', 3) AND e.method = $3 $sql$;
    ELSIF of_method IS NOT NULL THEN
        statement := statement || $sql$ AND split_part(e.method, '/', 3) = $3 $sql$;
    END IF;
    IF with_outcome IS NOT NULL THEN
        statement := statement || $sql$ AND e.outcome = $4 $sql$;
    END IF;
    IF with_outcome <> 'OK' THEN
        statement := statement || $sql$ AND e.outcome <> 'OK' $sql$;
    END IF;
    IF recorded_from IS NOT NULL THEN
        statement := statement || $sql$ AND e.recorded_at >= $5 $sql$;
    END IF;
    IF recorded_before IS NOT NULL THEN
        statement := statement || $sql$ AND e.recorded_at < $6 $sql$;
    END IF;
    IF named IS NOT NULL AND after_key IS NOT NULL THEN
        statement := statement || $sql$ AND i.entry_key < $8 $sql$;
    ELSIF after_key IS NOT NULL THEN
        statement := statement || $sql$ AND e.recorded_at <= $7 AND (e.recorded_at, e.entry_key) < ($7, $8) $sql$;
    END IF;
    IF named IS NOT NULL THEN
        statement := statement || $sql$ ORDER BY i.entry_key DESC LIMIT $9 $sql$;
    ELSE
        statement := statement || $sql$ ORDER BY e.recorded_at DESC, e.entry_key DESC LIMIT $9 $sql$;
    END IF;
    RETURN QUERY EXECUTE statement USING named, of_subject, of_method, with_outcome, recorded_from, recorded_before,
        after_instant, after_key, max_entries;
END $$
"""

# Repeats the checks that its caller should have made, and adds an audit entry that its caller can't suppress.
ERASE_MEMBER = """
CREATE FUNCTION erase_member(
    erased uuid, requested_on date, without_periods boolean, call_id text, actor jsonb
) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    group_keys bigint[];
    day date;
    erased_before boolean;
    covered_in uuid;
    added bigint;
BEGIN
    IF (actor->>'kind' IN ('MEMBER', 'ADMIN', 'SERVICE', 'SYSTEM')) IS NOT TRUE
        OR (length(actor->>'subject') BETWEEN 1 AND 200) IS NOT TRUE
        OR (length(coalesce(actor->>'on_behalf_of', '')) <= 200) IS NOT TRUE
    THEN
        RAISE invalid_parameter_value USING MESSAGE = 'this is not an actor';
    END IF;
    PERFORM FROM enrollment_group WHERE group_key IN (SELECT group_key FROM group_member WHERE member_id = erased)
        ORDER BY group_key FOR NO KEY UPDATE;
    SELECT coalesce(array_agg(group_key), '{}') INTO group_keys FROM group_member WHERE member_id = erased;
    SELECT coalesce((document->'facts'->>'erased_on')::date, requested_on),
           document->'facts'->>'erased_on' IS NOT NULL
        INTO day, erased_before FROM member_revision WHERE member_id = erased ORDER BY revision DESC LIMIT 1;
    IF day IS NULL OR without_periods IS NULL THEN
        RAISE no_data_found USING MESSAGE = 'there is no such member to erase, or no day or scope is given';
    END IF;
    SELECT g.group_id INTO covered_in FROM enrollment_group g
        JOIN enrollment_revision r ON r.group_key = g.group_key AND r.revision = g.revision
        JOIN enrollment_period p USING (revision_key)
        WHERE g.group_key = ANY (group_keys) AND (p.member_id = erased OR g.primary_id = erased)
            -- Tomorrow in UTC is the latest day that is today anywhere: a later one given hides nobody.
            AND (upper_inf(p.days) OR upper(p.days) > least(day, (now() AT TIME ZONE 'UTC')::date + 1)) LIMIT 1;
    IF covered_in IS NOT NULL THEN
        RAISE restrict_violation USING MESSAGE = 'the member is still covered', DETAIL = covered_in::text;
    END IF;
    IF without_periods AND (
        EXISTS (SELECT FROM premium_stretch WHERE group_key = ANY (group_keys) AND member_id = erased)
        OR EXISTS (SELECT FROM accumulator_application WHERE member_id = erased)
        OR EXISTS (
            SELECT FROM enrollment_period p JOIN enrollment_revision r USING (revision_key)
                JOIN premium_policy c USING (group_key)
            WHERE r.group_key = ANY (group_keys) AND p.member_id = erased
                AND c.months && int4range(month_of(lower(p.days)), month_of(upper(p.days) - 1), '[]')))
    THEN
        RAISE check_violation USING MESSAGE = 'premiums or applications rest on the periods of the member';
    END IF;
    PERFORM erase_facts_and_texts(erased, day);
    IF without_periods THEN
        PERFORM remove_periods(erased, group_keys);
    END IF;
    PERFORM add_audit_entry(
        call_id, '/affilia.database/erase_member', 'SYSTEM', session_user::text,
        coalesce(nullif(actor->>'subject', 'before-actors'), ''),
        (SELECT jsonb_object_agg(named.field, named.id) FROM (
            SELECT 'member_id' AS field, erased::text AS id
            UNION ALL SELECT 'group_id[' || row_number() OVER (ORDER BY group_key) - 1 || ']', group_id::text
            FROM enrollment_group WHERE group_key = ANY (group_keys)) AS named),
        0, CASE WHEN without_periods THEN 'PERIODS_REMOVED' WHEN erased_before THEN 'ERASED_AGAIN' ELSE 'OK' END);
    LOCK TABLE erasure IN EXCLUSIVE MODE;  -- until commit: numbers are committed in their order
    INSERT INTO erasure (number, member_id, erased_on, periods_removed, recorded_at, actor)
        SELECT coalesce(max(number), 0) + 1, erased, day, without_periods, clock_timestamp(), erase_member.actor
        FROM erasure
        RETURNING number INTO added;
    PERFORM pg_notify('affilia_erasure', '');
    RETURN added;
END $$
"""

ERASE_MEMBER_OF_EARLIER_RELEASES = """
CREATE OR REPLACE FUNCTION erase_member(erased uuid, requested_on date, without_periods boolean, call_id text)
RETURNS bigint
    LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT erase_member(erased, requested_on, without_periods, call_id,
                        '{"kind": "SYSTEM", "subject": "before-actors"}'::jsonb)
$$
"""

FINISH = """
REVOKE ALL ON FUNCTION add_audit_entry(text, text, text, text, text, jsonb, integer, text) FROM PUBLIC;
REVOKE ALL ON FUNCTION list_audit_entries(
    uuid, text, text, text, timestamptz, timestamptz, timestamptz, bigint, integer) FROM PUBLIC;
REVOKE ALL ON FUNCTION erase_member(uuid, date, boolean, text, jsonb) FROM PUBLIC;

"""


def upgrade() -> None:
    with op.get_context().autocommit_block():
        build_indexes(INDEXES)
    execute_all(TABLES)
    for function in (
        ADD_AUDIT_ENTRY,
        ADD_AUDIT_ENTRY_OF_EARLIER_RELEASES,
        LIST_AUDIT_ENTRIES,
        ERASE_MEMBER,
        ERASE_MEMBER_OF_EARLIER_RELEASES,
    ):
        op.execute(function)
    execute_all(FINISH)


def downgrade() -> None:
    only_forward()
