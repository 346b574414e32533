package io.experimentetl.audit;

import io.experimentetl.clickhouse.ClickHouseReader;
import io.experimentetl.mapping.ReplicatedTable;
import io.experimentetl.mapping.SqlNames;
import io.experimentetl.mapping.TableBinding;
import io.experimentetl.mapping.TableSql;
import io.experimentetl.model.RowVersion;
import io.experimentetl.warehouse.ReplicatedType;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.stream.Collectors;

/**
 * Compares a replicated table: count and hash of 256 buckets of its rows, and then the rows of the
 * buckets that differ. Compared are the columns that ClickHouse's table has of its own. Rows that
 * retention has deleted at the source are ClickHouse's alone, and are left out.
 */
final class ReplicatedComparison {
  /** Rows of one comparison that are named. */
  private static final int MOST_NAMED = 1_000;

  private static final String FIRST_TIME = "1900-01-02 00:00:00+00";
  private static final String LAST_TIME = "2299-12-30 23:59:59.999999+00";

  private record Tally(long count, String hash) {}

  private record Row(long hash, long version) {}

  private record Column(String name, String type) {}

  /** Rows of both sides. */
  record Counts(ReplicatedTable table, long source, long warehouse) {}

  private final AuditSettings settings;
  private final ReplicatedTable table;
  private final SourceSnapshot source;
  private final Warehouse warehouse;
  private final TableSql sql;
  private final List<Column> columns;
  private final List<String> key;

  ReplicatedComparison(
      AuditSettings settings, ReplicatedTable table, SourceSnapshot source, Warehouse warehouse) {
    this.settings = settings;
    this.table = table;
    this.source = source;
    this.warehouse = warehouse;
    TableBinding binding = settings.mapping().entry(table.path());
    Map<String, String> types = new HashMap<>();
    source.read(
        settings,
        TableSql.typesQuery(binding),
        row -> types.put(row.getString(1), row.getString(2)));
    this.sql = new TableSql(binding, types, false);
    String named = ClickHouseReader.literal(table.name());
    this.columns =
        warehouse.list(
            "SELECT name, type FROM system.columns WHERE database = currentDatabase() AND default_kind = '' AND NOT startsWith(name, '_') AND table = "
                + named
                + " ORDER BY position",
            row -> new Column(row.getString(1), row.getString(2)));
    this.key =
        warehouse
            .list(
                "SELECT sorting_key FROM system.tables WHERE database = currentDatabase() AND name = "
                    + named,
                row -> List.of(row.getString(1).replace("`", "").split(", ")))
            .stream()
            .findFirst()
            .orElseThrow(
                () ->
                    new CannotCompareException(
                        "ClickHouse has no table %s: apply what map --clickhouse prints."
                            .formatted(table.name())));
  }

  /**
   * Compares the rows.
   *
   * @param found receives what differs
   */
  Counts compare(Collection<Observation> found) {
    Map<String, Tally> inSource = new HashMap<>();
    source.read(
        settings,
        "SELECT left(md5(k), 2), count(*), sum(h)::text FROM (%s) r GROUP BY 1"
            .formatted(sourceRows()),
        row -> inSource.put(row.getString(1), new Tally(row.getLong(2), row.getString(3))));
    Map<String, Tally> inWarehouse = new HashMap<>();
    warehouse.read(
        "SELECT lower(hex(substring(MD5(k), 1, 1))), count(), toString(sum(toUInt128(h))) FROM (%s) GROUP BY 1"
            .formatted(warehouseRows()),
        row -> inWarehouse.put(row.getString(1), new Tally(row.getLong(2), row.getString(3))));
    Set<String> differing = new TreeSet<>(inSource.keySet());
    differing.addAll(inWarehouse.keySet());
    differing.removeIf(bucket -> Objects.equals(inSource.get(bucket), inWarehouse.get(bucket)));
    if (!differing.isEmpty()) {
      compareRows(differing, found);
    }
    return new Counts(table, sum(inSource), sum(inWarehouse));
  }

  private static long sum(Map<String, Tally> tallies) {
    return tallies.values().stream().mapToLong(Tally::count).sum();
  }

  private void compareRows(Set<String> buckets, Collection<Observation> found) {
    String list =
        buckets.stream().map(bucket -> "'" + bucket + "'").collect(Collectors.joining(", "));
    Map<String, Row> inSource = new TreeMap<>();
    source.read(
        settings,
        "SELECT k, h FROM (%s) r WHERE left(md5(k), 2) IN (%s)".formatted(sourceRows(), list),
        row -> inSource.put(row.getString(1), new Row(row.getLong(2), 0)));
    Map<String, Row> inWarehouse = new TreeMap<>();
    warehouse.read(
        "SELECT k, h, v FROM (%s) WHERE lower(hex(substring(MD5(k), 1, 1))) IN (%s)"
            .formatted(warehouseRows(), list),
        row -> inWarehouse.put(row.getString(1), new Row(row.getLong(2), row.getLong(3))));
    Set<String> keys = new TreeSet<>(inSource.keySet());
    keys.addAll(inWarehouse.keySet());
    int named = 0;
    for (String row : keys) {
      Observation seen = compare(row, inSource.get(row), inWarehouse.get(row));
      if (seen != null && named++ < MOST_NAMED) {
        found.add(seen);
      }
    }
  }

