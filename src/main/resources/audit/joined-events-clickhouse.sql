-- Compares the columns that the job added to events_processed with ClickHouse's dimensions and assignments, and the
-- inconsistency codes with recomputed ones. The result is one row: rows, differing rows, the first of them, and per column the
-- number of undecidable rows.
WITH
${dimensions},
${values} AS valued,
${metric_events} AS metric_events,
${covariate_events} AS covariate_events,
-- Per metric and event type, in microseconds since the first exposure: the first that counts, and the first that no longer counts.
${windows} AS windows,
${event_types} AS event_types,
-- Rows up to this version were written by a job that may have had other metrics.
(SELECT if(count() = 0, 0, max(_lsn) * 1024 + 1023) FROM data_inconsistencies WHERE code IN ('M-STARTED', 'M-ENDED')) AS metrics_changed,
-- Rows whose key has changed: the time at which the event arrived is no longer known.
moved AS
(
    SELECT cityHash64(event_id) FROM events_processed WHERE _deleted AND _delete_reason = 'key-change'
),
reassigned AS
(
    SELECT assumeNotNull(experiment_id) AS in_experiment FROM data_inconsistencies WHERE code = 'A-REASSIGNED'
),
-- If a user has several assignments, the earliest counts.
assignment AS
(
    SELECT
        experiment_id AS a_experiment,
        user_id AS a_user,
        max(row_version) AS a_version,
        argMin(row_lsn, place) AS a_lsn,
        max(is_live) AS a_live,
        argMin(row_variant, place) AS a_variant,
        argMin(row_at, place) AS a_at,
        argMin(is_untouched, place) AS a_untouched,
        uniqExact(id) = 1 AS a_single,
        max(experiment_id IN (SELECT in_experiment FROM reassigned)) AS a_reassigned,
        groupUniqArrayArray(row_variants) AS a_variants
    FROM
    (
        SELECT
            experiment_id,
            user_id,
            id,
            max(_version) AS row_version,
            argMax(_lsn, (_version, _deleted = 0)) AS row_lsn,
            argMax(_deleted, (_version, _deleted = 0)) = 0 AS is_live,
            argMax(toString(variant_id), (_version, _deleted = 0)) AS row_variant,
            argMax(assignments_processed.assigned_at, (_version, _deleted = 0)) AS row_at,
            argMax(created_at = updated_at, (_version, _deleted = 0)) AS is_untouched,
            groupUniqArray(toString(variant_id)) AS row_variants,
            (NOT is_live, row_at, id) AS place
        FROM assignments_processed
        GROUP BY experiment_id, user_id, id
    )
    GROUP BY experiment_id, user_id
),
exposed AS
(
    SELECT
        experiment_id AS x_experiment,
        user_id AS x_user,
        minOrNullIf(timestamp, is_exposure) AS x_first,
        -- If the earliest exposure also arrived first, the job checked every later arrival against it.
        minIf(_version, is_exposure) AS x_version,
        argMinIf(_version, timestamp, is_exposure) = x_version AS x_in_order,
        -- A row of these tables may have been another one, without a code.
        max(_deleted = 1 OR has(${changing_exposures}, ifNull(fact, ''))
            OR hasAny(inconsistencies, ['C-UPDATE-IMMUTABLE', 'D-DUP-EVENT', 'D-CONFLICTING-DUP'])) AS x_touched
    FROM
    (
        SELECT
            p.experiment_id AS experiment_id,
            p.user_id AS user_id,
            timestamp,
            p._version AS _version,
            p._deleted AS _deleted,
            fact,
            inconsistencies,
            event_type = ${exposure} AND toUnixTimestamp64Micro(timestamp) >= ifNull(e_dates.1, -9223372036854775808)
                AND toUnixTimestamp64Micro(timestamp) <= ifNull(e_dates.2, 9223372036854775807) AS is_exposure
        FROM events_processed AS p
        INNER JOIN experiment ON e_id = p.experiment_id
    )
    GROUP BY experiment_id, user_id
),
judged AS
(
    SELECT
        r.*,
        e_live, e_key, e_name, e_zone AS zone,
        d.v_key AS d_key, d.v_name AS d_name, d.v_live AS d_live,
        w.v_key AS w_key, w.v_live AS w_live,
        a_live, a_variant, u_live, u_properties,
        toUnixTimestamp64Micro(r.timestamp) AS at,
        e_lsn = 0 OR (e_bound > 0 AND r._version > e_bound) AS e_settled,
        d.v_lsn = 0 OR (d.v_bound > 0 AND r._version > d.v_bound) AS d_settled,
        w.v_lsn = 0 OR (w.v_bound > 0 AND r._version > w.v_bound) AS w_settled,
        u_lsn = 0 OR r._version >= u_version AS u_settled,
        -- A missing reference is filled in when it arrives, whatever changed after the row.
        verdict(toString(r.experiment_key), if(e_live, e_key, ''), e_version = 0,
            e_settled OR (r.experiment_key = '' AND e_live), e_keys) AS experiment_key_,
        verdict(toString(r.experiment_name), if(e_live, e_name, ''), e_version = 0,
            e_settled OR (r.experiment_key = '' AND e_live), e_names) AS experiment_name_,
        verdict(toString(r.variant_key), if(d.v_live, d.v_key, ''), d.v_version = 0,
            d_settled OR (r.variant_key = '' AND d.v_live AND e_live), d.v_keys) AS variant_key_,
        verdict(toString(r.variant_name), if(d.v_live, d.v_name, ''), d.v_version = 0,
            d_settled OR (r.variant_key = '' AND d.v_live AND e_live), d.v_names) AS variant_name_,
        ifNull(toString(r.assigned_variant_id), '') AS assigned,
        -- The job no longer had the user's facts and checked nothing against them.
        has(r.inconsistencies, 'T-LATE-BEYOND-STATE') AS is_beyond_state,
        if(is_beyond_state, 2, verdict(assigned, if(a_live, a_variant, ''), a_version = 0 AND NOT ${assignments_expire},
            a_version > 0 AND if(a_live, assigned = '' OR (NOT a_reassigned AND (a_single OR r._version >= a_version)),
                r._version >= a_version), a_variants)) AS assigned_variant_id_,
        verdict(toString(r.assigned_variant_key), if(w.v_live, w.v_key, ''), w.v_version = 0, w_settled, w.v_keys)
            AS assigned_variant_key_,
        multiIf(ifNull(r.user_properties, '\0') = if(u_live, u_properties, '\0'), 0, u_version = 0 OR u_settled, 1,
            has(u_known, cityHash64(ifNull(r.user_properties, '\0'))), 0, 2) AS user_properties_,
        toInt32(${day}) AS due_day,
        multiIf(toInt32(r.day) = due_day, 0, e_version > 0 AND (NOT e_live OR is_beyond_state), 2, 1) AS day_,
        -- Codes computed from the current rows. Codes that depend on rows that may have changed since are left open.
        r.assigned_variant_id IS NOT NULL
            AND NOT (a_live AND a_single AND (r._version >= a_version OR a_lsn = 0 OR a_untouched)) AS is_reassigned,
        r.variant_key != '' AND d.v_version > 0 AND d.v_experiment != r.experiment_id AS is_elsewhere,
        r.variant_id IS NOT NULL AND r.assigned_variant_id IS NOT NULL AND r.variant_id != r.assigned_variant_id AS is_mismatch,
        r.assigned_variant_id IS NOT NULL AND a_live AND at < toUnixTimestamp64Micro(a_at) - ${clock_tolerance} AS is_before_assignment,
        r.experiment_key != '' AND r.assigned_variant_id IS NOT NULL AND has(metric_events, ${kind}) AS is_measured,
        is_measured AND at >= ifNull(e_dates.1, -9223372036854775808) AND at <= ifNull(e_dates.2, 9223372036854775807)
            AND NOT has(covariate_events, ${kind}) AND (x_first IS NULL OR r.timestamp < x_first) AS is_before_exposure,
        at < ifNull(e_dates.1, -9223372036854775808) OR at > ifNull(e_dates.2, 9223372036854775807) AS is_outside,
        r.experiment_key != '' AND (is_outside OR (at >= e_since AND e_status != 'ACTIVE')) AS is_not_running,
        at - toUnixTimestamp64Micro(x_first) AS behind_exposure,
        is_measured AND NOT is_outside AND ifNull(behind_exposure >= 0, 0)
            AND arrayExists(w -> ${kind} = w.1 AND behind_exposure >= w.3, windows)
            AND NOT arrayExists(w -> ${kind} = w.1 AND behind_exposure >= w.2 AND behind_exposure < w.3, windows)
            AS is_out_of_window,
        r.assigned_variant_id IS NOT NULL AND a_live
            AND ifNull(abs(toUnixTimestamp64Micro(r.assignment_at) - toUnixTimestamp64Micro(a_at)) > ${clock_tolerance}, 0)
            AS is_drift,
        -- The earliest exposure may have left ClickHouse.
        has(${expired_events}, r.experiment_id) AS is_expired,
        -- Of no experiment: only codes of the row itself are found.
        ${is_shared} AS is_shared,
        NOT is_shared AND _lsn != 0 AND toInt32(${committed_day}) > due_day AS is_late,
        has(r.inconsistencies, 'C-UPDATE-IMMUTABLE') OR cityHash64(r.event_id) IN (moved) OR r._delete_reason = 'retention' AS is_moved,
        arrayExists(m -> ${kind} = m.1 AND NOT match(${number}, '^[0-9]{1,12}(\\.[0-9]+)?$'), valued) AS is_bad,
        ['R-ORPHAN-EXPERIMENT', 'R-ORPHAN-VARIANT', 'R-ORPHAN-USER', 'R-ORPHAN-ASSIGNMENT', 'R-VARIANT-NOT-IN-EXPERIMENT',
            'R-VARIANT-MISMATCH', 'R-VARIANT-NULL', 'T-EVENT-BEFORE-ASSIGNMENT', 'T-CONVERSION-BEFORE-EXPOSURE', 'T-FUTURE',
            'T-LATE', 'S-UNPARSEABLE', 'S-BAD-PROPERTY', 'T-NOT-RUNNING', 'T-OUT-OF-WINDOW', 'T-ASSIGNMENT-AT-DRIFT',
            'S-UNKNOWN-EVENT-TYPE', 'T-OUT-OF-RANGE'] AS compared_codes,
        arrayFilter((code, due) -> due = 1, compared_codes,
            -- The rows of an experiment that was deleted are written again.
            [toUInt8(NOT is_shared AND (r.experiment_key = '' OR (e_version > 0 AND NOT e_live))),
                toUInt8(r.experiment_key != '' AND r.variant_id IS NOT NULL AND r.variant_key = ''),
                toUInt8(${has_users} AND NOT u_live), toUInt8(r.experiment_key != '' AND r.assigned_variant_id IS NULL), toUInt8(is_elsewhere),
                toUInt8(ifNull(is_mismatch, 0)), toUInt8(r.variant_id IS NULL AND r.event_type = ${exposure}),
                toUInt8(is_before_assignment), toUInt8(ifNull(is_before_exposure, 0)),
                toUInt8(at > toUnixTimestamp64Micro(r._committed_at) + ${future_tolerance}), toUInt8(is_late),
                toUInt8(ifNull(NOT startsWith(r.properties, '{'), 0)), toUInt8(is_bad), toUInt8(is_not_running),
                toUInt8(ifNull(is_out_of_window, 0)), toUInt8(is_drift),
                toUInt8(notEmpty(event_types) AND NOT has(event_types, r.event_type)),
                toUInt8(ifNull(toUnixTimestamp64Micro(r.assignment_at) IN (${range_ends}), 0))]) AS due_codes,
        arrayFilter((code, open) -> open, compared_codes,
            [false, false, ${has_users} AND NOT u_live AND u_version > r._version, false, NOT d.v_stays, false, false,
                is_reassigned,
                (is_measured AND (x_touched OR NOT e_live OR NOT e_settled OR NOT ${population_is_exposure}
                    OR (is_expired AND ifNull(is_before_exposure, 0))))
                    OR r._version <= metrics_changed,
                false, day_ = 2 OR is_moved, false, r._version <= metrics_changed,
                -- Only the newest status is certain to be in ClickHouse still, and the job receives it shortly after it was set.
                NOT e_live OR NOT (e_lsn = 0 OR (e_bound > 0 AND r._version > e_bound AND at >= e_since)),
                (is_measured AND (x_touched OR NOT e_live OR NOT e_settled OR NOT ${population_is_exposure} OR NOT x_in_order
                    OR r._version < x_version OR is_expired))
                    OR r._version <= metrics_changed,
                is_reassigned, r._version <= metrics_changed, false]) AS open_codes,
        arrayFilter(code -> code NOT IN ('D-DUP-EVENT', 'D-CONFLICTING-DUP', 'C-UPDATE-IMMUTABLE'), r.inconsistencies) AS codes,
        multiIf(is_beyond_state, 2, length(arrayDistinct(r.inconsistencies)) != length(r.inconsistencies), 1,
            length(codes) = length(due_codes) AND hasAll(codes, due_codes), 0,
            hasAll(arrayConcat(codes, open_codes), due_codes) AND hasAll(arrayConcat(due_codes, open_codes), codes), 2, 1)
            AS inconsistencies_,
        experiment_key_ = 1 OR experiment_name_ = 1 OR variant_key_ = 1 OR variant_name_ = 1 OR assigned_variant_id_ = 1
            OR assigned_variant_key_ = 1 OR user_properties_ = 1 OR day_ = 1 OR inconsistencies_ = 1 AS differs
    FROM events_processed AS r FINAL
    LEFT JOIN experiment ON e_id = r.experiment_id
    LEFT JOIN variant AS d ON d.v_id = r.variant_id
    LEFT JOIN variant AS w ON w.v_id = r.assigned_variant_id
    LEFT JOIN person ON u_id = r.user_id
    LEFT JOIN assignment ON a_experiment = r.experiment_id AND a_user = r.user_id
    LEFT JOIN exposed ON x_experiment = r.experiment_id AND x_user = r.user_id
)
SELECT
    count(),
    countIf(differs),
    toJSONString(groupArrayIf(${limit})(
        if(differs, (
            concat(toString(event_id), '@', toString(at)),
            toInt32(toDate32(timestamp, 'UTC')),
            toString(_version),
            arrayFilter(c -> c.2 = 1, [
                ('experiment_key', experiment_key_, toString(experiment_key), if(e_live, e_key, '')),
                ('experiment_name', experiment_name_, toString(experiment_name), if(e_live, e_name, '')),
                ('variant_key', variant_key_, toString(variant_key), if(d_live, d_key, '')),
                ('variant_name', variant_name_, toString(variant_name), if(d_live, d_name, '')),
                ('assigned_variant_id', assigned_variant_id_, assigned, if(a_live, a_variant, '')),
                ('assigned_variant_key', assigned_variant_key_, toString(assigned_variant_key), if(w_live, w_key, '')),
                ('user_properties', user_properties_, ifNull(user_properties, 'NULL'),
                    if(u_live AND u_properties != '\0', u_properties, 'NULL')),
                ('day', day_, toString(day), toString(toDate32(due_day))),
                ('inconsistencies', inconsistencies_, toString(codes), toString(due_codes))])),
            ('', toInt32(0), '', [])),
        differs)),
    countIf(experiment_key_ = 2 OR experiment_name_ = 2),
    countIf(variant_key_ = 2 OR variant_name_ = 2 OR assigned_variant_key_ = 2),
    countIf(user_properties_ = 2),
    countIf(assigned_variant_id_ = 2),
    countIf(day_ = 2),
    countIf(inconsistencies_ = 2)
FROM judged
