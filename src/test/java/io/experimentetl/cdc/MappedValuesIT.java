package io.experimentetl.cdc;

import static org.assertj.core.api.Assertions.assertThat;

import io.debezium.relational.TableId;
import io.experimentetl.config.ConfigBuilder;
import io.experimentetl.local.PlatformExtension;
import io.experimentetl.mapping.ColumnBinding;
import io.experimentetl.mapping.Origin;
import io.experimentetl.mapping.RowFilter;
import io.experimentetl.mapping.SourceMapping;
import io.experimentetl.mapping.TableBinding;
import io.experimentetl.mapping.TableSql;
import io.experimentetl.mapping.TimeUnit;
import io.experimentetl.model.Change;
import io.experimentetl.model.EventRow;
import io.experimentetl.model.SourceRow;
import io.experimentetl.model.SourceTable;
import io.experimentetl.model.Subject;
import io.experimentetl.model.SubjectKind;
import io.experimentetl.model.VariantRow;
import io.experimentetl.warehouse.WarehouseRange;
import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.stream.Collectors;
import org.apache.flink.cdc.connectors.base.source.meta.split.SnapshotSplit;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * The snapshot, a row that is read again and the audit's SQL give the same value of hostile columns
 * of a mapped table. A value that cannot be read is NULL for all of them.
 */
class MappedValuesIT {
  @RegisterExtension static final PlatformExtension PLATFORM = new PlatformExtension();

  private static final Origin VALUE = new Origin.Column("v");

  private static SourceDatabase database;

  @BeforeAll
  static void create() throws SQLException {
    database = SourceDatabase.create(PLATFORM, "mappedvalues");
    database.execute("CREATE DOMAIN padded AS char(6)");
    database.execute("CREATE DOMAIN padded_again AS padded");
    database.execute("CREATE DOMAIN seen_at AS timestamp");
    database.execute("CREATE DOMAIN seen_again AS seen_at");
    database.execute("CREATE TYPE mood AS ENUM ('a b', 'DONE ')");
  }

