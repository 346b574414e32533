-- The views that analysts and operators read. Applied inside the target database, after the tables; safe to apply twice.
-- Rates, intervals and p-values are computed here and stored nowhere.
-- The SETTINGS of each view keep its figures the same, whatever the reader's profile says about joins, NULL and aliases. Nothing here
-- depends on the session's time zone, and greatest and least never see NULL: ClickHouse changed what they return for it.

CREATE OR REPLACE VIEW etl_progress /*cluster:ON CLUSTER '{cluster}'*/ AS
SELECT
    sequence_number,
    nullIf(max(marker_lsn), 0) AS lsn,
    if(lsn IS NULL, NULL, max(marker_committed_at)) AS committed_at,
    max(marker_snapshot_done) AS snapshot_done,
    max(marker_written_at) AS written_at,
    if(committed_at IS NULL, NULL, greatest(0., dateDiff('millisecond', committed_at, now64(6, 'UTC')) / 1000)) AS lag_seconds,
    max(marker_lag_limit) AS lag_limit_seconds
FROM
(
    SELECT
        sequence_number,
        lsn AS marker_lsn,
        committed_at AS marker_committed_at,
        snapshot_done AS marker_snapshot_done,
        written_at AS marker_written_at,
        lag_limit_seconds AS marker_lag_limit
    FROM etl_sink_progress
    WHERE sequence_number = (SELECT max(sequence_number) FROM etl_sink_progress)
)
GROUP BY sequence_number
SETTINGS join_use_nulls = 0, join_default_strictness = 'ALL', join_algorithm = 'direct,parallel_hash,hash', transform_null_in = 0,
    aggregate_functions_null_for_empty = 0, prefer_column_name_to_alias = 0
COMMENT 'One row: how much of the source is visible. Everything that was committed in PostgreSQL up to lsn, at committed_at, is in the tables. lsn, committed_at and lag_seconds are NULL until the first transaction after the initial load is visible. snapshot_done = false: the initial load is not finished and statistics are incomplete. No row: no checkpoint has completed yet.';

CREATE OR REPLACE VIEW experiment_daily /*cluster:ON CLUSTER '{cluster}'*/ AS
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
SETTINGS join_use_nulls = 0, join_default_strictness = 'ALL', join_algorithm = 'direct,parallel_hash,hash', transform_null_in = 0,
    aggregate_functions_null_for_empty = 0, prefer_column_name_to_alias = 0
COMMENT 'A day''s activity per experiment, metric and variant: rates and active users. active_users, converting_users, the shares and the ratio (capped numerator divided by denominator, for the day alone) do not add up over days: for results read experiment_results.';

-- The formulas. A variant has n users up to and including the day. y: a user's total under the metric's cap (for a ratio: of the
-- numerator); z: the total of a ratio's denominator; x: the covariate before the exposure.
--   n (n - 1) covariance(a, b) = n sum(ab) - sum(a) sum(b), in whole numbers (a unit is 10^-6 of a sum, 10^-12 of a sum of products): a
--     difference of floats loses the variance of values that are large beside their spread.
--   proportion, mean, count: mean = sum(y)/n; variance(y), for a proportion p(1 - p) = sum(y) (n - sum(y))/n^2.
--   ratio: mean R = sum(y)/sum(z); with d = sum(z)/n the delta method's variance of a unit is sum((y - R z)^2)/((n - 1) d^2)
--     (A. Deng, U. Knoblich, J. Lu, Applying the Delta Method in Metric Analytics, KDD 2018, eq. 4), and
--     sum(z)^2 sum((y - R z)^2) = sum(z)^2 sum(y^2) - 2 sum(y) sum(z) sum(yz) + sum(y)^2 sum(z^2), in whole numbers up to 256 bits.
--   SE = sqrt(variance/n); mean +- 1.96 SE. One user has no variance.
CREATE OR REPLACE VIEW experiment_cumulative /*cluster:ON CLUSTER '{cluster}'*/ AS
WITH
    1.959963984540054 AS z975,
    total -> toInt256(toDecimal256(total, 6) * 1000000) AS millionths,
    products -> toInt256(toDecimal256(products, 12) * 1000000000000) AS trillionths,
    daily AS (SELECT *, 1 AS is_row FROM experiment_daily_stats FINAL),
    grid AS
    (
        SELECT experiment_id, metric, kind, variant_id, day
        FROM
        (
            -- All metrics of an experiment have its days, from the metric's first one on.
            SELECT experiment_id, metric, kind, day
            FROM (SELECT experiment_id, metric, max(daily.kind) AS kind, min(day) AS first_day FROM daily GROUP BY experiment_id, metric) AS m
            INNER JOIN (SELECT DISTINCT experiment_id, day FROM daily) AS x USING (experiment_id)
            WHERE day >= first_day
        ) AS d
        INNER JOIN (SELECT experiment_id, metric, variant_id FROM daily GROUP BY experiment_id, metric, variant_id) AS v
            USING (experiment_id, metric)
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
    ),
    summed AS
    (
        SELECT
            *,
            millionths(total) AS y,
            millionths(den_total) AS z,
            millionths(x_total) AS x,
            trillionths(total_sq) AS yy,
            trillionths(den_total_sq) AS zz,
            trillionths(num_den_total) AS yz,
            toFloat64(n) * (n - 1) * 1e12 AS scale,
            if(n < 2, NULL, toFloat64(n * yy - y * y) / scale) AS var_y,
            pow(toFloat64(z), 2) * toFloat64(yy) + pow(toFloat64(y), 2) * toFloat64(zz) < 1e76 AS has_exact_residual,
            toFloat64(z * z * yy - 2 * y * z * yz + y * y * zz) / pow(toFloat64(z), 2) AS exact_residual,
            pow(toFloat64(y) / toFloat64(z), 2) * toFloat64(n * zz - z * z) / n
                - 2 * toFloat64(y) / toFloat64(z) * toFloat64(n * yz - y * z) / n + toFloat64(n * yy - y * y) / n AS float_residual,
            if(has_exact_residual, exact_residual, float_residual) AS residual
        FROM cumulated
    )
