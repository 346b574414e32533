-- The views that analysts and operators read. Applied inside the target database, after the tables; safe to apply twice.
-- Rates, intervals and p-values are computed here and stored nowhere.

-- Only the newest progress markers: the job fails before a sink falls further behind.
CREATE OR REPLACE VIEW etl_progress AS
SELECT
    sequence_number,
    nullIf(min(subtask_lsn), 0) AS lsn,
    if(lsn IS NULL, NULL, min(subtask_committed_at)) AS committed_at,
    min(subtask_snapshot_done) AS snapshot_done,
    max(subtask_written_at) AS written_at,
    if(committed_at IS NULL, NULL, greatest(0., dateDiff('millisecond', committed_at, now64(6, 'UTC')) / 1000)) AS lag_seconds
FROM
(
    SELECT
        sequence_number,
        sink,
        parallelism,
        subtask,
        max(lsn) AS subtask_lsn,
        max(committed_at) AS subtask_committed_at,
        max(snapshot_done) AS subtask_snapshot_done,
        min(written_at) AS subtask_written_at,
        max(sinks) AS sinks,
        uniqExact(subtask) OVER (PARTITION BY sequence_number, sink, parallelism) = parallelism AS sink_done
    FROM etl_sink_progress
    WHERE sequence_number >= (SELECT min(sequence_number) FROM (SELECT sequence_number FROM etl_sink_progress ORDER BY sequence_number DESC LIMIT 100000))
    GROUP BY sequence_number, sink, parallelism, subtask
)
WHERE sink_done
GROUP BY sequence_number
HAVING uniqExact(sink) >= max(sinks)
ORDER BY sequence_number DESC
LIMIT 1
COMMENT 'One row: how much of the source is visible. Everything that was committed in PostgreSQL up to lsn, at committed_at, is in the tables. lsn, committed_at and lag_seconds are NULL until the first transaction after the initial load is visible. snapshot_done = false: the initial load is not finished and statistics are incomplete. No row: no checkpoint has completed yet.';

CREATE OR REPLACE VIEW experiment_daily AS
SELECT
    s.experiment_id AS experiment_id,
    e.key AS experiment_key,
    e.name AS experiment_name,
    s.metric AS metric,
    s.kind AS kind,
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
    s.d_den_sum AS denominator_sum,
    s.new_users AS new_users,
    s.new_converters AS new_converters,
    if(s.active_users = 0, NULL, s.converting_users / s.active_users) AS converting_share,
    if(s.active_users = 0, NULL, s.events / s.active_users) AS events_per_active_user,
    if(s.events = 0, NULL, toFloat64(s.value_sum) / s.events) AS value_per_event,
    if(s.d_den_sum = 0, NULL, toFloat64(s.d_sum) / toFloat64(s.d_den_sum)) AS ratio,
    s.closed AS closed
FROM (SELECT * FROM experiment_daily_stats FINAL) AS s
LEFT JOIN (SELECT * FROM experiments FINAL) AS e ON e.id = s.experiment_id
LEFT JOIN (SELECT * FROM variants FINAL) AS v ON v.id = s.variant_id
COMMENT 'A day''s activity per experiment, metric and variant: rates and active users. active_users, converting_users, the shares and the ratio (capped numerator divided by denominator, for the day alone) do not add up over days: for results read experiment_results.';

