-- Removes physically what erased users have left: the old versions of their rows, the tombstones, their findings. Run it once
-- a day by your scheduler: ./etl forget, or clickhouse-client --multiquery. Safe to run at any time, also twice.
-- A row counts as old when the job's newest progress marker is a day ahead of it; the clock does not decide. A restored job looks
-- for its batches by _batch_id, and these are younger than that, however long the job was stopped.
-- Each statement waits until it is done. Parts without a row of an erased user are not rewritten.

ALTER TABLE events_processed DELETE
WHERE (experiment_id, user_id, timestamp, event_id) IN
(
    SELECT experiment_id, user_id, timestamp, event_id
    FROM events_processed
    WHERE user_id IN (SELECT user_id FROM events_processed WHERE _deleted AND _delete_reason = 'erasure')
    GROUP BY experiment_id, user_id, timestamp, event_id
    HAVING argMax(_deleted AND _delete_reason = 'erasure', _version)
        AND max(_committed_at) < (SELECT max(written_at) FROM etl_sink_progress) - INTERVAL 1 DAY
)
SETTINGS mutations_sync = 2;

ALTER TABLE assignments_processed DELETE
WHERE (experiment_id, user_id, id) IN
(
    SELECT experiment_id, user_id, id
    FROM assignments_processed
    WHERE user_id IN (SELECT user_id FROM assignments_processed WHERE _deleted AND _delete_reason = 'erasure')
    GROUP BY experiment_id, user_id, id
    HAVING argMax(_deleted AND _delete_reason = 'erasure', _version)
        AND max(_committed_at) < (SELECT max(written_at) FROM etl_sink_progress) - INTERVAL 1 DAY
)
SETTINGS mutations_sync = 2;

ALTER TABLE data_inconsistencies DELETE
WHERE user_id IN
(
    SELECT user_id
    FROM users
    GROUP BY user_id
    HAVING argMax(_deleted AND _delete_reason = 'erasure', _version)
        AND max(_committed_at) < (SELECT max(written_at) FROM etl_sink_progress) - INTERVAL 1 DAY
)
SETTINGS mutations_sync = 2;

-- Last: the statement before knows by it who was erased.
ALTER TABLE users DELETE
WHERE user_id IN
(
    SELECT user_id
    FROM users
    GROUP BY user_id
    HAVING argMax(_deleted AND _delete_reason = 'erasure', _version)
        AND max(_committed_at) < (SELECT max(written_at) FROM etl_sink_progress) - INTERVAL 1 DAY
)
SETTINGS mutations_sync = 2;
