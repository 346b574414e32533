package io.experimentetl.model;

import java.util.Locale;

/** The tables of the platform that are captured, and the heartbeat table of this product. */
public enum SourceTable {
  EXPERIMENTS,
  VARIANTS,
  USERS,
  ASSIGNMENTS,
  EVENTS,
  OUTBOX_EVENTS,
  /**
   * Written by the source's heartbeat and by {@code ./etl verify}: true lag, progress when idle,
   * fences.
   */
  ETL_HEARTBEAT;

  private static final SourceTable[] ALL = values();

  /** The table's name in PostgreSQL. */
  public String tableName() {
    return name().toLowerCase(Locale.ROOT);
  }

  /** The table of that name in PostgreSQL, or null where it is none of ours. */
  public static SourceTable ofTableName(String tableName) {
    for (SourceTable table : ALL) {
      if (table.tableName().equals(tableName)) {
        return table;
      }
    }
    return null;
  }
}
