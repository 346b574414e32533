package io.experimentetl.model;

/**
 * A row of {@code etl_heartbeat}.
 *
 * @param writer {@code source} or the name of the fence that wrote it
 * @param beatAt microseconds since 1970 in UTC, the server's clock
 */
public record HeartbeatRow(String writer, long beatAt) implements SourceRow {
  public static final RowColumns<HeartbeatRow> COLUMNS =
      RowColumns.<HeartbeatRow>declare()
          .key("writer", ColumnType.TEXT, HeartbeatRow::writer)
          .required("beat_at", ColumnType.TIMESTAMP, HeartbeatRow::beatAt)
          .read(HeartbeatRow::read);

  private static HeartbeatRow read(RowCursor row) {
    return new HeartbeatRow(row.text("writer"), row.micros("beat_at"));
  }
}
