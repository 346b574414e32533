package io.experimentetl.mapping;

import io.experimentetl.model.ColumnType;
import io.experimentetl.model.EventId;
import io.experimentetl.model.ExperimentRow;
import io.experimentetl.model.SourceColumn;
import io.experimentetl.model.SourceTable;
import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.stream.Collectors;

/**
 * One binding in PostgreSQL's SQL: the source's table with our columns, by name and type. What the
 * job reads from the change stream in Java, this reads by a query; both give the same values.
 *
 * <p>A value that the job cannot read, and reports, is NULL here and no error of the query.
 */
public final class TableSql {
  /** The columns of a table: name and type, of a domain the type that it is made of. */
  private static final String TYPES =
      """
      SELECT a.attname,
        (WITH RECURSIVE made (oid, of) AS (
           SELECT t.oid, t.typbasetype FROM pg_type t WHERE t.oid = a.atttypid
           UNION ALL
           SELECT t.oid, t.typbasetype FROM pg_type t JOIN made ON t.oid = made.of)
         SELECT t.typname FROM made JOIN pg_type t USING (oid) WHERE made.of = 0)
      FROM pg_attribute a
      WHERE a.attrelid = %s::regclass AND a.attnum > 0 AND NOT a.attisdropped""";

  static final Set<String> INTEGERS = Set.of("int2", "int4", "int8");
  private static final Set<String> NUMBERS = Set.of("numeric", "float4", "float8");

  private final TableBinding binding;
  private final Map<String, String> types;
  private final boolean inSearchPath;

  /** The table whose rows give the numbers of the experiments that this one names; null: none. */
  private final TableSql experiments;

  /** Whether rows of users whom another row erases are left out. */
  private final boolean exceptErased;

  /** What the rows are selected from. */
  private final String from;

  /**
   * A binding of a table as it is now.
   *
   * @param types the columns that the table has, as {@link #typesQuery} returns them
   * @param inSearchPath whether the table's schema is the first of the session's search path
   */
  public TableSql(TableBinding binding, Map<String, String> types, boolean inSearchPath) {
    this(binding, types, inSearchPath, null, false, name(binding));
  }

  /** A binding of what {@code from} gives, in place of a table. */
  TableSql(TableBinding binding, Map<String, String> types, String from) {
    this(binding, types, false, null, false, from);
  }

  private TableSql(
      TableBinding binding,
      Map<String, String> types,
      boolean inSearchPath,
      TableSql experiments,
      boolean exceptErased,
      String from) {
    this.binding = binding;
    this.types = Map.copyOf(types);
    this.inSearchPath = inSearchPath;
    this.experiments = experiments;
    this.exceptErased = exceptErased;
    this.from = from;
  }

  /** The same where experiments are numbered by key, and this table names them by id. */
  public TableSql naming(TableSql ofExperiments) {
    return new TableSql(binding, types, inSearchPath, ofExperiments, exceptErased, from);
  }

  /** The same without the rows of users in the entry of {@link ErasedUsersSql}. */
  public TableSql exceptErased() {
    return new TableSql(binding, types, inSearchPath, experiments, true, from);
  }

  /**
   * A binding of a table as the catalogue has it now.
   *
   * @throws SQLException the server does not answer, or does not have the table
   */
  public static TableSql of(Connection connection, TableBinding binding, SourceMapping mapping)
      throws SQLException {
    TableSql table = of(connection, binding);
    return binding.table() == SourceTable.VARIANTS && mapping.variantsNameOtherIds()
        ? table.naming(of(connection, mapping.of(SourceTable.EXPERIMENTS).get(0)))
        : table;
  }

  /**
   * The same, with the numbers that variants have before their experiments are looked up.
   *
   * @throws SQLException the server does not answer, or does not have the table
   */
  public static TableSql of(Connection connection, TableBinding binding) throws SQLException {
    Map<String, String> types = new HashMap<>();
    try (Statement statement = connection.createStatement();
        ResultSet rows = statement.executeQuery(typesQuery(binding))) {
      while (rows.next()) {
        types.put(rows.getString(1), rows.getString(2));
      }
    }
    return ListedRowsSql.of(new TableSql(binding, types, false));
  }

  /** A query for the name and the type of each column of the table. */
  public static String typesQuery(TableBinding binding) {
    return TYPES.formatted(SqlNames.literal(name(binding)));
  }

  /** The table's name in any statement. */
  public static String name(TableBinding binding) {
    return SqlNames.quoted(binding.schema()) + "." + SqlNames.quoted(binding.name());
  }

  /** The table's name in any statement. */
  public String name() {
    return from;
  }

