package io.experimentetl.local.resync;

import io.experimentetl.local.PlatformException;
import io.experimentetl.model.FindingCode;
import io.experimentetl.operations.ClickHouseEndpoint;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.stream.Collectors;

/**
 * In which rows a warehouse that was read anew differs from the old one, in the source's columns.
 */
final class Repairs {
  private enum Kind {
    LACKED("lacked"),
    STALE("stale"),
    GONE("gone at the source");

    private final String words;

    Kind(String words) {
      this.words = words;
    }
  }

  private record Table(String name, String key, String values) {}

  /** What the source says of a row, and of the statistics the figures. */
  private static final List<Table> TABLES =
      List.of(
          new Table("experiments", "id", "* EXCEPT (id)"),
          new Table("variants", "id", "* EXCEPT (id)"),
          new Table("users", "user_id", "* EXCEPT (user_id)"),
          new Table(
              "assignments_processed",
              "experiment_id, user_id, id",
              "variant_id, version, source, context, assigned_at, enrolled_at, created_at, updated_at"),
          new Table(
              "events_processed",
              "experiment_id, user_id, timestamp, event_id",
              "variant_id, event_type, assignment_at, properties, session_id, request_id"),
          new Table(
              "experiment_daily_stats",
              "experiment_id, metric, variant_id, day",
              "* EXCEPT (experiment_id, metric, variant_id, day, closed)"),
          new Table(
              "experiment_health_daily", "experiment_id, day", "* EXCEPT (experiment_id, day)"));

  private record Repair(String table, Kind kind, String key) {}

  private final ClickHouseEndpoint old;
  private final ClickHouseEndpoint fresh;
  private final List<Repair> found = new ArrayList<>();

  private Repairs(ClickHouseEndpoint old, ClickHouseEndpoint fresh) {
    this.old = old;
    this.fresh = fresh;
  }

  /** Compares all tables. */
  static Repairs between(ClickHouseEndpoint old, ClickHouseEndpoint fresh) {
    Repairs repairs = new Repairs(old, fresh);
    TABLES.forEach(repairs::compare);
    return repairs;
  }

  private void compare(Table table) {
    String side =
        "SELECT tuple(%s) AS key, sipHash128(tuple(%s)) AS row, %%d AS side FROM `%%s`.`%s` FINAL"
            .formatted(table.key(), withoutVersion(table.values()), table.name());
    String sql =
        """
        SELECT multiIf(max(side) = 0, 'GONE', min(side) = 1, 'LACKED', 'STALE') AS kind, toString(key)
        FROM (%s UNION ALL %s)
        GROUP BY key
        HAVING count() = 1 OR uniqExact(row) > 1
        ORDER BY kind, key
        SETTINGS max_bytes_ratio_before_external_group_by = 0.3
        FORMAT TSVRaw
        """
            .formatted(side.formatted(0, old.database()), side.formatted(1, fresh.database()));
    for (String line : old.query(sql).lines().toList()) {
      String[] values = line.split("\t", 2);
      found.add(new Repair(table.name(), Kind.valueOf(values[0]), values[1]));
    }
  }

  private static String withoutVersion(String values) {
    return values.startsWith("*") ? "COLUMNS('^[^_]') " + values.substring(2) : values;
  }

  /**
   * Findings about the past can't be made again from what the source holds now: they are taken
   * over, those that can resolve as resolved, since nothing shows them any more. Those about
   * metrics are not: all days were counted by today's.
   */
  void keepFindings() {
    String resolvable =
        Arrays.stream(FindingCode.values())
            .filter(FindingCode::resolvable)
            .map(code -> "'" + code.code() + "'")
            .collect(Collectors.joining(", "));
    old.query(
        """
        INSERT INTO `%2$s`.data_inconsistencies
        SELECT * REPLACE (if(code IN (%3$s), 'RESOLVED', status) AS status, 0 AS _version)
        FROM `%1$s`.data_inconsistencies FINAL
        WHERE NOT startsWith(code, 'M-') AND (code, subject_kind, subject_key) NOT IN
            (SELECT code, subject_kind, subject_key FROM `%2$s`.data_inconsistencies)
        """
            .formatted(old.database(), fresh.database(), resolvable));
  }

  void print(PrintWriter out) {
    out.printf("%n%-26s %10s %10s %22s%n", "repaired", "lacked", "stale", "gone at the source");
    for (Table table : TABLES) {
      out.printf(
          Locale.ROOT,
          "%-26s %,10d %,10d %,22d%n",
          table.name(),
          count(table, Kind.LACKED),
          count(table, Kind.STALE),
          count(table, Kind.GONE));
    }
    out.println();
  }

  private long count(Table table, Kind kind) {
    return found.stream()
        .filter(repair -> repair.table().equals(table.name()) && repair.kind() == kind)
        .count();
  }

  /** Writes table, what was wrong, and the row's key, tab separated. */
  Path write(Path file) {
    List<String> lines = new ArrayList<>();
    lines.add("table\twhat was wrong\tkey");
    for (Repair repair : found) {
      lines.add(repair.table() + "\t" + repair.kind().words + "\t" + repair.key());
    }
    try {
      return Files.write(file, lines);
    } catch (IOException e) {
      throw new PlatformException(file + " can't be written: " + e, e);
    }
  }
}
