-- Monthly partitions: creates them ahead, moves rows out of the default partition, analyzes, drops what is older than its retention.
-- For every table that is registered in partition_config and is partitioned by RANGE of one column with a time. Months are in UTC.
-- Apply it behind 002_etl.sql, in the schema of the tables (search_path), as their owner: the functions run with the owner's rights.
-- Nobody else may call them until you say so: GRANT EXECUTE ON FUNCTION run_partition_maintenance(text, boolean) TO ...
-- Safe to apply twice. optional/partitions_rollback.sql removes it.

-- The registered tables of this schema.
CREATE TABLE IF NOT EXISTS partition_config
(
    table_name        text    PRIMARY KEY,
    -- Partitions are dropped when all their rows are older than this number of whole months.
    retention_months  int     NOT NULL DEFAULT 12 CHECK (retention_months BETWEEN 1 AND 1200),
    -- How many months behind the current one have a partition.
    future_partitions int     NOT NULL DEFAULT 6 CHECK (future_partitions BETWEEN 0 AND 120),
    -- false: maintenance leaves the table out.
    enabled           boolean NOT NULL DEFAULT true,
    -- The least retention by the job's configuration, which `serve`, `maintain` and `cleanup` write for events. The longer one holds.
    policy_months     int     CHECK (policy_months BETWEEN 1 AND 1200)
);
-- 4 months are the 90 days of retention.postgres.events in whole months that are never shorter.
INSERT INTO partition_config (table_name, retention_months)
SELECT name, months
FROM (VALUES ('events', 4), ('goal_completions', 12)) registered (name, months)
WHERE NOT EXISTS (SELECT FROM partition_config);

-- One row per partition, as of the last maintenance.
CREATE TABLE IF NOT EXISTS partition_metadata
(
    parent_table   text        NOT NULL,
    partition_name text        NOT NULL,
    -- The first day of its first month; NULL: the default partition.
    partition_date date,
    -- PostgreSQL's estimate, as of the last ANALYZE.
    row_count      bigint      NOT NULL,
    size_bytes     bigint      NOT NULL,
    last_analyzed  timestamptz,
    last_vacuumed  timestamptz,
    updated_at     timestamptz NOT NULL,
    PRIMARY KEY (parent_table, partition_name)
);

-- The registered tables that exist. NULL: all. An unregistered name, and a table that is not partitioned by the RANGE of one column
-- with a time, are refused.
CREATE OR REPLACE FUNCTION partition_tables(wanted text, only_enabled boolean)
    RETURNS TABLE (name text, parent regclass, key_column name, retention int, ahead int)
    LANGUAGE plpgsql AS
$$
DECLARE
    config partition_config;
BEGIN
    IF wanted IS NOT NULL AND NOT EXISTS (SELECT FROM partition_config WHERE table_name = wanted) THEN
        RAISE EXCEPTION 'Table % is not registered for partition maintenance.', wanted
            USING HINT = format('INSERT INTO partition_config (table_name) VALUES (%L)', wanted), ERRCODE = 'undefined_object';
    END IF;
    FOR config IN
        SELECT * FROM partition_config c
        WHERE c.table_name = coalesce(wanted, c.table_name) AND (c.enabled OR NOT only_enabled)
        ORDER BY c.table_name
    LOOP
        parent := to_regclass(format('%I.%I', current_schema(), config.table_name));
        IF parent IS NULL THEN
            IF wanted IS NULL THEN
                CONTINUE;
            END IF;
            RAISE EXCEPTION 'Table % is registered in partition_config, but does not exist in schema %.', wanted, current_schema()
                USING ERRCODE = 'undefined_table';
        END IF;
        key_column := (
            SELECT a.attname
            FROM pg_partitioned_table p
            JOIN pg_attribute a ON a.attrelid = p.partrelid AND a.attnum = p.partattrs[0]
            WHERE p.partrelid = parent AND p.partstrat = 'r' AND p.partnatts = 1
                AND a.atttypid IN ('timestamptz'::regtype, 'timestamp'::regtype, 'date'::regtype));
        IF key_column IS NULL THEN
            RAISE EXCEPTION 'Table % is not partitioned by RANGE of one column of type timestamptz, timestamp or date.', config.table_name
                USING HINT = format('DELETE FROM partition_config WHERE table_name = %L', config.table_name), ERRCODE = 'wrong_object_type';
        END IF;
        name := config.table_name;
        retention := greatest(config.retention_months, config.policy_months);
        ahead := config.future_partitions;
        RETURN NEXT;
    END LOOP;
