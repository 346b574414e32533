package io.experimentetl.replicate;

/**
 * What a row's reference says.
 *
 * @param lookup see {@link io.experimentetl.mapping.ReplicatedTable#idOf}
 * @param table the name of the row's table in ClickHouse
 * @param row the row's key
 * @param sequenceNumber of the row's change that named the reference
 * @param values what is looked up, as a {@link io.experimentetl.model.TextList}; null: there is no
 *     such row in the other table
 */
public record LookupAnswer(
    String lookup, String table, String row, long sequenceNumber, String values) {}
