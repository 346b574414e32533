package io.experimentetl.mapping;

import static org.assertj.core.api.Assertions.assertThat;

import io.experimentetl.local.PlatformExtension;
import io.experimentetl.mapping.RowFilter.Condition;
import io.experimentetl.model.AssignmentRow;
import io.experimentetl.model.EventRow;
import io.experimentetl.model.ExperimentRow;
import io.experimentetl.model.SourceColumn;
import io.experimentetl.model.SourceTable;
import io.experimentetl.model.UserRow;
import io.experimentetl.model.VariantRow;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.LocalDateTime;
import java.time.ZoneId;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** A value by SQL is the value that Java reads from the stream. */
class TableSqlIT {
  @RegisterExtension static final PlatformExtension PLATFORM = new PlatformExtension();

  private static final String SCHEMA = "Odd \"schema";
  private static final String TABLE = "rows.of 'all'";
  private static final String NAME = "\"Odd \"\"schema\".\"rows.of 'all'\"";

  private static Connection connection;

  @BeforeAll
  static void create() throws SQLException {
    connection = PLATFORM.newPostgresDatabase("tablesql").connect();
    sql("CREATE SCHEMA \"Odd \"\"schema\"");
    sql("CREATE TYPE mood AS ENUM ('RUNNING', 'DONE')");
    sql("CREATE DOMAIN amount AS numeric(12,2)");
    sql(
        "CREATE TABLE "
            + NAME
            + " (id bigint PRIMARY KEY, t text, u uuid, n numeric, a amount, s smallint, f float8, b bool, e mood,"
            + " tz timestamptz, ts timestamp, d date, ms bigint, sec numeric, j jsonb, js json, \"Mixed Case\" text)");
  }

  @AfterAll
  static void close() throws SQLException {
    connection.close();
  }

  @BeforeEach
  void empty() throws SQLException {
    sql("TRUNCATE " + NAME);
  }

  @Test
  void numberKeyAndSourceIdOfAnyTextAreThoseOfJava() throws Exception {
    List<String> texts = new ArrayList<>();
    Random random = new Random(16);
    String alphabet = "0123456789-:\\'\"aZ\u00e9\u4e16 _";
    for (int i = 0; i < 400; i++) {
      StringBuilder text = new StringBuilder();
      for (int length = random.nextInt(21); length > 0; length--) {
        text.append(alphabet.charAt(random.nextInt(random.nextBoolean() ? 11 : alphabet.length())));
      }
      texts.add(text.toString());
    }
    texts.addAll(
        List.of(
            "0",
            "-0",
            "007",
            "-1",
            "9223372036854775807",
            "9223372036854775808",
            "-9223372036854775808",
            "-9223372036854775809",
            "12\n",
            "\ud83d\ude00"));
    try (PreparedStatement insert =
        connection.prepareStatement(
            "INSERT INTO " + NAME + " (id, t, \"Mixed Case\") VALUES (?, ?, ?)")) {
      for (int i = 0; i < texts.size(); i++) {
        insert.setLong(1, i);
        insert.setString(2, texts.get(i));
        insert.setString(3, texts.get(texts.size() - 1 - i));
        insert.executeUpdate();
      }
    }
    assertNumbersAndKeys(texts);
  }

  private static void assertNumbersAndKeys(List<String> texts) throws SQLException {
    Origin text = new Origin.Column("t");
    Origin other = new Origin.Column("Mixed Case");
    assertThat(values(ExperimentRow.COLUMNS.named("id"), number(SourceTable.EXPERIMENTS, text)))
        .isEqualTo(
            texts.stream().map(t -> "" + EntityNumber.of(SourceTable.EXPERIMENTS, t)).toList());
    assertThat(
            values(
                VariantRow.COLUMNS.named("id"),
                number(SourceTable.VARIANTS, new Origin.Key(List.of(other, text)))))
        .isEqualTo(
            indices(texts)
                .map(
                    i ->
                        ""
                            + EntityNumber.of(
                                SourceTable.VARIANTS,
                                KeyText.of(List.of(texts.get(texts.size() - 1 - i), texts.get(i)))))
                .toList());
    assertThat(
            values(
                EventRow.COLUMNS.named("user_id"),
                ColumnBinding.of(
                    new Origin.Key(List.of(new Origin.Constant("Us:er\\"), text, other)))))
        .isEqualTo(
            indices(texts)
                .map(
                    i ->
                        KeyText.of(
                            List.of("Us:er\\", texts.get(i), texts.get(texts.size() - 1 - i))))
                .toList());
    assertThat(
            values(
                EventRow.COLUMNS.named("session_id"), ColumnBinding.of(new Origin.SourceId(text))))
        .isEqualTo(texts.stream().map(t -> EntityNumber.isInteger(t) ? null : t).toList());
  }