SELECT
    experiment_id,
    metric,
    kind,
    variant_id,
    day,
    n,
    converters,
    events,
    exposures,
    total,
    total_sq,
    den_total,
    den_total_sq,
    num_den_total,
    x_total,
    x_total_sq,
    xy_total,
    open_days,
    multiIf(kind = 'ratio', if(z = 0, NULL, toFloat64(y) / toFloat64(z)), n = 0, NULL, toFloat64(y) / (toFloat64(n) * 1e6)) AS mean,
    var_y,
    if(n < 2, NULL, toFloat64(n * trillionths(x_total_sq) - x * x) / scale) AS var_x,
    if(n < 2, NULL, toFloat64(n * trillionths(xy_total) - x * y) / scale) AS cov_xy,
    multiIf(
        n < 2, NULL,
        kind = 'proportion', toFloat64(y * (n * toInt256(1000000) - y)) / pow(toFloat64(n) * 1e6, 2),
        kind != 'ratio', var_y,
        z = 0, NULL,
        if(residual < 0, 0., residual) * pow(n / toFloat64(z), 2) / (n - 1)) AS variance,
    sqrt(variance / n) AS se,
    mean - z975 * se AS mean_low,
    mean + z975 * se AS mean_high
FROM summed
SETTINGS join_use_nulls = 0, join_default_strictness = 'ALL', join_algorithm = 'direct,parallel_hash,hash', transform_null_in = 0,
    aggregate_functions_null_for_empty = 0, prefer_column_name_to_alias = 0
COMMENT 'The series for plots: users, totals and means of each variant up to and including day, per experiment and metric; open_days: days up to then that are not closed. total_sq, den_..., num_den_total, x_..., xy_total are the sums of y^2, of a ratio''s denominator z, of yz, of the covariate x and of xy. mean = total/n, for a ratio total/den_total; variance: for a proportion p(1-p), for a ratio by the delta method (Deng et al., KDD 2018), else the sample variance; mean_low, mean_high: mean +- 1.96 sqrt(variance/n). One user has no variance: NULL.';

