package io.experimentetl.cdc;

import io.experimentetl.mapping.TableBinding;
import io.experimentetl.model.SourceColumn;
import io.experimentetl.model.SourceTable;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.List;
import java.util.Locale;
import java.util.Random;
import java.util.Set;
import java.util.stream.Collectors;

/**
 * The captured tables with columns of random types in a random order, other columns between them,
 * and random transactions on them. They avoid what Debezium reads less well: columns outside the
 * key that are NOT NULL, for which it invents a value where only a key was sent, and the type name.
 */
final class DrawnTables {
  static final String SCHEMA = "drawn";
  static final String PUBLICATION = "drawn";

  private static final List<SourceTable> TABLES =
      List.of(
          SourceTable.EXPERIMENTS,
          SourceTable.VARIANTS,
          SourceTable.USERS,
          SourceTable.ASSIGNMENTS,
          SourceTable.EVENTS,
          SourceTable.OUTBOX_EVENTS);

  /** Counts the rows of all tables. */
  static final String ROWS =
      TABLES.stream()
          .map(table -> "(SELECT count(*) FROM " + SCHEMA + "." + table.tableName() + ")")
          .collect(Collectors.joining(" + ", "SELECT ", ""));

  /** Types of columns that no one reads, with a value. The last one has no binary form. */
  private static final List<List<String>> OTHERS =
      List.of(
          List.of("int[]", "'{1,NULL,3}'"),
          List.of("interval", "'1 year 2 days'"),
          List.of("bytea", "'\\x00ff'"),
          List.of("point", "'(1,2)'"),
          List.of("date", "'2026-01-01'"),
          List.of("drawn.pair", "'(1,a)'"),
          List.of("aclitem", "'postgres=r/postgres'"));

  /** Types of columns for which the server cannot send a row in binary. */
  private static final List<List<String>> UNSENDABLE =
      List.of(
          List.of("aclitem[]", "'{postgres=r/postgres}'"),
          List.of("drawn.right", "'(postgres=r/postgres)'"),
          List.of("drawn.refusing", "'any'"));

  private record Column(SourceColumn<?> declared, String name, String type, String value) {}

  private record Table(SourceTable table, List<Column> columns, boolean isWhole) {

    private String name() {
      return SCHEMA + "." + table.tableName();
    }
  }

  private final Random random;
  private final List<Table> tables = new ArrayList<>();

  /**
   * Draws the tables.
   *
   * @param allSendable false: a column may have a type whose values the server cannot send in
   *     binary
   */
  DrawnTables(Random random, boolean allSendable) {
    this.random = random;
    for (SourceTable table : TABLES) {
      tables.add(draw(table, allSendable));
    }
  }

  /** The tables with REPLICA IDENTITY FULL. */
  Set<SourceTable> whole() {
    return tables.stream()
        .filter(Table::isWhole)
        .map(Table::table)
        .collect(Collectors.toCollection(() -> EnumSet.noneOf(SourceTable.class)));
  }

  private Table draw(SourceTable table, boolean allSendable) {
    List<Column> columns = new ArrayList<>();
    TableBinding binding = TableBinding.defaults(table, SCHEMA);
    for (SourceColumn<?> declared : table.columns().all()) {
      if (binding.column(declared) == null) {
        continue;
      }
      columns.add(new Column(declared, declared.name(), type(declared, allSendable), null));
      if (random.nextInt(4) == 0) {
        List<String> other = one(OTHERS);
        columns.add(new Column(null, "other" + columns.size(), other.get(0), other.get(1)));
      }
    }
    if (!allSendable && random.nextInt(3) == 0) {
      List<String> unsendable = one(UNSENDABLE);
      columns.add(new Column(null, "unsendable", unsendable.get(0), unsendable.get(1)));
    }
    return new Table(table, columns, random.nextInt(3) > 0);
  }

  private <T> T one(List<T> of) {
    return of.get(random.nextInt(of.size()));
  }