  private Observation compare(String row, Row ours, Row theirs) {
    if (ours != null && theirs != null && ours.hash == theirs.hash) {
      return null;
    }
    Observation.Kind kind =
        theirs == null
            ? Observation.Kind.MISSING
            : ours == null ? Observation.Kind.EXTRA : Observation.Kind.DIFFERENT;
    String problem =
        switch (kind) {
          case MISSING -> "is missing in ClickHouse";
          case EXTRA -> "is only in ClickHouse";
          default -> "is different in ClickHouse";
        };
    boolean isNewer = theirs != null && theirs.version > Warehouse.versionBoundOf(source.lsn());
    return new Observation(
        table.qualifiedName(),
        AuditedTable.NO_DAY,
        "replicated-row:" + table.name() + ":" + row,
        problem,
        ours + " " + theirs,
        Observation.NO_OFFSET,
        isNewer ? Observation.Weight.MOVING : Observation.Weight.SUSPECT,
        kind);
  }

  private String sourceRows() {
    Map<String, String> texts = new HashMap<>();
    columns.forEach(column -> texts.put(column.name, inPostgres(column)));
    String row =
        columns.stream()
            .map(column -> "coalesce('+' || %s, '-')".formatted(texts.get(column.name)))
            .collect(Collectors.joining(" || chr(31) || "));
    return "SELECT %s AS k, ('x' || left(md5(%s), 12))::bit(48)::bigint AS h FROM %s.%s"
        .formatted(
            key.stream().map(texts::get).collect(Collectors.joining(" || ':' || ")),
            PostgresRows.bytes(row, source.isUtf8()),
            SqlNames.quoted(table.schema()),
            SqlNames.quoted(table.table()));
  }

  private String warehouseRows() {
    Map<String, String> texts = new HashMap<>();
    columns.forEach(column -> texts.put(column.name, inClickHouse(column)));
    List<String> parts = new ArrayList<>();
    columns.forEach(
        column -> parts.add("ifNull(concat('+', %s), '-')".formatted(texts.get(column.name))));
    return "SELECT concat(%s, '') AS k, reinterpretAsUInt64(reverse(substring(MD5(arrayStringConcat([%s], char(31))), 1, 6))) AS h, _version AS v FROM `%s` FINAL WHERE _delete_reason != '%s'"
        .formatted(
            key.stream().map(texts::get).collect(Collectors.joining(", ':', ")),
            String.join(", ", parts),
            table.name(),
            RowVersion.RETENTION);
  }

  private static String plain(String type) {
    return type.startsWith("Nullable(")
        ? type.substring("Nullable(".length(), type.length() - 1)
        : type;
  }

  private static String scale(String type) {
    return type.substring(type.indexOf(", ") + 2, type.length() - 1);
  }

  private String inPostgres(Column column) {
    String name = SqlNames.quoted(column.name);
    String text = sql.text(column.name);
    String type = plain(column.type);
    return switch (ReplicatedType.of(type)) {
      case FLOAT -> "encode(float8send((%s)::float8), 'hex')".formatted(text);
      case DECIMAL ->
          // A value with more digits is a dead letter.
          "(CASE WHEN %1$s = round(%1$s, %2$s) THEN round(%1$s, %2$s) ELSE %1$s END)::text"
              .formatted("(" + text + ")::numeric", scale(type));
      case DAY ->
          "(CASE WHEN %1$s IS NOT NULL THEN greatest(least(%1$s, DATE '2299-12-31'), DATE '1900-01-01') END)::text"
              .formatted(name);
      case TIME ->
          "(CASE WHEN %1$s IS NOT NULL THEN extract(epoch FROM greatest(least(%1$s, '%2$s'), '%3$s')) * 1000000 END)::bigint::text"
              .formatted(name, LAST_TIME, FIRST_TIME);
      default -> "(" + text + ")";
    };
  }

  private static String inClickHouse(Column column) {
    String name = "`" + column.name + "`";
    String type = plain(column.type);
    return switch (ReplicatedType.of(type)) {
      case FLOAT -> "lower(leftPad(hex(reinterpretAsUInt64(%s)), 16, '0'))".formatted(name);
      case DECIMAL -> "toDecimalString(%s, %s)".formatted(name, scale(type));
      case TIME -> "toString(toUnixTimestamp64Micro(%s))".formatted(name);
      default -> "toString(" + name + ")";
    };
  }
}