-- The formulas, in addition to those of experiment_cumulative. T is the variant, C the control.
--   effect D = mean_T - mean_C, SE_D = sqrt(var_T/n_T + var_C/n_C), t = D/SE_D,
--   degrees of freedom by Welch and Satterthwaite: SE_D^4 / ((var_T/n_T)^2/(n_T-1) + (var_C/n_C)^2/(n_C-1)); for a proportion t is normal.
--   p = I(df/(df + t^2); df/2, 1/2), the incomplete beta function by 30 terms of its continued fraction (DLMF 8.17.22; on the side of
--     x < (a+1)/(a+b+2), where it converges), for df < 100: relative error below 1e-8;
--     from 100 on t to the normal deviate u by G. W. Hill, Algorithm 395, CACM 13 (1970), p = erfc(|u|/sqrt(2)): absolute error below 1e-11.
--   97.5 % quantile q of t by Cornish and Fisher (Abramowitz and Stegun 26.7.5) and, for df < 100, five steps of Newton: relative error
--     below 1e-8.
--   relative lift L = D/mean_C, its interval by E. C. Fieller (Some Problems in Interval Estimation, J. R. Stat. Soc. B 16, 1954): all L that the
--     same test does not reject, (D - L mean_C)^2 <= q^2 (v_T + (1 + L)^2 v_C) with v = var/n. So it contains 0 exactly where p >= 0.05.
--     With a = mean_C^2 - q^2 v_C, b = D mean_C + q^2 v_C, c = D^2 - q^2 (v_T + v_C) its ends are (b -+ sqrt(b^2 - a c))/a if a > 0: the control's
--     mean is known to be above 0. Otherwise any large lift fits: all above c/(b + sqrt(b^2 - a c)) if mean_T^2 > q^2 v_T, else every lift.
--   always valid: D +- SE_D sqrt(N) sqrt(2 (N r^2 + 1)/(N^2 r^2) ln(sqrt(N r^2 + 1)/0.05)), N = n_T + n_C,
--     r^2 = (-2 ln 0.05 + ln(-2 ln 0.05 + 1))/5000: an asymptotic confidence sequence, tightest at 5,000 users
--     (I. Waudby-Smith et al., arXiv 2103.06476, eq. 9 and appendix); its p is the alpha at which the interval touches 0:
--     min(1, sqrt(N r^2 + 1) exp(-t^2 N r^2/(2 (N r^2 + 1)))). For the lift: Fieller's interval with the same factor in place of q.
--   CUPED (A. Deng et al., Improving the Sensitivity of Online Controlled Experiments, WSDM 2013): theta = cov(x, y)/var(x) over the users of
--     both variants together, 0 if either variance is 0; D' = D - theta (mean x_T - mean x_C); variance of a unit
--     var(y) + theta^2 var(x) - 2 theta cov(x, y); then as above, t with the same degrees-of-freedom formula. theta is a fraction
--     numerator/2^k, with as many bits as keep all of it exact in whole numbers of 256 bits.
--   verdict: sample ratio mismatch at p < 0.001; crossovers of at least 10 users and 1 % of the exposed; a variant without exposed
--     users that should have at least 10 by its allocation.
CREATE OR REPLACE VIEW experiment_results_of /*cluster:ON CLUSTER '{cluster}'*/ AS
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
            range(5), assumeNotNull(cornish_fisher(df)))) AS critical_of,
    (v_t, n_t, v_c, n_c) -> pow(v_t + v_c, 2) / (pow(v_t, 2) / (n_t - 1) + pow(v_c, 2) / (n_c - 1)) AS welch_df,
    -- Fieller's a and b, the same as a of the other variant, and sqrt(b^2 - a c), each from terms that do not cancel.
    (q, m_c, v_c) -> m_c * m_c - q * q * v_c AS lift_a,
    (q, d, m_c, v_c) -> d * m_c + q * q * v_c AS lift_b,
    (q, m_t, v_t, m_c, v_c) -> q * sqrt(if(lift_a(q, m_c, v_c) > 0, v_c * m_t * m_t + v_t * lift_a(q, m_c, v_c),
        v_c * lift_a(q, m_t, v_t) + v_t * m_c * m_c)) AS lift_root,
    (q, m_t, v_t, m_c, v_c) -> multiIf(q IS NULL OR v_t IS NULL OR v_c IS NULL OR m_c IS NULL OR m_c <= 0, NULL, lift_a(q, m_c, v_c) > 0, 'bounded',
        lift_a(q, m_t, v_t) > 0, 'bounded below', 'unbounded') AS lift_interval_of,
    (shape, q, d, m_t, v_t, m_c, v_c) -> multiIf(
        shape IS NULL OR shape = 'unbounded', NULL,
        lift_b(q, d, m_c, v_c) >= 0,
            (d * d - q * q * (v_t + v_c)) / (lift_b(q, d, m_c, v_c) + lift_root(q, m_t, v_t, m_c, v_c)),
        (lift_b(q, d, m_c, v_c) - lift_root(q, m_t, v_t, m_c, v_c)) / lift_a(q, m_c, v_c)) AS lift_low_of,
    (shape, q, d, m_t, v_t, m_c, v_c) -> multiIf(
        shape IS NULL OR shape != 'bounded', NULL,
        lift_b(q, d, m_c, v_c) >= 0,
            (lift_b(q, d, m_c, v_c) + lift_root(q, m_t, v_t, m_c, v_c)) / lift_a(q, m_c, v_c),
        (d * d - q * q * (v_t + v_c)) / (lift_b(q, d, m_c, v_c) - lift_root(q, m_t, v_t, m_c, v_c))) AS lift_high_of,
    total -> toInt256(toDecimal256(total, 6) * 1000000) AS millionths,
    products -> toInt256(toDecimal256(products, 12) * 1000000000000) AS trillionths,
    -- D^2 n^2 var(y - x numerator/D), for whole numbers.
    (numerator, denominator, n, y, x, yy, xy, xx) -> denominator * denominator * (n * yy - y * y)
        - 2 * numerator * denominator * (n * xy - x * y) + numerator * numerator * (n * xx - x * x) AS adjusted_squares,
    controls AS
    (
        SELECT experiment_id, min(id) AS control_id
        FROM (SELECT * FROM variants FINAL)
        WHERE is_control
        GROUP BY experiment_id
    ),
    health AS
    (
        -- One row per experiment, so that a condition on the experiment reaches the table; the first day comes last.
        SELECT experiment_id AS of_experiment,
            arrayReverseSort(days -> days.1, groupArray((toInt32(day), toNullable(srm_p), toNullable(crossover_users), exposed, lacks_a_variant))) AS days
        FROM
        (
            SELECT experiment_id, day, srm_p, crossover_users, arraySum(exposed_users) AS exposed,
                arraySum(arrayMap(i -> if(expected_users[i] > 0, exposed_users[i], 0), arrayEnumerate(exposed_users))) AS weighed_users,
                arrayExists(i -> exposed_users[i] = 0 AND expected_users[i] > 0
                        AND expected_users[i] * weighed_users >= 10 * arraySum(expected_users) * (1 - 1e-9),
                    arrayEnumerate(exposed_users)) AS lacks_a_variant
            FROM experiment_health_daily FINAL
            WHERE {experiment_id:Int64} = 0 OR experiment_id = {experiment_id:Int64}
        )
        GROUP BY of_experiment
    ),
    errors AS
    (
        -- By the skip indexes for a condition on the experiment. For one that is named as the parameter, its findings are looked up.
        SELECT ifNull(experiment_id, 0) AS in_experiment, count() AS open_errors
        FROM (SELECT * FROM data_inconsistencies FINAL)
        WHERE status = 'OPEN' AND severity = 'ERROR' AND code != 'H-SRM' AND experiment_id IS NOT NULL
            AND ({experiment_id:Int64} = 0 OR (code, subject_kind, subject_key) IN
                (
                    SELECT code, subject_kind, subject_key
                    FROM data_inconsistencies
                    WHERE status = 'OPEN' AND severity = 'ERROR' AND experiment_id = {experiment_id:Int64}
                ))
        GROUP BY in_experiment
    ),
    ended AS
    (
        SELECT subject_key AS ended_metric, toNullable(observed_at) AS ended_at
        FROM data_inconsistencies FINAL
        WHERE code = 'M-ENDED'
    ),
    sums AS
    (
        SELECT
            *,
            millionths(total) AS y,
            millionths(den_total) AS z,
            millionths(x_total) AS x,
            trillionths(total_sq) AS yy,
            trillionths(x_total_sq) AS xx,
            trillionths(xy_total) AS xy
        FROM experiment_cumulative
        WHERE {experiment_id:Int64} = 0 OR experiment_id = {experiment_id:Int64}
    ),
    paired AS
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
            t.y AS y, t.z AS z, t.x AS x, t.yy AS yy, t.xx AS xx, t.xy AS xy,
            k.control_id > 0 AS has_control,
            (t.variant_id = k.control_id)::Bool AS is_control,
            anyIf((t.y, t.z, t.x, t.yy, t.xx, t.xy, t.n, t.converters, t.open_days, t.mean, t.variance), t.variant_id = k.control_id)
                OVER (PARTITION BY t.experiment_id, t.metric, t.day) AS c,
            c.1 AS y_c, c.2 AS z_c, c.3 AS x_c, c.4 AS yy_c, c.5 AS xx_c, c.6 AS xy_c, c.7 AS n_c,
            if(is_control OR n_c = 0, NULL, c.10) AS mean_c,
            t.variance / t.n AS v_t,
            c.11 / n_c AS v_c,
            t.open_days + c.9 AS days_open,
            sum(t.events + t.converters) OVER (PARTITION BY t.experiment_id, t.metric, t.day) AS events_of_all,
            if(mean_c IS NULL, t.n, least(t.n, n_c)) AS fewest_users,
            least(t.converters, t.n - t.converters, if(mean_c IS NULL, t.n, least(c.8, n_c - c.8))) AS fewest_of_a_proportion
        FROM sums AS t
        LEFT JOIN controls AS k ON k.experiment_id = t.experiment_id
    ),
    -- One level for each step whose result is used several times: within a level an alias stands for its whole expression.
    differences AS
    (
        SELECT
            *,
            multiIf(
                mean IS NULL OR mean_c IS NULL, NULL,
                kind = 'ratio', toFloat64(y * z_c - y_c * z) / (toFloat64(z) * toFloat64(z_c)),
                toFloat64(y * n_c - y_c * n) / (toFloat64(n) * n_c * 1e6)) AS effect,
            if(mean_c IS NULL, NULL, nullIf(sqrt(v_t + v_c), 0)) AS effect_se,
            if(kind = 'proportion' OR effect_se IS NULL, NULL, welch_df(v_t, n, v_c, n_c)) AS df,
            n + n_c AS both_n,
            r2 * both_n + 1 AS nr
        FROM paired
    ),
    criticals AS
    (
        SELECT
            *,
            effect / effect_se AS t_statistic,
            if(effect_se IS NULL, NULL, critical_of(df)) AS critical,
            if(effect_se IS NULL, NULL, sqrt(2 * nr / (both_n * r2) * log(sqrt(nr) / 0.05))) AS always_valid_critical
        FROM differences
    ),
    tested AS
    (
        SELECT
            *,
            if(mean_c = 0, NULL, effect / mean_c) AS lift,
            lift_interval_of(critical, mean, v_t, mean_c, v_c) AS lift_interval,
            if(t_statistic IS NULL, NULL, least(1, sqrt(nr) * exp(-t_statistic * t_statistic * (nr - 1) / (2 * nr)))) AS always_valid_p,
            lift_interval_of(always_valid_critical, mean, v_t, mean_c, v_c) AS always_valid_lift_interval,
            xx + xx_c > 0 AND kind != 'ratio' AND effect_se IS NOT NULL AS has_covariate,
            toFloat64(both_n * (xx + xx_c) - (x + x_c) * (x + x_c)) AS pooled_xx,
            if(NOT has_covariate OR pooled_xx <= 0 OR n * yy = y * y OR n_c * yy_c = y_c * y_c, 0.,
                toFloat64(both_n * (xy + xy_c) - (x + x_c) * (y + y_c)) / pooled_xx) AS slope
        FROM criticals
    ),
    sloped AS
    (
        SELECT
            *,
            arrayMax([1., toFloat64(n * yy - y * y), toFloat64(n_c * yy_c - y_c * y_c),
                slope * slope * toFloat64(n * xx - x * x), slope * slope * toFloat64(n_c * xx_c - x_c * x_c)]) AS greatest_square,
            if(slope = 0, 0, arrayMax([0, arrayMin([52 - toInt32(floor(log2(if(slope = 0, 1., abs(slope))))), toInt32(floor((248 - log2(greatest_square)) / 2))])])) AS bits,
            bitShiftLeft(toInt256(1), bits) AS theta_denominator,
            toInt256(round(slope * pow(2., bits))) AS theta_numerator
        FROM tested
    ),
    compared AS
    (
        SELECT
            *,
            if(has_covariate, toFloat64(theta_numerator) / toFloat64(theta_denominator), NULL) AS theta,
            if(has_covariate, toFloat64(adjusted_squares(theta_numerator, theta_denominator, n, y, x, yy, xy, xx))
                / pow(toFloat64(theta_denominator), 2) / (toFloat64(n) * n * (n - 1) * 1e12), NULL) AS cuped_v_t,
            if(has_covariate, toFloat64(adjusted_squares(theta_numerator, theta_denominator, n_c, y_c, x_c, yy_c, xy_c, xx_c))
                / pow(toFloat64(theta_denominator), 2) / (toFloat64(n_c) * n_c * (n_c - 1) * 1e12), NULL) AS cuped_v_c,
            if(has_covariate, toFloat64(theta_denominator * (y * n_c - y_c * n) - theta_numerator * (x * n_c - x_c * n))
                / (toFloat64(theta_denominator) * n * n_c * 1e6), NULL) AS cuped_effect,
            nullIf(sqrt(cuped_v_t + cuped_v_c), 0) AS cuped_se,
            if(cuped_se IS NULL, NULL, welch_df(cuped_v_t, n, cuped_v_c, n_c)) AS cuped_df,
            cuped_effect / cuped_se AS cuped_t
        FROM sloped
    ),
    -- What the metric is judged for. A metric that no start of the job has declared is a goal of every experiment.
    declared AS
    (
        SELECT
            *,
            if(role = '', 'goal', toString(role)) AS metric_role,
            toString(direction) AS metric_direction,
            place AS metric_place,
            critical_of(cuped_df) AS cuped_critical,
            for_experiments = '' OR match(experiment_key, for_experiments) AS is_for_experiment,
            multiIf(
                always_valid_p IS NULL OR metric_role = 'diagnostic' OR NOT is_for_experiment, NULL,
                always_valid_p >= 0.05, if(metric_role = 'guardrail', 'no harm shown', 'no difference shown'),
                metric_direction = '', multiIf(metric_role = 'guardrail', 'harmed', effect > 0, 'higher', 'lower'),
                (effect > 0) = (metric_direction = 'increase'), 'better',
                metric_role = 'guardrail', 'harmed',
                'worse') AS outcome,
            arraySort(groupArrayIf(toString(metric), ifNull(outcome = 'harmed', 0))
                OVER (PARTITION BY experiment_id, variant_id, day)) AS harmed_guardrails
        FROM compared
        LEFT JOIN (SELECT id AS keyed, key AS experiment_key, name AS experiment_name FROM experiments FINAL) AS keys ON keyed = experiment_id
        LEFT JOIN (SELECT metrics.metric AS declared_metric, role, direction, place, experiments AS for_experiments FROM metrics FINAL) AS purposes
            ON declared_metric = metric
    ),
    judged AS
    (
        SELECT
            *,
            arrayFirst(past -> past.1 <= toInt32(day), days) AS health_then,
            health_then.2 AS srm_p,
            health_then.3 AS crossover_users,
            health_then.4 AS exposed,
            health_then.5 AS lacks_a_variant,
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
                if(events_of_all = 0, 'no event of the metric was counted', ''),
                if(empty(harmed_guardrails), '', concat('a guardrail is harmed: ', arrayStringConcat(harmed_guardrails, ', '))),
                if(fewest_users < 100, 'fewer than 100 users in a variant', ''),
                if(fewest_users >= 100 AND kind = 'proportion' AND fewest_of_a_proportion < 10,
                    'fewer than 10 users with, or without, the event in a variant', ''),
                if(open_errors > 0, concat('open errors: ', toString(open_errors), ', see findings_open'), ''),
                if(days_open > 0 AND ended_at IS NULL, 'days are not closed, late events may change it', '')]) AS slight
        FROM declared
        LEFT JOIN errors ON in_experiment = experiment_id
        LEFT JOIN ended ON ended_metric = metric
        LEFT JOIN health ON of_experiment = experiment_id
    )
