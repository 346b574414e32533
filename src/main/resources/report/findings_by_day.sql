SELECT code, severity, toDate(observed_at, {zone:String}) AS day, countIf(status = 'OPEN') AS open, countIf(status != 'OPEN') AS resolved
FROM data_inconsistencies FINAL
WHERE experiment_id = {id:Int64}
GROUP BY code, severity, day
ORDER BY code, day
