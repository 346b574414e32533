package io.experimentetl.audit;

import io.experimentetl.clickhouse.ClickHouseReader;
import io.experimentetl.mapping.KeyText;
import io.experimentetl.mapping.ReplicatedTable;
import io.experimentetl.mapping.SqlNames;
import io.experimentetl.mapping.TableBinding;
import io.experimentetl.mapping.TableSql;
import io.experimentetl.model.FindingCode;
import io.experimentetl.model.RowVersion;
import io.experimentetl.model.Subject;
import io.experimentetl.model.SubjectKind;
import io.experimentetl.replicate.WarehouseShape;
import io.experimentetl.warehouse.ReplicatedType;
import java.time.Instant;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/**
 * Compares a replicated table: count and hash of 4096 buckets of its rows, and then the rows of the
 * buckets that differ. Compared are the columns that ClickHouse's table has of its own, and what
 * lookups that rewrite have looked up. Rows that retention has deleted or truncated at the source
 * are ClickHouse's alone, and are left out.
 */
final class ReplicatedComparison {
  /** Hexadecimal digits of a key's hash: as many as keep a list of all buckets a short query. */
  private static final int BUCKET_DIGITS = 3;

  private static final DateTimeFormatter TIME =
      DateTimeFormatter.ofPattern("uuuu-MM-dd'T'HH:mm:ss.SSSSSS", Locale.ROOT);

  private static final String FIRST_TIME = "1900-01-02 00:00:00+00";
  private static final String LAST_TIME = "2299-12-30 23:59:59.999999+00";

  private record Tally(long count, String hash) {
    private static final Tally EMPTY = new Tally(0, "0");
  }

  /**
   * A row.
   *
   * @param key as the job writes it; null: ClickHouse has it, which knows the values only
   */
  private record Row(long hash, long version, String key) {}

  /** Rows of both sides. */
  record Counts(ReplicatedTable table, long source, long warehouse) {}

  private final AuditSettings settings;
  private final ReplicatedTable table;
  private final SourceSnapshot source;
  private final Warehouse warehouse;
  private final TableSql sql;
  private final WarehouseShape shape;
  private final LookedUpColumns lookedUp;

  /** By column, the type in the source. */
  private final Map<String, String> types;

  /** The version up to which a truncate of retention has removed rows at the source only. */
  private final long keptUpTo;

  ReplicatedComparison(
      AuditSettings settings, ReplicatedTable table, SourceSnapshot source, Warehouse warehouse) {
    this.settings = settings;
    this.table = table;
    this.source = source;
    this.warehouse = warehouse;
    TableBinding binding = settings.mapping().entry(table.path());
    this.types = typesOf(binding);
    this.sql = new TableSql(binding, types, false);
    this.shape = warehouse.shapeOf(table);
    this.lookedUp =
        new LookedUpColumns(
            table,
            settings.replicated(),
            settings.mapping(),
            sql,
            other -> new TableSql(other, typesOf(other), false));
    this.keptUpTo =
        Warehouse.versionBoundOf(
            warehouse.count(
                "SELECT max(_lsn) FROM data_inconsistencies FINAL WHERE code = '%s' AND subject_kind = '%s' AND subject_key = '%s'"
                    .formatted(
                        FindingCode.C_DELETE_RETENTION.code(),
                        SubjectKind.TABLE.text(),
                        table.name())));
  }

  private Map<String, String> typesOf(TableBinding binding) {
    Map<String, String> named = new HashMap<>();
    source.read(
        settings,
        TableSql.typesQuery(binding),
        row -> named.put(row.getString(1), row.getString(2)));
    return named;
  }

