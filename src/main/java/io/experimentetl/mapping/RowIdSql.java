package io.experimentetl.mapping;

import io.experimentetl.model.EventId;
import io.experimentetl.model.SourceColumn;
import java.util.List;
import java.util.Set;
import java.util.function.Predicate;
import java.util.regex.Pattern;

/**
 * Finds rows of a table by their ids, with the index of the id's column where it has one. An id is
 * that of the warehouse: a number made from a text is computed for every row.
 */
public final class RowIdSql {
  private static final Set<String> TEXTS = Set.of("text", "varchar", "bpchar");
  private static final Predicate<String> IS_UUID =
      Pattern.compile("[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}").asMatchPredicate();

  private final TableSql table;
  private final SourceColumn<?> id;
  private final String prefix;
  private final String indexed;
  private final String type;

  public RowIdSql(TableSql table) {
    this.table = table;
    this.id = table.binding().table().columns().all().get(0);
    Origin origin = table.binding().column(id).origin();
    this.prefix = origin instanceof Origin.EventKey key ? EventId.prefix(key.entry()) : "";
    String column = ownColumn(origin);
    String has = column == null ? null : table.type(column);
    boolean isNumber = origin instanceof Origin.Number;
    boolean isIndexed =
        has != null
            && table.binding().column(id).values().isEmpty()
            && (TableSql.INTEGERS.contains(has)
                || (!isNumber && (TEXTS.contains(has) || has.equals("uuid"))));
    this.indexed = isIndexed ? SqlNames.quoted(column) : null;
    this.type = !isIndexed ? null : TableSql.INTEGERS.contains(has) ? "int8" : has;
  }

  private static String ownColumn(Origin origin) {
    Origin own =
        origin instanceof Origin.Number number
            ? number.byKey() ? null : number.text()
            : origin instanceof Origin.EventKey key ? key.text() : origin;
    return own instanceof Origin.Column column ? column.name() : null;
  }

  /** The ids among these that rows of the table can have, as {@link #isOneOf} takes them. */
  public List<String> among(List<String> ids) {
    return ids.stream()
        .filter(own -> own.startsWith(prefix))
        .map(own -> indexed == null ? own : own.substring(prefix.length()))
        .filter(
            own ->
                type == null
                    || switch (type) {
                      case "int8" -> EntityNumber.isInteger(own);
                      case "uuid" -> IS_UUID.test(own);
                      default -> true;
                    })
        .toList();
  }

  /**
   * The condition that a row has one of these ids.
   *
   * @param ids an array of texts, see {@link #among}
   */
  public String isOneOf(String ids) {
    return indexed == null
        ? "%s = ANY (CAST(%s AS text[]))".formatted(id(), ids)
        : "%s = ANY (CAST(%s AS %s[]))".formatted(indexed, ids, type);
  }

  /** The row's id in the warehouse, as a text; of an event the source's, with its entry. */
  public String id() {
    return "(%s)::text".formatted(table.value(id));
  }

  /** The table's name in any statement. */
  public String table() {
    return table.name();
  }
}
