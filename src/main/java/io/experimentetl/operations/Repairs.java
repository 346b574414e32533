package io.experimentetl.operations;

import io.experimentetl.model.AssignmentRow;
import io.experimentetl.model.EventRow;
import io.experimentetl.model.FindingCode;
import io.experimentetl.model.RowColumns;
import io.experimentetl.warehouse.SourceColumns;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.function.Consumer;
import java.util.stream.Collectors;

/** The rows in which a warehouse that was read again differs from the old one. */
final class Repairs {
  /** Both sides are read as a whole. */
  private static final Duration TIMEOUT = Duration.ofHours(1);

  private enum Kind {
    MISSING,
    STALE,
    GONE
  }

  /** How the differences are called. */
  enum Wording {
    /** The old database was wrong. */
    REPAIRED("repaired", "missing", "stale", "gone at the source"),
    /** The old database is that of the blue job. */
    COMPARED("differs", "only in green", "different", "only in blue");

    private final String title;
    private final Map<Kind, String> kinds;

    Wording(String title, String missing, String stale, String gone) {
      this.title = title;
      this.kinds = Map.of(Kind.MISSING, missing, Kind.STALE, stale, Kind.GONE, gone);
    }

    private String of(Kind kind) {
      return kinds.get(kind);
    }
  }

  private record Table(String name, String key, String values) {}

  /** A table's key and the columns that are compared: the source's own, and all figures. */
  private static final List<Table> TABLES =
      List.of(
          new Table("experiments", "id", "* EXCEPT (id)"),
          new Table("variants", "id", "* EXCEPT (id)"),
          new Table("users", "user_id", "* EXCEPT (user_id)"),
          new Table(
              "assignments_processed",
              "experiment_id, user_id, id",
              sourceValues(AssignmentRow.COLUMNS)),
          new Table(
              "events_processed",
              "experiment_id, user_id, timestamp, event_id",
              sourceValues(EventRow.COLUMNS)),
          new Table(
              "experiment_daily_stats",
              "experiment_id, metric, variant_id, day",
              "* EXCEPT (experiment_id, metric, variant_id, day, closed)"),
          new Table(
              "experiment_health_daily", "experiment_id, day", "* EXCEPT (experiment_id, day)"));

  private static String sourceValues(RowColumns<?> columns) {
    return columns.all().stream()
        .filter(column -> !column.isKey())
        .map(SourceColumns::nameOf)
        .collect(Collectors.joining(", "));
  }

  /** A row that differs, with the hashes of both sides. */
  private record Repair(String table, Kind kind, String key, String hashes) {}

  private final ClickHouseLogin old;
  private final ClickHouseLogin fresh;
  private final Wording wording;
  private final Map<String, String> ttls;
  private final List<Repair> found = new ArrayList<>();

  private Repairs(
      ClickHouseLogin old, ClickHouseLogin fresh, Wording wording, Map<String, String> ttls) {
    this.old = old;
    this.fresh = fresh;
    this.wording = wording;
    this.ttls = ttls;
  }

  int size() {
    return found.size();
  }

  /** The rows that differed in the same way before: nothing was written to them in between. */
  Repairs sameAsIn(Repairs earlier) {
    Repairs same = new Repairs(old, fresh, wording, ttls);
    Set<Repair> before = new HashSet<>(earlier.found);
    found.stream().filter(before::contains).forEach(same.found::add);
    return same;
  }

  /** Compares all tables, without the rows that the old one's TTL may have removed. */
  static Repairs between(ClickHouseLogin old, ClickHouseLogin fresh, Wording wording) {
    Repairs repairs = new Repairs(old, fresh, wording, TableTtl.of(old));
    TABLES.forEach(repairs::compare);
    return repairs;
  }

  private void compare(Table table) {
    // A merge removes expired rows from one side sooner than from the other.
    String side =
        "SELECT tuple(%s) AS key, sipHash128(tuple(%s)) AS row, %%d AS side FROM `%%s`.`%s` FINAL WHERE %s"
            .formatted(
                table.key(),
                withoutVersion(table.values()),
                table.name(),
                TableTtl.kept(Optional.ofNullable(ttls.get(table.name()))));
    String sql =
        """
        SELECT multiIf(max(side) = 0, 'GONE', min(side) = 1, 'MISSING', 'STALE') AS kind, toString(key) AS text,
               toString(arraySort(groupArray((side, hex(row))))) AS hashes
        FROM (%s UNION ALL %s)
        GROUP BY key
        HAVING count() = 1 OR uniqExact(row) > 1
        ORDER BY kind, key
        SETTINGS max_bytes_ratio_before_external_group_by = 0.3
        """
            .formatted(side.formatted(0, old.database()), side.formatted(1, fresh.database()));
    try (ClickHouseSession session = old.connect()) {
      found.addAll(
          session.list(
              sql,
              TIMEOUT,
              row ->
                  new Repair(
                      table.name(),
                      Kind.valueOf(row.getString("kind")),
                      row.getString("text"),
                      row.getString("hashes"))));
    }
  }

  private static String withoutVersion(String values) {
    return values.startsWith("*") ? "COLUMNS('^[^_]') " + values.substring(2) : values;
  }

  /**
   * Copies the findings about the past, which the source's present rows cannot produce again. A
   * finding that can be resolved is copied as resolved, since nothing shows it any more. Findings
   * about metrics are not copied: all days were counted with today's metrics.
   */
  void keepFindings() {
    String resolvable =
        Arrays.stream(FindingCode.values())
            // Only rows that a partition brought back resolve it; here the delete stays a fact.
            .filter(code -> code.resolvable() && code != FindingCode.C_DELETE_UNEXPECTED)
            .map(code -> "'" + code.code() + "'")
            .collect(Collectors.joining(", "));
    old.execute(
        """
        INSERT INTO `%2$s`.data_inconsistencies
        SELECT * REPLACE (if(code IN (%3$s), 'RESOLVED', status) AS status, 0 AS _version)
        FROM `%1$s`.data_inconsistencies FINAL
        WHERE code NOT IN ('M-STARTED', 'M-ENDED') AND (code, subject_kind, subject_key) NOT IN
            (SELECT code, subject_kind, subject_key FROM `%2$s`.data_inconsistencies)
        """
            .formatted(old.database(), fresh.database(), resolvable));
  }

  void print(Consumer<String> log) {
    log.accept("");
    log.accept(
        "%-26s %14s %14s %22s"
            .formatted(
                wording.title,
                wording.of(Kind.MISSING),
                wording.of(Kind.STALE),
                wording.of(Kind.GONE)));
    for (Table table : TABLES) {
      log.accept(
          String.format(
              Locale.ROOT,
              "%-26s %,14d %,14d %,22d",
              table.name(),
              count(table, Kind.MISSING),
              count(table, Kind.STALE),
              count(table, Kind.GONE)));
    }
    log.accept("");
  }

  private long count(Table table, Kind kind) {
    return found.stream()
        .filter(repair -> repair.table().equals(table.name()) && repair.kind() == kind)
        .count();
  }

  /** Writes the table, the problem and the key of each row, tab separated. */
  Path write(Path file) {
    List<String> lines = new ArrayList<>();
    lines.add("table\twhat was wrong\tkey");
    for (Repair repair : found) {
      lines.add(repair.table() + "\t" + wording.of(repair.kind()) + "\t" + repair.key());
    }
    try {
      return Files.write(file, lines);
    } catch (IOException e) {
      throw new OperationsException(file + " cannot be written: " + e, e);
    }
  }
}