  private List<ReplicatedTable.Column> compared() {
    return shape.columns().stream().filter(column -> lookedUp.isCompared(column.name())).toList();
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
        "SELECT %s, count(*), sum(h)::text FROM (%s) r GROUP BY 1"
            .formatted(sourceBucket(), sourceRows()),
        row -> inSource.put(row.getString(1), new Tally(row.getLong(2), row.getString(3))));
    Map<String, Tally> inWarehouse = new HashMap<>();
    warehouse.read(
        "SELECT %s, count(), toString(sum(toUInt128(h))) FROM (%s) GROUP BY 1"
            .formatted(warehouseBucket(), warehouseRows()),
        row -> inWarehouse.put(row.getString(1), new Tally(row.getLong(2), row.getString(3))));
    Set<String> differing = new TreeSet<>(inSource.keySet());
    differing.addAll(inWarehouse.keySet());
    differing.removeIf(bucket -> Objects.equals(inSource.get(bucket), inWarehouse.get(bucket)));
    List<String> left =
        Portions.compare(
            List.copyOf(differing),
            bucket ->
                Math.max(
                    inSource.getOrDefault(bucket, Tally.EMPTY).count(),
                    inWarehouse.getOrDefault(bucket, Tally.EMPTY).count()),
            portion -> compareRows(portion, found),
            found::size);
    if (!left.isEmpty()) {
      found.add(
          new Observation(
              table.qualifiedName(),
              AuditedTable.NO_DAY,
              "the rows of " + left.size() + " further buckets",
              "were not compared, since too much differs before them",
              "",
              Observation.NO_OFFSET,
              Observation.Weight.MOVING,
              Observation.Kind.DIFFERENT));
    }
    return new Counts(table, sum(inSource), sum(inWarehouse));
  }

  private static long sum(Map<String, Tally> tallies) {
    return tallies.values().stream().mapToLong(Tally::count).sum();
  }

  private void compareRows(List<String> buckets, Collection<Observation> found) {
    String list =
        buckets.stream().map(bucket -> "'" + bucket + "'").collect(Collectors.joining(", "));
    Map<String, Row> inSource = new TreeMap<>();
    source.read(
        settings,
        "SELECT k, h, own FROM (%s) r WHERE %s IN (%s)"
            .formatted(sourceRows(), sourceBucket(), list),
        row -> inSource.put(row.getString(1), new Row(row.getLong(2), 0, row.getString(3))));
    Map<String, Row> inWarehouse = new TreeMap<>();
    warehouse.read(
        "SELECT k, h, v FROM (%s) WHERE %s IN (%s)"
            .formatted(warehouseRows(), warehouseBucket(), list),
        row -> inWarehouse.put(row.getString(1), new Row(row.getLong(2), row.getLong(3), null)));
    Set<String> keys = new TreeSet<>(inSource.keySet());
    keys.addAll(inWarehouse.keySet());
    for (String row : keys) {
      Observation seen = compare(row, inSource.get(row), inWarehouse.get(row));
      if (seen != null) {
        found.add(seen);
      }
    }
  }

  private String sourceBucket() {
    return "left(md5(%s), %d)".formatted(PostgresRows.bytes("k", source.isUtf8()), BUCKET_DIGITS);
  }

  private static String warehouseBucket() {
    return "substring(lower(hex(MD5(k))), 1, %d)".formatted(BUCKET_DIGITS);
  }

  private Observation compare(String row, Row ours, Row theirs) {
    if (ours != null && theirs != null && ours.hash == theirs.hash) {
      return null;
    }
    if (ours == null && theirs.version <= keptUpTo) {
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
        new Subject(SubjectKind.REPLICATED_ROW, ours == null ? keyOf(row) : ours.key).toString(),
        problem,
        ours + " " + theirs,
        Observation.NO_OFFSET,
        isNewer ? Observation.Weight.MOVING : Observation.Weight.SUSPECT,
        kind);
  }

  /** The key as the job writes it, from the texts that both servers print alike. */
  private String keyOf(String row) {
    List<String> parts = KeyText.parts(row);
    List<String> key = new ArrayList<>();
    key.add(table.name());
    for (int i = 0; i < parts.size(); i++) {
      key.add(asInSource(shape.sortingKey().get(i), parts.get(i)));
    }
    return KeyText.of(key);
  }

  private String asInSource(String column, String text) {
    ReplicatedType type =
        shape.columns().stream()
            .filter(of -> of.name().equals(column))
            .map(of -> ReplicatedType.of(of.type()))
            .findFirst()
            .orElse(ReplicatedType.TEXT);
    return switch (type) {
      case TIME ->
          Instant.EPOCH
                  .plus(Long.parseLong(text), ChronoUnit.MICROS)
                  .atOffset(ZoneOffset.UTC)
                  .format(TIME)
              + (types.get(column).equals("timestamptz") ? "Z" : "");
      case FLOAT -> Double.toString(Double.longBitsToDouble(Long.parseUnsignedLong(text, 16)));
      default -> text;
    };
  }

  private String sourceRows() {
    Map<String, String> texts = new HashMap<>();
    compared().forEach(column -> texts.put(column.name(), inPostgres(column)));
    String row =
        compared().stream()
            .map(column -> "coalesce('+' || %s, '-')".formatted(texts.get(column.name())))
            .collect(Collectors.joining(" || chr(31) || "));
    return "SELECT %s AS k, ('x' || left(md5(%s), 12))::bit(48)::bigint AS h, %s AS own FROM %s.%s%s"
        .formatted(
            KeyText.sql(shape.sortingKey().stream().map(texts::get).toList()),
            PostgresRows.bytes(row, source.isUtf8()),
            KeyText.sql(
                Stream.concat(
                        Stream.of(SqlNames.literal(table.name()) + "::text"),
                        shape.sortingKey().stream().map(sql::text))
                    .toList()),
            SqlNames.quoted(table.schema()),
            SqlNames.quoted(table.table()),
            lookedUp.joins());
  }

  private String warehouseRows() {
    Map<String, String> texts = new HashMap<>();
    compared()
        .forEach(
            column ->
                texts.put(
                    column.name(), lookedUp.inClickHouse(column.name(), inClickHouse(column))));
    String row =
        compared().stream()
            .map(column -> "ifNull(concat('+', %s), '-')".formatted(texts.get(column.name())))
            .collect(Collectors.joining(", "));
    return "SELECT concat(%s, '') AS k, reinterpretAsUInt64(reverse(substring(MD5(arrayStringConcat([%s], char(31))), 1, 6))) AS h, _version AS v FROM %s FINAL WHERE _delete_reason != '%s'"
        .formatted(
            shape.sortingKey().stream()
                .map(column -> keyPart(texts.get(column)))
                .collect(Collectors.joining(", ':', ")),
            row,
            ClickHouseReader.quoted(table.name()),
            RowVersion.RETENTION);
  }

  /** As {@link KeyText} writes it. */
  private static String keyPart(String text) {
    return "replaceAll(replaceAll(%s, '\\\\', '\\\\\\\\'), ':', '\\\\:')".formatted(text);
  }

  private static String scale(String type) {
    return type.substring(type.indexOf(", ") + 2, type.length() - 1);
  }

  private String inPostgres(ReplicatedTable.Column column) {
    LookedUpColumns.Expression joined = lookedUp.inPostgres(column.name());
    String name = joined == null ? SqlNames.quoted(column.name()) : joined.value();
    String text = joined == null ? sql.text(column.name()) : joined.text();
    return switch (ReplicatedType.of(column.type())) {
      case FLOAT -> "encode(float8send((%s)::float8), 'hex')".formatted(text);
      case DECIMAL ->
          // A value with more digits is a dead letter.
          "(CASE WHEN %1$s = round(%1$s, %2$s) THEN round(%1$s, %2$s) ELSE %1$s END)::text"
              .formatted("(" + text + ")::numeric", scale(column.type()));
      case DAY ->
          "(CASE WHEN %1$s IS NOT NULL THEN greatest(least(%1$s, DATE '2299-12-31'), DATE '1900-01-01') END)::text"
              .formatted(name);
      case TIME ->
          "(CASE WHEN %1$s IS NOT NULL THEN extract(epoch FROM greatest(least(%1$s, '%2$s'), '%3$s')) * 1000000 END)::bigint::text"
              .formatted(name, LAST_TIME, FIRST_TIME);
      default -> "(" + text + ")";
    };
  }

  private static String inClickHouse(ReplicatedTable.Column column) {
    String name = ClickHouseReader.quoted(column.name());
    return switch (ReplicatedType.of(column.type())) {
      case FLOAT -> "lower(leftPad(hex(reinterpretAsUInt64(%s)), 16, '0'))".formatted(name);
      case DECIMAL -> "toDecimalString(%s, %s)".formatted(name, scale(column.type()));
      case TIME -> "toString(toUnixTimestamp64Micro(%s))".formatted(name);
      default -> "toString(" + name + ")";
    };
  }
}
