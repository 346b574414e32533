-- Assignments of one user in one experiment: all but one of them carry A-DUP-ASSIGNMENT, and one that came alone does not. Which of
-- them came first is not kept, so it is their number that is compared: user, experiment, rows, flagged rows, versions.
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
HAVING (count() = 1 AND flags > 0) OR flags + 1 < rows
ORDER BY user_id, experiment_id
LIMIT ${limit}
