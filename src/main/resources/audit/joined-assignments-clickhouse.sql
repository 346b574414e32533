-- Compares the columns that the job added to assignments_processed with ClickHouse's dimensions, and the inconsistency codes
-- with recomputed ones. The result is one row with the columns of joined-events-clickhouse.sql.
WITH
${dimensions},
judged AS
(
    SELECT
        r.*,
        e_live, e_key, e_name, e_zone AS zone,
        v_key, v_name, v_live, u_live, u_properties,
        toUnixTimestamp64Micro(r.assigned_at) AS at,
        e_lsn = 0 OR (e_bound > 0 AND r._version > e_bound) AS e_settled,
        v_lsn = 0 OR (v_bound > 0 AND r._version > v_bound) AS v_settled,
        u_lsn = 0 OR r._version >= u_version AS u_settled,
        verdict(toString(r.experiment_key), if(e_live, e_key, ''), e_version = 0,
            e_settled OR (r.experiment_key = '' AND e_live), e_keys) AS experiment_key_,
        verdict(toString(r.experiment_name), if(e_live, e_name, ''), e_version = 0,
            e_settled OR (r.experiment_key = '' AND e_live), e_names) AS experiment_name_,
        verdict(toString(r.variant_key), if(v_live, v_key, ''), v_version = 0,
            v_settled OR (r.variant_key = '' AND v_live), v_keys) AS variant_key_,
        verdict(toString(r.variant_name), if(v_live, v_name, ''), v_version = 0,
            v_settled OR (r.variant_key = '' AND v_live), v_names) AS variant_name_,
        multiIf(ifNull(r.user_properties, '\0') = if(u_live, u_properties, '\0'), 0, u_version = 0 OR u_settled, 1,
            has(u_known, cityHash64(ifNull(r.user_properties, '\0'))), 0, 2) AS user_properties_,
        toInt32(${day}) AS due_day,
        multiIf(toInt32(r.day) = due_day, 0, e_version > 0 AND (NOT e_live OR has(r.inconsistencies, 'T-LATE-BEYOND-STATE')), 2, 1) AS day_,
        r.variant_key != '' AND v_version > 0 AND v_experiment != r.experiment_id AS is_elsewhere,
        ['R-ORPHAN-EXPERIMENT', 'R-ORPHAN-VARIANT', 'R-ORPHAN-USER', 'R-VARIANT-NOT-IN-EXPERIMENT', 'S-UNKNOWN-ENUM',
            'A-OVERRIDE', 'T-FUTURE', 'T-ENROLLED-BEFORE-ASSIGNED', 'A-VERSION-SKEW', 'T-OUT-OF-RANGE'] AS compared_codes,
        arrayFilter((code, due) -> due = 1, compared_codes,
            -- The rows of an experiment that was deleted are written again.
            [toUInt8(r.experiment_key = '' OR (e_version > 0 AND NOT e_live)), toUInt8(r.variant_key = ''), toUInt8(${has_users} AND NOT u_live),
                toUInt8(is_elsewhere),
                toUInt8(r.source NOT IN ('hash', 'api', 'override', 'forced')), toUInt8(r.source IN ('override', 'forced')),
                toUInt8(at > toUnixTimestamp64Micro(r._committed_at) + ${future_tolerance}),
                toUInt8(ifNull(toUnixTimestamp64Micro(r.enrolled_at) < toUnixTimestamp64Micro(r.assigned_at) - ${clock_tolerance}, 0)),
                toUInt8(r.experiment_key != '' AND e_number > 0 AND r.version > e_number),
                toUInt8(at IN (${range_ends}) OR ifNull(toUnixTimestamp64Micro(r.enrolled_at) IN (${range_ends}), 0)
                    OR toUnixTimestamp64Micro(r.created_at) IN (${range_ends})
                    OR toUnixTimestamp64Micro(r.updated_at) IN (${range_ends}))]) AS due_codes,
        arrayFilter((code, open) -> open, compared_codes,
            [false, false, ${has_users} AND NOT u_live AND u_version > r._version, NOT v_stays, false, false, false, false,
                NOT e_live OR NOT (e_lsn = 0 OR (e_bound > 0 AND r._version > e_bound)), false]) AS open_codes,
        arrayFilter(code -> code NOT IN ('A-DUP-ASSIGNMENT', 'A-REASSIGNED'), r.inconsistencies) AS codes,
        -- The job no longer had the user's facts and checked nothing against them.
        multiIf(has(r.inconsistencies, 'T-LATE-BEYOND-STATE'), 2,
            length(arrayDistinct(r.inconsistencies)) != length(r.inconsistencies), 1,
            length(codes) = length(due_codes) AND hasAll(codes, due_codes), 0,
            hasAll(arrayConcat(codes, open_codes), due_codes) AND hasAll(arrayConcat(due_codes, open_codes), codes), 2, 1)
            AS inconsistencies_,
        experiment_key_ = 1 OR experiment_name_ = 1 OR variant_key_ = 1 OR variant_name_ = 1 OR user_properties_ = 1
            OR day_ = 1 OR inconsistencies_ = 1 AS differs
    FROM assignments_processed AS r FINAL
    LEFT JOIN experiment ON e_id = r.experiment_id
    LEFT JOIN variant ON v_id = r.variant_id
    LEFT JOIN person ON u_id = r.user_id
)
SELECT
    count(),
    countIf(differs),
    toJSONString(groupArrayIf(${limit})(
        if(differs, (
            toString(id),
            toInt32(toDate32(assigned_at, 'UTC')),
            toString(_version),
            arrayFilter(c -> c.2 = 1, [
                ('experiment_key', experiment_key_, toString(experiment_key), if(e_live, e_key, '')),
                ('experiment_name', experiment_name_, toString(experiment_name), if(e_live, e_name, '')),
                ('variant_key', variant_key_, toString(variant_key), if(v_live, v_key, '')),
                ('variant_name', variant_name_, toString(variant_name), if(v_live, v_name, '')),
                ('user_properties', user_properties_, ifNull(user_properties, 'NULL'),
                    if(u_live AND u_properties != '\0', u_properties, 'NULL')),
                ('day', day_, toString(day), toString(toDate32(due_day))),
                ('inconsistencies', inconsistencies_, toString(codes), toString(due_codes))])),
            ('', toInt32(0), '', [])),
        differs)),
    countIf(experiment_key_ = 2 OR experiment_name_ = 2),
    countIf(variant_key_ = 2 OR variant_name_ = 2),
    countIf(user_properties_ = 2),
    toUInt64(0),
    countIf(day_ = 2),
    countIf(inconsistencies_ = 2)
FROM judged