-- The formulas. A variant has n users up to and including the day. y: a user's total under the metric's cap (for a ratio: of the
-- numerator); z: the total of a ratio's denominator; x: the covariate before the exposure.
--   covariance(a, b) = (sum(ab) - sum(a) sum(b)/n) / (n - 1), exact until the division.
--   proportion, mean, count: mean = sum(y)/n; variance(y), for a proportion p(1 - p).
--   ratio: mean = sum(y)/sum(z); with m = sum(y)/n and d = sum(z)/n the delta method's variance of a unit is
--     var(y)/d^2 + var(z) m^2/d^4 - 2 cov(y, z) m/d^3 (A. Deng, U. Knoblich, J. Lu, Applying the Delta Method in Metric Analytics, KDD 2018, eq. 4).
--   SE = sqrt(variance/n); mean +- 1.96 SE.
CREATE OR REPLACE VIEW experiment_cumulative AS
WITH
    1.959963984540054 AS z975,
    (ab, a, b, n) -> toFloat64(ab - toDecimal256(a, 6) * toDecimal256(b, 6) / n) / (n - 1) AS covariance,
    daily AS (SELECT *, 1 AS is_row FROM experiment_daily_stats FINAL),
    grid AS
    (
        SELECT experiment_id, metric, kind, variant_id, day
        FROM (SELECT DISTINCT experiment_id, metric, day FROM daily) AS d
        INNER JOIN (SELECT experiment_id, metric, variant_id FROM daily GROUP BY ALL) AS v USING (experiment_id, metric)
        INNER JOIN (SELECT metric, max(kind) AS kind FROM daily GROUP BY metric) AS k USING (metric)
    ),
    cumulated AS
    (
        SELECT
            g.experiment_id AS experiment_id,
            g.metric AS metric,
            g.kind AS kind,
            g.variant_id AS variant_id,
            g.day AS day,
            sum(s.new_users) OVER so_far AS n,
            sum(s.new_converters) OVER so_far AS converters,
            sum(s.events) OVER so_far AS events,
            sum(s.exposures) OVER so_far AS exposures,
            sum(s.d_sum) OVER so_far AS total,
            sum(s.d_sum_sq) OVER so_far AS total_sq,
            sum(s.d_den_sum) OVER so_far AS den_total,
            sum(s.d_den_sum_sq) OVER so_far AS den_total_sq,
            sum(s.d_num_den) OVER so_far AS num_den_total,
            sum(s.d_x_sum) OVER so_far AS x_total,
            sum(s.d_x_sum_sq) OVER so_far AS x_total_sq,
            sum(s.d_xy) OVER so_far AS xy_total,
            sum(s.is_row = 1 AND NOT s.closed) OVER so_far AS open_days
        FROM grid AS g
        LEFT JOIN daily AS s
            ON s.experiment_id = g.experiment_id AND s.metric = g.metric AND s.variant_id = g.variant_id AND s.day = g.day
        WINDOW so_far AS (PARTITION BY g.experiment_id, g.metric, g.variant_id ORDER BY g.day)
    )
SELECT
    *,
    toFloat64(total) AS y,
    toFloat64(den_total) AS z,
    multiIf(kind = 'ratio', if(z = 0, NULL, y / z), n = 0, NULL, y / n) AS mean,
    if(n < 2, NULL, covariance(total_sq, total, total, n)) AS var_y,
    if(n < 2, NULL, covariance(x_total_sq, x_total, x_total, n)) AS var_x,
    if(n < 2, NULL, covariance(xy_total, x_total, total, n)) AS cov_xy,
    multiIf(
        kind = 'proportion', mean * (1 - mean),
        kind != 'ratio', greatest(var_y, 0),
        z = 0 OR n < 2, NULL,
        greatest(0, var_y * pow(n / z, 2) + covariance(den_total_sq, den_total, den_total, n) * pow(y / n, 2) * pow(n / z, 4)
            - 2 * covariance(num_den_total, total, den_total, n) * (y / n) * pow(n / z, 3))) AS variance,
    sqrt(variance / n) AS se,
    mean - z975 * se AS mean_low,
    mean + z975 * se AS mean_high
FROM cumulated
COMMENT 'The series for plots: users, totals and means of each variant up to and including day, per experiment and metric; open_days: days up to then that are not closed. total_sq, den_..., num_den_total, x_..., xy_total are the sums of y^2, of a ratio''s denominator z, of yz, of the covariate x and of xy. mean = total/n, for a ratio total/den_total; variance: for a proportion p(1-p), for a ratio by the delta method (Deng et al., KDD 2018), else the sample variance; mean_low, mean_high: mean +- 1.96 sqrt(variance/n).';

