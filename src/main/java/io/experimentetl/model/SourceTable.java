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

  /** One row of it, in words: findings name their subjects by it, {@code event:KEY}. */
  public String noun() {
    return this == ETL_HEARTBEAT ? "heartbeat" : tableName().substring(0, tableName().length() - 1);
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
