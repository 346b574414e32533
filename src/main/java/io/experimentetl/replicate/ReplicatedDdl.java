package io.experimentetl.replicate;

import io.experimentetl.clickhouse.ClickHouseReader;
import io.experimentetl.mapping.ReplicatedTable;
import io.experimentetl.warehouse.ReplicatedType;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/** The statements that make a replicated table in ClickHouse, to be reviewed before they run. */
final class ReplicatedDdl {
  private ReplicatedDdl() {}

  /**
   * The table of PostgreSQL's, in the form of the job's own tables.
   *
   * @param lookedUp the columns that its lookups add
   */
  static String create(
      ReplicatedTable table, SourceShape source, List<SourceShape.Column> lookedUp) {
    List<String> key = table.sortingKey(source.primaryKey());
    int widest =
        Stream.concat(source.columns().stream(), lookedUp.stream())
            .mapToInt(column -> column.name().length())
            .max()
            .orElse(0);
    int width = Math.max(widest, ReplicatedTable.NEW_COLUMNS.length() + 2);
    List<String> lines = new ArrayList<>();
    for (SourceShape.Column column : source.columns()) {
      lines.add(line(column.name(), type(column), comment(column), width));
    }
    for (SourceShape.Column column : lookedUp) {
      lines.add(line(column.name(), type(column), "looked up", width));
    }
    lines.add(
        line(
            ReplicatedTable.NEW_COLUMNS,
            "String",
            "JSON object of columns that this table does not have, each a text or null",
            width));
    lines.addAll(versionLines(width));
    StringBuilder statement = new StringBuilder();
    statement.append("-- ").append(onOneLine(table.qualifiedName())).append(" of PostgreSQL.\n");
    if (!source.generated().isEmpty()) {
      statement
          .append("-- PostgreSQL does not send what it generates: ")
          .append(onOneLine(String.join(", ", source.generated())))
          .append(".\n");
    }
    statement
        .append("CREATE TABLE IF NOT EXISTS ")
        .append(ClickHouseReader.quoted(table.name()))
        .append(" /*cluster:ON CLUSTER '{cluster}'*/\n(\n")
        .append(String.join(",\n", lines))
        .append("\n)\nENGINE = /*cluster:Replicated*/ReplacingMergeTree(_version, _deleted)\n");
    if (table.partitionBy() != null) {
      statement
          .append("PARTITION BY toYYYYMM(")
          .append(ClickHouseReader.quoted(table.partitionBy()))
          .append(")\n");
    }
    statement
        .append("ORDER BY (")
        .append(key.stream().map(ClickHouseReader::quoted).collect(Collectors.joining(", ")))
        .append(")\n");
    if (table.ttl() != null) {
      statement.append(
          "TTL %s + INTERVAL %d DAY\n"
              .formatted(ClickHouseReader.quoted(table.ttl().column()), table.ttl().days()));
    }
    return statement
        .append(
            "SETTINGS non_replicated_deduplication_window = 10000, /*cluster:replicated_deduplication_window = 10000, replicated_deduplication_window_seconds = 604800,*/ fsync_after_insert = 1, fsync_part_directory = 1;\n")
        .toString();
  }

  private static List<String> versionLines(int width) {
    return List.of(
        line("_lsn", "UInt64", "LSN of the change; 0: the initial snapshot", width),
        line("_committed_at", "DateTime64(6, 'UTC')", null, width),
        line("_version", "UInt64", null, width),
        line("_deleted", "UInt8", null, width),
        line("_delete_reason", "String", null, width),
        line("_batch_id", "LowCardinality(String)", null, width));
  }

  private static String line(String name, String type, String comment, int width) {
    return "    "
        + ClickHouseReader.quoted(name)
        + " ".repeat(Math.max(1, width + 3 - ClickHouseReader.quoted(name).length()))
        + type
        + (comment == null ? "" : " COMMENT " + ClickHouseReader.literal(comment));
  }

  /** The column's type in ClickHouse. */
  static String type(SourceShape.Column column) {
    String type = ReplicatedType.ofSource(column.type(), column.isEnum(), column.nullable());
    return column.nullable() ? "Nullable(" + type + ")" : type;
  }

  private static String comment(SourceShape.Column column) {
    boolean isText =
        ReplicatedType.ofSource(column.type(), column.isEnum(), column.nullable()).equals("String");
    if (column.type().startsWith("timestamp") && column.type().contains("without")) {
      return "a time without zone, as if it were of UTC";
    }
    return isText && !ReplicatedType.isTextAtSource(column.type(), column.isEnum())
        ? "as PostgreSQL prints " + column.type() + ", which has no exact type here"
        : null;
  }

  /**
   * Adds a column whose values are read from {@link ReplicatedTable#NEW_COLUMNS}, of the rows that
   * are there and of those that come.
   */
  static String addColumn(ReplicatedTable table, SourceShape.Column column) {
    String type = ReplicatedType.ofSource(column.type(), column.isEnum(), true);
    String text =
        "JSONExtract(%s, %s, 'Nullable(String)')"
            .formatted(ReplicatedTable.NEW_COLUMNS, ClickHouseReader.literal(column.name()));
    String value =
        switch (ReplicatedType.of(type)) {
          case TEXT, LABEL -> text;
          case TIME -> "parseDateTime64BestEffortOrNull(" + text + ", 6, 'UTC')";
          default -> "accurateCastOrNull(" + text + ", " + ClickHouseReader.literal(type) + ")";
        };
    return "ALTER TABLE %s ADD COLUMN IF NOT EXISTS %s Nullable(%s) DEFAULT %s"
        .formatted(
            ClickHouseReader.quoted(table.name()),
            ClickHouseReader.quoted(column.name()),
            type,
            value);
  }

  /** A name of PostgreSQL may hold the end of a line. */
  private static String onOneLine(String text) {
    return text.replaceAll("\\R", " ");
  }
}