SELECT
    r.experiment_id AS experiment_id,
    r.experiment_key AS experiment_key,
    r.experiment_name AS experiment_name,
    r.metric AS metric,
    r.kind AS kind,
    r.metric_role AS metric_role,
    r.metric_direction AS metric_direction,
    r.metric_place AS metric_place,
    r.is_for_experiment AS is_for_experiment,
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
    r.effect - r.critical * r.effect_se AS effect_low,
    r.effect + r.critical * r.effect_se AS effect_high,
    r.lift AS lift,
    lift_low_of(r.lift_interval, r.critical, r.effect, r.mean, r.v_t, r.mean_c, r.v_c) AS lift_low,
    lift_high_of(r.lift_interval, r.critical, r.effect, r.mean, r.v_t, r.mean_c, r.v_c) AS lift_high,
    r.lift_interval AS lift_interval,
    r.t_statistic AS t_statistic,
    r.df AS degrees_of_freedom,
    p_of(r.t_statistic, r.df) AS p,
    r.effect - r.always_valid_critical * r.effect_se AS always_valid_low,
    r.effect + r.always_valid_critical * r.effect_se AS always_valid_high,
    r.always_valid_p AS always_valid_p,
    lift_low_of(r.always_valid_lift_interval, r.always_valid_critical, r.effect, r.mean, r.v_t, r.mean_c, r.v_c) AS always_valid_lift_low,
    lift_high_of(r.always_valid_lift_interval, r.always_valid_critical, r.effect, r.mean, r.v_t, r.mean_c, r.v_c) AS always_valid_lift_high,
    r.always_valid_lift_interval AS always_valid_lift_interval,
    r.theta AS cuped_theta,
    r.cuped_effect AS cuped_effect,
    r.cuped_effect - r.cuped_critical * r.cuped_se AS cuped_effect_low,
    r.cuped_effect + r.cuped_critical * r.cuped_se AS cuped_effect_high,
    if(r.mean_c = 0, NULL, r.cuped_effect / r.mean_c) AS cuped_lift,
    p_of(r.cuped_t, r.cuped_df) AS cuped_p,
    1 - pow(r.cuped_se / r.effect_se, 2) AS cuped_variance_reduction,
    r.srm_p AS srm_p,
    r.crossover_rate AS crossover_rate,
    r.outcome AS outcome,
    multiIf(
        NOT r.is_for_experiment, 'not judged: the metric is for other experiments',
        notEmpty(r.grave), concat('do not trust: ', arrayStringConcat(arrayConcat(r.grave, r.slight), '; ')),
        notEmpty(r.slight), concat('with care: ', arrayStringConcat(r.slight, '; ')),
        'ok') AS verdict