  public TableBinding binding() {
    return binding;
  }

  /**
   * Whether the table itself has our columns and rows: a statement can name it directly. JSON must
   * be jsonb, and times must have a zone.
   */
  public boolean isPlain() {
    SourceTable table = binding.table();
    return inSearchPath
        && binding.name().equals(table.tableName())
        && binding.where().isEmpty()
        && !exceptErased
        && binding.erasedWhen() == null
        && table.columns().all().stream().allMatch(this::isItself);
  }

  private boolean isItself(SourceColumn<?> column) {
    ColumnBinding bound = binding.column(column);
    if (bound == null || !types.containsKey(column.name())) {
      // No statement names an optional column of its own accord.
      return column.isOptional();
    }
    if (!bound.origin().equals(new Origin.Column(column.name()))
        || !bound.values().isEmpty()
        || bound.unit() != null) {
      return false;
    }
    String type = types.get(column.name());
    return switch (column.type()) {
      case JSON -> type.equals("jsonb");
      case TIMESTAMP -> type.equals("timestamptz");
      case BIGINT, INT, NUMBER -> isNumber(type);
      case BOOL -> type.equals("bool");
      case EVENT_ID, TEXT, LABEL -> true;
    };
  }

  /** Whether the table has what our column is read from: without it every value is NULL. */
  public boolean has(SourceColumn<?> column) {
    ColumnBinding bound = binding.column(column);
    return bound != null
        && (bound.absent() != null || types.keySet().containsAll(bound.origin().columns()));
  }

  /** Whether the value is the text of a {@code numeric} column, whose last zeros mean nothing. */
  public boolean isNumeric(SourceColumn<?> column) {
    ColumnBinding bound = binding.column(column);
    return bound != null
        && column.type() != ColumnType.TIMESTAMP
        && bound.values().isEmpty()
        && bound.origin() instanceof Origin.Column from
        && "numeric".equals(types.get(from.name()));
  }

  /** The columns that our column is read from and the table does not have. */
  public List<String> missing(SourceColumn<?> column) {
    ColumnBinding bound = binding.column(column);
    return bound == null || bound.absent() != null
        ? List.of()
        : bound.origin().columns().stream().filter(name -> !types.containsKey(name)).toList();
  }

  /**
   * The rows, each with our columns in the order of their declaration behind {@code xmin}.
   *
   * @param forFigures JSON as jsonb, for computing with it; else as the text that the source prints
   */
  public String select(boolean forFigures) {
    String columns =
        binding.table().columns().all().stream()
            .map(
                column ->
                    (forFigures && column.type() == ColumnType.JSON ? jsonb(column) : value(column))
                        + " AS "
                        + SqlNames.quoted(column.name()))
            .collect(Collectors.joining(", "));
    return "SELECT xmin, %s FROM %s%s".formatted(columns, from, conditions());
  }

  /** The condition that the rows meet, with its keyword; empty: all of them do. */
  String conditions() {
    List<String> conditions = new ArrayList<>();
    if (!binding.where().isEmpty()) {
      conditions.add(where());
    }
    if (binding.erasedWhen() != null) {
      conditions.add("NOT " + matches(binding.erasedWhen()));
    }
    if (exceptErased) {
      conditions.add(ErasedUsersSql.excludes(value(binding.table().columns().named("user_id"))));
    }
    return conditions.isEmpty() ? "" : " WHERE " + String.join(" AND ", conditions);
  }

  /** No row, with our columns. */
  static String selectNone(SourceTable table) {
    return table.columns().all().stream()
        .map(column -> nothing(column.type()) + " AS " + SqlNames.quoted(column.name()))
        .collect(Collectors.joining(", ", "SELECT NULL::xid AS xmin, ", " WHERE false"));
  }

  /** The type of a column of the source, of a domain the one that it is made of; null: none. */
  String type(String column) {
    return types.get(column);
  }

  /** The condition that the table's rows meet; {@code true}: all of them do. */
  public String where() {
    return binding.where().isEmpty() ? "true" : matches(binding.where());
  }

  /** The value of our column: text, bigint, numeric, boolean or timestamptz; JSON is a text. */
  public String value(SourceColumn<?> column) {
    ColumnBinding bound = binding.column(column);
    if (bound == null) {
      return nothing(column.type());
    }
    if (!types.keySet().containsAll(bound.origin().columns())) {
      Origin absent = bound.absent();
      return absent == null || !types.keySet().containsAll(absent.columns())
          ? nothing(column.type())
          : typed(bound.from(absent), column.type());
    }
    return typed(bound, column.type());
  }

