SELECT metric, kind, variant_id, day, n, converters, events, total, mean, mean_low, mean_high
FROM experiment_cumulative
WHERE experiment_id = {id:Int64}
ORDER BY metric, variant_id, day