  private static java.util.stream.Stream<Integer> indices(List<String> texts) {
    return java.util.stream.IntStream.range(0, texts.size()).boxed();
  }

  private static ColumnBinding number(SourceTable entity, Origin text) {
    return ColumnBinding.of(new Origin.Number(entity, text, false));
  }

  @Test
  void integersNumbersAndBooleansAreReadFromAnyType() throws Exception {
    sql(
        "INSERT INTO "
            + NAME
            + " (id, t, n, a, s, f, b) VALUES (1, '42', 42, 42, 42, 42, true), (2, '4.5', 4.5, 4.50, -7, 0.1, false),"
            + " (3, 'x', 1e30, NULL, NULL, NULL, NULL), (4, '-12', -12.0, 0.01, 0, 1e-7, NULL), (5, 'Yes', NULL, 3, 1, 2, NULL)");
    SourceColumn<?> id = AssignmentRow.COLUMNS.named("id");
    assertThat(values(id, column("t"))).containsExactly("42", null, null, "-12", null);
    assertThat(values(id, column("n"))).containsExactly("42", null, null, "-12", null);
    assertThat(values(id, column("a"))).containsExactly("42", null, null, null, "3");
    assertThat(values(id, column("s"))).containsExactly("42", "-7", null, "0", "1");
    SourceColumn<?> weight = VariantRow.COLUMNS.named("allocation_pct");
    assertThat(values(weight, column("f"))).containsExactly("42", "0.1", null, "0.0000001", "2");
    assertThat(values(weight, column("t"))).containsExactly("42", "4.5", null, "-12", null);
    SourceColumn<?> control = VariantRow.COLUMNS.named("is_control");
    assertThat(values(control, column("b"))).containsExactly("true", "false", null, null, null);
    assertThat(
            values(
                control,
                ColumnBinding.of(
                    new Origin.Matches(
                        new RowFilter(
                            List.of(new Condition("t", Set.of("42", "x"), false, false)))))))
        .containsExactly("true", "false", "true", "false", "false");
    assertThat(values(EventRow.COLUMNS.named("id"), column("n")))
        .containsExactly("42", "4.5", "1" + "0".repeat(30), "-12.0", null);
  }

