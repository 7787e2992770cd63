CREATE TABLE audit_entry (
    entry_key bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT audit_entry_pkey PRIMARY KEY,
    recorded_at timestamptz NOT NULL,
    call_id text NOT NULL,
    method text NOT NULL,
    caller_kind text NOT NULL,
    subject text NOT NULL,
    ids jsonb NOT NULL,
    outcome text NOT NULL
);
CREATE INDEX audit_entry_recorded_at_index ON audit_entry (recorded_at);
CREATE INDEX audit_entry_subject_recorded_at_index ON audit_entry (subject, recorded_at);
CREATE INDEX change_request_changes_index ON change_request USING gin ((document->'changes') jsonb_path_ops);
CREATE INDEX audit_entry_ids_index ON audit_entry USING gin (ids jsonb_path_ops);
COMMENT ON TABLE audit_entry IS
    'Who did what, when, by which call, and how it ended; never changed, not even readable to the application.';
COMMENT ON COLUMN audit_entry.ids IS 'The ids that the request names, by field.';
CREATE FUNCTION erase_member(erased uuid, erased_on date) RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE states integer;
BEGIN
    UPDATE member_revision SET document = document || jsonb_build_object(
        'display_name', '',
        'facts', jsonb_build_object('born_on', NULL, 'addresses', '[]'::jsonb, 'employments', '[]'::jsonb,
                                    'health_regimes', '[]'::jsonb, 'attributes', '[]'::jsonb,
                                    'erased_on', erased_on::text))
        WHERE member_id = erased;
    GET DIAGNOSTICS states = ROW_COUNT;
    UPDATE change_request r SET document = jsonb_set(
            jsonb_set(document, '{requester,reason}', '""'), '{changes}',
            (SELECT coalesce(jsonb_agg(c || '{"note": ""}'), '[]') FROM jsonb_array_elements(document->'changes') c))
        WHERE r.document->'changes' @> jsonb_build_array(
                  jsonb_build_object('change', jsonb_build_object('member_id', erased::text)))
           OR r.group_key IN (SELECT group_key FROM enrollment_group WHERE primary_id = erased);
    RETURN states;
END $$;
REVOKE ALL ON FUNCTION erase_member(uuid, date) FROM PUBLIC;