  /** Long because it lists types with their hostile values. */
  @ParameterizedTest
  @ValueSource(
      strings = {
        "char(6)|'a'|'a b '|''|'42'|'true'",
        "padded_again|'a'|'1.5'|E'a\\t'",
        "text|'a  '|' 1'|'+5'|'4.0'|'1e3'|'1e400'|'.5'|'5.'|'0x1F'|'NaN'|'infinity'|'-infinity'|'2026-02-29'|'2024-02-29 23:59:60'|'2024-02-29 24:00'|'+12026-01-01'|'0000-01-01'|'2026-01-01T10:00:00+0130'|'2026-01-01 10:00:00.123456789-00:30'|'Infinity'|repeat('9', 120)|repeat('9', 1001)|'1795176000.5'|E'12\\n'|'\u0664'",
        "mood|'a b'|'DONE '",
        "float4|0.1|0.1234567|'NaN'|'Infinity'|'-Infinity'|1e10|16777217|1e-40|3.4028235e38|'-0'",
        "float8|0.1|0.30000000000000004|'NaN'|'-Infinity'|1e15|1e16|5e-324|2e23|1e23|8.41e21|5.684341886080802e-14|9007199254740993|2.2250738585072014e-308|1e-5|0.0001|1.7976931348623157e308|-1.5|'-0'",
        "numeric|1.50|'NaN'|1e130|-0.0000015|-1795176000.0000015|9223372036854775807|9223372036854775808|1e40",
        "date|'infinity'|'-infinity'|'0044-03-15 BC'|'20260-01-01'|'5874897-12-31'|'2026-03-29'|'2026-10-25'|'1900-01-01'|'0001-01-01'",
        "timestamp|'infinity'|'-infinity'|'0044-03-15 10:00 BC'|'20260-01-01'|'2026-03-29 02:30'|'2026-10-25 02:30:00.5'|'1969-12-31 23:59:59.999999'",
        "seen_again|'infinity'|'2026-03-29 02:30'|'2026-10-25 02:30'",
        "timestamptz|'infinity'|'-infinity'|'0044-03-15 10:00 BC'|'20260-01-01'|'2026-03-29 02:30+01'",
        "bigint|1795176000|-1|0|9223372036854775807|-9223372036854775808",
        "inet|'10.0.0.1'|'10.0.0.0/8'",
        "uuid|'ABCDEF00-0000-0000-0000-00000000000a'",
        "bool|true|false",
        "json|'{\"a\": {\"b\": 1e400}}'|'{\"a\": {\"b\": 1}, \"a\": {\"c\": 2}}'|'{\"a\": {\"b\": 1, \"b\": \"2 \"}}'|'{\"a\": {\"b\": null}}'|'{\"a\": {\"b\":  {\"z\" : 1e2}}}'|'{\"a\": [1]}'|('{\"a\": {\"b\": ' || repeat('9', 300) || '}}')::json|'{\"a\": {\"b\": 1795176000.0}}'|'{\"a\": {\"b\": -0}}'|'7'",
        "jsonb|'{\"a\": {\"b\": 1e400}}'|'{\"a\": {\"b\": 12345678901234567890123}}'|'{\"a\": {\"b\": 1e22}}'|'{\"a\": {\"b\": 42.0}}'|'{\"a\": {\"b\": \"infinity\"}}'|'{\"a\": {\"b\": 1795176000.123456789}}'|'[]'|('{\"a\": {\"b\": ' || repeat('9', 300) || '}}')::jsonb",
      })
  void snapshotRereadAndAuditReadOneValue(String written) throws Exception {
    String[] parts = written.split("\\|(?!\\|)(?<!\\|\\|)", -1);
    database.execute("DROP TABLE IF EXISTS odd");
    database.execute("CREATE TABLE odd (id int PRIMARY KEY, v %s)".formatted(parts[0]));
    for (int i = 1; i < parts.length; i++) {
      database.execute("INSERT INTO odd VALUES (%d, %s)".formatted(i, parts[i]));
    }
    database.execute("INSERT INTO odd VALUES (0, NULL)");
    boolean isJson = parts[0].startsWith("json");
    Origin value = isJson ? new Origin.JsonPath("v", List.of("a", "b")) : VALUE;
    Map<String, TableBinding> bindings = new LinkedHashMap<>();
    bindings.put("text", event("session_id", ColumnBinding.of(value)));
    bindings.put(
        "key",
        event(
            "session_id",
            ColumnBinding.of(new Origin.Key(List.of(new Origin.Constant("x:"), value)))));
    bindings.put("integer", event("variant_id", ColumnBinding.of(value)));
    bindings.put("weight", variant(ColumnBinding.of(value)));
    bindings.put(
        "renamed",
        event("session_id", new ColumnBinding(value, Map.of("a", "A"), null, null, null)));
    for (String key : List.of("Jefe", "k".repeat(70))) {
      bindings.put(
          "masked", event("session_id", ColumnBinding.of(new Origin.Masked(value, () -> key))));
    }
    if (!parts[0].equals("json")) {
      bindings.put(
          "object", event("properties", ColumnBinding.of(new Origin.JsonObject(List.of("v")))));
    }
    boolean isTime =
        parts[0].startsWith("timestamp")
            || parts[0].startsWith("date")
            || parts[0].startsWith("seen");
    boolean isText = parts[0].equals("text") || isJson;
    if (isTime || isText) {
      for (String zone : new String[] {null, "Europe/Berlin", "America/New_York"}) {
        bindings.put(
            "time " + zone,
            event("assignment_at", new ColumnBinding(value, Map.of(), null, zone, null)));
      }
    }
    if (!isTime) {
      for (TimeUnit unit : TimeUnit.values()) {
        bindings.put(
            "unit " + unit,
            event("assignment_at", new ColumnBinding(value, Map.of(), unit, null, null)));
      }
      bindings.put(
          "local",
          event(
              "assignment_at",
              new ColumnBinding(value, Map.of(), TimeUnit.SECONDS, "Europe/Berlin", null)));
    }
    for (Map.Entry<String, TableBinding> binding : bindings.entrySet()) {
      String as = parts[0] + " as " + binding.getKey();
      Map<String, String> bySql = bySql(binding.getValue());
      assertThat(snapshot(binding.getValue())).as("the snapshot of " + as).isEqualTo(bySql);
      assertThat(reread(binding.getValue())).as("rows read again of " + as).isEqualTo(bySql);
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"json", "jsonb"})
  void elementsOfListsAreReadInOneWay(String type) throws Exception {
    database.execute("DROP TABLE IF EXISTS odd");
    database.execute("CREATE TABLE odd (id int PRIMARY KEY, v %s, live bool)".formatted(type));
    List<String> lists =
        List.of(
            "[]",
            "null",
            "{\"key\": \"a\"}",
            "[1, \"x\", null, [], {\"w\": 2}, {\"key\": null}]",
            "[{\"key\": \"a\", \"t\": {\"w\": 1}}, {\"key\": \"b\", \"t\": {\"w\": \"0.50\"}, \"on\": true}]",
            "[{\"key\": \"a\", \"t\": {\"w\": 1e2}}, {\"key\": \"a\", \"t\": {\"w\": 7}}]",
            "[{\"key\": \"a\", \"t\": {\"w\": 1}, \"gone\": 1}, {\"key\": \"a\", \"t\": {\"w\": 7}}]",
            "[{\"key\": 7, \"t\": {\"w\": 0.1}, \"on\": \"yes\"}, {\"key\": true, \"t\": {\"w\": 5e-324}}]",
            "[{\"key\": \"a:b\", \"t\": {\"w\": \"heavy\"}}, {\"key\": \"\", \"t\": 5}, {\"key\": \"c\", \"t\": {\"w\": null}}]");
    for (int i = 0; i < lists.size(); i++) {
      database.execute(
          "INSERT INTO odd VALUES (%d, '{\"arms\": %s}', true)".formatted(i, lists.get(i)));
    }
    database.execute("INSERT INTO odd VALUES (90, NULL, true), (91, '5', true), (92, '[]', true)");
    database.execute("INSERT INTO odd VALUES (93, '{\"arms\": [{\"key\": \"a\"}]}', false)");
    TableBinding binding =
        ConfigBuilder.read(
                """
                source:
                  tables:
                    experiments: {table: odd, columns: {key: id}, where: {live: true}}
                    variants: {column: v, path: arms, columns: {allocation_pct: t.w}, control: {on: [true, "yes"]}, where: {gone: null}}
                    assignments: {columns: {variant_id: {key: arm}}}
                    events: none
                """)
            .source()
            .tables()
            .entry("variants");
    Map<String, String> bySql = variantsBySql(binding);
    assertThat(bySql).hasSize(9).containsValue("b 0.5 true").containsValue("7 0.1 true");
    assertThat(snapshot(binding)).as("the snapshot").isEqualTo(bySql);
    Map<String, String> reread = new TreeMap<>();
    try (Connection connection = database.connect()) {
      new TableRowReader(binding, settings(binding).mapping(), connection)
          .read(connection, bySql.keySet())
          .forEach((id, row) -> reread.put(id, value(row)));
    }
    assertThat(reread).as("rows read again").isEqualTo(bySql);
  }

