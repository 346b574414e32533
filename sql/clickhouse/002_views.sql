-- What analysts and operators read. Applied inside the target database, after the tables; safe to apply twice.
-- Rates, intervals and p-values are here and nowhere stored.

-- Of the newest cuts only: a sink that is further behind than this would long have failed the job.
CREATE OR REPLACE VIEW etl_progress AS
SELECT
    stamp,
    nullIf(min(subtask_lsn), 0) AS lsn,
    if(lsn IS NULL, NULL, min(subtask_committed_at)) AS committed_at,
    min(subtask_snapshot_done) AS snapshot_done,
    max(subtask_written_at) AS written_at,
    if(committed_at IS NULL, NULL, greatest(0., dateDiff('millisecond', committed_at, now64(6, 'UTC')) / 1000)) AS lag_seconds
FROM
(
    SELECT
        stamp,
        sink,
        parallelism,
        subtask,
        max(lsn) AS subtask_lsn,
        max(committed_at) AS subtask_committed_at,
        max(snapshot_done) AS subtask_snapshot_done,
        min(written_at) AS subtask_written_at,
        max(sinks) AS sinks,
        uniqExact(subtask) OVER (PARTITION BY stamp, sink, parallelism) = parallelism AS sink_done
    FROM etl_cuts
    WHERE stamp >= (SELECT min(stamp) FROM (SELECT stamp FROM etl_cuts ORDER BY stamp DESC LIMIT 100000))
    GROUP BY stamp, sink, parallelism, subtask
)
WHERE sink_done
GROUP BY stamp
HAVING uniqExact(sink) >= max(sinks)
ORDER BY stamp DESC
LIMIT 1
COMMENT 'One row: how much of the source is visible. Everything that was committed in PostgreSQL up to lsn, at committed_at, is in the tables. lsn, committed_at and lag_seconds are NULL until the first transaction behind the initial load is visible. snapshot_done = false: the initial load is not finished and statistics are incomplete. No row: no checkpoint has completed yet.';

CREATE OR REPLACE VIEW experiment_daily AS
SELECT
    s.experiment_id AS experiment_id,
    e.key AS experiment_key,
    e.name AS experiment_name,
    s.metric AS metric,
    s.variant_id AS variant_id,
    v.key AS variant_key,
    v.name AS variant_name,
    v.is_control AS is_control,
    s.day AS day,
    s.exposures AS exposures,
    s.active_users AS active_users,
    s.converting_users AS converting_users,
    s.events AS events,
    s.value_sum AS value_sum,
    s.new_users AS new_users,
    s.new_converters AS new_converters,
    if(s.active_users = 0, NULL, s.converting_users / s.active_users) AS converting_share,
    if(s.active_users = 0, NULL, s.events / s.active_users) AS events_per_active_user,
    if(s.events = 0, NULL, toFloat64(s.value_sum) / s.events) AS value_per_event,
    s.closed AS closed
FROM (SELECT * FROM experiment_daily_stats FINAL) AS s
LEFT JOIN (SELECT * FROM experiments FINAL) AS e ON e.id = s.experiment_id
LEFT JOIN (SELECT * FROM variants FINAL) AS v ON v.id = s.variant_id
COMMENT 'A day''s activity per experiment, metric and variant. active_users, converting_users and the shares belong to the day alone and do not add up over days: for results read experiment_results.';

