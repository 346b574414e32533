package io.experimentetl.mapping;

import io.experimentetl.model.VariantRow;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Collectors;

/** The elements of JSON lists in a table's rows, in PostgreSQL's SQL. */
public final class ListedRowsSql {
  private static final String MEMBERS =
      """
      (SELECT etl_holder.xmin, etl_holder.ctid, etl_place, %1$s
       FROM %2$s etl_holder CROSS JOIN LATERAL
         jsonb_array_elements(CASE WHEN jsonb_typeof(%3$s) = 'array' THEN %3$s END) WITH ORDINALITY etl_elements (etl_element, etl_place)%4$s) etl_listed""";

  /** Of two elements with one id the first counts. */
  private static final String ROWS =
      "(SELECT DISTINCT ON (%1$s, %2$s) * FROM %3$s WHERE %4$s AND %2$s IS NOT NULL ORDER BY %1$s, %2$s, etl_place) etl_rows";

  private ListedRowsSql() {}

  /**
   * The elements as a table of their members, with the {@code ctid} of the rows that hold them; the
   * same table if it holds none.
   */
  public static TableSql of(TableSql table) {
    TableBinding elements = table.binding().elements();
    if (elements == null) {
      return table;
    }
    Map<String, String> types = new TreeMap<>();
    elements.sourceColumns().forEach(member -> types.put(member, "text"));
    elements.columns().values().stream()
        .flatMap(column -> column.origin().jsonColumns().stream())
        .forEach(member -> types.put(member, "jsonb"));
    types.put(TableBinding.EXPERIMENT, "int8");
    String values =
        types.keySet().stream()
            .map(member -> value(table, member, types) + " AS " + SqlNames.quoted(member))
            .collect(Collectors.joining(", "));
    String list = table.jsonb(VariantRow.COLUMNS.named("config"));
    String members = MEMBERS.formatted(values, table.name(), list, table.conditions());
    TableSql all = new TableSql(elements, types, members);
    return new TableSql(
        elements,
        types,
        ROWS.formatted(
            SqlNames.quoted(TableBinding.EXPERIMENT),
            all.value(VariantRow.COLUMNS.named("id")),
            members,
            all.where()));
  }

  private static String value(TableSql table, String member, Map<String, String> types) {
    if (member.equals(TableBinding.EXPERIMENT)) {
      return table.value(VariantRow.COLUMNS.named("experiment_id"));
    }
    String operator = types.get(member).equals("jsonb") ? "->" : "->>";
    return "etl_element " + operator + " " + SqlNames.literal(member);
  }
}
