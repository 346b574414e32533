-- Removes what 004_partitions.sql has made. The partitions and their rows stay. Apply it in the same schema (search_path). Safe to
-- apply twice. The announcements in etl_heartbeat stay for a job that has not looked yet; they are a few small rows.
DO $$
DECLARE
    ours regprocedure;
BEGIN
    FOR ours IN
        SELECT oid::regprocedure
        FROM pg_proc
        WHERE pronamespace = current_schema()::regnamespace AND proname = ANY (ARRAY [
            'partition_tables', 'partition_bounds', 'partition_announce', 'partition_attachment', 'partition_serialize', 'partition_attach',
            'partition_create', 'partition_replica_identity', 'create_events_partition', 'partition_missing_months',
            'create_future_partitions', 'partition_refusal', 'drop_old_partitions', 'partition_drop', 'partition_size',
            'partition_default_rows', 'analyze_partitions', 'partition_refresh_metadata', 'vacuum_partitions', 'announce_vacuum_full',
            'list_partitions', 'partition_health_summary', 'run_partition_maintenance', 'partition_maintenance_task'])
    LOOP
        EXECUTE format('DROP FUNCTION %s', ours);
    END LOOP;
END
$$;
DROP TABLE IF EXISTS partition_metadata, partition_config;