  @Test
  void timesOfEveryKindAreInstants() throws Exception {
    sql(
        "INSERT INTO "
            + NAME
            + " (id, tz, ts, d, ms, sec, t) VALUES"
            + " (1, '2026-03-08 09:30:00.123456+02', '2026-03-08 02:30:00', '2026-03-08', 1772955000123, 1772955000.123456789, '2026-03-08T07:30:00.123456789Z'),"
            + " (2, 'infinity', '2026-11-01 01:30:00.5', '2026-11-01', -1, -0.0000015, '2026-02-29T07:30:00Z'),"
            + " (3, NULL, NULL, NULL, 9223372036854775807, 1e30, '2024-02-29 07:30+02')");
    SourceColumn<?> at = EventRow.COLUMNS.named("timestamp");
    assertThat(micros(at, column("tz"))).startsWith(1772955000123456L);
    ZoneId newYork = ZoneId.of("America/New_York");
    assertThat(
            micros(
                at,
                new ColumnBinding(new Origin.Column("ts"), Map.of(), null, newYork.getId(), null)))
        .as("a gap is read with the offset before it, an overlap with the later offset")
        .startsWith(
            microsOf(LocalDateTime.of(2026, 3, 8, 2, 30), newYork),
            microsOf(LocalDateTime.of(2026, 11, 1, 1, 30, 0, 500_000_000), newYork));
    assertThat(
            micros(
                at,
                new ColumnBinding(new Origin.Column("d"), Map.of(), null, newYork.getId(), null)))
        .startsWith(
            microsOf(LocalDateTime.of(2026, 3, 8, 0, 0), newYork),
            microsOf(LocalDateTime.of(2026, 11, 1, 0, 0), newYork));
    assertThat(micros(at, column("ts")))
        .startsWith(
            microsOf(LocalDateTime.of(2026, 3, 8, 2, 30), ZoneId.of("UTC")),
            microsOf(LocalDateTime.of(2026, 11, 1, 1, 30, 0, 500_000_000), ZoneId.of("UTC")));
    assertThat(
            micros(
                at,
                new ColumnBinding(new Origin.Column("ms"), Map.of(), TimeUnit.MILLIS, null, null)))
        .startsWith(1772955000123000L, -1000L);
    assertThat(
            micros(
                at,
                new ColumnBinding(
                    new Origin.Column("sec"), Map.of(), TimeUnit.SECONDS, null, null)))
        .startsWith(1772955000123456L, -2L);
    assertThat(micros(at, column("t")))
        .as("a date that no calendar has is no error of the query")
        .containsExactly(1772955000123456L, null, 1709184600000000L);
  }

  private static long microsOf(LocalDateTime time, ZoneId zone) {
    return time.atZone(zone).withLaterOffsetAtOverlap().toInstant().toEpochMilli() * 1000;
  }

  @Test
  void jsonPathsPropertiesAndRenamedValuesAreRead() throws Exception {
    sql(
        "INSERT INTO "
            + NAME
            + " (id, j, js, e, tz, n, b) VALUES (1, '{\"a.b\": {\"c\\\"d\": [10, \"x\"]}, \"n\": null}', '{\"k\":  {\"z\" : 1e2}}', 'RUNNING', '2026-01-02T03:04:05Z', 1.50, true), (2, '7', 'null', 'DONE', NULL, NULL, NULL)");
    SourceColumn<?> text = EventRow.COLUMNS.named("event_type");
    assertThat(
            values(text, ColumnBinding.of(new Origin.JsonPath("j", List.of("a.b", "c\"d", "1")))))
        .containsExactly("x", null);
    assertThat(values(text, ColumnBinding.of(new Origin.JsonPath("j", List.of("n")))))
        .containsExactly(null, null);
    assertThat(values(text, ColumnBinding.of(new Origin.JsonPath("js", List.of("k")))))
        .as("json is as it was written")
        .containsExactly("{\"z\" : 1e2}", null);
    assertThat(
            values(
                ExperimentRow.COLUMNS.named("status"),
                new ColumnBinding(
                    new Origin.Column("e"), Map.of("RUNNING", "AC'TIVE"), null, null, null)))
        .containsExactly("AC'TIVE", "DONE");
    assertThat(
            values(
                UserRow.COLUMNS.named("properties"),
                ColumnBinding.of(
                    new Origin.JsonObject(List.of("e", "n", "b", "tz", "Mixed Case")))))
        .containsExactly(
            "{\"b\": true, \"e\": \"RUNNING\", \"n\": 1.50, \"tz\": \"2026-01-02T03:04:05.000000Z\", \"Mixed Case\": null}",
            "{\"b\": null, \"e\": \"DONE\", \"n\": null, \"tz\": null, \"Mixed Case\": null}");
  }

  @Test
  void filterIsByEqualityListsNullAndNotNull() throws Exception {
    sql(
        "INSERT INTO "
            + NAME
            + " (id, e, t, b, tz) VALUES (1, 'RUNNING', 'x', true, NULL), (2, 'DONE', NULL, true, now()), (3, NULL, 'y', false, now()), (4, 'DONE', 'z', NULL, NULL)");
    assertThat(passing(new Condition("e", Set.of("DONE", "OTHER"), false, false)))
        .containsExactly(2L, 4L);
    assertThat(passing(new Condition("e", Set.of("RUNNING"), true, false))).containsExactly(1L, 3L);
    assertThat(passing(new Condition("tz", Set.of(), true, false))).containsExactly(1L, 4L);
    assertThat(passing(new Condition("t", Set.of(), false, true))).containsExactly(1L, 3L, 4L);
    assertThat(
            passing(
                new Condition("b", Set.of("true"), false, false),
                new Condition("tz", Set.of(), false, true)))
        .containsExactly(2L);
  }

