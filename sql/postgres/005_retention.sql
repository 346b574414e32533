-- Clean-ups of PostgreSQL in batches, and what the schedule remembers. Apply it behind 002_etl.sql, in the schema of the tables
-- (search_path), as a superuser or the tables' owner with CREATEROLE and REPLICATION: the functions run with the owner's rights, and
-- only the role of `serve`, at the end, may call them. Apply it behind 004_partitions.sql, and again after that was applied. Safe to
-- apply twice.

-- The scheduled tasks: daily, weekly, monthly. One row for each that was ever due.
CREATE TABLE IF NOT EXISTS etl_schedule
(
    task        text        PRIMARY KEY,
    -- The time of the schedule that the last run was for.
    due_at      timestamptz NOT NULL,
    next_at     timestamptz NOT NULL,
    started_at  timestamptz,
    finished_at timestamptz,
    -- WAITING (has never run), RUNNING, DONE, FAILED.
    outcome     text        NOT NULL,
    detail      text,
    -- Host and process that ran it.
    runner      text
);

-- Sizes of the tables of both stores, one row per day: what grows, and how fast. Kept for two years.
CREATE TABLE IF NOT EXISTS etl_table_sizes
(
    day        date   NOT NULL,
    -- postgresql or clickhouse.
    store      text   NOT NULL,
    table_name text   NOT NULL,
    -- PostgreSQL's estimate, as of the last ANALYZE; ClickHouse's exact number.
    row_count  bigint NOT NULL,
    size_bytes bigint NOT NULL,
    PRIMARY KEY (day, store, table_name)
);

-- The column that has the age of a row.
CREATE OR REPLACE FUNCTION retention_column(wanted text) RETURNS name
    LANGUAGE plpgsql IMMUTABLE AS
$$
BEGIN
    IF wanted NOT IN ('events', 'assignments', 'outbox_events') THEN
        RAISE EXCEPTION 'Table % has no clean-up by age: it is events, assignments or outbox_events.', wanted USING ERRCODE = 'undefined_object';
    END IF;
    RETURN CASE wanted WHEN 'events' THEN 'timestamp' WHEN 'assignments' THEN 'assigned_at' ELSE 'created_at' END;
END
$$;

-- The parts of a table that may have rows before a time, each with its number of pages. Partitions by RANGE of that time that begin
-- later are left out. No row: the table does not exist.
CREATE OR REPLACE FUNCTION retention_parts(wanted text, older_than timestamptz) RETURNS TABLE (part regclass, pages bigint)
    LANGUAGE sql AS
$$
    WITH root AS
    (
        SELECT to_regclass(format('%I.%I', current_schema(), wanted)) AS relid, retention_column(wanted) AS age
    ),
    later AS
    (
        SELECT i.inhrelid
        FROM root
        JOIN pg_partitioned_table p ON p.partrelid = root.relid AND p.partstrat = 'r' AND p.partnatts = 1
        JOIN pg_attribute a ON a.attrelid = p.partrelid AND a.attnum = p.partattrs[0] AND a.attname = root.age
            AND a.atttypid IN ('timestamptz'::regtype, 'timestamp'::regtype, 'date'::regtype)
        JOIN pg_inherits i ON i.inhparent = root.relid
        JOIN pg_class c ON c.oid = i.inhrelid
        WHERE substring(pg_get_expr(c.relpartbound, c.oid) FROM '^FOR VALUES FROM \(''([^'']+)''\)')::timestamptz >= older_than
    )
    SELECT leaf.relid, ceil(pg_relation_size(leaf.relid)::numeric / current_setting('block_size')::int)::bigint
    FROM root
    CROSS JOIN LATERAL (
        -- A table without partitions has no partition tree.
        SELECT root.relid WHERE NOT EXISTS (SELECT FROM pg_partition_tree(root.relid) t WHERE NOT t.isleaf)
        UNION
        SELECT t.relid::regclass FROM pg_partition_tree(root.relid) t WHERE t.isleaf) leaf
    WHERE root.relid IS NOT NULL
        AND NOT EXISTS (SELECT FROM later WHERE leaf.relid = later.inhrelid
                        OR leaf.relid IN (SELECT t.relid FROM pg_partition_tree(later.inhrelid) t))
    ORDER BY leaf.relid::text;
