SELECT day, variant_ids, assigned_users,
    arrayMap(n -> if(arraySum(assigned_users) = 0, NULL, n / arraySum(assigned_users)), assigned_users) AS assigned_shares, exposed_users, weights, crossover_users, if(srm_df = 0, NULL, srm_p) AS srm_p
FROM experiment_health_daily FINAL
WHERE experiment_id = {id:Int64}
ORDER BY day
