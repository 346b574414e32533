-- A role for the operator and one for the auditor, each with the privileges it needs and no others, beside experiment_etl, the job's
-- own (002_etl.sql), and experiment_etl_serve, which cleans up (005_retention.sql). Apply it in the schema of the tables
-- (search_path), as a superuser or the tables' owner with CREATEROLE and REPLICATION. Safe to apply twice.
-- Apply it again after adding a table.
-- No role has a password until you set one: ALTER ROLE experiment_etl_auditor PASSWORD '...';
--
--   experiment_etl_operator  resync, submit --fresh: makes the slot anew, writes markers, reads; deletes nothing of the platform
--   experiment_etl_auditor   verify: reads, makes a temporary slot, writes its fence into etl_heartbeat
DO $$
DECLARE
    role_name text;
    needed    record;
BEGIN
    FOREACH role_name IN ARRAY ARRAY ['experiment_etl_operator', 'experiment_etl_auditor'] LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = role_name) THEN
            -- A slot is made and dropped by a role with REPLICATION, and by no other.
            EXECUTE format('CREATE ROLE %I LOGIN REPLICATION', role_name);
        END IF;
        IF NOT has_schema_privilege(role_name, current_schema(), 'USAGE') THEN
            EXECUTE format('GRANT USAGE ON SCHEMA %I TO %I', current_schema(), role_name);
        END IF;
        -- A grant that holds already is not given again: GRANT writes the table's row in pg_class every time.
        FOR needed IN
            SELECT to_regclass(name) AS relation, 'SELECT' AS privilege
            FROM unnest(ARRAY ['experiments', 'variants', 'users', 'assignments', 'events', 'outbox_events']) name
            UNION ALL
            SELECT to_regclass('etl_heartbeat'), unnest(ARRAY ['SELECT', 'INSERT', 'UPDATE', 'DELETE'])
        LOOP
            IF needed.relation IS NOT NULL AND NOT has_table_privilege(role_name, needed.relation, needed.privilege) THEN
                EXECUTE format('GRANT %s ON %s TO %I', needed.privilege, needed.relation, role_name);
            END IF;
        END LOOP;
    END LOOP;
END
$$;
