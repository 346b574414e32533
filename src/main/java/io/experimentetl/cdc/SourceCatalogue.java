package io.experimentetl.cdc;

import io.experimentetl.model.SourceTable;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/**
 * What PostgreSQL's catalogue says about the captured tables at one moment: everything that decides
 * whether a change reaches the stream. It holds no row's content.
 *
 * @param publication null: it does not exist
 * @param relations the captured tables and, below a partitioned one, all its partitions
 * @param enums the labels of the columns that are read and have an enum type, by table and column
 */
record SourceCatalogue(
    Publication publication,
    List<Relation> relations,
    Map<SourceTable, Map<String, List<String>>> enums) {
  /**
   * The publication that the slot is read with.
   *
   * @param identity its OID: another one means that it was dropped and created again
   * @param options the transaction that wrote its row: another one means that its options were set
   * @param insertsUpdatesDeletes whether it publishes all three
   * @param viaRoot rows of a partition name the partitioned table
   * @param generatedColumns whether it publishes stored generated columns (PostgreSQL 18)
   */
  record Publication(
      String identity,
      String options,
      boolean insertsUpdatesDeletes,
      boolean viaRoot,
      boolean generatedColumns) {}

  /**
   * How a table is in the publication.
   *
   * @param publication see {@link Publication#identity}; empty: there is none
   * @param options see {@link Publication#options}; empty: there is none
   * @param membership OID and writing transaction of the table's row in pg_publication_rel: a table
   *     that was out of the publication has another one; empty: it has no row
   */
  record Membership(String publication, String options, String membership) {}

  /**
   * A captured table, or one of its partitions.
   *
   * @param table the captured table that it is, or belongs to
   * @param name its own name, with the schema if the configuration maps the table; empty: it had
   *     another one, or another schema
   * @param partition whether it is a partition of the captured table
   * @param attachment the transaction that attached the partition, empty for the table itself: a
   *     partition that was detached and attached again has another one
   * @param bound where the partition's rows lie; null: not a partition, or the default partition
   * @param published whether the publication publishes the captured table
   * @param membership how the captured table is in the publication
   * @param rowFilter the publication leaves out rows
   * @param columnList the publication leaves out columns
   * @param fullIdentity REPLICA IDENTITY FULL
   * @param unlogged its changes are not in the WAL
   * @param rowSecurity policies hide rows from the job's role
   * @param fileNode 0 for a partitioned table; changed by every rewrite and by TRUNCATE
   * @param columns the columns that it has and that are read: name and number. A column that was
   *     dropped and added again has another number
   * @param generated the columns that are read and are generated
   */
  record Relation(
      SourceTable table,
      long oid,
      String name,
      boolean partition,
      String attachment,
      String bound,
      boolean published,
      Membership membership,
      boolean rowFilter,
      boolean columnList,
      boolean fullIdentity,
      boolean unlogged,
      boolean rowSecurity,
      long fileNode,
      Map<String, Integer> columns,
      List<String> generated) {

    private Relation with(String otherName, Map<String, Integer> otherColumns) {
      return new Relation(
          table,
          oid,
          otherName,
          partition,
          attachment,
          bound,
          published,
          membership,
          rowFilter,
          columnList,
          fullIdentity,
          unlogged,
          rowSecurity,
          fileNode,
          otherColumns,
          generated);
    }
  }

  /** The captured table and its partitions. */
  List<Relation> of(SourceTable table) {
    return relations.stream().filter(relation -> relation.table() == table).toList();
  }

  /**
   * This catalogue without the columns and the tables' names that the other one lacks, and without
   * those that rows of the stream came without.
   */
  SourceCatalogue without(SourceCatalogue other, Set<StreamGap> gaps) {
    Map<Long, Relation> others =
        other.relations.stream()
            .collect(Collectors.toMap(Relation::oid, relation -> relation, (one, same) -> one));
    return new SourceCatalogue(
        publication,
        relations.stream().map(relation -> without(relation, others, gaps)).toList(),
        enums);
  }

  private static Relation without(
      Relation relation, Map<Long, Relation> others, Set<StreamGap> gaps) {
    Relation same = others.get(relation.oid());
    if (same == null && relation.partition()) {
      return relation;
    }
    boolean isNamed = same != null && !gaps.contains(StreamGap.ofRows(relation.oid()));
    Map<String, Integer> columns = new TreeMap<>(relation.columns());
    columns
        .keySet()
        .removeIf(
            column ->
                (same != null && !same.columns().containsKey(column))
                    || gaps.contains(new StreamGap(relation.oid(), column)));
    return relation.with(isNamed ? relation.name() : "", columns);
  }

  /** This catalogue, with what the other one says about the table. */
  SourceCatalogue with(SourceTable table, SourceCatalogue other) {
    Map<SourceTable, Map<String, List<String>>> labels = new TreeMap<>(enums);
    labels.remove(table);
    if (other.enums.containsKey(table)) {
      labels.put(table, other.enums.get(table));
    }
    return new SourceCatalogue(
        other.publication,
        Stream.concat(
                relations.stream().filter(relation -> relation.table() != table),
                other.of(table).stream())
            .toList(),
        labels);
  }
}