-- The formulas. y = a user's total, n users, S = sum(y), Q = sum(y^2), up to and including the day.
--   mean = S/n, variance = (Q - S^2/n)/(n-1), of a proportion p(1-p), SE = sqrt(variance/n).
--   effect D = mean_T - mean_C, SE_D = sqrt(var_T/n_T + var_C/n_C), t = D/SE_D,
--   degrees of freedom by Welch and Satterthwaite: SE_D^4 / ((var_T/n_T)^2/(n_T-1) + (var_C/n_C)^2/(n_C-1)).
--   relative lift D/mean_C, its variance by the delta method: var_C mean_T^2/(mean_C^4 n_C) + var_T/(mean_C^2 n_T).
--   t to the normal deviate u: G. W. Hill, Algorithm 395, Communications of the ACM 13 (1970); p = erfc(|u|/sqrt(2)).
--   97.5 % quantile of t from the normal one: Cornish and Fisher's expansion (Abramowitz and Stegun 26.7.5).
CREATE OR REPLACE VIEW experiment_results AS
WITH
    1.959963984540054 AS z975,
    daily AS (SELECT * FROM experiment_daily_stats FINAL),
    grid AS
    (
        SELECT experiment_id, metric, variant_id, day
        FROM (SELECT DISTINCT experiment_id, metric, day FROM daily) AS d
        INNER JOIN (SELECT DISTINCT experiment_id, metric, variant_id FROM daily) AS v USING (experiment_id, metric)
    ),
    cumulated AS
    (
        SELECT
            g.experiment_id AS experiment_id,
            g.metric AS metric,
            g.variant_id AS variant_id,
            g.day AS day,
            sum(s.new_users) OVER so_far AS n,
            sum(s.new_converters) OVER so_far AS converters,
            sum(s.events) OVER so_far AS events,
            sum(s.exposures) OVER so_far AS exposures,
            sum(s.d_sum) OVER so_far AS total,
            sum(s.d_sum_sq) OVER so_far AS total_of_squares,
            sum(s.value_sum) OVER so_far AS values_so_far
        FROM grid AS g
        LEFT JOIN daily AS s
            ON s.experiment_id = g.experiment_id AND s.metric = g.metric AND s.variant_id = g.variant_id AND s.day = g.day
        WINDOW so_far AS (PARTITION BY g.experiment_id, g.metric, g.variant_id ORDER BY g.day)
    ),
    kinds AS
    (
        -- A proportion's events have no value: its sum of squares is its sum.
        SELECT experiment_id, metric, max(values_so_far) = 0 AS is_proportion
        FROM cumulated
        GROUP BY experiment_id, metric
    ),
    moments AS
    (
        SELECT
            c.*,
            k.is_proportion AS is_proportion,
            if(n = 0, NULL, toFloat64(total) / n) AS mean,
            multiIf(
                n = 0, NULL,
                is_proportion, mean * (1 - mean),
                n = 1, NULL,
                greatest(0, toFloat64(total_of_squares - toDecimal256(total, 6) * toDecimal256(total, 6) / n) / (n - 1))) AS variance
        FROM cumulated AS c
        INNER JOIN kinds AS k USING (experiment_id, metric)
    ),
    controls AS
    (
        SELECT experiment_id, min(id) AS control_id
        FROM (SELECT * FROM variants FINAL)
        WHERE is_control
        GROUP BY experiment_id
    ),
    compared AS
    (
        SELECT
            t.experiment_id AS experiment_id,
            t.metric AS metric,
            t.variant_id AS variant_id,
            t.day AS day,
            (t.variant_id = k.control_id)::Bool AS is_control,
            t.n AS n,
            t.converters AS converters,
            t.exposures AS exposures,
            t.events AS events,
            t.total AS total,
            t.mean AS mean,
            t.variance AS variance,
            if(is_control, NULL, c.mean) AS control_mean,
            t.mean - control_mean AS effect,
            t.variance / t.n AS v_t,
            c.variance / c.n AS v_c,
            if(is_control OR c.n = 0, NULL, sqrt(v_t + v_c)) AS effect_se,
            if(t.is_proportion OR effect_se = 0, NULL,
                pow(v_t + v_c, 2) / (pow(v_t, 2) / (t.n - 1) + pow(v_c, 2) / (c.n - 1))) AS df,
            if(effect_se = 0, NULL, effect / effect_se) AS t_statistic,
            if(df IS NULL, z975,
                z975 + (pow(z975, 3) + z975) / (4 * df)
                    + (5 * pow(z975, 5) + 16 * pow(z975, 3) + 3 * z975) / (96 * pow(df, 2))
                    + (3 * pow(z975, 7) + 19 * pow(z975, 5) + 17 * pow(z975, 3) - 15 * z975) / (384 * pow(df, 3))) AS critical_value,
            df - 0.5 AS a,
            48 * a * a AS b,
            a * log1p(t_statistic * t_statistic / df) AS y,
            if(df IS NULL, abs(t_statistic),
                (((((-0.4 * y - 3.3) * y - 24) * y - 85.5) / (0.8 * y * y + 100 + b) + y + 3) / b + 1) * sqrt(y)) AS u,
            if(control_mean = 0, NULL, effect / control_mean) AS lift,
            if(lift IS NULL, NULL,
                sqrt(v_c * pow(t.mean, 2) / pow(control_mean, 4) + v_t / pow(control_mean, 2))) AS lift_se
        FROM moments AS t
        LEFT JOIN controls AS k ON k.experiment_id = t.experiment_id
        LEFT JOIN moments AS c
            ON c.experiment_id = t.experiment_id AND c.metric = t.metric AND c.day = t.day AND c.variant_id = k.control_id
    )
SELECT
    r.experiment_id AS experiment_id,
    e.key AS experiment_key,
    e.name AS experiment_name,
    r.metric AS metric,
    r.variant_id AS variant_id,
    v.key AS variant_key,
    v.name AS variant_name,
    r.is_control AS is_control,
    r.day AS as_of_day,
    r.n AS n,
    r.converters AS converters,
    r.exposures AS exposures,
    r.events AS events,
    r.total AS total,
    r.mean AS mean,
    r.variance AS variance,
    sqrt(r.v_t) AS se,
    r.effect AS effect,
    r.effect - r.critical_value * r.effect_se AS effect_low,
    r.effect + r.critical_value * r.effect_se AS effect_high,
    r.lift AS lift,
    r.lift - z975 * r.lift_se AS lift_low,
    r.lift + z975 * r.lift_se AS lift_high,
    r.t_statistic AS t_statistic,
    r.df AS degrees_of_freedom,
    erfc(r.u / sqrt(2)) AS p,
    h.srm_p AS srm_p
FROM compared AS r
LEFT JOIN (SELECT * FROM experiments FINAL) AS e ON e.id = r.experiment_id
LEFT JOIN (SELECT * FROM variants FINAL) AS v ON v.id = r.variant_id
ASOF LEFT JOIN
    (SELECT experiment_id, toInt32(day) AS since, toNullable(srm_p) AS srm_p FROM experiment_health_daily FINAL) AS h
    ON h.experiment_id = r.experiment_id AND h.since <= toInt32(r.day)
COMMENT 'Results up to and including as_of_day per experiment, metric and variant. effect, lift and p are against the control, two-sided, 95 %, for one look at a fixed horizon: looking every day and stopping at p < 0.05 makes false alarms. NULL: not computable, or the control itself. srm_p below 0.001: the assignment is broken and the results are not to be trusted.';

CREATE OR REPLACE VIEW findings_open AS
SELECT
    severity,
    code,
    subject,
    experiment_id,
    user_id,
    event_id,
    detail,
    remedy,
    observed_at
FROM (SELECT * FROM data_inconsistencies FINAL)
WHERE status = 'OPEN' AND severity IN ('ERROR', 'WARNING')
ORDER BY severity = 'ERROR' DESC, observed_at DESC
COMMENT 'Errors and warnings that were not resolved, errors first, then the newest, each with its remedy. What only informs (severity INFO: late events, duplicates, overrides) stands in data_inconsistencies.';
