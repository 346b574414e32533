-- Physically removes the rows of erased users: old versions, tombstones and findings. Run it once a day from your scheduler:
-- ./etl forget, or clickhouse-client --multiquery. Safe to run at any time, also twice.
-- Removes rows committed more than a day before the job's newest progress marker; the current time does not matter. The batches
-- that a restored job looks for by _batch_id are younger than that, however long the job was stopped.
-- Each statement waits until its mutation is done, on every replica. Parts without a row of an erased user are not rewritten.
-- allow_nondeterministic_mutations: a replicated table takes no subquery without it, because each replica evaluates the subquery
-- itself. A replica that is behind deletes less, and the next day's run deletes the rest.

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
SETTINGS mutations_sync = 2, allow_nondeterministic_mutations = 1;

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
SETTINGS mutations_sync = 2, allow_nondeterministic_mutations = 1;

ALTER TABLE data_inconsistencies DELETE
WHERE user_id IN
(
    SELECT user_id
    FROM users
    GROUP BY user_id
    HAVING argMax(_deleted AND _delete_reason = 'erasure', _version)
        AND max(_committed_at) < (SELECT max(written_at) FROM etl_sink_progress) - INTERVAL 1 DAY
)
SETTINGS mutations_sync = 2, allow_nondeterministic_mutations = 1;

-- Last, because the statements before read the erased users from it.
ALTER TABLE users DELETE
WHERE user_id IN
(
    SELECT user_id
    FROM users
    GROUP BY user_id
    HAVING argMax(_deleted AND _delete_reason = 'erasure', _version)
        AND max(_committed_at) < (SELECT max(written_at) FROM etl_sink_progress) - INTERVAL 1 DAY
)
SETTINGS mutations_sync = 2, allow_nondeterministic_mutations = 1;
