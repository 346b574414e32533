-- Assignments of one user in one experiment: all but one carry A-DUP-ASSIGNMENT; a single one does not. Nothing records which
-- arrived first, so the audit compares counts. The first may have left ClickHouse.
-- Columns: user, experiment, rows, flagged rows, versions.
SELECT
    user_id,
    experiment_id,
    countIf(live) AS rows,
    countIf(live AND flagged) AS flags,
    toString(groupArray(version)) AS evidence
FROM
(
    SELECT
        experiment_id,
        user_id,
        id,
        max(_version) AS version,
        argMax(_deleted, _version) = 0 AS live,
        argMax(has(inconsistencies, 'A-DUP-ASSIGNMENT'), _version) AS flagged
    FROM assignments_processed
    GROUP BY experiment_id, user_id, id
)
GROUP BY experiment_id, user_id
HAVING (count() = 1 AND flags > 0 AND NOT has(${expired_assignments}, experiment_id)) OR flags + 1 < rows
ORDER BY user_id, experiment_id
LIMIT ${limit}