  private static String nothing(ColumnType type) {
    return "NULL::"
        + switch (type) {
          case BIGINT, INT -> "bigint";
          case NUMBER -> "numeric";
          case EVENT_ID, TEXT, LABEL, JSON -> "text";
          case BOOL -> "boolean";
          case TIMESTAMP -> "timestamptz";
        };
  }

  private String typed(ColumnBinding bound, ColumnType type) {
    if (type == ColumnType.TIMESTAMP && bound.origin() instanceof Origin.Constant constant) {
      // Not read again for every row.
      return "(SELECT "
          + ValueSql.isoTime(SqlNames.literal(constant.value()), ValueSql.zone(bound))
          + ")";
    }
    if (bound.values().isEmpty()) {
      Origin origin = bound.origin();
      if (origin instanceof Origin.JsonPath path && type == ColumnType.JSON) {
        return jsonPath(path, isJsonb(path.column()) ? " #>" : "::json #>") + "::text";
      }
      if (origin instanceof Origin.Number number && isWhole(type)) {
        return number(number);
      }
      if (origin instanceof Origin.Matches filter && type == ColumnType.BOOL) {
        return matches(filter.filter());
      }
      if (origin instanceof Origin.Column from) {
        String direct = direct(bound, from.name(), type);
        if (direct != null) {
          return direct;
        }
      }
    }
    return ValueSql.ofText(bound, renamed(bound), type);
  }

  private static boolean isWhole(ColumnType type) {
    return type == ColumnType.BIGINT || type == ColumnType.INT;
  }

  private static boolean isNumber(String type) {
    return INTEGERS.contains(type) || NUMBERS.contains(type);
  }

  /** The value of a column whose type needs no way over a text; null: it does. */
  private String direct(ColumnBinding bound, String name, ColumnType type) {
    String column = SqlNames.quoted(name);
    String has = types.get(name);
    return switch (type) {
      case BIGINT, INT ->
          INTEGERS.contains(has)
              ? column + "::bigint"
              : NUMBERS.contains(has) ? ValueSql.whole(exact(column, has)) : null;
      case NUMBER -> isNumber(has) ? exact(column, has) : null;
      case BOOL -> has.equals("bool") ? column : null;
      case TIMESTAMP ->
          switch (has) {
            case "timestamptz" -> column;
            case "timestamp" -> "(%s AT TIME ZONE %s)".formatted(column, ValueSql.zone(bound));
            case "date" -> ValueSql.midnight(column, ValueSql.zone(bound));
            default ->
                bound.unit() != null && isNumber(has)
                    ? ValueSql.time(exact(column, has), bound)
                    : null;
          };
      case EVENT_ID, TEXT, LABEL, JSON -> null;
    };
  }

  /** The number that PostgreSQL prints: its cast of a float rounds. No other is NULL. */
  private static String exact(String column, String type) {
    return switch (type) {
      case "float4", "float8" -> ValueSql.finite(column) + "::text::numeric END";
      case "numeric" -> ValueSql.finite(column) + " END";
      default -> column + "::numeric";
    };
  }

  /** A JSON column as jsonb. What a path finds that is no object stays what it is. */
  String jsonb(SourceColumn<?> column) {
    ColumnBinding bound = binding.column(column);
    if (bound == null || !types.keySet().containsAll(bound.origin().columns())) {
      return "NULL::jsonb";
    }
    if (bound.values().isEmpty() && bound.origin() instanceof Origin.JsonPath path) {
      return jsonPath(path, isJsonb(path.column()) ? " #>" : "::json #>") + "::jsonb";
    }
    return "(" + value(column) + ")::jsonb";
  }

  private String renamed(ColumnBinding bound) {
    String text = text(bound.origin());
    if (bound.values().isEmpty()) {
      return text;
    }
    return new TreeMap<>(bound.values())
        .entrySet().stream()
            .map(
                value ->
                    "WHEN %s THEN %s"
                        .formatted(
                            SqlNames.literal(value.getKey()), SqlNames.literal(value.getValue())))
            .collect(Collectors.joining(" ", "CASE " + text + " ", " ELSE " + text + " END"));
  }

  private String number(Origin.Number number) {
    if (experiments != null && number.entity() == SourceTable.EXPERIMENTS && !number.byKey()) {
      return "(SELECT etl_number FROM (SELECT %s AS etl_number, %s AS etl_own FROM %s) etl_experiments WHERE etl_own = %s)"
          .formatted(
              experiments.value(ExperimentRow.COLUMNS.named("id")),
              experiments.value(ExperimentRow.COLUMNS.named(SourceTable.SOURCE_ID)),
              name(experiments.binding),
              ownText(number.text()));
    }
    if (number.text() instanceof Origin.Column column
        && INTEGERS.contains(types.get(column.name()))) {
      return SqlNames.quoted(column.name()) + "::bigint";
    }
    return ValueSql.number(number.entity(), ownText(number.text()));
  }

