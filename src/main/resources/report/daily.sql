SELECT metric, kind, variant_id, variant_key, is_control, day, new_users, active_users, converting_users, exposures, events, value_sum, closed
FROM experiment_daily
WHERE experiment_id = {id:Int64}
ORDER BY is_control DESC, variant_id, metric, day