-- The formulas, in addition to those of experiment_cumulative. T is the variant, C the control.
--   effect D = mean_T - mean_C, SE_D = sqrt(var_T/n_T + var_C/n_C), t = D/SE_D,
--   degrees of freedom by Welch and Satterthwaite: SE_D^4 / ((var_T/n_T)^2/(n_T-1) + (var_C/n_C)^2/(n_C-1)); for a proportion t is normal.
--   p = I(df/(df + t^2); df/2, 1/2), the incomplete beta function by 30 terms of its continued fraction (DLMF 8.17.22; on the side of
--     x < (a+1)/(a+b+2), where it converges), for df < 100: relative error below 1e-8;
--     from 100 on t to the normal deviate u by G. W. Hill, Algorithm 395, CACM 13 (1970), p = erfc(|u|/sqrt(2)): absolute error below 1e-11.
--   97.5 % quantile of t by Cornish and Fisher (Abramowitz and Stegun 26.7.5) and, for df < 100, two steps of Newton: relative error below
--     1e-8 from df = 2 on, 2e-4 at df = 1.
--   relative lift D/mean_C, its variance by the delta method: var_C mean_T^2/(mean_C^4 n_C) + var_T/(mean_C^2 n_T).
--   always valid: D +- SE_D sqrt(N) sqrt(2 (N r^2 + 1)/(N^2 r^2) ln(sqrt(N r^2 + 1)/0.05)), N = n_T + n_C,
--     r^2 = (-2 ln 0.05 + ln(-2 ln 0.05 + 1))/5000: an asymptotic confidence sequence, tightest at 5,000 users
--     (I. Waudby-Smith et al., arXiv 2103.06476, eq. 9 and appendix); its p is the alpha at which the interval touches 0:
--     min(1, sqrt(N r^2 + 1) exp(-t^2 N r^2/(2 (N r^2 + 1)))). For the lift: the same factor times the lift's SE.
--   CUPED (A. Deng et al., Improving the Sensitivity of Online Controlled Experiments, WSDM 2013): theta = cov(x, y)/var(x) over the users of
--     both variants together, 0 if either variance is 0; D' = D - theta (mean x_T - mean x_C); variance of a unit
--     var(y) + theta^2 var(x) - 2 theta cov(x, y); then as above, t with the same degrees-of-freedom formula.
--   verdict: sample ratio mismatch at p < 0.001; crossovers of at least 10 users and 1 % of the exposed; a variant without exposed
--     users that should have at least 10 by its allocation.
CREATE OR REPLACE VIEW experiment_results AS
WITH
    1.959963984540054 AS z975,
    (-2 * log(0.05) + log(1 - 2 * log(0.05))) / 5000 AS r2,
    (x, c) -> c.1 + c.2 * exp(lgamma(c.3 + c.4) - lgamma(c.3) - lgamma(c.4) + c.3 * log(x) + c.4 * log1p(-x)) / c.3
        / arrayFold(
            (f, k) -> 1 + if(k % 2 = 1, -(c.3 + intDiv(k, 2)) * (c.3 + c.4 + intDiv(k, 2)), intDiv(k, 2) * (c.4 - intDiv(k, 2)))
                * x / ((c.3 + k - 1) * (c.3 + k)) / f,
            arrayReverse(range(1, 31)), 1.) AS incomplete_beta,
    (t, df) -> if(3 * df < t * t * (df + 2),
        incomplete_beta(df / (df + t * t), (0., 1., df / 2, 0.5)),
        incomplete_beta(t * t / (df + t * t), (1., -1., 0.5, df / 2))) AS both_tails,
    (y, a, b) -> (((((-0.4 * y - 3.3) * y - 24) * y - 85.5) / (0.8 * y * y + 100 + b) + y + 3) / b + 1) * sqrt(y) AS hill,
    (t, df) -> multiIf(
        t IS NULL, NULL,
        df IS NULL, erfc(abs(t) / sqrt(2)),
        df < 100, both_tails(assumeNotNull(t), assumeNotNull(df)),
        erfc(hill((df - 0.5) * log1p(t * t / df), df - 0.5, 48 * pow(df - 0.5, 2)) / sqrt(2))) AS p_of,
    df -> z975 + (pow(z975, 3) + z975) / (4 * df) + (5 * pow(z975, 5) + 16 * pow(z975, 3) + 3 * z975) / (96 * pow(df, 2))
        + (3 * pow(z975, 7) + 19 * pow(z975, 5) + 17 * pow(z975, 3) - 15 * z975) / (384 * pow(df, 3))
        + (79 * pow(z975, 9) + 776 * pow(z975, 7) + 1482 * pow(z975, 5) - 1920 * pow(z975, 3) - 945 * z975) / (92160 * pow(df, 4)) AS cornish_fisher,
    df -> multiIf(
        df IS NULL, z975,
        df >= 100, cornish_fisher(df),
        arrayFold(
            (q, step) -> q + (both_tails(q, assumeNotNull(df)) - 0.05) / 2
                * exp(lgamma(assumeNotNull(df) / 2) - lgamma((assumeNotNull(df) + 1) / 2) + 0.5 * log(assumeNotNull(df) * pi())
                    + (assumeNotNull(df) + 1) / 2 * log1p(q * q / assumeNotNull(df))),
            range(2), assumeNotNull(cornish_fisher(df)))) AS critical_of,
    (v_t, n_t, v_c, n_c) -> pow(v_t + v_c, 2) / (pow(v_t, 2) / (n_t - 1) + pow(v_c, 2) / (n_c - 1)) AS welch_df,
    controls AS
    (
        SELECT experiment_id, min(id) AS control_id
        FROM (SELECT * FROM variants FINAL)
        WHERE is_control
        GROUP BY experiment_id
    ),
    health AS
    (
        SELECT experiment_id AS of_experiment, toInt32(day) AS since, toNullable(srm_p) AS srm_p,
            toNullable(crossover_users) AS crossover_users, arraySum(exposed_users) AS exposed,
            arraySum(arrayMap(i -> if(weights[i] > 0, exposed_users[i], 0), arrayEnumerate(exposed_users))) AS weighed_users,
            arrayExists(i -> exposed_users[i] = 0 AND weights[i] > 0 AND weights[i] * weighed_users >= 10 * arraySum(weights),
                arrayEnumerate(exposed_users)) AS lacks_a_variant
        FROM experiment_health_daily FINAL
    ),
    errors AS
    (
        SELECT assumeNotNull(experiment_id) AS in_experiment, count() AS open_errors
        FROM (SELECT * FROM data_inconsistencies FINAL)
        WHERE status = 'OPEN' AND severity = 'ERROR' AND code != 'H-SRM' AND experiment_id IS NOT NULL
        GROUP BY in_experiment
    ),
    ended AS
    (
        SELECT subject_key AS ended_metric, toNullable(observed_at) AS ended_at
        FROM data_inconsistencies FINAL
        WHERE code = 'M-ENDED'
    ),
    compared AS
    (
        SELECT
            t.experiment_id AS experiment_id,
            t.metric AS metric,
            t.kind AS kind,
            t.variant_id AS variant_id,
            t.day AS day,
            t.n AS n,
            t.converters AS converters,
            t.exposures AS exposures,
            t.events AS events,
            t.total AS total,
            t.den_total AS den_total,
            t.mean AS mean,
            t.variance AS variance,
            t.se AS se,
            k.control_id > 0 AS has_control,
            (t.variant_id = k.control_id)::Bool AS is_control,
            c.n AS n_c,
            if(is_control OR n_c = 0, NULL, c.mean) AS mean_c,
            t.variance / t.n AS v_t,
            c.variance / c.n AS v_c,
            t.mean - mean_c AS effect,
            if(mean_c IS NULL, NULL, nullIf(sqrt(v_t + v_c), 0)) AS effect_se,
            if(t.kind = 'proportion' OR effect_se IS NULL, NULL, welch_df(v_t, t.n, v_c, n_c)) AS df,
            effect / effect_se AS t_statistic,
            if(mean_c = 0, NULL, effect / mean_c) AS lift,
            sqrt(v_c * pow(t.mean, 2) / pow(mean_c, 4) + v_t / pow(mean_c, 2)) AS lift_se,
            assumeNotNull(ifNull(n_c, 0)) + t.n AS both_n,
            r2 * both_n + 1 AS nr,
            effect_se * sqrt(2 * nr / (both_n * r2) * log(sqrt(nr) / 0.05)) AS always_valid_reach,
            toFloat64(t.xy_total + c.xy_total
                - toDecimal256(t.x_total + c.x_total, 6) * toDecimal256(t.total + c.total, 6) / both_n) AS pooled_xy,
            toFloat64(t.x_total_sq + c.x_total_sq
                - toDecimal256(t.x_total + c.x_total, 6) * toDecimal256(t.x_total + c.x_total, 6) / both_n) AS pooled_xx,
            t.x_total_sq + c.x_total_sq > 0 AND t.kind != 'ratio' AND effect_se IS NOT NULL AS has_covariate,
            if(pooled_xx <= 0 OR t.var_y = 0 OR c.var_y = 0, 0, pooled_xy / pooled_xx) AS theta_,
            if(has_covariate, theta_, NULL) AS theta,
            greatest(0, t.var_y + theta * theta * t.var_x - 2 * theta * t.cov_xy) / t.n AS cuped_v_t,
            greatest(0, c.var_y + theta * theta * c.var_x - 2 * theta * c.cov_xy) / n_c AS cuped_v_c,
            effect - theta * (toFloat64(t.x_total) / t.n - toFloat64(c.x_total) / n_c) AS cuped_effect,
            nullIf(sqrt(cuped_v_t + cuped_v_c), 0) AS cuped_se,
            if(cuped_se IS NULL, NULL, welch_df(cuped_v_t, t.n, cuped_v_c, n_c)) AS cuped_df,
            cuped_effect / cuped_se AS cuped_t,
            t.open_days + c.open_days AS days_open,
            if(is_control OR mean_c IS NULL, t.n, least(t.n, n_c)) AS fewest_users,
            least(t.converters, t.n - t.converters, if(mean_c IS NULL, t.n, least(c.converters, n_c - c.converters))) AS fewest_of_a_proportion
        FROM experiment_cumulative AS t
        LEFT JOIN controls AS k ON k.experiment_id = t.experiment_id
        LEFT JOIN experiment_cumulative AS c
            ON c.experiment_id = t.experiment_id AND c.metric = t.metric AND c.day = t.day AND c.variant_id = k.control_id
    ),
    judged AS
    (
        SELECT
            *,
            if(exposed = 0, NULL, crossover_users / exposed) AS crossover_rate,
            arrayFilter(reason -> reason != '', [
                if((SELECT max(snapshot_done) FROM etl_progress), '', 'the initial load is not finished'),
                if(srm_p < 0.001, concat('sample ratio mismatch, p = ', toString(assumeNotNull(srm_p))), ''),
                if(crossover_users >= 10 AND crossover_rate >= 0.01,
                    concat('crossovers: ', toString(round(100 * assumeNotNull(crossover_rate), 1)), ' % of the exposed users'), ''),
                if(lacks_a_variant, 'a variant has no exposed users', ''),
                if(has_control, '', 'no variant is the control')]) AS grave,
            arrayFilter(reason -> reason != '', [
                if(ended_at IS NULL, '', concat('no longer counted since ', toString(toDate(assumeNotNull(ended_at))))),
                if(fewest_users < 100, 'fewer than 100 users in a variant', ''),
                if(fewest_users >= 100 AND kind = 'proportion' AND fewest_of_a_proportion < 10,
                    'fewer than 10 users with, or without, the event in a variant', ''),
                if(open_errors > 0, concat('open errors: ', toString(open_errors), ', see findings_open'), ''),
                if(days_open > 0 AND ended_at IS NULL, 'days are not closed, late events may change it', '')]) AS slight
        FROM compared
        LEFT JOIN errors ON in_experiment = experiment_id
        LEFT JOIN ended ON ended_metric = metric
        ASOF LEFT JOIN health ON of_experiment = experiment_id AND since <= toInt32(day)
    )