  private String type(SourceColumn<?> column, boolean allSendable) {
    List<String> text =
        List.of("text", "varchar(9000)", "varchar(7)", "drawn.label", "uuid", "json");
    return switch (column.type()) {
      case EVENT_ID -> one(List.of("uuid", "text", "bigint"));
      case BIGINT, INT -> one(List.of("bigint", "int", "smallint", "drawn.whole"));
      case NUMBER -> one(List.of("int", "numeric", "numeric(9,3)", "real", "double precision"));
      case BOOL -> one(List.of("boolean", "drawn.flag"));
      case TIMESTAMP -> one(List.of("timestamptz", "timestamptz", "timestamp", "timestamptz(3)"));
      case JSON -> one(List.of("jsonb", "json", "text"));
      case LABEL -> one(List.of("text", "drawn.mood", "drawn.label", "varchar(50)"));
      case TEXT ->
          column.isKey()
              ? one(List.of("text", "varchar(90)", "drawn.label", "uuid"))
              : allSendable || random.nextInt(6) > 0 ? one(text) : "inet";
    };
  }

  /** The statements that create the tables and their publication. */
  List<String> creation() {
    List<String> statements =
        new ArrayList<>(
            List.of(
                "CREATE SCHEMA drawn",
                "CREATE TYPE drawn.mood AS ENUM ('fröhlich', 'sad')",
                "CREATE TYPE drawn.pair AS (a int, b text)",
                "CREATE TYPE drawn.right AS (value aclitem)",
                "CREATE TYPE drawn.refusing",
                "CREATE FUNCTION drawn.refusing_in(cstring) RETURNS drawn.refusing LANGUAGE internal STRICT IMMUTABLE AS 'textin'",
                "CREATE FUNCTION drawn.refusing_out(drawn.refusing) RETURNS cstring LANGUAGE internal STRICT IMMUTABLE AS 'textout'",
                "CREATE TYPE drawn.refusing (INPUT = drawn.refusing_in, OUTPUT = drawn.refusing_out, LIKE = text)",
                "CREATE FUNCTION drawn.refusing_send(drawn.refusing) RETURNS bytea LANGUAGE plpgsql STRICT AS $$ BEGIN RAISE feature_not_supported; END $$",
                "ALTER TYPE drawn.refusing SET (SEND = drawn.refusing_send)",
                "CREATE DOMAIN drawn.label AS text",
                "CREATE DOMAIN drawn.whole AS int",
                "CREATE DOMAIN drawn.flag AS boolean"));
    for (Table table : tables) {
      String columns =
          table.columns.stream()
              .map(column -> quoted(column.name) + " " + column.type)
              .collect(Collectors.joining(", "));
      String key =
          table.columns.stream()
              .filter(column -> column.declared != null && column.declared.isKey())
              .map(column -> quoted(column.name))
              .collect(Collectors.joining(", "));
      statements.add(
          "CREATE TABLE " + table.name() + " (" + columns + ", PRIMARY KEY (" + key + "))");
      for (Column column : table.columns) {
        if (column.type.startsWith("text") || column.type.startsWith("json")) {
          // Without compression a large value lies outside its row.
          statements.add(
              "ALTER TABLE "
                  + table.name()
                  + " ALTER "
                  + quoted(column.name)
                  + " SET STORAGE EXTERNAL");
        }
      }
      if (table.isWhole) {
        statements.add("ALTER TABLE " + table.name() + " REPLICA IDENTITY FULL");
      }
    }
    statements.add("CREATE PUBLICATION drawn FOR TABLES IN SCHEMA drawn");
    return statements;
  }

  private static String quoted(String name) {
    return SourceServer.quoted(name);
  }

  /** A transaction, as the statements between BEGIN and COMMIT. */
  List<String> transaction() {
    List<String> statements = new ArrayList<>();
    int count = 1 + random.nextInt(5);
    for (int i = 0; i < count; i++) {
      switch (random.nextInt(12)) {
        case 0 -> {
          statements.add("SAVEPOINT s");
          statements.add(insert(one(tables), 3));
          statements.add("ROLLBACK TO s");
        }
        case 1 -> statements.add("SELECT pg_logical_emit_message(true, 'drawn', 'of no row')");
        case 2 -> statements.add(random.nextInt(4) > 0 ? delete() : truncate());
        case 3 -> statements.add(changedKey());
        case 4, 5, 6 -> statements.add(update());
        default -> statements.add(insert(one(tables), 1 + random.nextInt(6)));
      }
    }
    return statements;
  }

