package io.experimentetl.postgres.pgoutput;

import java.util.List;

/**
 * A table as the stream announces it before its first row, and again behind a change of it.
 *
 * @param id names the table in the messages of its rows
 * @param schema name of its schema
 * @param columns in the order of its tuples
 */
public record Relation(int id, String schema, String table, List<Column> columns) {

  /**
   * A column of a relation.
   *
   * @param type OID of its type at the time of the change; the catalogue may no longer have it
   */
  public record Column(String name, int type) {}
}