SELECT
    r.experiment_id AS experiment_id,
    e.key AS experiment_key,
    e.name AS experiment_name,
    r.metric AS metric,
    r.kind AS kind,
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
    r.den_total AS denominator_total,
    r.mean AS mean,
    r.variance AS variance,
    r.se AS se,
    r.effect AS effect,
    r.effect - critical_of(r.df) * r.effect_se AS effect_low,
    r.effect + critical_of(r.df) * r.effect_se AS effect_high,
    r.lift AS lift,
    r.lift - z975 * r.lift_se AS lift_low,
    r.lift + z975 * r.lift_se AS lift_high,
    r.t_statistic AS t_statistic,
    r.df AS degrees_of_freedom,
    p_of(r.t_statistic, r.df) AS p,
    r.effect - r.always_valid_reach AS always_valid_low,
    r.effect + r.always_valid_reach AS always_valid_high,
    if(r.t_statistic IS NULL, NULL,
        least(1, sqrt(r.nr) * exp(-r.t_statistic * r.t_statistic * (r.nr - 1) / (2 * r.nr)))) AS always_valid_p,
    r.lift - r.always_valid_reach / r.effect_se * r.lift_se AS always_valid_lift_low,
    r.lift + r.always_valid_reach / r.effect_se * r.lift_se AS always_valid_lift_high,
    r.theta AS cuped_theta,
    r.cuped_effect AS cuped_effect,
    r.cuped_effect - critical_of(r.cuped_df) * r.cuped_se AS cuped_effect_low,
    r.cuped_effect + critical_of(r.cuped_df) * r.cuped_se AS cuped_effect_high,
    if(r.mean_c = 0, NULL, r.cuped_effect / r.mean_c) AS cuped_lift,
    p_of(r.cuped_t, r.cuped_df) AS cuped_p,
    1 - pow(r.cuped_se / r.effect_se, 2) AS cuped_variance_reduction,
    r.srm_p AS srm_p,
    r.crossover_rate AS crossover_rate,
    multiIf(
        notEmpty(r.grave), concat('do not trust: ', arrayStringConcat(arrayConcat(r.grave, r.slight), '; ')),
        notEmpty(r.slight), concat('with care: ', arrayStringConcat(r.slight, '; ')),
        'ok') AS verdict
