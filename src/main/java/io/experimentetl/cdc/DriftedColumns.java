package io.experimentetl.cdc;

import com.fasterxml.jackson.databind.JsonNode;
import io.experimentetl.mapping.TableBinding;
import io.experimentetl.model.ColumnType;
import io.experimentetl.model.SourceColumn;
import io.experimentetl.postgres.pgoutput.ValueFormat;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Function;
import java.util.function.Predicate;

/**
 * Compares the source's tables with their declaration. A declared column that is missing or has
 * another type is returned once per instance.
 *
 * <p>In order are: an optional column that was missing from the start, a column that is not
 * declared, and a column that allows NULL although the declaration does not. In Debezium's JSON a
 * column whose type it cannot express is missing.
 */
final class DriftedColumns {
  private record Difference(String column, String how) {}

  private final Map<String, Set<Difference>> found = new HashMap<>();

  /** The declared columns that an earlier version of the table had. */
  private final Map<String, Set<String>> had = new HashMap<>();

  /** The latest version of the table's columns, where the stream sends versions. */
  private final Map<String, TupleRowReader> latest = new HashMap<>();

  /**
   * What is new in a version of a table's columns.
   *
   * @param seenAt see {@link SchemaDrift}
   */
  List<SchemaDrift> of(TupleRowReader columns, long seenAt) {
    TupleRowReader before = latest.put(columns.binding().entry(), columns);
    return differences(
        columns.binding(),
        name -> !columns.missing().contains(name),
        columns::hasColumn,
        column -> fits(column.type(), columns.format(column)),
        column -> before == null ? null : columns.newNameOf(column, before),
        seenAt);
  }

  /**
   * What is new in a row without schema.
   *
   * @param seenAt see {@link SchemaDrift}
   */
  List<SchemaDrift> of(TableBinding table, JsonNode row, long seenAt) {
    return differences(
        table,
        row::has,
        column ->
            table.column(column).absent() != null
                || table.column(column).origin().columns().stream().allMatch(row::has),
        column -> fits(column.type(), row.get(column.name())),
        column -> null,
        seenAt);
  }

  /** The types of a mapped table may be others: what a value is, is seen when it is read. */
  private List<SchemaDrift> differences(
      TableBinding table,
      Predicate<String> hasSource,
      Predicate<SourceColumn<?>> has,
      Predicate<SourceColumn<?>> fits,
      Function<SourceColumn<?>, String> newName,
      long seenAt) {
    List<SchemaDrift> drifts = new ArrayList<>();
    Set<String> known = had.computeIfAbsent(table.entry(), entry -> new HashSet<>());
    for (String name : table.decidingColumns()) {
      if (!hasSource.test(name)) {
        report(
            table,
            name,
            "is not there, and source.tables."
                + table.entry()
                + " selects rows by it: no row can be judged",
            seenAt,
            drifts);
      }
    }
    for (SourceColumn<?> column : table.table().columns().all()) {
      String name = table.nameOf(column);
      String how;
      if (table.column(column) == null) {
        how = null;
      } else if (has.test(column)) {
        known.add(name);
        how = table.mapped() || fits.test(column) ? null : "is not " + column.type().inWords();
      } else if (known.contains(name)) {
        String other = newName.apply(column);
        how =
            (other == null
                    ? "is no longer there"
                    : "was renamed to " + other + ", or replaced by it")
                + ": it counts as NULL in the rows that are written from now on";
      } else {
        how = column.isOptional() ? null : "is missing: it counts as NULL";
      }
      if (how != null) {
        report(table, name, how, seenAt, drifts);
      }
    }
    return drifts;
  }

  private void report(
      TableBinding table, String name, String how, long seenAt, List<SchemaDrift> drifts) {
    if (found
        .computeIfAbsent(table.entry(), entry -> new HashSet<>())
        .add(new Difference(name, how))) {
      drifts.add(
          new SchemaDrift(
              table.readableName(),
              name,
              "The column " + name + " of " + table.readableName() + " " + how + ".",
              seenAt));
    }
  }

  /** A computed column has no format. */
  private static boolean fits(ColumnType type, ValueFormat format) {
    return format == null
        || switch (type) {
          case EVENT_ID -> format == ValueFormat.INTEGER || isText(format);
          case BIGINT, INT -> format == ValueFormat.INTEGER;
          case NUMBER ->
              format == ValueFormat.INTEGER || format == ValueFormat.FLOAT || isText(format);
          case TEXT, LABEL, JSON -> isText(format);
          case BOOL -> format == ValueFormat.BOOL;
          case TIMESTAMP -> format == ValueFormat.TIMESTAMPTZ || format == ValueFormat.TIMESTAMP;
        };
  }

  private static boolean isText(ValueFormat format) {
    return switch (format) {
      case TEXT, PADDED_TEXT, JSON, JSONB, UUID, NUMERIC, DATE, TEXT_ONLY, OTHER -> true;
      default -> false;
    };
  }

  /** NULL fits every type. */
  private static boolean fits(ColumnType type, JsonNode value) {
    return value.isNull()
        || switch (type) {
          case EVENT_ID -> value.isTextual() || value.isIntegralNumber();
          case BIGINT, INT -> value.isNumber();
          case NUMBER -> value.isNumber() || value.isTextual();
          case TEXT, LABEL, JSON, TIMESTAMP -> value.isTextual();
          case BOOL -> value.isBoolean();
        };
  }
}
