SELECT metric, kind, variant_id, variant_key, variant_name, is_control, as_of_day, verdict, n, converters, exposures, events, total,
    denominator_total, mean, effect, effect_low, effect_high, always_valid_low, always_valid_high, lift, lift_low, lift_high, lift_interval,
    always_valid_lift_low, always_valid_lift_high, always_valid_lift_interval, p, always_valid_p, cuped_effect, cuped_effect_low, cuped_effect_high, cuped_lift,
    cuped_p, cuped_variance_reduction, srm_p, crossover_rate, metric_role, metric_direction, outcome
FROM experiment_results_of(experiment_id = {id:Int64})
WHERE is_for_experiment
ORDER BY metric_place, metric, is_control DESC, variant_id, as_of_day
