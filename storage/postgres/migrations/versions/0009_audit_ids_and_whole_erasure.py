"""Audit entries that name every id and are written by a function, and erasures that every server detects."""

from alembic import op

from storage.postgres.migrations.statements import execute_all, only_forward

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

TABLES = """
ALTER TABLE audit_entry ADD COLUMN omitted_ids integer NOT NULL DEFAULT 0, ADD COLUMN database_role text;
COMMENT ON COLUMN audit_entry.ids IS 'The ids that the call named or returned, by field.';
COMMENT ON COLUMN audit_entry.omitted_ids IS 'How many further ids a refused call named.';
COMMENT ON COLUMN audit_entry.database_role IS
    'The database role that added the entry; null: added before roles were recorded.';
DROP INDEX audit_entry_ids_index;
CREATE TABLE audit_entry_id (
    named_id uuid NOT NULL,
    entry_key bigint NOT NULL,
    CONSTRAINT audit_entry_id_pkey PRIMARY KEY (named_id, entry_key)
);
COMMENT ON TABLE audit_entry_id IS 'Which audit entries name an id: the search index of audit_entry.ids.';
INSERT INTO audit_entry_id (named_id, entry_key)
    SELECT DISTINCT named.value::uuid, e.entry_key FROM audit_entry e, jsonb_each_text(e.ids) AS named;
CREATE TABLE erasure (
    number bigint CONSTRAINT erasure_pkey PRIMARY KEY,
    member_id uuid NOT NULL,
    erased_on date NOT NULL,
    periods_removed boolean NOT NULL,
    recorded_at timestamptz NOT NULL
);
CREATE INDEX erasure_member_id_index ON erasure (member_id);
COMMENT ON TABLE erasure IS
    'Every erasure, numbered in the order of commit: servers forget what they remember when a number is added.';
CREATE TABLE server_memory (
    server_id uuid CONSTRAINT server_memory_pkey PRIMARY KEY,
    erasure_number bigint NOT NULL,
    seen_at timestamptz NOT NULL
);
COMMENT ON TABLE server_memory IS 'The running servers, and up to which erasure each has forgotten.';

"""

# Runs with the owner's rights. The caller supplies the subject and the ids; the function sets the instant and the role.
ADD_AUDIT_ENTRY = """
CREATE FUNCTION add_audit_entry(
    call_id text, method text, caller_kind text, subject text, ids jsonb, omitted_ids integer, outcome text
) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE added bigint;
BEGIN
    IF (method ~ '^/[A-Za-z0-9_.]+/[A-Za-z0-9_]+$') IS NOT TRUE
        OR (caller_kind IN ('MEMBER', 'ADMIN', 'SERVICE', 'SYSTEM')) IS NOT TRUE
        OR (outcome ~ '^[A-Z_]+$') IS NOT TRUE
        OR (jsonb_typeof(ids) = 'object') IS NOT TRUE
        OR (omitted_ids >= 0) IS NOT TRUE
    THEN
        RAISE check_violation USING MESSAGE = 'this is not an audit entry';
    END IF;
    INSERT INTO audit_entry (recorded_at, call_id, method, caller_kind, subject, ids, omitted_ids, outcome,
                             database_role)
        VALUES (clock_timestamp(), call_id, method, caller_kind, subject, ids, omitted_ids, outcome, session_user)
        RETURNING entry_key INTO added;
    INSERT INTO audit_entry_id (named_id, entry_key)
        SELECT DISTINCT named.value::uuid, added FROM jsonb_each_text(ids) AS named;
    RETURN added;
END $$
"""

WITHOUT_MEMBER = """
CREATE FUNCTION without_member(document jsonb, erased text) RETURNS jsonb
    LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, public, pg_temp AS $$
    SELECT CASE jsonb_typeof(document)
        WHEN 'array' THEN (
            SELECT coalesce(jsonb_agg(without_member(items.item, erased) ORDER BY items.n), '[]')
            FROM jsonb_array_elements(document) WITH ORDINALITY AS items (item, n)
            WHERE items.item->>'member_id' IS DISTINCT FROM erased)
        WHEN 'object' THEN (
            SELECT coalesce(jsonb_object_agg(fields.key, without_member(fields.value, erased)), '{}')
            FROM jsonb_each(document) AS fields)
        ELSE document
    END
$$
"""

ERASE_TEXTS = """
CREATE FUNCTION erase_facts_and_texts(erased uuid, erased_on date) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE request_ids uuid[];
BEGIN
    UPDATE member_revision SET document = document || jsonb_build_object(
        'display_name', '',
        'facts', jsonb_build_object('born_on', NULL, 'addresses', '[]'::jsonb, 'employments', '[]'::jsonb,
                                    'health_regimes', '[]'::jsonb, 'attributes', '[]'::jsonb,
                                    'erased_on', erased_on::text))
        WHERE member_id = erased;
    WITH touched AS (
        UPDATE change_request r SET document = jsonb_set(
                jsonb_set(document, '{requester,reason}', '""'), '{changes}',
                (SELECT coalesce(jsonb_agg(c.item || '{"note": "", "reason_code": ""}' ORDER BY c.n), '[]')
                 FROM jsonb_array_elements(document->'changes') WITH ORDINALITY AS c (item, n)))
            WHERE r.document->'changes' @> jsonb_build_array(
                      jsonb_build_object('change', jsonb_build_object('member_id', erased::text)))
               OR r.group_key IN (SELECT group_key FROM enrollment_group WHERE primary_id = erased)
            RETURNING (r.document->>'request_id')::uuid AS request_id)
    SELECT array_agg(touched.request_id) INTO request_ids FROM touched;
    -- A fingerprint of a request that held facts or texts: with the key, a date of birth could be found by trying all.
    UPDATE answered_request SET fingerprint = ''
        WHERE request_id = ANY (request_ids)
           OR request_id IN (
                SELECT (e.ids->>'request_id')::uuid FROM audit_entry e JOIN audit_entry_id i USING (entry_key)
                WHERE i.named_id = erased AND e.method LIKE '/affilia.catalog.v1.MemberService/%');
END $$
"""