FROM judged AS r
LEFT JOIN (SELECT * FROM experiments FINAL) AS e ON e.id = r.experiment_id
LEFT JOIN (SELECT * FROM variants FINAL) AS v ON v.id = r.variant_id
COMMENT 'Results up to and including as_of_day per experiment, metric and variant; read verdict first. effect = mean - the control''s mean; effect_low, effect_high, p: Welch''s t test (a proportion: the normal test), two-sided, 95 %, for one look at a fixed horizon. Looking every day and stopping at p < 0.05 makes false alarms; always_valid_low, always_valid_high, always_valid_p, always_valid_lift_low, always_valid_lift_high do not (asymptotic confidence sequence, arXiv 2103.06476, tightest at 5,000 users). lift = effect divided by the control''s mean, its interval and a ratio''s variance by the delta method (Deng et al., KDD 2018). cuped_...: the same effect, adjusted for differences between the users before their exposure (Deng et al., WSDM 2013). srm_p: chi-square test of the assigned users against the allocation. NULL: not computable, not declared, or the control itself.';

-- Counts the users that experiment_results counts under the default settings: assigned at random to a variant of the experiment,
-- exposed (event type exposure) within its dates, no crossover. y is the number of the user's events of event_type from the first
-- exposure on, within the dates, or the sum of their property if one is named (a JSON number from 0 to below 10^12); no window, no cap.
-- The user's property comes from the first exposure's row: a segment must be fixed before the effect.
--   effect, its interval and p: D +- 1.96 sqrt(var_T/n_T + var_C/n_C), p = erfc(|D/SE|/sqrt(2)): the normal approximation.
CREATE OR REPLACE VIEW experiment_segments AS
WITH
    1.959963984540054 AS z975,
    event AS
    (
        SELECT experiment_id, user_id, event_id, min(timestamp) AS at,
            argMin((toString(event_type), variant_id, ifNull(properties, ''), ifNull(user_properties, '')), timestamp) AS row
        FROM events_processed FINAL
        WHERE event_type IN ('exposure', {event_type:String})
        GROUP BY experiment_id, user_id, event_id
    ),
    assigned AS
    (
        SELECT a.experiment_id AS experiment_id, a.user_id AS user_id, a.variant_id AS variant_id,
            v.is_control AS is_control, e.starts_at AS starts_at, e.ends_at AS ends_at
        FROM (SELECT * FROM assignments_processed FINAL ORDER BY assigned_at, id LIMIT 1 BY experiment_id, user_id) AS a
        INNER JOIN (SELECT * FROM experiments FINAL) AS e ON e.id = a.experiment_id
        INNER JOIN (SELECT * FROM variants FINAL) AS v ON v.id = a.variant_id AND v.experiment_id = a.experiment_id
        WHERE a.source NOT IN ('override', 'forced')
    ),
    running AS
    (
        SELECT a.experiment_id AS experiment_id, a.user_id AS user_id, a.variant_id AS variant_id, a.is_control AS is_control,
            t.at AS at, t.row AS row
        FROM event AS t
        INNER JOIN assigned AS a ON a.experiment_id = t.experiment_id AND a.user_id = t.user_id
        WHERE t.at >= ifNull(a.starts_at, t.at) AND t.at <= ifNull(a.ends_at, t.at)
    ),
    unit AS
    (
        SELECT
            experiment_id, user_id, variant_id, is_control,
            minIf(at, row.1 = 'exposure') AS entered_at,
            argMinIf(row.4, at, row.1 = 'exposure') AS of_user,
            if(JSONType(of_user, {dimension:String}) = 'String', JSONExtractString(of_user, {dimension:String}),
                JSONExtractRaw(of_user, {dimension:String})) AS value,
            arraySum(e -> if({property:String} = '', 1., e.2), arrayFilter(e -> e.1 >= entered_at, groupArrayIf(
                (at, JSONExtractFloat(row.3, {property:String})),
                row.1 = {event_type:String} AND ({property:String} = ''
                    OR (JSONType(row.3, {property:String}) IN ('Int64', 'UInt64', 'Double')
                        AND JSONExtractFloat(row.3, {property:String}) >= 0 AND JSONExtractFloat(row.3, {property:String}) < 1e12))))) AS y
        FROM running
        GROUP BY experiment_id, user_id, variant_id, is_control
        HAVING countIf(row.1 = 'exposure') > 0 AND countIf(row.1 = 'exposure' AND row.2 IS NOT NULL AND row.2 != variant_id) = 0
    ),
    cell AS
    (
        SELECT experiment_id, value, variant_id, max(is_control) AS is_control, count() AS n, countIf(y > 0) AS users_with,
            sum(y) AS total, avg(y) AS mean, if(n < 2, NULL, varSamp(y)) AS variance
        FROM unit
        GROUP BY experiment_id, value, variant_id
    )
