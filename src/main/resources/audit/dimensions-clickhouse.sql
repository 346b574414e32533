-- 0: equal to the dimension now, or when the row was written; 1: different; 2: undecidable, because the dimension changed
-- after the row was written and ClickHouse has merged the older version away.
(value, present, absent, settled, known) ->
    multiIf(value = present, 0, absent OR settled, 1, has(known, value), 0, 2) AS verdict,
markers AS (SELECT DISTINCT 1 AS one, sequence_number * 1024 + 1023 AS bound FROM etl_sink_progress),
-- Experiments and variants are broadcast: every row after a progress marker sees the changes before it. A row before the
-- marker may have the name from before a rename. No column shows whether a rename happened: not all platforms keep
-- updated_at, and ClickHouse merges older versions away.
experiment AS
(
    SELECT s.*, c.bound AS e_bound
    FROM
    (
        SELECT
            1 AS one,
            id AS e_id,
            max(_version) AS e_version,
            argMax(_lsn, _version) AS e_lsn,
            argMax(_deleted, _version) = 0 AS e_live,
            argMax(experiments.key, _version) AS e_key,
            argMax(experiments.name, _version) AS e_name,
            argMax(toString(zone), _version) AS e_zone,
            argMax((toUnixTimestamp64Micro(starts_at), toUnixTimestamp64Micro(ends_at)), _version) AS e_dates,
            argMax(experiments.version, _version) AS e_number,
            argMax(status, _version) AS e_status,
            argMax(toUnixTimestamp64Micro(_committed_at), _version) AS e_since,
            groupUniqArray(experiments.key) AS e_keys,
            groupUniqArray(experiments.name) AS e_names
        FROM experiments
        GROUP BY id
    ) AS s
    ASOF LEFT JOIN markers AS c ON c.one = s.one AND c.bound >= s.e_version
),
variant AS
(
    SELECT s.*, c.bound AS v_bound
    FROM
    (
        SELECT
            1 AS one,
            id AS v_id,
            max(_version) AS v_version,
            argMax(_lsn, _version) AS v_lsn,
            argMax(_deleted, _version) = 0 AS v_live,
            argMax(experiment_id, _version) AS v_experiment,
            argMax(variants.key, _version) AS v_key,
            argMax(variants.name, _version) AS v_name,
            groupUniqArray(variants.key) AS v_keys,
            groupUniqArray(variants.name) AS v_names,
            uniqExact(experiment_id) = 1 AS v_stays
        FROM variants
        GROUP BY id
    ) AS s
    ASOF LEFT JOIN markers AS c ON c.one = s.one AND c.bound >= s.v_version
),
-- The join receives a user's rows in the order of their changes.
person AS
(
    SELECT
        user_id AS u_id,
        max(_version) AS u_version,
        argMax(_lsn, _version) AS u_lsn,
        argMax(_deleted, _version) = 0 AS u_live,
        argMax(ifNull(users.properties, '\0'), _version) AS u_properties,
        groupUniqArray(cityHash64(ifNull(users.properties, '\0'))) AS u_known
    FROM users
    GROUP BY user_id
)
