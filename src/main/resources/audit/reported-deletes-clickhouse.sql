-- Open findings about deleted facts, each with the facts that are still gone: the finding's key, the source table (empty: no fact is gone),
-- and the fact's key at the source. A finding covers the deletes of its experiment from its LSN up to its version.
WITH
reported AS
(
    SELECT subject_key, assumeNotNull(experiment_id) AS in_experiment, _lsn AS first_lsn, _version AS last_version
    FROM data_inconsistencies FINAL
    WHERE code = 'C-DELETE-UNEXPECTED' AND subject_kind = 'experiment-change' AND status = 'OPEN' AND experiment_id IS NOT NULL
),
gone AS
(
    SELECT experiment_id, 'events' AS gone_from,
        concat(ifNull(source_id, toString(event_id)), '@', toString(toUnixTimestamp64Micro(timestamp))) AS gone_key, _lsn AS at_lsn, _version AS version
    FROM events_processed
    WHERE _deleted AND _delete_reason IN ('unexpected', 'replacement') AND experiment_id IN (SELECT in_experiment FROM reported)
        AND (experiment_id, user_id, timestamp, event_id) NOT IN
            (SELECT experiment_id, user_id, timestamp, event_id FROM events_processed FINAL
                WHERE experiment_id IN (SELECT in_experiment FROM reported))
    UNION ALL
    SELECT experiment_id, 'assignments', toString(id), _lsn, _version
    FROM assignments_processed
    WHERE _deleted AND _delete_reason IN ('unexpected', 'replacement') AND experiment_id IN (SELECT in_experiment FROM reported)
        AND (experiment_id, user_id, id) NOT IN
            (SELECT experiment_id, user_id, id FROM assignments_processed FINAL WHERE experiment_id IN (SELECT in_experiment FROM reported))
)
SELECT r.subject_key, g.gone_from, g.gone_key
FROM reported AS r
LEFT JOIN gone AS g ON g.experiment_id = r.in_experiment AND g.at_lsn >= r.first_lsn AND g.version <= r.last_version