SELECT
    t.experiment_id AS experiment_id,
    {dimension:String} AS dimension,
    t.value AS value,
    t.variant_id AS variant_id,
    v.key AS variant_key,
    t.is_control AS is_control,
    t.n AS n,
    t.users_with AS users_with,
    t.users_with / t.n AS share,
    t.total AS total,
    t.mean AS mean,
    t.variance AS variance,
    if(t.is_control OR c.n = 0, NULL, t.mean - c.mean) AS effect,
    nullIf(sqrt(t.variance / t.n + c.variance / c.n), 0) AS effect_se,
    effect - z975 * effect_se AS effect_low,
    effect + z975 * effect_se AS effect_high,
    if(c.mean = 0, NULL, effect / c.mean) AS lift,
    erfc(abs(effect / effect_se) / sqrt(2)) AS p
FROM cell AS t
LEFT JOIN (SELECT * FROM cell WHERE is_control) AS c ON c.experiment_id = t.experiment_id AND c.value = t.value
LEFT JOIN (SELECT * FROM variants FINAL) AS v ON v.id = t.variant_id
COMMENT 'Segments by a property of the user, from the raw rows: SELECT * FROM experiment_segments(dimension = ''country'', event_type = ''purchase'', property = ''revenue''); property = '''' counts the events. Each user''s events of the type from the first exposure on, within the experiment''s dates, without window and cap; crossovers are left out; the user''s property is its value at the first exposure. Interval and p are the normal approximation, for one look at one segmentation: one in twenty comparisons shows p < 0.05 by chance.';

-- Current figures. usual_exposures: the median of the seven days before last_day; NULL while there are fewer. outlier_shares: per
-- metric, in the variant where it is greatest, Q/S^2 with S the sum and Q the sum of squares of the users' totals (Simpson's index
-- of the users' shares): the greatest user's share is between this number and its square root.
CREATE OR REPLACE VIEW experiment_health AS
WITH
    figures AS
    (
        SELECT
            experiment_id AS of_experiment,
            argMax(variant_ids, day) AS variant_ids,
            argMax(weights, day) AS weights,
            argMax(assigned_users, day) AS assigned,
            argMax(exposed_users, day) AS exposed,
            argMax(crossover_users, day) AS crossover_users,
            argMax(srm_p, day) AS srm_p,
            max(day) AS last_day,
            argMax(exposures, day) AS exposures_on_last_day,
            arrayMap(back -> toInt32(last_day) - back, range(1, 8)) AS days_before,
            groupArray((toInt32(day), exposures)) AS by_day,
            if(arrayMin(d -> d.1, by_day) > toInt32(last_day) - 7, NULL,
                arraySort(arrayMap(b -> arraySum(d -> if(d.1 = b, d.2, 0), by_day), days_before))[4]) AS usual_exposures,
            nullIf(maxIf(day, exposures > 0), toDate32(0)) AS last_exposure_day
        FROM (SELECT * FROM experiment_health_daily FINAL)
        GROUP BY experiment_id
    ),
    metrics AS
    (
        SELECT experiment_id AS in_experiment, maxMap(map(metric, outlier_share)) AS outlier_shares, sumMap(map(metric, all_events)) AS metric_events
        FROM
        (
            SELECT experiment_id, toString(metric) AS metric, variant_id, sum(events) AS all_events,
                if(sum(d_sum) = 0, 0., toFloat64(sum(d_sum_sq)) / pow(toFloat64(sum(d_sum)), 2)) AS outlier_share
            FROM (SELECT * FROM experiment_daily_stats FINAL)
            GROUP BY experiment_id, metric, variant_id
        )
        GROUP BY experiment_id
    ),
    open AS
    (
        SELECT assumeNotNull(experiment_id) AS found_in, arraySort(groupUniqArray(toString(code))) AS codes
        FROM (SELECT * FROM data_inconsistencies FINAL)
        WHERE status = 'OPEN' AND severity IN ('ERROR', 'WARNING') AND experiment_id IS NOT NULL
        GROUP BY found_in
    )
SELECT
    e.id AS experiment_id,
    e.key AS experiment_key,
    e.name AS experiment_name,
    e.status AS status,
    o.codes AS open_findings,
    arraySum(f.assigned) AS assigned_users,
    arraySum(f.exposed) AS exposed_users,
    if(assigned_users = 0, NULL, f.srm_p) AS srm_p,
    f.crossover_users AS crossover_users,
    if(exposed_users = 0, NULL, f.crossover_users / exposed_users) AS crossover_rate,
    arrayMap(i -> f.variant_ids[i], arrayFilter(i -> f.weights[i] > 0 AND f.exposed[i] = 0, arrayEnumerate(f.variant_ids))) AS variants_without_users,
    if(empty(f.variant_ids), NULL, f.last_day) AS last_day,
    f.exposures_on_last_day AS exposures_on_last_day,
    f.usual_exposures AS usual_exposures,
    f.last_exposure_day AS last_exposure_day,
    m.metric_events AS metric_events,
    m.outlier_shares AS outlier_shares
FROM (SELECT * FROM experiments FINAL) AS e
LEFT JOIN figures AS f ON f.of_experiment = e.id
LEFT JOIN metrics AS m ON m.in_experiment = e.id
LEFT JOIN open AS o ON o.found_in = e.id
COMMENT 'One row per experiment, current: open findings, sample ratio, crossovers, variants that should have users and have none, exposures of the last day and the median of the seven days before it, the last day with an exposure, and per metric its counted events and a lower bound of the greatest user''s share of a variant''s sum.';

CREATE OR REPLACE VIEW findings_open AS
SELECT
    severity,
    code,
    subject,
    subject_kind,
    subject_key,
    experiment_id,
    user_id,
    event_id,
    event_timestamp,
    detail,
    remedy,
    dead_letter_since,
    observed_at
FROM (SELECT *, subject FROM data_inconsistencies FINAL)
WHERE status = 'OPEN' AND severity IN ('ERROR', 'WARNING')
ORDER BY severity = 'ERROR' DESC, observed_at DESC
COMMENT 'Errors and warnings that are not resolved, errors first, then the newest, each with its remedy. Findings of severity INFO (late events, duplicates, overrides) are in data_inconsistencies.';
