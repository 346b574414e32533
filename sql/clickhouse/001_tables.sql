-- The warehouse's tables. Applied inside the target database; safe to apply twice.
-- Every table: ReplacingMergeTree by source position. Of two rows with one key the one with the greater _version is current;
-- _deleted marks a tombstone. The partition key is a function of the row's own key, so all versions of a row share a partition.
-- The number of partitions is bounded whatever the keys are, because every INSERT writes one partition: ids go by a hash, times
-- outside of 2015 to 2044 by decade.
-- non_replicated_deduplication_window makes insert_deduplication_token work on tables without replicas. Replicated tables have windows
-- of their own, by count and by time (7 days here; a server's default since 25.9 is one hour).
-- A comment that begins with cluster: is what a cluster needs in its place; docs/deployment.md has the command that puts it there.
-- fsync_after_insert, fsync_part_directory: an acknowledged batch is never sent again, so it must survive a power failure, not
-- only a crash of the server. Measured (SinkBench, 2 cores, virtual disk): batches of 100,000 rows 622,531 -> 573,248 rows/s;
-- batches of 1,000 rows 24 -> 52 ms each. Merged parts need no fsync: their source parts stay for old_parts_lifetime (8 min).

-- Keys, names and codes are plain Strings here: a merge looks each value of a LowCardinality up in a dictionary, which took most of a
-- merge's processor time (docs/performance.md).
CREATE TABLE IF NOT EXISTS events_processed /*cluster:ON CLUSTER '{cluster}'*/
(
    event_id             UUID                   COMMENT 'the source''s id; for an id that is not a UUID its UUIDv5 in the namespace a066a403-c85e-5eb8-952c-03530f7288e3; docs/mapping.md has other tables',
    source_id            Nullable(String)       COMMENT 'the id in PostgreSQL if it is not a UUID, else NULL',
    timestamp            DateTime64(6, 'UTC'),
    experiment_id        Int64,
    user_id              String,
    variant_id           Nullable(Int64)        COMMENT 'the variant that was delivered',
    event_type           LowCardinality(String),
    assignment_at        Nullable(DateTime64(6, 'UTC')),
    properties           Nullable(String)       COMMENT 'JSON, as PostgreSQL prints it',
    session_id           Nullable(String),
    request_id           Nullable(String),
    device_id            Nullable(String)       COMMENT 'NULL if PostgreSQL has no such column',
    fact                 Nullable(String)       COMMENT 'name of the row''s table in source.tables.facts; NULL: another table',
    experiment_key       String                 COMMENT 'empty: the experiment was unknown',
    experiment_name      String,
    variant_key          String                 COMMENT 'key of the delivered variant; empty: none, or unknown',
    variant_name         String,
    assigned_variant_id  Nullable(Int64),
    assigned_variant_key String,
    user_properties      Nullable(String)       COMMENT 'JSON; NULL: the user was unknown',
    day                  Date32                 COMMENT 'day of timestamp in the experiment''s zone',
    inconsistencies      Array(String)          COMMENT 'codes found on the row',
    _lsn                 UInt64                 COMMENT 'LSN of the change; 0: the initial snapshot',
    _committed_at        DateTime64(6, 'UTC'),
    _version             UInt64,
    _deleted             UInt8,
    _delete_reason       String,
    _batch_id            LowCardinality(String)
)
ENGINE = /*cluster:Replicated*/ReplacingMergeTree(_version, _deleted)
PARTITION BY if(toYear(timestamp) BETWEEN 2015 AND 2044, toYYYYMM(timestamp), intDiv(toYear(timestamp), 10) * 10)
ORDER BY (experiment_id, user_id, timestamp, event_id)
SETTINGS non_replicated_deduplication_window = 10000, /*cluster:replicated_deduplication_window = 10000, replicated_deduplication_window_seconds = 604800,*/ fsync_after_insert = 1, fsync_part_directory = 1;

CREATE TABLE IF NOT EXISTS assignments_processed /*cluster:ON CLUSTER '{cluster}'*/
(
    id              Int64,
    experiment_id   Int64,
    user_id         String,
    variant_id      Int64,
    version         Int32,
    source          LowCardinality(String) COMMENT 'hash, override, forced, api',
    context         Nullable(String),
    assigned_at     DateTime64(6, 'UTC'),
    enrolled_at     Nullable(DateTime64(6, 'UTC')),
    created_at      DateTime64(6, 'UTC'),
    updated_at      DateTime64(6, 'UTC'),
    source_id       Nullable(String)       COMMENT 'the id in PostgreSQL where id is a number made for it, else NULL',
    experiment_key  LowCardinality(String),
    experiment_name LowCardinality(String),
    variant_key     LowCardinality(String),
    variant_name    LowCardinality(String),
    user_properties Nullable(String),
    day             Date32                 COMMENT 'day of assigned_at in the experiment''s zone',
    assigned_sequence UInt64               COMMENT 'place in commit order of the change that brought the assignment; 0: the initial snapshot read it',
    inconsistencies Array(LowCardinality(String)),
    _lsn            UInt64,
    _committed_at   DateTime64(6, 'UTC'),
    _version        UInt64,
    _deleted        UInt8,
    _delete_reason  String,
    _batch_id       LowCardinality(String)
)
ENGINE = /*cluster:Replicated*/ReplacingMergeTree(_version, _deleted)
PARTITION BY intHash64(id) % 4
ORDER BY (experiment_id, user_id, id)
SETTINGS non_replicated_deduplication_window = 10000, /*cluster:replicated_deduplication_window = 10000, replicated_deduplication_window_seconds = 604800,*/ fsync_after_insert = 1, fsync_part_directory = 1;

-- Months that archive --restore brought back. Without TTL. The columns
-- are those of the tables that the rows left.
CREATE TABLE IF NOT EXISTS events_archive /*cluster:ON CLUSTER '{cluster}'*/ AS events_processed
ENGINE = /*cluster:Replicated*/ReplacingMergeTree(_version, _deleted)
PARTITION BY if(toYear(timestamp) BETWEEN 2015 AND 2044, toYYYYMM(timestamp), intDiv(toYear(timestamp), 10) * 10)
ORDER BY (experiment_id, user_id, timestamp, event_id)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

CREATE TABLE IF NOT EXISTS assignments_archive /*cluster:ON CLUSTER '{cluster}'*/ AS assignments_processed
ENGINE = /*cluster:Replicated*/ReplacingMergeTree(_version, _deleted)
PARTITION BY intHash64(id) % 4
ORDER BY (experiment_id, user_id, id)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

CREATE TABLE IF NOT EXISTS experiments /*cluster:ON CLUSTER '{cluster}'*/
(
    id            Int64,
    key           String,
    name          String,
    description   Nullable(String),
    status        LowCardinality(String),
    seed          Nullable(String),
    version       Int32,
    config        Nullable(String),
    starts_at     Nullable(DateTime64(6, 'UTC')),
    ends_at       Nullable(DateTime64(6, 'UTC')),
    created_at    DateTime64(6, 'UTC'),
    updated_at    DateTime64(6, 'UTC'),
    source_id     Nullable(String)       COMMENT 'the id in PostgreSQL where id is a number made for it, else NULL',
    zone          LowCardinality(String) COMMENT 'the zone that config.zone names; empty: none, or not a zone''s name',
    _lsn          UInt64,
    _committed_at DateTime64(6, 'UTC'),
    _version      UInt64,
    _deleted      UInt8,
    _delete_reason String,
    _batch_id     LowCardinality(String)
)
ENGINE = /*cluster:Replicated*/ReplacingMergeTree(_version, _deleted)
ORDER BY id
SETTINGS non_replicated_deduplication_window = 10000, /*cluster:replicated_deduplication_window = 10000, replicated_deduplication_window_seconds = 604800,*/ fsync_after_insert = 1, fsync_part_directory = 1;

CREATE TABLE IF NOT EXISTS variants /*cluster:ON CLUSTER '{cluster}'*/
(
    id             Int64,
    experiment_id  Int64,
    key            String,
    name           String,
    description    Nullable(String),
    allocation_pct Float64                COMMENT 'weight; only the ratio to the experiment''s other variants counts',
    is_control     Bool,
    config         Nullable(String),
    created_at     DateTime64(6, 'UTC'),
    updated_at     DateTime64(6, 'UTC'),
    source_id     Nullable(String)       COMMENT 'the id in PostgreSQL where id is a number made for it, else NULL',
    _lsn           UInt64,
    _committed_at  DateTime64(6, 'UTC'),
    _version       UInt64,
    _deleted       UInt8,
    _delete_reason String,
    _batch_id      LowCardinality(String)
)
ENGINE = /*cluster:Replicated*/ReplacingMergeTree(_version, _deleted)
ORDER BY id
SETTINGS non_replicated_deduplication_window = 10000, /*cluster:replicated_deduplication_window = 10000, replicated_deduplication_window_seconds = 604800,*/ fsync_after_insert = 1, fsync_part_directory = 1;

CREATE TABLE IF NOT EXISTS users /*cluster:ON CLUSTER '{cluster}'*/
(
    user_id       String,
    email         Nullable(String),
    name          Nullable(String),
    properties    Nullable(String),
    is_active     Bool,
    created_at    DateTime64(6, 'UTC'),
    updated_at    DateTime64(6, 'UTC'),
    _lsn          UInt64,
    _committed_at DateTime64(6, 'UTC'),
    _version      UInt64,
    _deleted      UInt8,
    _delete_reason String,
    _batch_id     LowCardinality(String)
)
ENGINE = /*cluster:Replicated*/ReplacingMergeTree(_version, _deleted)
ORDER BY user_id
SETTINGS non_replicated_deduplication_window = 10000, /*cluster:replicated_deduplication_window = 10000, replicated_deduplication_window_seconds = 604800,*/ fsync_after_insert = 1, fsync_part_directory = 1;

CREATE TABLE IF NOT EXISTS experiment_daily_stats /*cluster:ON CLUSTER '{cluster}'*/
(
    experiment_id    Int64,
    variant_id       Int64,
    metric           LowCardinality(String),
    day              Date32         COMMENT 'in the experiment''s zone',
    exposures        Int64          COMMENT 'exposure events on the day; adds up over days',
    active_users     Int64          COMMENT 'users of the population with an event on the day; does NOT add up over days',
    converting_users Int64          COMMENT 'users with a counted event of the metric (for a ratio: of its numerator) on the day; does NOT add up over days',
    events           Int64          COMMENT 'counted events of the metric (for a ratio: of its numerator) on the day; adds up',
    value_sum        Decimal(38, 6) COMMENT 'sum of these events'' values on the day, without cap; adds up; 0 if events have no value',
    new_users        Int64          COMMENT 'users whose first exposure is on the day; adds up to n',
    new_converters   Int64          COMMENT 'users whose first counted event is on the day; adds up',
    d_sum            Decimal(38, 6) COMMENT 'increment of sum(y), y a user''s total under the metric''s cap (for a ratio: of its numerator); adds up to S',
    d_sum_sq         Decimal(76, 12) COMMENT 'increment of sum(y^2): 2Tv + v^2; adds up to Q',
    d_den_sum        Decimal(38, 6) COMMENT 'increment of sum(z), z a user''s total of a ratio''s denominator; adds up',
    d_den_sum_sq     Decimal(76, 12) COMMENT 'increment of sum(z^2); adds up',
    d_num_den        Decimal(76, 12) COMMENT 'increment of sum(y z); adds up',
    d_x_sum          Decimal(38, 6) COMMENT 'sum of the new users'' covariate x, a total before the first exposure; adds up',
    d_x_sum_sq       Decimal(76, 12) COMMENT 'sum of the new users'' x^2; adds up',
    d_xy             Decimal(76, 12) COMMENT 'increment of sum(x y); adds up',
    kind             LowCardinality(String) COMMENT 'the metric''s kind: proportion, mean, count, ratio',
    closed           Bool           COMMENT 'the day ended longer ago than the allowed lateness; a later change still restates it',
    _lsn             UInt64,
    _committed_at    DateTime64(6, 'UTC'),
    _version         UInt64,
    _deleted         UInt8,
    _delete_reason   String,
    _batch_id        LowCardinality(String)
)
ENGINE = /*cluster:Replicated*/ReplacingMergeTree(_version, _deleted)
PARTITION BY if(toYear(day) BETWEEN 2015 AND 2044, toYear(day), intDiv(toYear(day), 10) * 10)
ORDER BY (experiment_id, metric, variant_id, day)
SETTINGS non_replicated_deduplication_window = 10000, /*cluster:replicated_deduplication_window = 10000, replicated_deduplication_window_seconds = 604800,*/ fsync_after_insert = 1, fsync_part_directory = 1;

CREATE TABLE IF NOT EXISTS experiment_health_daily /*cluster:ON CLUSTER '{cluster}'*/
(
    experiment_id   Int64,
    day             Date32         COMMENT 'in the experiment''s zone; the figures are as of its end',
    variant_ids     Array(Int64)   COMMENT 'ascending; the arrays below have the same order',
    assigned_users  Array(Int64)   COMMENT 'users assigned at random up to the day',
    exposed_users   Array(Int64)   COMMENT 'users exposed up to the day, crossovers included',
    weights         Array(Float64) COMMENT 'allocation_pct at present',
    expected_users  Array(Float64) COMMENT 'assigned users that each variant expects by the weights at the time of each assignment; users whose weights are not known take no part',
    crossover_users Int64          COMMENT 'users exposed to more than one variant, first exposed up to the day',
    exposures       Int64          COMMENT 'exposure events on the day',
    srm_chi_square  Float64        COMMENT 'assigned users against the weights at the time of each assignment, summed over the phases of experiment_allocations',
    srm_df          Int32          COMMENT '0: not computable',
    srm_p           Float64        COMMENT '1 where not computable',
    _lsn            UInt64,
    _committed_at   DateTime64(6, 'UTC'),
    _version        UInt64,
    _deleted        UInt8,
    _delete_reason  String,
    _batch_id       LowCardinality(String)
)
ENGINE = /*cluster:Replicated*/ReplacingMergeTree(_version, _deleted)
PARTITION BY if(toYear(day) BETWEEN 2015 AND 2044, toYear(day), intDiv(toYear(day), 10) * 10)
ORDER BY (experiment_id, day)
SETTINGS non_replicated_deduplication_window = 10000, /*cluster:replicated_deduplication_window = 10000, replicated_deduplication_window_seconds = 604800,*/ fsync_after_insert = 1, fsync_part_directory = 1;

-- The phases of each experiment's allocation. A user belongs to the phase in which the assignment was committed. An assignment that only
-- the initial snapshot read belongs to the last phase with from_sequence = 0 that began before assigned_at.
CREATE TABLE IF NOT EXISTS experiment_allocations /*cluster:ON CLUSTER '{cluster}'*/
(
    experiment_id Int64,
    phase         Int32          COMMENT 'from 1 on; 0: users whose weights were not known until they were corrected',
    judged_as     Int32          COMMENT 'phase by whose weights the users are judged: a later one after a wrong weight was corrected',
    from_sequence UInt64         COMMENT 'place in commit order of the change that began it; 0: the initial snapshot found it',
    from_time     DateTime64(6, 'UTC') COMMENT 'commit time of that change; 1900-01-01: no earlier weights are known',
    variant_ids   Array(Int64)   COMMENT 'ascending',
    weights       Array(Float64) COMMENT 'in the order of variant_ids; empty: too many changes to keep them',
    _lsn          UInt64,
    _committed_at DateTime64(6, 'UTC'),
    _version      UInt64,
    _deleted      UInt8,
    _delete_reason String,
    _batch_id     LowCardinality(String)
)
ENGINE = /*cluster:Replicated*/ReplacingMergeTree(_version, _deleted)
ORDER BY (experiment_id, phase)
SETTINGS non_replicated_deduplication_window = 10000, /*cluster:replicated_deduplication_window = 10000, replicated_deduplication_window_seconds = 604800,*/ fsync_after_insert = 1, fsync_part_directory = 1;

-- What each metric of the configuration is judged for. A start of the job writes what differs. A metric that is no longer configured keeps
-- its row.
CREATE TABLE IF NOT EXISTS metrics /*cluster:ON CLUSTER '{cluster}'*/
(
    metric      LowCardinality(String),
    place       Int32                  COMMENT 'place among the metrics in results, the smallest first',
    role        LowCardinality(String) COMMENT 'goal, guardrail, diagnostic',
    direction   LowCardinality(String) COMMENT 'of an improvement: increase, decrease; empty: none',
    experiments String                 COMMENT 'regular expression of the keys of the experiments that it is for',
    _version    UInt64
)
ENGINE = /*cluster:Replicated*/ReplacingMergeTree(_version)
ORDER BY metric
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

CREATE TABLE IF NOT EXISTS data_inconsistencies /*cluster:ON CLUSTER '{cluster}'*/
(
    code          LowCardinality(String),
    subject_kind  LowCardinality(String) COMMENT 'what the finding is about: event, user, experiment, table …',
    subject_key   String                 COMMENT 'its key; (code, subject_kind, subject_key) identifies the finding',
    subject       String ALIAS concat(subject_kind, ':', subject_key) COMMENT 'kind and key in one text, for reading',
    severity      LowCardinality(String) COMMENT 'INFO, WARNING, ERROR',
    status        LowCardinality(String) COMMENT 'OPEN, RESOLVED, or DISMISSED by the dead-letters verb',
    experiment_id Nullable(Int64),
    user_id       Nullable(String),
    event_id      Nullable(UUID),
    source_id     Nullable(String)       COMMENT 'the event''s id in PostgreSQL if it is not a UUID in lower case',
    event_timestamp Nullable(DateTime64(6, 'UTC')) COMMENT 'timestamp of the event that the finding is about',
    detail        String,
    remedy        String,
    dead_letter_since Nullable(DateTime64(6, 'UTC')) COMMENT 'commit time of the first change of the row that could not be delivered; NULL: the row was delivered',
    observed_at   DateTime64(6, 'UTC')   COMMENT 'commit time of the change that caused the finding',
    _lsn          UInt64,
    _committed_at DateTime64(6, 'UTC'),
    _version      UInt64,
    _deleted      UInt8,
    _delete_reason String,
    _batch_id     LowCardinality(String),
    -- For open findings, and those of one experiment. ClickHouse uses them with FINAL from 25.6 on, and before reads all findings.
    INDEX by_status status TYPE set(3) GRANULARITY 1,
    INDEX by_severity severity TYPE set(3) GRANULARITY 1,
    INDEX by_experiment experiment_id TYPE bloom_filter(0.001) GRANULARITY 1,
    -- The versions that say OPEN, apart from all others: findings_open looks here for what may be open, and at the findings themselves for
    -- what is. A part holds both, so that no write, replay or merge can part them. Small granules, because each open finding is looked up.
    PROJECTION open (SELECT code, subject_kind, subject_key, status, severity, experiment_id
        ORDER BY status, severity, ifNull(experiment_id, 0), code, subject_kind, subject_key)
)
ENGINE = /*cluster:Replicated*/ReplacingMergeTree(_version, _deleted)
ORDER BY (code, subject_kind, subject_key)
SETTINGS non_replicated_deduplication_window = 10000, /*cluster:replicated_deduplication_window = 10000, replicated_deduplication_window_seconds = 604800,*/ fsync_after_insert = 1, fsync_part_directory = 1, deduplicate_merge_projection_mode = 'rebuild', lightweight_mutation_projection_mode = 'rebuild', index_granularity = 128;

-- One row per progress marker, written after the last batch before the marker of every sink. The view etl_progress reads it.
CREATE TABLE IF NOT EXISTS etl_sink_progress /*cluster:ON CLUSTER '{cluster}'*/
(
    sequence_number UInt64               COMMENT 'the marker''s position in commit order',
    lsn           UInt64,
    committed_at  DateTime64(6, 'UTC'),
    snapshot_done Bool,
    written_at    DateTime64(3, 'UTC')   COMMENT 'when the last batch before the marker was sealed, by the TaskManager''s clock',
    lag_limit_seconds UInt64             COMMENT 'lag above which the rows are too far behind (findings.health.freshness); 0: none is set',
    _version      UInt64                 COMMENT 'lsn',
    _batch_id     LowCardinality(String) COMMENT 'empty'
)
ENGINE = /*cluster:Replicated*/ReplacingMergeTree(_version)
ORDER BY sequence_number
SETTINGS non_replicated_deduplication_window = 10000, /*cluster:replicated_deduplication_window = 10000, replicated_deduplication_window_seconds = 604800,*/ fsync_after_insert = 1, fsync_part_directory = 1;

-- One row per audit that was recorded (verify --record), equal or not.
CREATE TABLE IF NOT EXISTS etl_audits /*cluster:ON CLUSTER '{cluster}'*/
(
    audited_at   DateTime64(3, 'UTC') COMMENT 'when the verdict was recorded, by this server''s clock',
    verdict      LowCardinality(String) COMMENT 'EQUAL, DIFFERENT',
    lsn          UInt64               COMMENT 'LSN of PostgreSQL''s snapshot that was compared',
    differences  UInt64,
    undecided    UInt64               COMMENT 'rows and figures that changed all the time and could not be judged',
    took_seconds Float64
)
ENGINE = /*cluster:Replicated*/MergeTree
ORDER BY audited_at
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

-- The job with the highest epoch writes a table. A job claims each table once, and stops when another job has claimed it.
CREATE TABLE IF NOT EXISTS etl_owners /*cluster:ON CLUSTER '{cluster}'*/
(
    sink       LowCardinality(String) COMMENT 'the sink''s table',
    job        String                 COMMENT 'Flink job id',
    epoch      UInt64,
    claimed_at DateTime64(3, 'UTC')
)
ENGINE = /*cluster:Replicated*/MergeTree
ORDER BY (sink, epoch)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;