  private static Map<String, String> variantsBySql(TableBinding binding) throws SQLException {
    Map<String, String> values = new TreeMap<>();
    try (Connection connection = database.connect();
        Statement statement = connection.createStatement();
        ResultSet rows = statement.executeQuery(TableSql.of(connection, binding).select(false))) {
      while (rows.next()) {
        String weight = rows.getString("allocation_pct");
        values.put(
            rows.getString("id"),
            weight == null
                ? "-"
                : "%s %s %s"
                    .formatted(
                        rows.getString("key"),
                        Double.parseDouble(weight),
                        rows.getBoolean("is_control")));
      }
    }
    return values;
  }

  private static TableBinding event(String column, ColumnBinding value) {
    Map<String, ColumnBinding> columns = new LinkedHashMap<>();
    columns.put("id", ColumnBinding.column("id"));
    columns.put("timestamp", ColumnBinding.of(new Origin.Constant("2026-01-01T00:00:00Z")));
    columns.put("experiment_id", ColumnBinding.of(new Origin.Constant("1")));
    columns.put("user_id", ColumnBinding.of(new Origin.Constant("u")));
    columns.put("event_type", ColumnBinding.of(new Origin.Constant("e")));
    columns.put(column, value);
    return new TableBinding(
        "events", SourceTable.EVENTS, true, "public", "odd", columns, RowFilter.ALL);
  }

