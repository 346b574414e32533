-- Creates the replication slot: from then on PostgreSQL keeps the WAL that the job has not read yet. Apply it last and in its own
-- transaction: a transaction that has written cannot create a slot. Safe to apply twice. Set max_slot_wal_keep_size to the size of
-- two days of WAL, so that a forgotten job cannot fill the disk. With PostgreSQL 17 and later a standby can take over the slot.
-- If one server serves two jobs, run SET experiment_etl.slot = 'another_name' first, in the same session.
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
