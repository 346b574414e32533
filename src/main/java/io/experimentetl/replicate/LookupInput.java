package io.experimentetl.replicate;

/**
 * What {@code look-up} reads: a row that names a reference, or the reference itself.
 *
 * @param lookup see {@link io.experimentetl.mapping.ReplicatedTable#idOf}
 * @param reference the values of the other table's key, as one text
 * @param table the name of the row's table in ClickHouse; null: it is the reference itself
 * @param row the row's key; null: it is the reference itself
 * @param sequenceNumber of the change
 * @param present whether the row names the reference from now on, or the reference exists
 * @param values what is looked up, as a {@link io.experimentetl.model.TextList}; null: nothing
 */
public record LookupInput(
    String lookup,
    String reference,
    String table,
    String row,
    long sequenceNumber,
    boolean present,
    String values) {

  /** The lookup and the reference, as text: the hash of a text is the same on every JVM. */
  public static String keyOf(LookupInput input) {
    return input.lookup + "/" + input.reference;
  }
}