$$;

-- Deletes the rows of some pages of a part that are older than the time, in a transaction that says so to the job. Returns the number
-- per day (UTC) of the rows that were deleted, or would be, and of those that stay because ClickHouse may not have them. A row of the
-- outbox stays until it has a processed_at. Pages, because a batch by age would read again what the batches before it have deleted.
CREATE OR REPLACE FUNCTION retention_delete_pages(
    wanted text, part regclass, first_page bigint, pages int, older_than timestamptz, dry_run boolean DEFAULT true)
    RETURNS TABLE (day date, row_count bigint, refused_count bigint)
    LANGUAGE plpgsql
    SET lock_timeout = '10s' AS
$$
DECLARE
    watermark record;
    age       name := retention_column(wanted);
    expired   text;
    refused   text := format('(etl_is_beyond(xmin, $4) OR EXISTS (SELECT FROM etl_undelivered u WHERE u.table_name = %L AND u.row_key = id::text))',
                             wanted);
    deletes   boolean := false;
BEGIN
    IF part NOT IN (SELECT p.part FROM retention_parts(wanted, older_than) p) THEN
        RAISE EXCEPTION '% is no part of % with rows before %.', part, wanted, older_than USING ERRCODE = 'invalid_parameter_value';
    END IF;
    SELECT * INTO watermark FROM etl_watermark();
    IF watermark.refusal IS NOT NULL THEN
        RAISE EXCEPTION 'Nothing of % is deleted: %.', wanted, watermark.refusal
            USING HINT = 'The verb cleanup writes the watermark when the job has delivered.', ERRCODE = 'object_not_in_prerequisite_state';
    END IF;
    expired := format('ctid >= $1 AND ctid < $2 AND %I < $3%s', age,
                      CASE wanted WHEN 'outbox_events' THEN ' AND processed_at IS NOT NULL' ELSE '' END);
    FOR day, row_count, refused_count IN
        EXECUTE format(
            'SELECT (%1$I AT TIME ZONE ''UTC'')::date, count(*) FILTER (WHERE NOT %2$s), count(*) FILTER (WHERE %2$s)
             FROM ONLY %3$s WHERE %4$s GROUP BY 1', age, refused, part, expired)
        USING format('(%s,0)', first_page)::tid, format('(%s,0)', first_page + pages)::tid, older_than, watermark.complete_below
    LOOP
        IF dry_run IS NOT FALSE THEN
            RETURN NEXT;
            CONTINUE;
        END IF;
        deletes := deletes OR row_count > 0;
        row_count := 0;
        IF refused_count > 0 THEN
            RETURN NEXT;
        END IF;
    END LOOP;
    IF deletes THEN
        PERFORM retention_begin();
        RETURN QUERY EXECUTE format(
            'WITH gone AS (DELETE FROM ONLY %3$s WHERE %4$s AND NOT %2$s RETURNING %1$I AS age)
             SELECT (age AT TIME ZONE ''UTC'')::date, count(*), 0::bigint FROM gone GROUP BY 1', age, refused, part, expired)
        USING format('(%s,0)', first_page)::tid, format('(%s,0)', first_page + pages)::tid, older_than, watermark.complete_below;
    END IF;
END
$$;

-- Deletes experiments that ended before the time, with their variants by cascade: only COMPLETED and ARCHIVED ones, without assignments
-- and events. Returns their number per day of ends_at, and of those that stay because ClickHouse may not have them or a variant.
CREATE OR REPLACE FUNCTION retention_delete_experiments(ended_before timestamptz, dry_run boolean DEFAULT true)
    RETURNS TABLE (day date, row_count bigint, refused_count bigint)
    LANGUAGE plpgsql
    SET lock_timeout = '10s' AS
$$
DECLARE
    watermark record;
    ended     bigint[];
    refused   bigint[];
BEGIN
    SELECT * INTO watermark FROM etl_watermark();
    IF watermark.refusal IS NOT NULL THEN
        RAISE EXCEPTION 'No experiment is deleted: %.', watermark.refusal
            USING HINT = 'The verb cleanup writes the watermark when the job has delivered.', ERRCODE = 'object_not_in_prerequisite_state';
    END IF;
    ended := ARRAY(
        SELECT e.id FROM experiments e
        WHERE e.ends_at < ended_before AND e.status::text IN ('COMPLETED', 'ARCHIVED')
            AND NOT EXISTS (SELECT FROM assignments a WHERE a.experiment_id = e.id)
            AND NOT EXISTS (SELECT FROM events v WHERE v.experiment_id = e.id));
    IF dry_run IS FALSE THEN
        -- Locked, no assignment can come any more: its foreign key would wait. What came before is seen by the next statement.
        PERFORM FROM experiments e WHERE e.id = ANY (ended) ORDER BY e.id FOR UPDATE;
        ended := ARRAY(
            SELECT e.id FROM experiments e
            WHERE e.id = ANY (ended) AND e.ends_at < ended_before AND e.status::text IN ('COMPLETED', 'ARCHIVED')
                AND NOT EXISTS (SELECT FROM assignments a WHERE a.experiment_id = e.id)
                AND NOT EXISTS (SELECT FROM events v WHERE v.experiment_id = e.id));
    END IF;
    refused := ARRAY(
        SELECT e.id FROM experiments e
        WHERE e.id = ANY (ended)
            AND (etl_is_beyond(e.xmin, watermark.complete_below)
                OR EXISTS (SELECT FROM etl_undelivered u WHERE u.table_name = 'experiments' AND u.row_key = e.id::text)
                OR EXISTS (
                    SELECT FROM variants v
                    WHERE v.experiment_id = e.id
                        AND (etl_is_beyond(v.xmin, watermark.complete_below)
                            OR EXISTS (SELECT FROM etl_undelivered u WHERE u.table_name = 'variants' AND u.row_key = v.id::text)))));
    RETURN QUERY
        SELECT (e.ends_at AT TIME ZONE 'UTC')::date, count(*) FILTER (WHERE e.id <> ALL (refused)), count(*) FILTER (WHERE e.id = ANY (refused))
        FROM experiments e WHERE e.id = ANY (ended) GROUP BY 1 ORDER BY 1;
    IF dry_run IS FALSE AND EXISTS (SELECT FROM unnest(ended) e WHERE e <> ALL (refused)) THEN
        PERFORM retention_begin();
        DELETE FROM experiments e WHERE e.id = ANY (ended) AND e.id <> ALL (refused);
    END IF;
END
$$;

-- Deletes rows older than their retention, in batches with a COMMIT behind each: it is called outside of a transaction. The verb cleanup
-- does the same by the policies of the job's configuration, and says what it deleted. Dropping a whole partition is cheaper.
CREATE OR REPLACE PROCEDURE retention_delete(
    events_older_than      interval DEFAULT '90 days',
    assignments_older_than interval DEFAULT '365 days',
    outbox_older_than      interval DEFAULT '30 days',
    experiments_older_than interval DEFAULT '730 days')
    LANGUAGE plpgsql AS
$$
DECLARE
    batch_pages CONSTANT int := 256;
    policy      record;
    piece       record;
    first_page  bigint;
BEGIN
    FOR policy IN
        SELECT * FROM (VALUES ('events', now() - events_older_than), ('assignments', now() - assignments_older_than),
                              ('outbox_events', now() - outbox_older_than)) policies (name, older_than)
    LOOP
        FOR piece IN SELECT * FROM retention_parts(policy.name, policy.older_than) LOOP
            FOR first_page IN SELECT generate_series(0, piece.pages - 1, batch_pages) LOOP
                PERFORM retention_delete_pages(policy.name, piece.part, first_page, batch_pages, policy.older_than, false);
                COMMIT;
            END LOOP;
        END LOOP;
    END LOOP;
    PERFORM retention_delete_experiments(now() - experiments_older_than, false);
END
$$;

-- Until here the functions run with their caller's rights, so none was ever open to others.
DO $$
DECLARE
    secured regprocedure;
BEGIN
    FOR secured IN
        SELECT oid::regprocedure
        FROM pg_proc
        WHERE pronamespace = current_schema()::regnamespace
            AND proname = ANY (ARRAY ['retention_column', 'retention_parts', 'retention_delete_pages', 'retention_delete_experiments'])
    LOOP
        EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', secured);
        EXECUTE format('ALTER FUNCTION %s SECURITY DEFINER SET search_path = %I, pg_temp', secured, current_schema());
        EXECUTE format('ALTER FUNCTION %s SET TimeZone = ''UTC''', secured);
    END LOOP;
END
$$;

-- The role of `serve`, `maintain`, `cleanup` and `partitions`: it reads, keeps the tables above and the watermark, and calls the functions,
-- which delete and drop with their owner's rights. REPLICATION is for the weekly audit, which makes a temporary slot. VACUUM is the
-- owner's alone; from PostgreSQL 17 on GRANT pg_maintain TO experiment_etl_serve allows it. It has no password until you set one.
DO $$
DECLARE
    needed   record;
    callable regprocedure;
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'experiment_etl_serve') THEN
        CREATE ROLE experiment_etl_serve LOGIN REPLICATION;
    END IF;
    IF NOT has_schema_privilege('experiment_etl_serve', current_schema(), 'USAGE') THEN
        EXECUTE format('GRANT USAGE ON SCHEMA %I TO experiment_etl_serve', current_schema());
    END IF;
    -- A grant that holds already is not given again: GRANT writes the table's row in pg_class every time.
    FOR needed IN
        SELECT to_regclass(granted.name) AS relation, privilege
        FROM (VALUES
            ('experiments', 'SELECT'), ('variants', 'SELECT'), ('users', 'SELECT'), ('assignments', 'SELECT'), ('events', 'SELECT'),
            ('outbox_events', 'SELECT'), ('partition_config', 'SELECT'), ('partition_metadata', 'SELECT'),
            ('etl_heartbeat', 'SELECT,INSERT,UPDATE,DELETE'), ('etl_watermark', 'SELECT,INSERT,UPDATE'),
            ('etl_undelivered', 'SELECT,INSERT,DELETE'), ('etl_schedule', 'SELECT,INSERT,UPDATE'),
            ('etl_table_sizes', 'SELECT,INSERT,UPDATE,DELETE')) granted (name, privileges)
        CROSS JOIN LATERAL regexp_split_to_table(granted.privileges, ',') privilege
    LOOP
        IF needed.relation IS NOT NULL AND NOT has_table_privilege('experiment_etl_serve', needed.relation, needed.privilege) THEN
            EXECUTE format('GRANT %s ON %s TO experiment_etl_serve', needed.privilege, needed.relation);
        END IF;
    END LOOP;
    IF to_regclass('partition_config') IS NOT NULL THEN
        GRANT UPDATE (policy_months) ON partition_config TO experiment_etl_serve;
    END IF;
    -- `status` prints the schedule, as the job's role too.
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'experiment_etl')
        AND NOT has_table_privilege('experiment_etl', 'etl_schedule', 'SELECT') THEN
        GRANT SELECT ON etl_schedule TO experiment_etl;
    END IF;
    FOR callable IN
        SELECT oid::regprocedure
        FROM pg_proc
        WHERE pronamespace = current_schema()::regnamespace AND proname = ANY (ARRAY [
            'create_future_partitions', 'drop_old_partitions', 'analyze_partitions', 'vacuum_partitions', 'announce_vacuum_full',
            'list_partitions', 'partition_health_summary', 'run_partition_maintenance', 'retention_parts', 'retention_delete_pages',
            'retention_delete_experiments'])
    LOOP
        EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO experiment_etl_serve', callable);
    END LOOP;
END
$$;
