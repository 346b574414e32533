-- What experiment-etl needs beside the platform's tables: heartbeat table, before images, publication, replication origin,
-- the retention procedure, and a role. Apply it in the schema of the tables (search_path), as a superuser or the tables'
-- owner with CREATEROLE. Safe to apply twice; apply it again after adding a partition by other means than
-- create_events_partitions, or a table.

-- Written by the source every few seconds, and by `./etl verify` as a fence: true end-to-end lag, and progress when idle.
CREATE TABLE IF NOT EXISTS etl_heartbeat
(
    writer  text PRIMARY KEY,
    beat_at timestamptz NOT NULL
);

-- An update needs the row before it, and a delete the whole row: without FULL a deleted event names no user, and a large
-- unchanged value is not sent at all. Costs nothing on inserts. Not inherited by partitions.
DO $$
DECLARE
    captured regclass;
BEGIN
    FOR captured IN
        SELECT unnest(ARRAY ['experiments', 'variants', 'users', 'assignments', 'outbox_events', 'etl_heartbeat']::regclass[])
        UNION ALL
        SELECT relid FROM pg_partition_tree('events')
    LOOP
        IF (SELECT relreplident FROM pg_class WHERE oid = captured) <> 'f' THEN
            EXECUTE format('ALTER TABLE %s REPLICA IDENTITY FULL', captured);
        END IF;
    END LOOP;
END
$$;

-- Exactly the captured tables. Via the root, so that a row names `events` whichever partition holds it, and new partitions
-- join by themselves.
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_publication WHERE pubname = 'experiment_etl') THEN
        CREATE PUBLICATION experiment_etl
            FOR TABLE experiments, variants, users, assignments, events, outbox_events, etl_heartbeat
            WITH (publish = 'insert, update, delete', publish_via_partition_root = true);
    ELSE
        ALTER PUBLICATION experiment_etl
            SET TABLE experiments, variants, users, assignments, events, outbox_events, etl_heartbeat;
        ALTER PUBLICATION experiment_etl
            SET (publish = 'insert, update, delete', publish_via_partition_root = true);
    END IF;
END
$$;

-- Whatever is written under this origin never reaches the job, which reads with origin = none.
SELECT pg_replication_origin_create('retention')
WHERE NOT EXISTS (SELECT FROM pg_replication_origin WHERE roname = 'retention');

-- Deletes what is older than its retention, invisibly for the job: the warehouse keeps rows and statistics. Needs a superuser
-- or EXECUTE on pg_replication_origin_session_setup and _reset. One session at a time. Dropping a whole partition of events
-- is cheaper and as invisible.
CREATE OR REPLACE PROCEDURE retention_delete(
    events_older_than      interval DEFAULT '90 days',
    assignments_older_than interval DEFAULT '365 days',
    outbox_older_than      interval DEFAULT '30 days')
    LANGUAGE plpgsql AS
$$
BEGIN
    PERFORM pg_replication_origin_session_setup('retention');
    BEGIN
        DELETE FROM events WHERE "timestamp" < now() - events_older_than;
        DELETE FROM assignments WHERE assigned_at < now() - assignments_older_than;
        -- What nobody has relayed yet stays, however old it is.
        DELETE FROM outbox_events WHERE created_at < now() - outbox_older_than AND processed_at IS NOT NULL;
    EXCEPTION WHEN OTHERS THEN
        -- The origin belongs to the session, not to the transaction: what the session wrote next would be invisible too.
        PERFORM pg_replication_origin_session_reset();
        RAISE;
    END;
    PERFORM pg_replication_origin_session_reset();
END
$$;

-- The job's user, with nothing but what it needs. It has no password until you give it one:
--   ALTER ROLE experiment_etl PASSWORD '…';
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'experiment_etl') THEN
        CREATE ROLE experiment_etl LOGIN REPLICATION;
    END IF;
    EXECUTE format('GRANT USAGE ON SCHEMA %I TO experiment_etl', current_schema());
END
$$;
GRANT SELECT ON experiments, variants, users, assignments, events, outbox_events, etl_heartbeat TO experiment_etl;
GRANT INSERT, UPDATE, DELETE ON etl_heartbeat TO experiment_etl;
-- The outbox relay's acknowledgement.
GRANT UPDATE (processed_at) ON outbox_events TO experiment_etl;