FROM judged AS r
LEFT JOIN (SELECT * FROM variants FINAL) AS v ON v.id = r.variant_id
SETTINGS join_use_nulls = 0, join_default_strictness = 'ALL', join_algorithm = 'direct,parallel_hash,hash', transform_null_in = 0,
    aggregate_functions_null_for_empty = 0, prefer_column_name_to_alias = 0
COMMENT 'experiment_results for one experiment: SELECT … FROM experiment_results_of(experiment_id = 7). It looks only for the open errors of this experiment; experiment_results looks for those of all. 0: all experiments.';

CREATE OR REPLACE VIEW experiment_results /*cluster:ON CLUSTER '{cluster}'*/ AS
SELECT *
FROM experiment_results_of(experiment_id = 0)
COMMENT 'Results up to and including as_of_day per experiment, metric and variant; read verdict first. outcome: by metric_role and metric_direction, from always_valid_p < 0.05, so that it holds on any day: better, worse, higher, lower or no difference shown for a goal, better, harmed or no harm shown for a guardrail, NULL for a diagnostic metric. effect = mean - the control''s mean; effect_low, effect_high, p: Welch''s t test (a proportion: the normal test), two-sided, 95 %, for one look at a fixed horizon. Looking every day and stopping at p < 0.05 makes false alarms; always_valid_low, always_valid_high, always_valid_p, always_valid_lift_low, always_valid_lift_high do not (asymptotic confidence sequence, arXiv 2103.06476, tightest at 5,000 users). lift = effect divided by the control''s mean; lift_interval says whether its interval (Fieller, 1954) is bounded, bounded below (lift_high is NULL) or unbounded (both ends are NULL: any lift fits); it contains 0 exactly where p >= 0.05, and that for any day where always_valid_p >= 0.05. A ratio''s variance by the delta method (Deng et al., KDD 2018). cuped_...: the same effect, adjusted for differences between the users before their exposure (Deng et al., WSDM 2013). srm_p: chi-square test of the assigned users against the allocation. NULL: not computable, not declared, or the control itself.';

