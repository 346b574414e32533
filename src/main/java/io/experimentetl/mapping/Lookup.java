package io.experimentetl.mapping;

import java.io.Serializable;
import java.util.List;

/**
 * Columns of another captured table that the rows of a replicated table carry in ClickHouse.
 *
 * @param path its place in the configuration, as messages name it
 * @param target the other table: the name of a replicated table in ClickHouse, or {@link #USERS}
 * @param on the columns that name a row of the other table, and the columns of its key
 * @param columns the further columns, and where they come from
 * @param rewrite whether a changed row of the other table changes the rows that name it
 */
public record Lookup(
    String path, String target, List<Names> on, List<Names> columns, boolean rewrite)
    implements Serializable {

  /** The mapped users. */
  public static final String USERS = "users";

  /** The key of the mapped users. */
  public static final String USER_ID = "user_id";

  /** What can be looked up of the mapped users. */
  public static final List<String> OF_USERS = List.of("email", "is_active", "name");

  /**
   * A pair of columns.
   *
   * @param own of the replicated table
   * @param other of the table that is looked up
   */
  public record Names(String own, String other) implements Serializable {}

  public Lookup {
    on = List.copyOf(on);
    columns = List.copyOf(columns);
  }

  /** Whether it looks up the mapped users. */
  public boolean isOfUsers() {
    return target.equals(USERS);
  }

  /** The further columns of the replicated table. */
  public List<String> added() {
    return columns.stream().map(Names::own).toList();
  }

  /** The columns that name a row of the other table. */
  public List<String> reference() {
    return on.stream().map(Names::own).toList();
  }

  /** The other table's key, in the order of {@link #reference}. */
  public List<String> key() {
    return on.stream().map(Names::other).toList();
  }

  /** The columns that are looked up, in the order of {@link #added}. */
  public List<String> lookedUp() {
    return columns.stream().map(Names::other).toList();
  }
}