  /** The text of an id: zeros behind the point of a numeric are not part of it. */
  private String ownText(Origin origin) {
    return origin instanceof Origin.Column column && "numeric".equals(types.get(column.name()))
        ? "CASE WHEN %1$s = trunc(%1$s) THEN trunc(%1$s)::text END"
            .formatted(SqlNames.quoted(column.name()))
        : text(origin);
  }

  private String jsonObject(Origin.JsonObject object) {
    List<String> parts = new ArrayList<>();
    for (String name : object.members()) {
      parts.add(SqlNames.literal(name));
      String type = types.get(name);
      boolean keepsType =
          isNumber(type) || type.equals("bool") || type.equals("json") || type.equals("jsonb");
      parts.add(keepsType ? SqlNames.quoted(name) : text(name));
    }
    return "jsonb_build_object(" + String.join(", ", parts) + ")";
  }

  String matches(RowFilter filter) {
    return filter.isEmpty()
        ? "true"
        : filter.conditions().stream()
            .map(this::matches)
            .collect(Collectors.joining(" AND ", "(", ")"));
  }

  private String matches(RowFilter.Condition condition) {
    String text = text(new Origin.Column(condition.column()));
    List<String> alternatives = new ArrayList<>();
    if (condition.matchesAnyValue()) {
      alternatives.add(text + " IS NOT NULL");
    } else if (!condition.values().isEmpty()) {
      alternatives.add(
          "coalesce("
              + text
              + " IN ("
              + condition.values().stream()
                  .sorted()
                  .map(SqlNames::literal)
                  .collect(Collectors.joining(", "))
              + "), false)");
    }
    if (condition.matchesNull()) {
      alternatives.add(text + " IS NULL");
    }
    return alternatives.isEmpty() ? "false" : "(" + String.join(" OR ", alternatives) + ")";
  }

  /** The origin's value as a text. */
  private String text(Origin origin) {
    if (origin instanceof Origin.Column column) {
      return text(column.name());
    } else if (origin instanceof Origin.JsonPath path) {
      return jsonPath(path, isJsonb(path.column()) ? " #>>" : "::json #>>");
    } else if (origin instanceof Origin.Constant constant) {
      return SqlNames.literal(constant.value()) + "::text";
    } else if (origin instanceof Origin.Key key) {
      return KeyText.sql(key.parts().stream().map(this::text).toList());
    } else if (origin instanceof Origin.Number number) {
      return "(" + number(number) + ")::text";
    } else if (origin instanceof Origin.SourceId id) {
      String text = ownText(id.text());
      return "CASE WHEN %s THEN NULL ELSE %s END".formatted(ValueSql.isInteger(text), text);
    } else if (origin instanceof Origin.EventKey key) {
      return "(%s || %s)"
          .formatted(SqlNames.literal(EventId.prefix(key.entry())), text(key.text()));
    } else if (origin instanceof Origin.Masked masked) {
      return masked.key().sql(text(masked.text()));
    } else if (origin instanceof Origin.Matches filter) {
      return "(" + matches(filter.filter()) + ")::text";
    } else if (origin instanceof Origin.JsonObject object) {
      return jsonObject(object) + "::text";
    }
    throw new IllegalStateException("There is no SQL for " + origin);
  }

  /** The text that the stream's reader makes of a column of the source. */
  public String text(String name) {
    String column = SqlNames.quoted(name);
    String type = types.get(name);
    if (type == null) {
      return "NULL::text";
    }
    return switch (type) {
      case "timestamptz" -> ValueSql.timeText(column, column + " AT TIME ZONE 'UTC'", "Z");
      case "timestamp" -> ValueSql.timeText(column, column, "");
      // As a float8 of the same digits.
      case "float4" -> column + "::text::float8::text";
      // Its cast to text adds the length of the netmask.
      case "inet" -> "CASE WHEN %1$s IS NOT NULL THEN format('%%s', %1$s) END".formatted(column);
      default -> column + "::text";
    };
  }

  /** The operators of json, unlike these, return a part as it is written. */
  private boolean isJsonb(String column) {
    return "jsonb".equals(types.get(column));
  }

  private String jsonPath(Origin.JsonPath path, String operator) {
    return "(%s%s %s::text[])"
        .formatted(
            SqlNames.quoted(path.column()),
            operator,
            SqlNames.literal(SqlNames.array(path.path())));
  }
}
