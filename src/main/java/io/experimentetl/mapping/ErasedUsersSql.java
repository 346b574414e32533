package io.experimentetl.mapping;

import io.experimentetl.model.UserRow;
import java.util.List;
import java.util.stream.Collectors;

/** The users whom rows of the source erase, in PostgreSQL's SQL. */
public final class ErasedUsersSql {
  private static final String NAME = "etl_erased";
  private static final String USER = "etl_erased_user";

  private ErasedUsersSql() {}

  /**
   * The entry of a WITH list that {@link TableSql#exceptErased} refers to.
   *
   * @param tables with rows that erase their user
   */
  public static String entry(List<TableSql> tables) {
    return tables.stream()
        .map(ErasedUsersSql::select)
        .collect(
            Collectors.joining(" UNION ALL ", NAME + " (" + USER + ") AS MATERIALIZED (", ")"));
  }

  private static String select(TableSql table) {
    return "SELECT %s FROM %s WHERE %s AND %s"
        .formatted(
            table.value(UserRow.COLUMNS.named("user_id")),
            table.name(),
            table.where(),
            table.matches(table.binding().erasedWhen()));
  }

  /** The condition that no row erases the user. */
  static String excludes(String userId) {
    return "NOT EXISTS (SELECT FROM %s WHERE %s = %s)".formatted(NAME, USER, userId);
  }
}