  private String insert(Table table, int rows) {
    List<String> values = new ArrayList<>();
    for (int i = 0; i < rows; i++) {
      values.add(
          table.columns.stream().map(this::value).collect(Collectors.joining(", ", "(", ")")));
    }
    return "INSERT INTO "
        + table.name()
        + " VALUES "
        + String.join(", ", values)
        + " ON CONFLICT DO NOTHING";
  }

  private String update() {
    Table table = one(tables);
    List<Column> free =
        table.columns.stream()
            .filter(column -> column.declared == null || !column.declared.isKey())
            .toList();
    Column column = one(free);
    return "UPDATE "
        + table.name()
        + " SET "
        + quoted(column.name)
        + " = "
        + value(column)
        + some();
  }

  private String changedKey() {
    Table table = one(tables);
    Column column =
        table.columns.stream()
            .filter(any -> any.declared != null && any.declared.isKey())
            .findFirst()
            .orElseThrow();
    // Of one row, to a value that is likely to be free.
    return ("WITH one AS (SELECT ctid AS place FROM %1$s LIMIT 1) UPDATE %1$s SET %2$s = %3$s FROM one"
            + " WHERE ctid = place AND NOT EXISTS (SELECT FROM %1$s t WHERE t.%2$s = %3$s)")
        .formatted(table.name(), quoted(column.name), value(column));
  }

  private String delete() {
    return "DELETE FROM " + one(tables).name() + some();
  }

  /** Some of the rows. */
  private String some() {
    return " WHERE (ctid::text::point)[1]::int % 3 = " + random.nextInt(3);
  }

  private String truncate() {
    return "TRUNCATE " + one(tables).name() + ", " + one(tables).name();
  }

  private String value(Column column) {
    boolean isKey = column.declared != null && column.declared.isKey();
    boolean isNullable = column.declared == null || column.declared.isNullable();
    if (!isKey && random.nextInt(isNullable ? 5 : 50) == 0) {
      return "NULL";
    }
    if (column.declared == null) {
      return column.value;
    }
    String type = column.type.toLowerCase(Locale.ROOT);
    return switch (type) {
      case "bigint" -> one(List.of("1", "-2", "9223372036854775807", "3000000000", number()));
      case "int", "drawn.whole" -> one(List.of("0", "-2147483648", "2147483647", number()));
      case "smallint" -> one(List.of("-32768", "32767", number()));
      case "numeric", "numeric(9,3)" -> one(List.of("0", "-1234.5", "0.125", "99999.999"));
      case "real", "double precision" -> one(List.of("0.1", "-1.5e-10", "12345.678", "'NaN'"));
      case "boolean", "drawn.flag" -> one(List.of("true", "false"));
      case "timestamptz", "timestamptz(3)", "timestamp" ->
          one(
              List.of(
                  "'2026-11-20 14:03:03.123456+02'",
                  "'1969-12-31 23:59:59.9+00'",
                  "'1999-12-31 23:59:59.999999+00'",
                  "'2026-03-29 01:30:00+01'::timestamptz + random() * interval '300 days'"));
      case "uuid" -> "gen_random_uuid()";
      case "inet" -> one(List.of("'10.0.0.7'", "'::1'"));
      case "jsonb", "json" ->
          one(List.of("'{\"a\": [1, \"ü\"], \"b\":null}'", "'[]'", large("'[\"%s\"]'")));
      case "drawn.mood" -> one(List.of("'fröhlich'", "'sad'"));
      case "varchar(7)", "varchar(50)", "varchar(90)" ->
          isKey ? "'u" + number() + "'" : one(List.of("'a'", "''", "'tab\t'", "'😀'"));
      default ->
          isKey
              ? "'u" + number() + "'"
              : one(List.of("''", "'line\nbreak \\ \"'", "'Größe 大 😀'", large("'%s'")));
    };
  }

  private String number() {
    return Integer.toString(random.nextInt(10_000));
  }

  private String large(String form) {
    return form.formatted(Integer.toString(random.nextInt(10)).repeat(5_000));
  }
}
