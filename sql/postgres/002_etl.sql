-- The objects that experiment-etl needs besides the platform's tables: heartbeat table, before images, publication, retention
-- marker, watermark, and role. Apply it in the schema of the tables (search_path), as a superuser or the tables' owner with
-- CREATEROLE. Safe to apply twice. Apply it again after adding a table, or a partition without 004_partitions.sql.
-- The verb `map` prints this file for the tables that source.tables names. For the default tables it is sql/postgres/002_etl.sql.

-- Written by the source every few seconds, by `./etl verify` as a fence, and by retention_begin(). It measures the end-to-end
-- lag and lets the slot advance when the platform is idle.
CREATE TABLE IF NOT EXISTS etl_heartbeat
(
    writer  text PRIMARY KEY,
    beat_at timestamptz NOT NULL
);

-- The captured tables. A platform whose outbox is not relayed may have no outbox_events. The function ends with the session.
CREATE OR REPLACE FUNCTION pg_temp.captured() RETURNS regclass[]
    LANGUAGE sql AS
$$
    SELECT ARRAY ['experiments', 'variants', 'users', 'assignments', 'events', 'etl_heartbeat']::regclass[]
        || array_remove(ARRAY [to_regclass('outbox_events')], NULL);
$$;

-- The job needs the old row of every update and delete. Without FULL a deleted event names no user, and PostgreSQL does not send
-- large unchanged values. Inserts cost nothing. Partitions do not inherit the setting.
DO $$
DECLARE
    captured regclass;
BEGIN
    FOR captured IN
        -- A table without partitions has no partition tree.
        SELECT unnest(pg_temp.captured())
        UNION
        SELECT tree.relid FROM unnest(pg_temp.captured()) captured_table, pg_partition_tree(captured_table) tree
    LOOP
        IF (SELECT relreplident FROM pg_class WHERE oid = captured) <> 'f' THEN
            EXECUTE format('ALTER TABLE %s REPLICA IDENTITY FULL', captured);
        END IF;
    END LOOP;
END
$$;

-- Publishes exactly the captured tables. What holds already is not altered: the job takes every alteration as a sign of lost
-- changes, and compares the tables. publish_via_partition_root: rows name the partitioned table, whichever partition holds
-- them, and new partitions are included automatically.
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_publication WHERE pubname = 'experiment_etl') THEN
        EXECUTE format(
            'CREATE PUBLICATION experiment_etl FOR TABLE %s WITH (publish = ''insert, update, delete, truncate'', publish_via_partition_root = true)',
            array_to_string(pg_temp.captured(), ', '));
        RETURN;
    END IF;
    IF NOT (SELECT pubinsert AND pubupdate AND pubdelete AND pubtruncate AND pubviaroot
            FROM pg_publication WHERE pubname = 'experiment_etl') THEN
        ALTER PUBLICATION experiment_etl
            SET (publish = 'insert, update, delete, truncate', publish_via_partition_root = true);
    END IF;
    -- The columns prqual and prattrs, a row filter and a column list, exist from PostgreSQL 15 on.
    IF ARRAY(SELECT unnest(pg_temp.captured())
             ORDER BY 1)
        IS DISTINCT FROM
       ARRAY(SELECT r.prrelid::regclass FROM pg_publication_rel r JOIN pg_publication p ON p.oid = r.prpubid
             WHERE p.pubname = 'experiment_etl' AND to_jsonb(r) ->> 'prqual' IS NULL AND to_jsonb(r) ->> 'prattrs' IS NULL
             ORDER BY 1) THEN
        EXECUTE format('ALTER PUBLICATION experiment_etl SET TABLE %s', array_to_string(pg_temp.captured(), ', '));
    END IF;
END
$$;

-- Marks the current transaction as a retention clean-up. Call it before the transaction's deletes: the warehouse keeps the rows
-- that the transaction deletes or truncates behind it, and their statistics. Users are the exception: a user that is absent at the
-- commit is erased. The marker is a row of etl_heartbeat, inserted and deleted at once: the job sees both, and nothing stays.
-- Needs INSERT, SELECT and DELETE on etl_heartbeat. Clean-ups may run side by side.
CREATE OR REPLACE FUNCTION retention_begin() RETURNS void
    LANGUAGE sql
    SET search_path FROM CURRENT AS
$$
    INSERT INTO etl_heartbeat (writer, beat_at) VALUES ('retention:' || pg_current_xact_id()::text, clock_timestamp());
    DELETE FROM etl_heartbeat WHERE writer = 'retention:' || pg_current_xact_id()::text;
$$;