# A change keeps its position in the request, because changes are referenced by position; its days are blanked.
REMOVE_PERIODS = """
CREATE FUNCTION remove_periods(erased uuid, group_keys bigint[]) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    DELETE FROM enrollment_period p USING enrollment_revision r
        WHERE r.revision_key = p.revision_key AND r.group_key = ANY (group_keys) AND p.member_id = erased;
    DELETE FROM enrollment_difference WHERE group_key = ANY (group_keys) AND member_id = erased;
    UPDATE change_request SET document = document || jsonb_build_object(
            'changes', (
                SELECT coalesce(jsonb_agg(
                    CASE WHEN c.item->'change'->>'member_id' = erased::text
                        THEN jsonb_set(c.item, '{change,days}', '["0001-01-01", null]') ELSE c.item END
                    ORDER BY c.n), '[]')
                FROM jsonb_array_elements(document->'changes') WITH ORDINALITY AS c (item, n)),
            'violations', without_member(document->'violations', erased::text),
            'notices', without_member(document->'notices', erased::text),
            'consequences', without_member(document->'consequences', erased::text))
        WHERE group_key = ANY (group_keys) AND document::text LIKE '%' || erased::text || '%';
    UPDATE recompute SET unmet = without_member(unmet, erased::text)
        WHERE group_key = ANY (group_keys) AND unmet IS NOT NULL;
    DELETE FROM coverage_run WHERE member_id = erased;
    DELETE FROM coverage_locator WHERE member_id = erased;
END $$
"""

MONTH_OF = """
CREATE FUNCTION month_of(day date) RETURNS integer LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT 12 * extract(year FROM day)::integer + extract(month FROM day)::integer - 1
$$
"""

# Checks what its caller should have checked, and adds an audit entry that its caller cannot suppress.
ERASE_MEMBER = """
CREATE FUNCTION erase_member(erased uuid, requested_on date, without_periods boolean, call_id text) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    group_keys bigint[];
    day date;
    erased_before boolean;
    covered_in uuid;
    added bigint;
BEGIN
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
        (SELECT jsonb_object_agg(named.field, named.id) FROM (
            SELECT 'member_id' AS field, erased::text AS id
            UNION ALL SELECT 'group_id[' || row_number() OVER (ORDER BY group_key) - 1 || ']', group_id::text
            FROM enrollment_group WHERE group_key = ANY (group_keys)) AS named),
        0, CASE WHEN without_periods THEN 'PERIODS_REMOVED' WHEN erased_before THEN 'ERASED_AGAIN' ELSE 'OK' END);
    LOCK TABLE erasure IN EXCLUSIVE MODE;  -- until commit: numbers are committed in their order
    INSERT INTO erasure (number, member_id, erased_on, periods_removed, recorded_at)
        SELECT coalesce(max(number), 0) + 1, erased, day, without_periods, clock_timestamp() FROM erasure
        RETURNING number INTO added;
    PERFORM pg_notify('affilia_erasure', '');
    RETURN added;
END $$
"""

FINISH = """
REVOKE ALL ON FUNCTION add_audit_entry(text, text, text, text, jsonb, integer, text) FROM PUBLIC;
REVOKE ALL ON FUNCTION erase_member(uuid, date, boolean, text) FROM PUBLIC;
REVOKE ALL ON FUNCTION erase_facts_and_texts(uuid, date) FROM PUBLIC;
REVOKE ALL ON FUNCTION remove_periods(uuid, bigint[]) FROM PUBLIC;
REVOKE ALL ON FUNCTION without_member(jsonb, text) FROM PUBLIC;
REVOKE ALL ON FUNCTION month_of(date) FROM PUBLIC;
INSERT INTO erasure (number, member_id, erased_on, periods_removed, recorded_at)
    SELECT row_number() OVER (ORDER BY erased_on, member_id), member_id, erased_on, false, clock_timestamp()
    FROM (SELECT member_id, max((document->'facts'->>'erased_on')::date) AS erased_on FROM member_revision
          WHERE document->'facts'->>'erased_on' IS NOT NULL GROUP BY member_id) AS erased;
SELECT erase_facts_and_texts(member_id, erased_on) FROM erasure;

"""


def upgrade() -> None:
    execute_all(TABLES)
    op.execute("DROP FUNCTION erase_member(uuid, date)")
    for function in (ADD_AUDIT_ENTRY, WITHOUT_MEMBER, ERASE_TEXTS, REMOVE_PERIODS, MONTH_OF, ERASE_MEMBER):
        op.execute(function)
    execute_all(FINISH)


def downgrade() -> None:
    only_forward()
