package io.experimentetl.operations;

/** SQL of the retention clean-ups, for tests without {@code serve}. */
public final class RetentionSql {
  /** ClickHouse has got everything: nothing else writes meanwhile, or it does not matter. */
  public static final String WATERMARK =
      "INSERT INTO etl_watermark (slot, lsn, complete_below) SELECT 'test', pg_current_wal_insert_lsn(), pg_snapshot_xmax(pg_current_snapshot())"
          + " ON CONFLICT (slot) DO UPDATE SET lsn = excluded.lsn, complete_below = excluded.complete_below";

  private RetentionSql() {}
}