  private static TableBinding variant(ColumnBinding weight) {
    Map<String, ColumnBinding> columns = new LinkedHashMap<>();
    for (String number : List.of("id", "experiment_id")) {
      columns.put(number, ColumnBinding.column("id"));
    }
    for (String text : List.of("key", "name")) {
      columns.put(text, ColumnBinding.of(new Origin.Constant("v")));
    }
    columns.put("is_control", ColumnBinding.of(new Origin.Constant("false")));
    for (String time : List.of("created_at", "updated_at")) {
      columns.put(time, ColumnBinding.of(new Origin.Constant("2026-01-01T00:00:00Z")));
    }
    columns.put("allocation_pct", weight);
    return new TableBinding(
        "variants", SourceTable.VARIANTS, true, "public", "odd", columns, RowFilter.ALL);
  }

  private static PostgresSourceSettings settings(TableBinding binding) {
    return database.settings(new SourceMapping("public", List.of(binding)));
  }

  private static Map<String, String> snapshot(TableBinding binding) throws Exception {
    Map<String, String> values = new TreeMap<>();
    SnapshotMemory memory = new SnapshotMemory();
    for (SnapshotSplit split :
        new LeafSplitter(settings(binding)).generateSplits(new TableId(null, "public", "odd"))) {
      for (Change change : RunningTask.chunk(split, settings(binding), memory)) {
        if (Subject.row(change.table(), change.after()).kind() != SubjectKind.EXPERIMENT) {
          values.put(id(change.after()), value(change.after()));
        }
      }
    }
    return values;
  }

  private static Map<String, String> reread(TableBinding binding) throws SQLException {
    Map<String, String> values = new TreeMap<>();
    try (Connection connection = database.connect()) {
      Set<String> keys =
          java.util.stream.IntStream.range(0, 40)
              .mapToObj(
                  id ->
                      binding.table() == SourceTable.EVENTS
                          ? id + "@1767225600000000"
                          : Integer.toString(id))
              .collect(Collectors.toSet());
      new TableRowReader(binding, settings(binding).mapping(), connection)
          .read(connection, keys)
          .values()
          .forEach(row -> values.put(id(row), value(row)));
    }
    return values;
  }

  private static String id(SourceRow row) {
    return TableComparison.keyOf(
            row instanceof VariantRow ? SourceTable.VARIANTS : SourceTable.EVENTS, row)
        .replaceAll("@.*", "");
  }

  private static String value(SourceRow row) {
    if (row instanceof VariantRow variant) {
      String weight = Double.toString(variant.allocation() + 0.0);
      return variant.key().equals("v")
          ? weight
          : variant.key() + " " + weight + " " + variant.control();
    }
    if (!(row instanceof EventRow event)) {
      return "-";
    }
    List<Object> values = new ArrayList<>();
    values.add(event.sessionId());
    values.add(event.variantId());
    values.add(event.properties());
    values.add(event.assignmentAt());
    return values.stream()
        .filter(value -> value != null)
        .map(Object::toString)
        .collect(
            Collectors.collectingAndThen(
                Collectors.joining(),
                text -> text.isEmpty() && event.sessionId() == null ? "-" : text));
  }

  private static Map<String, String> bySql(TableBinding binding) throws SQLException {
    Map<String, String> values = new TreeMap<>();
    try (Connection connection = database.connect();
        Statement statement = connection.createStatement()) {
      TableSql table = TableSql.of(connection, binding);
      String column =
          binding.table() == SourceTable.VARIANTS
              ? "allocation_pct"
              : List.of("session_id", "variant_id", "properties", "assignment_at").stream()
                  .filter(binding.columns()::containsKey)
                  .findAny()
                  .orElseThrow();
      String value = table.value(binding.table().columns().named(column));
      String text =
          column.equals("assignment_at")
              ? "CASE WHEN isfinite(%1$s) THEN floor(extract(epoch FROM %1$s) * 1000000)::bigint::text ELSE (%1$s)::text END"
                  .formatted(value)
              : "(" + value + ")::text";
      try (ResultSet rows = statement.executeQuery("SELECT id, " + text + " FROM odd")) {
        while (rows.next()) {
          values.put(rows.getString(1), shown(column, rows.getString(2)));
        }
      }
    }
    return values;
  }

  private static String shown(String column, String text) {
    if (text == null) {
      return "-";
    }
    return switch (column) {
      case "allocation_pct" -> Double.toString(Double.parseDouble(text) + 0.0);
      case "assignment_at" ->
          Long.toString(
              WarehouseRange.nearest(
                  switch (text) {
                    case "infinity" -> Long.MAX_VALUE;
                    case "-infinity" -> Long.MIN_VALUE;
                    default -> Long.parseLong(text);
                  }));
      default -> text;
    };
  }
}