  @Test
  void defaultTableIsNamedDirectly() throws Exception {
    sql(
        "CREATE TABLE public.users (user_id text PRIMARY KEY, email text, name text, properties jsonb, is_active bool, created_at timestamptz, updated_at timestamptz)");
    TableBinding users = TableBinding.defaults(SourceTable.USERS, "public");
    assertThat(new RowsSql(SourceTable.USERS, List.of(of(users))).entry(true)).isEmpty();
    sql("ALTER TABLE public.users ALTER created_at TYPE timestamp, DROP COLUMN email");
    assertThat(new RowsSql(SourceTable.USERS, List.of(of(users))).entry(true))
        .hasValueSatisfying(
            entry ->
                assertThat(entry)
                    .startsWith("users AS NOT MATERIALIZED (SELECT xmin, ")
                    .contains("NULL::text AS \"email\"", "(\"created_at\" AT TIME ZONE 'UTC')"));
  }

  private static ColumnBinding column(String name) {
    return ColumnBinding.column(name);
  }

  private static List<Long> passing(Condition... conditions) throws SQLException {
    TableBinding binding =
        new TableBinding(
            "users",
            SourceTable.USERS,
            true,
            SCHEMA,
            TABLE,
            Map.of(),
            new RowFilter(List.of(conditions)));
    List<Long> ids = new ArrayList<>();
    query(
        "SELECT id FROM %s WHERE %s ORDER BY id".formatted(NAME, of(binding).where()),
        row -> ids.add(row.getLong(1)));
    return ids;
  }

  private static List<String> values(SourceColumn<?> column, ColumnBinding binding)
      throws SQLException {
    List<String> values = new ArrayList<>();
    query(
        "SELECT %s FROM %s ORDER BY id".formatted(expression(column, binding), NAME),
        row -> {
          String value = row.getString(1);
          values.add(
              value != null
                      && (value.equals("t") || value.equals("f"))
                      && column.name().equals("is_control")
                  ? Boolean.toString(value.equals("t"))
                  : value);
        });
    return values;
  }

  private static List<Long> micros(SourceColumn<?> column, ColumnBinding binding)
      throws SQLException {
    List<Long> values = new ArrayList<>();
    query(
        "SELECT CASE WHEN isfinite(at) THEN (extract(epoch FROM at) * 1000000)::bigint END FROM (SELECT id, %s AS at FROM %s) t ORDER BY id"
            .formatted(expression(column, binding), NAME),
        row -> values.add(row.getObject(1, Long.class)));
    return values;
  }

  private static String expression(SourceColumn<?> column, ColumnBinding binding)
      throws SQLException {
    Map<String, ColumnBinding> columns = new LinkedHashMap<>();
    columns.put(column.name(), binding);
    return of(new TableBinding(
            "x", SourceTable.EVENTS, true, SCHEMA, TABLE, columns, RowFilter.ALL))
        .value(column);
  }

  private static TableSql of(TableBinding binding) throws SQLException {
    Map<String, String> types = new HashMap<>();
    query(TableSql.typesQuery(binding), row -> types.put(row.getString(1), row.getString(2)));
    return new TableSql(binding, types, true);
  }

  private interface RowReader {
    void read(ResultSet row) throws SQLException;
  }

  private static void query(String sql, RowReader reader) throws SQLException {
    try (Statement statement = connection.createStatement();
        ResultSet rows = statement.executeQuery(sql)) {
      while (rows.next()) {
        reader.read(rows);
      }
    }
  }

  private static void sql(String sql) throws SQLException {
    try (Statement statement = connection.createStatement()) {
      statement.setEscapeProcessing(false);
      statement.execute(sql);
    }
  }
}
