-- Optional, and needs a superuser: an event trigger that gives every partition of `events` REPLICA IDENTITY FULL when it is created
-- or attached. Partitions do not inherit the setting, and without it a deleted event names no user. Platforms whose
-- partitions 004_partitions.sql makes, or that apply 002_etl.sql after each new partition, do not need it. Apply it in the schema of
-- the tables (search_path). Safe to apply twice. To remove it: DROP EVENT TRIGGER experiment_etl_full_replica_identity.
DO $$
BEGIN
    EXECUTE format($create$
        CREATE OR REPLACE FUNCTION etl_full_replica_identity() RETURNS event_trigger LANGUAGE plpgsql AS
        $function$
        DECLARE
            leaf regclass;
        BEGIN
            -- Commands on other tables must not fail on the owner's rights.
            IF NOT EXISTS (SELECT FROM pg_catalog.pg_event_trigger_ddl_commands() d
                           JOIN pg_catalog.pg_partition_tree(to_regclass(%1$L)) t ON t.relid = d.objid) THEN
                RETURN;
            END IF;
            FOR leaf IN
                SELECT t.relid FROM pg_catalog.pg_partition_tree(to_regclass(%1$L)) t JOIN pg_catalog.pg_class c ON c.oid = t.relid
                WHERE c.relreplident <> 'f'
            LOOP
                EXECUTE pg_catalog.format('ALTER TABLE %%s REPLICA IDENTITY FULL', leaf);
            END LOOP;
        END
        $function$ $create$, format('%I.events', current_schema()));
    IF NOT EXISTS (SELECT FROM pg_event_trigger WHERE evtname = 'experiment_etl_full_replica_identity') THEN
        CREATE EVENT TRIGGER experiment_etl_full_replica_identity ON ddl_command_end
            WHEN TAG IN ('CREATE TABLE', 'CREATE TABLE AS', 'ALTER TABLE')
            EXECUTE FUNCTION etl_full_replica_identity();
    END IF;
END
$$;
