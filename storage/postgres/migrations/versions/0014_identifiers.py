"""Adds a table of unique member identifiers, and extends the erasure of members to them."""

from alembic import op

from storage.postgres.migrations.statements import execute_all, only_forward

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

TABLE = """
CREATE TABLE member_identifier (
    system text COLLATE "C" NOT NULL,
    value text COLLATE "C" NOT NULL,
    member_id uuid NOT NULL,
    CONSTRAINT member_identifier_pkey PRIMARY KEY (system, value)
);
CREATE INDEX member_identifier_member_id_index ON member_identifier (member_id);
CREATE INDEX member_identifier_value_index ON member_identifier (value);
COMMENT ON TABLE member_identifier IS
    'Which member has an identifier now. Earlier identifiers are in the documents of member_revision.';
"""

# Servers that don't know identifiers write documents without them. Members then keep their existing identifiers.
KEEP_IDENTIFIERS = """
CREATE FUNCTION keep_identifiers() RETURNS trigger
    LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    NEW.document := NEW.document || jsonb_build_object('identifiers', coalesce(
        (SELECT r.document->'identifiers' FROM member_revision r
            WHERE r.member_id = NEW.member_id ORDER BY r.revision DESC LIMIT 1),
        '[]'::jsonb));
    RETURN NEW;
END $$
"""

KEEP_IDENTIFIERS_TRIGGER = """
CREATE TRIGGER keep_identifiers BEFORE INSERT ON member_revision
    FOR EACH ROW WHEN (NOT NEW.document ? 'identifiers') EXECUTE FUNCTION keep_identifiers()
"""

ERASE_TEXTS = """
CREATE OR REPLACE FUNCTION erase_facts_and_texts(erased uuid, erased_on date) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE request_ids uuid[];
BEGIN
    UPDATE member_revision SET document = document || jsonb_build_object(
        'display_name', '',
        'identifiers', '[]'::jsonb,
        'facts', jsonb_build_object('born_on', NULL, 'addresses', '[]'::jsonb, 'employments', '[]'::jsonb,
                                    'health_regimes', '[]'::jsonb, 'attributes', '[]'::jsonb,
                                    'erased_on', erased_on::text))
        WHERE member_id = erased;
    DELETE FROM member_identifier WHERE member_id = erased;
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
    -- A fingerprint of a request that contained facts or texts: with the key, a date of birth could be found by trying
    -- all of them.
    UPDATE answered_request SET fingerprint = ''
        WHERE request_id = ANY (request_ids)
           OR request_id IN (
                SELECT (e.ids->>'request_id')::uuid FROM audit_entry e JOIN audit_entry_id i USING (entry_key)
                WHERE i.named_id = erased AND e.method LIKE '/affilia.catalog.v1.MemberService/%');
END $$
"""


def upgrade() -> None:
    execute_all(TABLE)
    for function in (KEEP_IDENTIFIERS, KEEP_IDENTIFIERS_TRIGGER, ERASE_TEXTS):
        op.execute(function)
    op.execute("REVOKE ALL ON FUNCTION keep_identifiers() FROM PUBLIC")


def downgrade() -> None:
    only_forward()