END
$$;

-- The partitions of a table. attachment is the transaction that attached one: another one says that it was detached in between.
CREATE OR REPLACE FUNCTION partition_bounds(parent regclass)
    RETURNS TABLE (leaf regclass, leaf_name text, attachment text, is_default boolean, starts_at timestamptz, ends_at timestamptz)
    LANGUAGE sql STABLE AS
$$
    SELECT c.oid::regclass, c.relname::text, i.xmin::text, pg_get_expr(c.relpartbound, c.oid) = 'DEFAULT',
        CASE bound[1] WHEN 'MINVALUE' THEN '-infinity' ELSE trim('''' FROM bound[1]) END::timestamptz,
        CASE bound[2] WHEN 'MAXVALUE' THEN 'infinity' ELSE trim('''' FROM bound[2]) END::timestamptz
    FROM pg_inherits i
    JOIN pg_class c ON c.oid = i.inhrelid
    LEFT JOIN LATERAL regexp_match(pg_get_expr(c.relpartbound, c.oid), '^FOR VALUES FROM \((.+)\) TO \((.+)\)$') bound ON true
    WHERE i.inhparent = parent;
$$;

-- Tells the job by a row of a captured table what changes in the catalogue, in the transaction that changes it. The row names the
-- partition as it was and as it is, so that it excuses nothing else. Rows of 30 days ago are removed.
CREATE OR REPLACE FUNCTION partition_announce(kind text, leaf regclass, was text, becomes text) RETURNS void
    LANGUAGE sql AS
$$
    INSERT INTO etl_heartbeat (writer, beat_at)
    SELECT format('partition %s %s %s %s %s', kind, c.oid, was, becomes, c.relname), clock_timestamp()
    FROM pg_class c
    WHERE c.oid = leaf
    ON CONFLICT (writer) DO UPDATE SET beat_at = excluded.beat_at;
    DELETE FROM etl_heartbeat WHERE writer LIKE 'partition %' AND beat_at < now() - interval '30 days';
$$;

CREATE OR REPLACE FUNCTION partition_attachment(child regclass) RETURNS text
    LANGUAGE sql STABLE AS
$$
    SELECT xmin::text FROM pg_inherits WHERE inhrelid = child;
$$;

-- Maintenance runs once at a time.
CREATE OR REPLACE FUNCTION partition_serialize() RETURNS void
    LANGUAGE sql
    SET lock_timeout = '1min' AS
$$
    SELECT pg_advisory_xact_lock(hashtextextended('experiment_etl partitions ' || current_schema(), 0));
$$;

-- Attaches a table that was made apart. Its rows of the default partition go with it: both are detached while the rows move, so the
-- rows stay where they are for the change stream, and no trigger and no foreign key of the table takes part. A DELETE and an INSERT
-- outside would be a deleted row and nothing, because an attached table's rows are never sent.
CREATE OR REPLACE FUNCTION partition_attach(
    parent regclass, key_column name, new_leaf regclass, starts timestamptz, ends timestamptz, moves boolean) RETURNS bigint
    LANGUAGE plpgsql AS
$$
DECLARE
    bounds     text := format('FOR VALUES FROM (%L) TO (%L)', starts, ends);
    rows_of    text := format('%I >= %L AND %I < %L', key_column, starts, key_column, ends);
    fallback   regclass := (SELECT leaf FROM partition_bounds(parent) WHERE is_default);
    attachment text;
    columns    text;
    moved      bigint := 0;
    deleted    bigint;
BEGIN
    IF moves THEN
        EXECUTE format('LOCK TABLE ONLY %s IN ACCESS EXCLUSIVE MODE', parent);
        attachment := partition_attachment(fallback);
        columns := (
            SELECT string_agg(format('%I', attname), ', ' ORDER BY attnum) FROM pg_attribute
            WHERE attrelid = parent AND attnum > 0 AND NOT attisdropped AND attgenerated = '');
        EXECUTE format('ALTER TABLE %s DETACH PARTITION %s', parent, fallback);
        EXECUTE format('INSERT INTO %1$s (%2$s) SELECT %2$s FROM %3$s WHERE %4$s', new_leaf, columns, fallback, rows_of);
        GET DIAGNOSTICS moved = ROW_COUNT;
        EXECUTE format('DELETE FROM %s WHERE %s', fallback, rows_of);
        GET DIAGNOSTICS deleted = ROW_COUNT;
        IF moved <> deleted THEN
            RAISE EXCEPTION '% rows of % were copied to %, but % would be deleted.', moved, fallback, new_leaf, deleted
                USING HINT = 'A trigger or a rule changes rows of the default partition: remove it.';
        END IF;
    END IF;
    EXECUTE format('ALTER TABLE %s ATTACH PARTITION %s %s', parent, new_leaf, bounds);
    PERFORM partition_announce('attach', new_leaf, '-', partition_attachment(new_leaf));
    IF moves THEN
        EXECUTE format('ALTER TABLE %s ATTACH PARTITION %s DEFAULT', parent, fallback);
        PERFORM partition_announce('attach', fallback, attachment, partition_attachment(fallback));
    END IF;
    RETURN moved;
END
$$;

-- Makes one month's partition. A month that a partition covers already is left as it is.
CREATE OR REPLACE FUNCTION partition_create(
    wanted text, month date, OUT leaf_name text, OUT outcome text, OUT moved_rows bigint)
    LANGUAGE plpgsql
    SET lock_timeout = '1s' AS
$$
DECLARE
    target   record;
    other    record;
    starts   timestamptz := date_trunc('month', month::timestamptz);
    ends     timestamptz := date_trunc('month', month::timestamptz) + interval '1 month';
    fallback regclass;
    leaf     text;
    moves    boolean := false;
    attempt  int := 0;
BEGIN
    PERFORM partition_serialize();
    SELECT * INTO STRICT target FROM partition_tables(wanted, false);
    SELECT * INTO other FROM partition_bounds(target.parent) b WHERE NOT b.is_default AND b.starts_at < ends AND b.ends_at > starts LIMIT 1;
    IF FOUND THEN
        IF other.starts_at > starts OR other.ends_at < ends THEN
            RAISE EXCEPTION 'Partition % of % covers a part of the month %.', other.leaf_name, wanted, to_char(starts, 'YYYY-MM')
                USING HINT = 'Create the partition of the rest of the month by hand.', ERRCODE = 'invalid_object_definition';
        END IF;
        leaf_name := other.leaf_name;
        outcome := 'EXISTS';
        moved_rows := 0;
        RETURN;
    END IF;
    leaf_name := wanted || to_char(starts, '_YYYY_MM');
    leaf := format('%I.%I', current_schema(), leaf_name);
    IF octet_length(leaf_name) > 63 THEN
        RAISE EXCEPTION 'The partition name % is longer than 63 bytes.', leaf_name USING ERRCODE = 'name_too_long';
    END IF;
    IF to_regclass(leaf) IS NOT NULL THEN
        RAISE EXCEPTION '% exists, and is not the partition of % for that month.', leaf_name, wanted
            USING HINT = 'Rename it, drop it, or attach it with ALTER TABLE ... ATTACH PARTITION.', ERRCODE = 'duplicate_table';
    END IF;

    EXECUTE format('CREATE TABLE %s (LIKE %s INCLUDING ALL EXCLUDING IDENTITY)', leaf, target.parent);
    EXECUTE format('ALTER TABLE %s OWNER TO %I', leaf, (SELECT pg_get_userbyid(relowner) FROM pg_class WHERE oid = target.parent));
    -- Attaching trusts the constraint instead of reading the rows.
    EXECUTE format('ALTER TABLE %1$s ADD CONSTRAINT partition_bounds CHECK (%2$I IS NOT NULL AND %2$I >= %3$L AND %2$I < %4$L)',
                   leaf, target.key_column, starts, ends);

    fallback := (SELECT b.leaf FROM partition_bounds(target.parent) b WHERE b.is_default);
    IF fallback IS NOT NULL THEN
        EXECUTE format('SELECT EXISTS (SELECT FROM %1$s WHERE %2$I >= %3$L AND %2$I < %4$L)', fallback, target.key_column, starts, ends)
            INTO moves;
    END IF;
    LOOP
        attempt := attempt + 1;
        BEGIN
            moved_rows := partition_attach(target.parent, target.key_column, leaf::regclass, starts, ends, moves);
            EXIT;
        EXCEPTION
            WHEN check_violation THEN
                -- A row of the month has come into the default partition meanwhile.
                IF moves OR fallback IS NULL THEN
                    RAISE;
                END IF;
                moves := true;
            WHEN lock_not_available OR deadlock_detected THEN
                IF attempt >= 5 THEN
                    RAISE;
                END IF;
                -- The sessions that wait behind this one go first.
                PERFORM pg_sleep(0.1 * attempt);
        END;
    END LOOP;
    EXECUTE format('ALTER TABLE %s DROP CONSTRAINT partition_bounds', leaf);
    PERFORM partition_replica_identity(target.parent, leaf::regclass);
    outcome := 'CREATED';
END
$$;

-- Partitions do not inherit the replica identity: without FULL a deleted event names no user.
CREATE OR REPLACE FUNCTION partition_replica_identity(parent regclass, leaf regclass) RETURNS void
    LANGUAGE plpgsql AS
$$
DECLARE
    identity text := (SELECT relreplident FROM pg_class WHERE oid = parent);
BEGIN
    IF identity = 'f' THEN
        EXECUTE format('ALTER TABLE %s REPLICA IDENTITY FULL', leaf);
    ELSIF identity = 'n' THEN
        EXECUTE format('ALTER TABLE %s REPLICA IDENTITY NOTHING', leaf);
    ELSIF identity = 'i' THEN
        EXECUTE format('ALTER TABLE %s REPLICA IDENTITY USING INDEX %I', leaf, (
            SELECT c.relname
            FROM pg_index i
            JOIN pg_inherits h ON h.inhparent = i.indexrelid
            JOIN pg_index own ON own.indexrelid = h.inhrelid
            JOIN pg_class c ON c.oid = own.indexrelid
            WHERE i.indrelid = parent AND i.indisreplident AND own.indrelid = leaf));
    END IF;
END
$$;

-- Makes the partition of events for the month of the day, moves its rows out of the default partition, and returns its name.
CREATE OR REPLACE FUNCTION create_events_partition(month date) RETURNS text
    LANGUAGE sql AS
$$
    SELECT leaf_name FROM partition_create('events', month);
$$;

-- The months that need a partition: from the current one on, and those within the retention that the default partition has rows of.
CREATE OR REPLACE FUNCTION partition_missing_months(wanted text, months_ahead int) RETURNS SETOF date
    LANGUAGE plpgsql AS
$$
DECLARE
    target     record;
    this_month timestamptz := date_trunc('month', now());
    fallback   regclass;
    months     date[];
BEGIN
    SELECT * INTO STRICT target FROM partition_tables(wanted, false);
    IF months_ahead NOT BETWEEN 0 AND 120 THEN
        RAISE EXCEPTION 'The number of months ahead must be from 0 to 120, and is %.', months_ahead USING ERRCODE = 'invalid_parameter_value';
    END IF;
    months := ARRAY(SELECT m::date FROM generate_series(this_month, this_month + coalesce(months_ahead, target.ahead) * interval '1 month',
                                                      interval '1 month') m);
    fallback := (SELECT leaf FROM partition_bounds(target.parent) WHERE is_default);
    IF fallback IS NOT NULL THEN
        EXECUTE format(
            'SELECT $1 || ARRAY(SELECT DISTINCT date_trunc(''month'', %1$I::timestamptz)::date FROM %2$s WHERE %1$I >= %3$L AND %1$I < %4$L)',
            target.key_column, fallback, this_month - target.retention * interval '1 month',
            this_month + (coalesce(months_ahead, target.ahead) + 1) * interval '1 month')
        INTO months USING months;
    END IF;
    RETURN QUERY
        SELECT DISTINCT m
        FROM unnest(months) m
        WHERE NOT EXISTS (
            SELECT FROM partition_bounds(target.parent) b
            WHERE NOT b.is_default AND b.starts_at <= m::timestamptz AND b.ends_at >= m::timestamptz + interval '1 month')
        ORDER BY m;
END
$$;

-- Makes the missing partitions up to that number of months behind the current one. NULL: every enabled table, its own number.
CREATE OR REPLACE FUNCTION create_future_partitions(for_table text DEFAULT NULL, months_ahead int DEFAULT NULL)
    RETURNS TABLE (parent_table text, partition_name text, partition_date date, outcome text, moved_rows bigint)
    LANGUAGE plpgsql AS
$$
DECLARE
    target record;
BEGIN
    PERFORM partition_serialize();
    FOR target IN SELECT * FROM partition_tables(for_table, for_table IS NULL) LOOP
        FOR partition_date IN SELECT * FROM partition_missing_months(target.name, months_ahead) LOOP
            parent_table := target.name;
            SELECT c.leaf_name, c.outcome, c.moved_rows INTO partition_name, outcome, moved_rows
            FROM partition_create(target.name, partition_date) c;
            RETURN NEXT;
        END LOOP;
    END LOOP;
END
$$;

-- Why a partition may not be dropped; NULL: it may.
CREATE OR REPLACE FUNCTION partition_refusal(leaf regclass) RETURNS text
    LANGUAGE plpgsql AS
$$
DECLARE
    watermark   record;
    refused     boolean;
    parent_name text := (SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhparent WHERE i.inhrelid = leaf);
BEGIN
    SELECT * INTO watermark FROM etl_watermark();
    IF watermark.refusal IS NOT NULL THEN
        RETURN watermark.refusal;
    END IF;
    EXECUTE format('SELECT EXISTS (SELECT FROM %s WHERE etl_is_beyond(xmin, $1))', leaf) INTO refused USING watermark.complete_below;
    IF refused THEN
        RETURN format('it has rows beyond the watermark of %s at %s, which ClickHouse may not have got', watermark.slot, watermark.lsn);
    END IF;
    IF EXISTS (SELECT FROM etl_undelivered WHERE table_name = parent_name) THEN
        EXECUTE format('SELECT EXISTS (SELECT FROM %s WHERE id::text IN (SELECT row_key FROM etl_undelivered WHERE table_name = $1))', leaf)
            INTO refused USING parent_name;
    END IF;
    RETURN CASE WHEN refused THEN 'it has rows that could not be delivered to ClickHouse: the verb dead-letters lists them' END;
END
$$;

-- Drops partitions of which all rows are older than the retention: detaches each, then drops it. The outcome is WOULD_DROP, DROPPED or
-- REFUSED. A retention below the one in partition_config is refused.
CREATE OR REPLACE FUNCTION drop_old_partitions(for_table text DEFAULT NULL, retention_months int DEFAULT NULL, dry_run boolean DEFAULT true)
    RETURNS TABLE (parent_table text, partition_name text, partition_date date, row_count bigint, size_bytes bigint, outcome text, reason text)
    LANGUAGE plpgsql AS
$$
DECLARE
    target record;
    old    record;
BEGIN
    PERFORM partition_serialize();
    FOR target IN SELECT * FROM partition_tables(for_table, for_table IS NULL) LOOP
        IF retention_months < target.retention THEN
            RAISE EXCEPTION 'A retention of % months is below the policy of %, which is % months.', retention_months, target.name, target.retention
                USING HINT = 'The policy is the greater one of retention_months and policy_months in partition_config.', ERRCODE = 'invalid_parameter_value';
        END IF;
        FOR old IN
            SELECT * FROM partition_bounds(target.parent) b
            WHERE NOT b.is_default
                AND b.ends_at <= date_trunc('month', now()) - coalesce(retention_months, target.retention) * interval '1 month'
            ORDER BY b.ends_at
        LOOP
            parent_table := target.name;
            partition_name := old.leaf_name;
            partition_date := CASE WHEN isfinite(old.starts_at) THEN old.starts_at::date END;
            SELECT s.row_count, s.size_bytes INTO row_count, size_bytes FROM partition_size(old.leaf) s;
            IF dry_run IS NOT FALSE THEN
                reason := partition_refusal(old.leaf);
                outcome := CASE WHEN reason IS NULL THEN 'WOULD_DROP' ELSE 'REFUSED' END;
            ELSE
                reason := partition_drop(target.parent, old.leaf);
                outcome := CASE WHEN reason IS NULL THEN 'DROPPED' ELSE 'REFUSED' END;
            END IF;
            RETURN NEXT;
        END LOOP;
    END LOOP;
END
$$;

-- Returns why the partition was not dropped; NULL: it was.
CREATE OR REPLACE FUNCTION partition_drop(parent regclass, leaf regclass) RETURNS text
    LANGUAGE plpgsql
    SET lock_timeout = '1s' AS
$$
DECLARE
    refusal    text;
    attachment text := partition_attachment(leaf);
    attempt    int := 0;
BEGIN
    LOOP
        attempt := attempt + 1;
        BEGIN
            -- No row may come behind the check.
            EXECUTE format('LOCK TABLE %s IN SHARE MODE', leaf);
            refusal := partition_refusal(leaf);
            IF refusal IS NULL THEN
                PERFORM partition_announce('detach', leaf, attachment, '-');
                EXECUTE format('ALTER TABLE %s DETACH PARTITION %s', parent, leaf);
                PERFORM partition_announce('drop', leaf, attachment, '-');
                EXECUTE format('DROP TABLE %s', leaf);
            END IF;
            RETURN refusal;
        EXCEPTION
            WHEN lock_not_available OR deadlock_detected THEN
                IF attempt >= 5 THEN
                    RAISE;
                END IF;
                PERFORM pg_sleep(0.1 * attempt);
        END;
    END LOOP;
END
$$;

-- Number of rows as of the last ANALYZE, and bytes with indexes and TOAST, also of a partition that is partitioned itself.
CREATE OR REPLACE FUNCTION partition_size(leaf regclass, OUT row_count bigint, OUT size_bytes bigint)
    LANGUAGE sql STABLE AS
$$
    SELECT coalesce(sum(greatest(c.reltuples, 0)) FILTER (WHERE t.isleaf), 0)::bigint, coalesce(sum(pg_total_relation_size(t.relid)), 0)::bigint
    FROM pg_partition_tree(leaf) t
    JOIN pg_class c ON c.oid = t.relid;
$$;

-- Exact number of rows that wait in the default partition for a partition of their own.
CREATE OR REPLACE FUNCTION partition_default_rows(parent regclass) RETURNS bigint
    LANGUAGE plpgsql AS
$$
DECLARE
    fallback regclass := (SELECT leaf FROM partition_bounds(parent) WHERE is_default);
    counted  bigint := 0;
BEGIN
    IF fallback IS NOT NULL THEN
        EXECUTE format('SELECT count(*) FROM %s', fallback) INTO counted;
    END IF;
    RETURN counted;
END
$$;

-- Updates the planner's statistics of the table and all its partitions.
CREATE OR REPLACE FUNCTION analyze_partitions(for_table text DEFAULT NULL)
    RETURNS TABLE (parent_table text, partition_name text, row_count bigint, analyzed_at timestamptz)
    LANGUAGE plpgsql AS
$$
DECLARE
    target record;
BEGIN
    PERFORM partition_serialize();
    FOR target IN SELECT * FROM partition_tables(for_table, for_table IS NULL) LOOP
        EXECUTE format('ANALYZE %s', target.parent);
        analyzed_at := clock_timestamp();
        PERFORM partition_refresh_metadata(target.name, target.parent, analyzed_at);
        FOR partition_name, row_count IN
            SELECT b.leaf_name, s.row_count FROM partition_bounds(target.parent) b CROSS JOIN LATERAL partition_size(b.leaf) s ORDER BY b.starts_at
        LOOP
            parent_table := target.name;
            RETURN NEXT;
        END LOOP;
    END LOOP;
END
$$;

CREATE OR REPLACE FUNCTION partition_refresh_metadata(wanted text, parent regclass, analyzed_at timestamptz DEFAULT NULL) RETURNS void
    LANGUAGE sql AS
$$
    DELETE FROM partition_metadata m
    WHERE m.parent_table = wanted AND NOT EXISTS (SELECT FROM partition_bounds(parent) b WHERE b.leaf_name = m.partition_name);
    INSERT INTO partition_metadata AS known
        (parent_table, partition_name, partition_date, row_count, size_bytes, last_analyzed, last_vacuumed, updated_at)
    SELECT wanted, b.leaf_name, CASE WHEN isfinite(b.starts_at) THEN b.starts_at::date END, s.row_count, s.size_bytes,
        greatest(analyzed_at, u.last_analyze, u.last_autoanalyze), greatest(u.last_vacuum, u.last_autovacuum), clock_timestamp()
    FROM partition_bounds(parent) b
    CROSS JOIN LATERAL partition_size(b.leaf) s
    LEFT JOIN pg_stat_all_tables u ON u.relid = b.leaf
    ON CONFLICT (parent_table, partition_name) DO UPDATE
        SET partition_date = excluded.partition_date, row_count = excluded.row_count, size_bytes = excluded.size_bytes,
            last_analyzed = greatest(known.last_analyzed, excluded.last_analyzed),
            last_vacuumed = greatest(known.last_vacuumed, excluded.last_vacuumed), updated_at = excluded.updated_at;
$$;

-- Returns statements to be run outside a transaction (\gexec): no function may VACUUM. A full one locks each partition while it is
-- rewritten, and is announced before.
CREATE OR REPLACE FUNCTION vacuum_partitions(for_table text DEFAULT NULL, "full" boolean DEFAULT false) RETURNS TABLE (statement text)
    LANGUAGE plpgsql AS
$$
DECLARE
    leaf text;
BEGIN
    FOR leaf IN
        SELECT format('%I.%I', current_schema(), b.leaf_name)
        FROM partition_tables(for_table, for_table IS NULL) t
        CROSS JOIN LATERAL partition_bounds(t.parent) b
        ORDER BY t.name, b.starts_at
    LOOP
        IF "full" THEN
            statement := format('SELECT %I.announce_vacuum_full(%L)', current_schema(), leaf);
            RETURN NEXT;
            statement := format('VACUUM (FULL, ANALYZE) %s', leaf);
        ELSE
            statement := format('VACUUM (ANALYZE) %s', leaf);
        END IF;
        RETURN NEXT;
    END LOOP;
END
$$;

-- Announces that a partition of a registered table will be rewritten.
CREATE OR REPLACE FUNCTION announce_vacuum_full(rewritten regclass) RETURNS void
    LANGUAGE plpgsql AS
$$
BEGIN
    IF NOT EXISTS (SELECT FROM partition_tables(NULL, false) t CROSS JOIN LATERAL partition_bounds(t.parent) b WHERE b.leaf = rewritten) THEN
        RAISE EXCEPTION '% is no partition of a table that is registered in partition_config.', rewritten USING ERRCODE = 'wrong_object_type';
    END IF;
    PERFORM partition_announce('vacuum-full', rewritten, (SELECT relfilenode::text FROM pg_class WHERE oid = rewritten), '-');
END
$$;

-- The partitions of one registered table, or of all. The rows of the default partition are counted; the others are estimates.
CREATE OR REPLACE FUNCTION list_partitions(for_table text DEFAULT NULL)
    RETURNS TABLE (parent_table text, partition_name text, partition_date date, starts_at timestamptz, ends_at timestamptz,
                   is_default boolean, row_count bigint, size_bytes bigint)
    LANGUAGE sql AS
$$
    SELECT t.name, b.leaf_name, CASE WHEN isfinite(b.starts_at) THEN b.starts_at::date END, b.starts_at, b.ends_at, b.is_default,
        CASE WHEN b.is_default THEN partition_default_rows(t.parent) ELSE s.row_count END, s.size_bytes
    FROM partition_tables(for_table, false) t
    CROSS JOIN LATERAL partition_bounds(t.parent) b
    CROSS JOIN LATERAL partition_size(b.leaf) s
    ORDER BY t.name, b.starts_at;
$$;

-- One row per registered table. status is HEALTHY, CLEANUP_NEEDED or NO_PARTITIONS. months_ahead is the number of months behind the
-- current one that have a partition without a gap; -1: the current one has none.
CREATE OR REPLACE FUNCTION partition_health_summary()
    RETURNS TABLE (table_name text, total_partitions bigint, total_rows bigint, total_size_bytes bigint, oldest_partition date,
                   newest_partition date, partitions_pending_cleanup bigint, default_rows bigint, months_ahead int, status text)
    LANGUAGE sql AS
$$
    SELECT c.table_name, p.total, p.rows_of_all + waiting, p.bytes, p.oldest, p.newest, p.pending, waiting,
        coalesce((
            SELECT min(ahead)
            FROM generate_series(0, 121) ahead
            WHERE NOT EXISTS (
                SELECT FROM partition_bounds(t.parent) b
                WHERE NOT b.is_default AND b.starts_at <= date_trunc('month', now()) + ahead * interval '1 month'
                    AND b.ends_at >= date_trunc('month', now()) + (ahead + 1) * interval '1 month')), 122) - 1,
        CASE WHEN p.total = 0 THEN 'NO_PARTITIONS' WHEN p.pending > 0 THEN 'CLEANUP_NEEDED' ELSE 'HEALTHY' END
    FROM partition_config c
    LEFT JOIN partition_tables(NULL, false) t ON t.name = c.table_name
    CROSS JOIN LATERAL partition_default_rows(t.parent) waiting
    CROSS JOIN LATERAL (
        SELECT count(b.leaf) FILTER (WHERE NOT b.is_default) AS total,
            coalesce(sum(s.row_count) FILTER (WHERE NOT b.is_default), 0)::bigint AS rows_of_all,
            coalesce(sum(s.size_bytes), 0)::bigint AS bytes,
            min(b.starts_at) FILTER (WHERE isfinite(b.starts_at))::date AS oldest,
            max(b.starts_at) FILTER (WHERE isfinite(b.starts_at))::date AS newest,
            count(*) FILTER (WHERE b.ends_at <= date_trunc('month', now()) - t.retention * interval '1 month') AS pending
        FROM partition_bounds(t.parent) b CROSS JOIN LATERAL partition_size(b.leaf) s) p
    ORDER BY c.table_name;
$$;

-- The daily maintenance: creates ahead, analyzes, drops what is old, and updates partition_metadata. One row per thing that was done, or
-- would be. A step that fails is a row with outcome FAILED and the reason; the other steps run. NULL: every enabled table.
CREATE OR REPLACE FUNCTION run_partition_maintenance(for_table text DEFAULT NULL, dry_run boolean DEFAULT true)
    RETURNS TABLE (parent_table text, task text, partition_name text, outcome text, detail text)
    LANGUAGE plpgsql AS
$$
DECLARE
    config partition_config;
BEGIN
    PERFORM partition_serialize();
    PERFORM partition_tables(for_table, false) WHERE for_table IS NOT NULL;
    FOR config IN
        SELECT * FROM partition_config c
        WHERE c.table_name = coalesce(for_table, c.table_name) AND (c.enabled OR for_table IS NOT NULL)
        ORDER BY c.table_name
    LOOP
        parent_table := config.table_name;
        IF to_regclass(format('%I.%I', current_schema(), config.table_name)) IS NULL THEN
            SELECT 'create', NULL, 'SKIPPED', 'the table does not exist' INTO task, partition_name, outcome, detail;
            RETURN NEXT;
            CONTINUE;
        END IF;
        FOREACH task IN ARRAY ARRAY ['create', 'analyze', 'drop', 'metadata'] LOOP
            BEGIN
                RETURN QUERY SELECT config.table_name, m.* FROM partition_maintenance_task(config.table_name, task, dry_run IS NOT FALSE) m;
            EXCEPTION
                WHEN OTHERS THEN
                    partition_name := NULL;
                    outcome := 'FAILED';
                    detail := SQLERRM;
                    RETURN NEXT;
            END;
        END LOOP;
    END LOOP;
END
$$;

CREATE OR REPLACE FUNCTION partition_maintenance_task(wanted text, step text, dry_run boolean)
    RETURNS TABLE (task text, partition_name text, outcome text, detail text)
    LANGUAGE plpgsql AS
$$
BEGIN
    IF step = 'create' AND dry_run THEN
        RETURN QUERY SELECT step, wanted || to_char(m, '_YYYY_MM'), 'WOULD_CREATE', NULL::text FROM partition_missing_months(wanted, NULL) m;
    ELSIF step = 'create' THEN
        RETURN QUERY SELECT step, c.partition_name, c.outcome, c.moved_rows || ' rows moved' FROM create_future_partitions(wanted, NULL) c;
    ELSIF step = 'drop' THEN
        RETURN QUERY SELECT step, d.partition_name, d.outcome, d.reason FROM drop_old_partitions(wanted, NULL, dry_run) d;
    ELSIF dry_run THEN
        RETURN;
    ELSIF step = 'analyze' THEN
        RETURN QUERY SELECT step, a.partition_name, 'ANALYZED', a.row_count || ' rows' FROM analyze_partitions(wanted) a;
    ELSE
        PERFORM partition_refresh_metadata(wanted, t.parent) FROM partition_tables(wanted, false) t;
    END IF;
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
        WHERE pronamespace = current_schema()::regnamespace AND proname = ANY (ARRAY [
            'partition_tables', 'partition_bounds', 'partition_announce', 'partition_attachment', 'partition_serialize', 'partition_attach',
            'partition_create', 'partition_replica_identity', 'create_events_partition', 'partition_missing_months',
            'create_future_partitions', 'partition_refusal', 'drop_old_partitions', 'partition_drop', 'partition_size',
            'partition_default_rows', 'analyze_partitions', 'partition_refresh_metadata', 'vacuum_partitions', 'announce_vacuum_full',
            'list_partitions', 'partition_health_summary', 'run_partition_maintenance', 'partition_maintenance_task'])
    LOOP
        EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', secured);
        EXECUTE format('ALTER FUNCTION %s SECURITY DEFINER SET search_path = %I, pg_temp', secured, current_schema());
        EXECUTE format('ALTER FUNCTION %s SET TimeZone = ''UTC''', secured);
        EXECUTE format('ALTER FUNCTION %s SET DateStyle = ''ISO, YMD''', secured);
    END LOOP;
END
$$;
