-- The replication slot: from now on PostgreSQL keeps the WAL that the job has not read yet. Apply it last, and on its own: a
-- transaction that has written cannot create a slot. Safe to apply twice. Set max_slot_wal_keep_size to what two days of WAL
-- need, so that a forgotten job cannot fill the disk. On 17 and later a standby can take the slot over.
-- Where one server serves two jobs: SET experiment_etl.slot = 'another_name' before, in the same session.
DO $$
DECLARE
    slot text := coalesce(nullif(current_setting('experiment_etl.slot', true), ''), 'experiment_etl');
BEGIN
    IF NOT EXISTS (SELECT FROM pg_replication_slots WHERE slot_name = slot) THEN
        IF current_setting('server_version_num')::int >= 170000 THEN
            EXECUTE 'SELECT pg_create_logical_replication_slot($1, ''pgoutput'', failover => true)' USING slot;
        ELSE
            EXECUTE 'SELECT pg_create_logical_replication_slot($1, ''pgoutput'')' USING slot;
        END IF;
    END IF;
END
$$;