-- Counts the users that experiment_results counts under the default settings: assigned at random to a variant of the experiment,
-- exposed (event type exposure) within its dates, no crossover. y is the number of the user's events of event_type from the first
-- exposure on, within the dates, or the sum of their property if one is named (a JSON number from 0 to below 10^12); no window, no cap.
-- Sums are in whole millionths, so that values that are large beside their spread keep their variance.
-- The user's property comes from the first exposure's row: a segment must be fixed before the effect.
-- member: the value of a key of the outermost object, as PostgreSQL printed it; empty: absent. It is cut out of the text, because
-- the JSON functions give up on the whole text if any value in it is too long or too deep for them. Escapes are overwritten, so that
-- every remaining quote begins or ends a string: the parts between quotes are outside and inside of strings in turn. A key is a
-- string at depth 1 before a colon. Its value ends before the comma and the quote of the next key, or before the last brace.
--   effect, its interval and p: D +- 1.96 sqrt(var_T/n_T + var_C/n_C), p = erfc(|D/SE|/sqrt(2)): the normal approximation.
CREATE OR REPLACE VIEW experiment_segments /*cluster:ON CLUSTER '{cluster}'*/ AS
WITH
    1.959963984540054 AS z975,
    text -> replaceRegexpAll(text, '\\\\.', '\x01\x01') AS without_escapes,
    (json, name) -> arrayElement(arrayMap(parts -> arrayElement(arrayMap(depths -> arrayElement(arrayMap(
            (keys, starts) -> arrayElement(arrayMap(
                at -> if(at = 0, '', substring(json, starts[at + 1] + 2,
                    arrayElement(arrayMap(after -> if(after = 0, toInt64(length(json)), toInt64(starts[after]) - 3),
                        [arrayFirst(i -> i > at, keys)]), 1) - toInt64(starts[at + 1]) - 2)),
                [arrayLast(i -> parts[i] = replaceRegexpAll(name, '["\\\\\b\f\n\r\t]', '\x01\x01'), keys)]), 1),
            [arrayFilter(i -> i % 2 = 0 AND depths[i] = 1 AND startsWith(parts[i + 1], ': '), arrayEnumerate(parts))],
            [arrayMap((end, part) -> end - length(part), arrayCumSum(part -> length(part) + 1, parts), parts)]), 1),
        [arrayCumSum((part, i) -> if(i % 2 = 0, 0, toInt64(countSubstrings(part, '{') + countSubstrings(part, '['))
            - toInt64(countSubstrings(part, '}') + countSubstrings(part, ']'))), parts, arrayEnumerate(parts))]), 1),
        [splitByChar('"', without_escapes(json))]), 1) AS member,
    -- The same for most texts, which have no escape and no inner object: there the key occurs once. A value that is an array may hold a comma,
    -- so it goes the long way, as does a key that needs escapes.
    (json, name) -> position(json, '\\') = 0 AND position(json, '{', 2) = 0 AND position(json, concat('"', name, '": [')) = 0
        AND NOT match(name, '["\\\\[:cntrl:]]') AS is_plain,
    (json, start) -> multiIf(
        start = 0, '',
        substring(json, start, 1) = '"', substring(json, start, position(json, '"', start + 1) - start + 1),
        extract(substring(json, start), '^[^,}]*')) AS value_at,
    (json, name) -> if(is_plain(json, name),
        value_at(json, arrayElement(arrayMap(at -> if(at = 0, 0, at + length(name) + 4), [position(json, concat('"', name, '": '))]), 1)),
        member(if(is_plain(json, name), '', json), name)) AS value_of,
    event AS
    (
        SELECT experiment_id, user_id, event_id, min(timestamp) AS at, argMin((is_exposure, is_counted, variant_id, amount, of_user, is_shared), timestamp) AS row
        FROM
        (
            SELECT experiment_id, user_id, event_id, timestamp, variant_id, event_type = 'exposure' AS is_exposure,
                event_type = {event_type:String} AS is_counted,
                -- It names no experiment, and counts in each of its user's: else its experiment would be known, or an orphan.
                experiment_id = 0 AND experiment_key = '' AND NOT has(inconsistencies, 'R-ORPHAN-EXPERIMENT') AS is_shared,
                value_of(if(is_counted, ifNull(properties, ''), ''), {property:String}) AS amount,
                value_of(if(is_exposure, ifNull(user_properties, ''), ''), {dimension:String}) AS of_user
            FROM events_processed FINAL
            WHERE event_type IN ('exposure', {event_type:String})
        )
        GROUP BY experiment_id, user_id, event_id
    ),
    assigned AS
    (
        SELECT a.experiment_id AS experiment_id, a.user_id AS user_id, a.counting.1 AS variant_id,
            v.is_control AS is_control, e.starts_at AS starts_at, e.ends_at AS ends_at
        FROM
        (
            -- An aggregation, not LIMIT BY: a condition on the experiment reaches the table through it.
            SELECT experiment_id, user_id, argMin((variant_id, toString(source)), (assigned_at, id)) AS counting
            FROM assignments_processed FINAL
            GROUP BY experiment_id, user_id
        ) AS a
        INNER JOIN (SELECT * FROM experiments FINAL) AS e ON e.id = a.experiment_id
        INNER JOIN (SELECT * FROM variants FINAL) AS v ON v.id = a.counting.1 AND v.experiment_id = a.experiment_id
        WHERE a.counting.2 NOT IN ('override', 'forced')
    ),
    running AS
    (
        SELECT a.experiment_id AS experiment_id, a.user_id AS user_id, a.variant_id AS variant_id, a.is_control AS is_control,
            t.at AS at, t.row AS row
        FROM event AS t
        INNER JOIN assigned AS a ON a.experiment_id = t.experiment_id AND a.user_id = t.user_id
        WHERE t.at >= ifNull(a.starts_at, t.at) AND t.at <= ifNull(a.ends_at, t.at)
        UNION ALL
        SELECT a.experiment_id, a.user_id, a.variant_id, a.is_control, t.at, t.row
        FROM (SELECT * FROM event WHERE experiment_id = 0 AND row.6 AND NOT row.1) AS t
        INNER JOIN assigned AS a ON a.user_id = t.user_id
        WHERE t.at >= ifNull(a.starts_at, t.at) AND t.at <= ifNull(a.ends_at, t.at)
    ),
    unit AS
    (
        SELECT
            experiment_id, user_id, variant_id, is_control,
            minIf(at, row.1) AS entered_at,
            argMinIf(row.5, at, row.1) AS raw,
            if(startsWith(raw, '"'), JSONExtractString(concat('[', raw, ']'), 1), raw) AS value,
            arraySum(e -> if({property:String} = '', toInt256(1000000),
                    toInt256(toDecimal256OrZero(extract(e.2, '^[0-9]{1,12}(?:\\.[0-9]{1,6})?'), 6) * 1000000)),
                arrayFilter(e -> e.1 >= entered_at,
                groupArrayIf((at, row.4), row.2
                    AND ({property:String} = '' OR match(row.4, '^[0-9]{1,12}(\\.[0-9]+)?$'))))) AS y
        FROM running
        GROUP BY experiment_id, user_id, variant_id, is_control
        HAVING countIf(row.1) > 0 AND countIf(row.1 AND row.3 IS NOT NULL AND row.3 != variant_id) = 0
    ),
    cell AS
    (
        SELECT experiment_id, value, variant_id, max(is_control) AS is_control, count() AS n, countIf(y > 0) AS users_with,
            sum(y) AS sum_y, toFloat64(sum_y) / 1e6 AS total, toFloat64(sum_y) / (n * 1e6) AS mean,
            if(n < 2, NULL, toFloat64(n * sum(y * y) - sum_y * sum_y) / (toFloat64(n) * (n - 1) * 1e12)) AS variance
        FROM unit
        GROUP BY experiment_id, value, variant_id
    ),
    compared AS
    (
        SELECT *, anyIf((n, sum_y, mean, variance), is_control) OVER (PARTITION BY experiment_id, value) AS c
        FROM cell
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
    if(t.is_control OR t.c.1 = 0, NULL, toFloat64(t.sum_y * t.c.1 - t.c.2 * t.n) / (toFloat64(t.n) * t.c.1 * 1e6)) AS effect,
    nullIf(sqrt(t.variance / t.n + t.c.4 / t.c.1), 0) AS effect_se,
    effect - z975 * effect_se AS effect_low,
    effect + z975 * effect_se AS effect_high,
    if(t.c.3 = 0, NULL, effect / t.c.3) AS lift,
    erfc(abs(effect / effect_se) / sqrt(2)) AS p
FROM compared AS t
LEFT JOIN (SELECT * FROM variants FINAL) AS v ON v.id = t.variant_id
SETTINGS join_use_nulls = 0, join_default_strictness = 'ALL', join_algorithm = 'direct,parallel_hash,hash', transform_null_in = 0,
    aggregate_functions_null_for_empty = 0, prefer_column_name_to_alias = 0
COMMENT 'Segments by a property of the user, from the raw rows: SELECT * FROM experiment_segments(dimension = ''country'', event_type = ''purchase'', property = ''revenue''); property = '''' counts the events. Each user''s events of the type from the first exposure on, within the experiment''s dates, without window and cap; crossovers are left out; the user''s property is its value at the first exposure. Interval and p are the normal approximation, for one look at one segmentation: one in twenty comparisons shows p < 0.05 by chance.';

-- Current figures. usual_exposures: the median of the seven days before last_day; NULL while there are fewer. outlier_shares: per
-- metric, in the variant where it is greatest, Q/S^2 with S the sum and Q the sum of squares of the users' totals (Simpson's index
-- of the users' shares): the greatest user's share is between this number and its square root.
CREATE OR REPLACE VIEW experiment_health /*cluster:ON CLUSTER '{cluster}'*/ AS
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
        SELECT ifNull(experiment_id, 0) AS found_in, arraySort(groupUniqArray(toString(code))) AS codes
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
SETTINGS join_use_nulls = 0, join_default_strictness = 'ALL', join_algorithm = 'direct,parallel_hash,hash', transform_null_in = 0,
    aggregate_functions_null_for_empty = 0, prefer_column_name_to_alias = 0
COMMENT 'One row per experiment, current: open findings, sample ratio, crossovers, variants that should have users and have none, exposures of the last day and the median of the seven days before it, the last day with an exposure, and per metric its counted events and a lower bound of the greatest user''s share of a variant''s sum.';

-- H-FRESHNESS is computed here, because the job cannot report while no checkpoint completes, or while it does not run. Its rows in
-- data_inconsistencies are the past.
-- What may be open is read from the projection open, without FINAL: every version that says OPEN and is not merged away. Only these
-- findings are then looked up, with FINAL. experiment_results and experiment_health read with FINAL by the skip indexes: so a condition on the
-- experiment reaches the table.
CREATE OR REPLACE VIEW findings_open /*cluster:ON CLUSTER '{cluster}'*/ AS
SELECT *
FROM
(
    SELECT
        severity,
        code,
        concat(subject_kind, ':', subject_key) AS subject,
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
    FROM data_inconsistencies FINAL
    WHERE status = 'OPEN' AND severity IN ('ERROR', 'WARNING') AND code != 'H-FRESHNESS'
        AND (code, subject_kind, subject_key) IN
            (SELECT code, subject_kind, subject_key FROM data_inconsistencies WHERE status = 'OPEN' AND severity IN ('ERROR', 'WARNING'))
    UNION ALL
    SELECT
        'WARNING',
        'H-FRESHNESS',
        'pipeline:',
        'pipeline',
        '',
        NULL,
        NULL,
        NULL,
        NULL,
        concat(toString(toInt64(assumeNotNull(lag_seconds))), ' seconds'),
        'Check in the Flink web UI which operator is busy and whether checkpoints complete.',
        NULL,
        assumeNotNull(committed_at)
    FROM etl_progress
    WHERE lag_limit_seconds > 0 AND lag_seconds > lag_limit_seconds
)
ORDER BY severity = 'ERROR' DESC, observed_at DESC
SETTINGS join_use_nulls = 0, join_default_strictness = 'ALL', join_algorithm = 'direct,parallel_hash,hash', transform_null_in = 0,
    aggregate_functions_null_for_empty = 0, prefer_column_name_to_alias = 0
COMMENT 'Errors and warnings that are not resolved, errors first, then the newest, each with its remedy. H-FRESHNESS is computed when it is read. Findings of severity INFO (late events, duplicates, overrides) are in data_inconsistencies.';
