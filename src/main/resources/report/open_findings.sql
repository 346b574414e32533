-- Of users and single rows only the number: a file is not reached by an erasure.
SELECT if(experiment_id IS NULL, 'warehouse', 'experiment') AS scope, severity, code, count() AS open,
    toDate(min(observed_at), {zone:String}) AS first_day, toDate(max(observed_at), {zone:String}) AS last_day,
    any(remedy) AS remedy,
    arrayStringConcat(arraySort(groupArrayIf(20)(concat(subject, ': ', detail),
        subject_kind IN ('experiment', 'experiment-day', 'experiment-metric', 'experiment-variant', 'variant', 'metric', 'table'))), '\n') AS details
FROM findings_open
WHERE experiment_id = {id:Int64} OR experiment_id IS NULL
GROUP BY scope, severity, code
ORDER BY scope, severity, code
