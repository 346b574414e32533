package io.experimentetl.operations;

/**
 * The metrics that the servers say and the job cannot. {@code docs/metrics.md} has each with how to
 * read it.
 */
public enum ServerMetric {
  UP("up", "1: the server answered; 0: it did not, and its metrics are absent."),
  REFUSED("metrics_refused", "1: the server answered, but not this question."),

  JOB_RUNNING("job_running", "1: the job and all its tasks run."),
  JOB_RESTARTS("job_restarts", "Restarts of the job since its submission."),
  CHECKPOINT_AGE("checkpoint_age_seconds", "Age of the last completed checkpoint."),

  SLOT_ACTIVE("slot_active", "1: somebody reads the replication slot."),
  SLOT_LAG("slot_lag_bytes", "WAL since the position that the slot's reader confirmed."),
  SLOT_RETAINED("slot_retained_bytes", "WAL that the slot keeps on PostgreSQL's disk."),
  SLOT_SAFE("slot_safe_wal_bytes", "WAL that can be written before the slot is lost."),
  SLOT_WAL_STATUS("slot_wal_status", "0 reserved, 1 extended, 2 unreserved, 3 lost."),

  DATABASE_BYTES("postgres_database_bytes", "Size of the source's database."),
  TABLE_BYTES("postgres_table_bytes", "Size of a table with its partitions and indexes."),
  PARTITION_MONTHS_AHEAD(
      "partition_months_ahead", "Months behind the current one that have a partition."),
  PARTITIONS_MISSING("partitions_missing", "Months ahead that should have a partition."),
  PARTITIONS_PENDING("partitions_pending_cleanup", "Partitions older than their retention."),
  DEFAULT_PARTITION_ROWS("default_partition_rows", "Rows in the default partition."),

  SCHEDULE_SUCCEEDED("schedule_succeeded", "1: the task's last run succeeded; 0: it failed."),
  SCHEDULE_AGE("schedule_age_seconds", "Since the task's last run ended."),
  SCHEDULE_OVERDUE("schedule_overdue_seconds", "Since the task was due; 0: it is not."),

  VISIBLE_LAG("visible_lag_seconds", "Age of the newest commit that readers see."),
  SNAPSHOT_DONE("snapshot_done", "1: the initial load is visible."),
  FINDINGS_OPEN("findings_open", "Open findings."),
  DEAD_LETTERS("dead_letters", "Rows that could not be delivered and were not dismissed."),
  AUDIT_AGE("audit_age_seconds", "Age of the last recorded audit."),
  AUDIT_DIFFERENCES("audit_differences", "Differences of the last recorded audit."),
  AUDIT_UNDECIDED("audit_undecided", "What the last recorded audit could not judge."),
  DISK_FREE("clickhouse_disk_free_bytes", "Free bytes of a disk."),
  DISK_TOTAL("clickhouse_disk_total_bytes", "Size of a disk."),
  ROWS("clickhouse_table_rows", "Rows of a table, all versions."),
  BYTES("clickhouse_table_bytes", "Compressed size of a table."),
  PARTS("clickhouse_table_parts", "Active parts of a table."),
  PARTS_OF_PARTITION(
      "clickhouse_partition_parts_max", "Active parts of the partition that has most."),
  LONGEST_QUERY("clickhouse_longest_query_seconds", "Time of the longest running SELECT."),
  SLOW_QUERIES("clickhouse_slow_queries", "SELECTs of the last 5 minutes that took over 30 s.");

  private static final String PREFIX = "etl_";

  private final String text;
  private final String help;

  ServerMetric(String text, String help) {
    this.text = PREFIX + text;
    this.help = help;
  }

  /** The name in Prometheus. */
  public String text() {
    return text;
  }

  String help() {
    return help;
  }
}
