-- From READ_CORE on nobody else writes. The server says SET LOCAL affilia.writes_back = 'on' in its own transactions.
-- The function runs with its owner's rights, so that other programs need no privileges on the table of stages.
CREATE OR REPLACE FUNCTION legacy_es.only_the_core_writes() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF current_setting('affilia.writes_back', true) IS DISTINCT FROM 'on' AND EXISTS (
        SELECT FROM public.migration WHERE country = 'ES' AND stage IN ('READ_CORE', 'CORE')
    ) THEN
        RAISE EXCEPTION 'enrollments of ES are written through Affilia since its stage READ_CORE'
            USING ERRCODE = 'object_not_in_prerequisite_state';
    END IF;
    RETURN NULL;
END $$;
CREATE OR REPLACE TRIGGER only_the_core_writes AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON legacy_es.es_enrollment
    FOR EACH STATEMENT EXECUTE FUNCTION legacy_es.only_the_core_writes();
CREATE OR REPLACE TRIGGER only_the_core_writes AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON legacy_es.es_policy
    FOR EACH STATEMENT EXECUTE FUNCTION legacy_es.only_the_core_writes();