-- What ClickHouse has got. A clean-up deletes no row, and partition maintenance drops no partition with a row, that is not below every
-- row of this table, and neither does anything while the table is empty. `serve`, `maintain` and `cleanup` write it: they take
-- complete_below = pg_snapshot_xmin(pg_current_snapshot()), then lsn = pg_current_wal_insert_lsn(), and write both when etl_progress of
-- ClickHouse has reached that LSN.
CREATE TABLE IF NOT EXISTS etl_watermark
(
    slot           text        PRIMARY KEY,
    lsn            pg_lsn      NOT NULL,
    -- Every transaction with a lower id has ended, and ClickHouse has its rows.
    complete_below xid8        NOT NULL,
    updated_at     timestamptz NOT NULL DEFAULT now()
);

-- Rows below the watermark that ClickHouse has not got all the same: the open dead letters, as of the watermark.
CREATE TABLE IF NOT EXISTS etl_undelivered
(
    table_name text NOT NULL,
    row_key    text NOT NULL,
    PRIMARY KEY (table_name, row_key)
);

-- The lowest watermark. refusal is NULL, or says why nothing may be deleted by it.
CREATE OR REPLACE FUNCTION etl_watermark(OUT slot text, OUT lsn pg_lsn, OUT complete_below xid8, OUT refusal text)
    LANGUAGE plpgsql STABLE
    SET search_path FROM CURRENT AS
$$
BEGIN
    SELECT w.slot, w.lsn, w.complete_below INTO slot, lsn, complete_below FROM etl_watermark w ORDER BY w.complete_below LIMIT 1;
    IF NOT FOUND THEN
        refusal := 'etl_watermark has no row, so nothing says what ClickHouse has got';
    ELSIF complete_below > pg_snapshot_xmax(pg_current_snapshot()) OR lsn > pg_current_wal_insert_lsn() THEN
        refusal := format('the watermark of %s at %s is ahead of this server, so it was written on another one', slot, lsn);
    END IF;
END
$$;

-- Whether the transaction that wrote a row may be above the watermark. Ids of rows have 32 bits and wrap: their distance to the newest
-- id is compared. The million is for the subtransactions of this transaction, whose ids are above it. A row so old that its id has been
-- used again may be taken for a new one for a while. It has no settings, so that it becomes a part of the query that calls it.
CREATE OR REPLACE FUNCTION etl_is_beyond(row_xmin xid, complete_below xid8) RETURNS boolean
    LANGUAGE sql STABLE AS
$$
    SELECT ((pg_snapshot_xmax(pg_current_snapshot())::text::bigint + 1000000 - row_xmin::text::bigint) & 4294967295)
        <= pg_snapshot_xmax(pg_current_snapshot())::text::bigint + 1000000 - complete_below::text::bigint;
$$;

-- The job's role, with the privileges it needs and no others. It has no password until you set one:
--   ALTER ROLE experiment_etl PASSWORD '...';
DO $$
DECLARE
    schema_name regnamespace;
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'experiment_etl') THEN
        CREATE ROLE experiment_etl LOGIN REPLICATION;
    END IF;
    FOR schema_name IN
        SELECT DISTINCT relnamespace FROM pg_class WHERE oid = ANY (pg_temp.captured())
    LOOP
        IF NOT has_schema_privilege('experiment_etl', schema_name, 'USAGE') THEN
            EXECUTE format('GRANT USAGE ON SCHEMA %s TO %I', schema_name, 'experiment_etl');
        END IF;
    END LOOP;
END
$$;

-- A grant that holds already is not given again: GRANT writes the table's row in pg_class every time.
DO $$
DECLARE
    needed record;
BEGIN
    FOR needed IN
        SELECT captured, 'SELECT' AS privilege
        FROM unnest(pg_temp.captured()) captured
        UNION ALL
        SELECT 'etl_heartbeat'::regclass, unnest(ARRAY ['INSERT', 'UPDATE', 'DELETE'])
    LOOP
        IF NOT has_table_privilege('experiment_etl', needed.captured, needed.privilege) THEN
            EXECUTE format('GRANT %s ON %s TO %I', needed.privilege, needed.captured, 'experiment_etl');
        END IF;
    END LOOP;
    -- For the outbox relay's acknowledgement.
    IF to_regclass('outbox_events') IS NOT NULL
        AND NOT has_column_privilege('experiment_etl', to_regclass('outbox_events'), 'processed_at', 'UPDATE') THEN
        GRANT UPDATE (processed_at) ON outbox_events TO experiment_etl;
    END IF;
END
$$;
